"""From two sides and a convention to the signature and warnings of a score."""

from pyoco_eval.metrics.conventions import Convention
from pyoco_eval.metrics.resampling import Interval
from pyoco_eval.metrics.signature import Signature
from pyoco_eval.scoring.pixel_recipes import storage_warning
from pyoco_eval.scoring.references import WHOLE
from pyoco_eval.scoring.sides import Side
from pyoco_eval.version import __version__

BIASED_INTERVAL = (
    "The interval is for the score that infinitely many videos would give; the score itself is "
    "off by the bias of its finite number."
)


def sign(recipe: dict[str, str], rule: Convention, floor: str | None) -> Signature:
    """The signature of a finished recipe."""
    return Signature.of({**recipe, "floor": floor, "label": rule.label, "v": __version__})


def joint_recipe(generated: Side, reference: Side) -> dict[str, str]:
    """The recipe of the generated side, completed by what concerns the reference."""
    recipe = dict(generated.recipe)
    recipe |= {
        "n": f"{generated.count}/{reference.count}",
        "size": f"{generated.recipe['size']}/{reference.recipe['size']}",
        "ref": reference.label(),
    }
    for key in ("clip", "pics", "times", "dec", "input", "left", "skip"):
        ours, theirs = (side.recipe.get(key, "-") for side in (generated, reference))
        if ours != theirs or (key in ("skip", "left", "times") and ours != "-"):
            recipe[key] = f"{ours}/{theirs}"
    if recipe.get("rgb") != reference.recipe.get("rgb"):
        labels = (side.recipe.get("rgb", "stored") for side in (generated, reference))
        recipe["rgb"] = "/".join(labels)
    return recipe


def interval_label(interval: Interval, kind: str, reference: Side | None) -> str:
    """Value of the signature's `ci` key."""
    label = f"{kind}{interval.num_resamples}-{interval.level:.0%}-seed{interval.seed}"
    exact = reference is not None and reference.features is None
    return label + ("-refexact" if exact else "")


def interval_extras(interval: Interval | None) -> dict[str, float]:
    """Centre and standard error, for comparing scores."""
    if interval is None:
        return {}
    return {"interval_centre": interval.centre, "interval_deviation": interval.deviation}


def interval_warnings(interval: Interval | None) -> tuple[str, ...]:
    """What a reader must know of the interval of a biased score."""
    return () if interval is None else (BIASED_INTERVAL, *interval.warnings)


def bounds(interval: Interval | None) -> tuple[float, float] | None:
    return None if interval is None else (interval.low, interval.high)


def side_warnings(side: Side, floor: str | None) -> list[str]:
    """What a reader must know of one side."""
    found = []
    whole = WHOLE.get(side.name)
    if whole is not None and side.num_videos != whole:
        found.append(
            f"The reference {side.name} is made of {side.num_videos:,} videos here; the whole of "
            f"it has {whole:,}."
        )
    if side.imported:
        found.append(
            f"The reference {side.name} was imported from another tool: that it was made by this "
            "recipe, from this many rows, is the word of whoever imported it."
        )
    if floor is not None:
        found.append("Below the sample floor: this number mostly measures the sample size.")
    found += side.notes
    if side.skipped:
        total = len(side.skipped) + side.num_videos
        found.append(
            f"{side.name}: {len(side.skipped)} of {total} videos were left out; "
            "the record says why."
        )
    if side.recipe["net"].endswith("-unverified"):
        network = side.recipe["net"].partition("-")[0]
        found.append(
            f"The {network} weights are not the published file (or its hash is not known): this "
            "number compares only with others from the same weights."
        )
    return found


def joint_warnings(generated: Side, reference: Side, floor: str | None) -> list[str]:
    """What a reader must know of a comparison of two sides."""
    found = side_warnings(generated, floor) + side_warnings(reference, None)
    mixed = storage_warning(generated.recipe, reference.recipe)
    if mixed is not None:
        found.append(mixed)
    if generated.digest == reference.digest:
        found.append("Both sides hold the same videos, so a perfect score is no achievement.")
    return list(dict.fromkeys(found))
