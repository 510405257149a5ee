"""The signature's `rgb` key: what older files mean by it, what compares, what is warned of."""

from collections.abc import Mapping

from pyoco_eval.videos.readers.pixels import Storage, rgb_label, rule_of, storages_of

_STORAGE_OF_DECODER: Mapping[str, Storage] = {
    "pyav": "video",
    "decord": "video",
    "pillow": "pictures",
}
_WORDS: Mapping[str, str] = {
    "video": "video files",
    "pictures": "pictures",
    "stored": "arrays",
}


def with_pixels(recipe: Mapping[str, str]) -> dict[str, str]:
    """A stored recipe; one without the key was read exactly, or by decord, which is a peer."""
    found = dict(recipe)
    decoders = [label.partition("-")[0] for label in str(found.get("dec", "")).split("+")]
    storages = [_STORAGE_OF_DECODER.get(name, "stored") for name in decoders]
    label = rgb_label("peer" if "decord" in decoders else "exact", storages)
    if "rgb" not in found and label is not None:
        found["rgb"] = label
    return found


def pixels_differ(a: Mapping[str, str], b: Mapping[str, str]) -> bool:
    """Whether two sides were read by different rules; arrays go with either."""
    rules = {rule_of(recipe.get("rgb")) for recipe in (a, b)} - {None}
    return len(rules) > 1


def storage_warning(generated: Mapping[str, str], reference: Mapping[str, str]) -> str | None:
    """Said where one side is compressed video and the other is not, or not all of it."""
    ours, theirs = (storages_of(recipe.get("rgb")) for recipe in (generated, reference))
    if not ours or not theirs or ours == theirs or "video" not in ours | theirs:
        return None
    return (
        f"The samples are {_told(ours)}, the reference {_told(theirs)}. The same frames as mp4 and "
        "as PNG or arrays give different scores: how video became RGB is signed (rgb), how the "
        "other frames did is not known here. Store both sides alike."
    )


def _told(storages: frozenset[str]) -> str:
    return " and ".join(_WORDS[storage] for storage in sorted(storages))
