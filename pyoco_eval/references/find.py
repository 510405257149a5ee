"""Finding the reference side: a folder of videos, a stored file, or a name."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pyoco_eval.datasets.catalogue import KNOWN_SETS
from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.extraction.measured_set import RECIPE_KEYS, MeasuredSet, side_from_file
from pyoco_eval.extraction.networks import Network
from pyoco_eval.extraction.options import Options
from pyoco_eval.extraction.pixel_recipes import pixels_differ, with_pixels
from pyoco_eval.metrics.catalogue import METRICS
from pyoco_eval.metrics.conventions import Convention, convention
from pyoco_eval.metrics.signature import KEYS
from pyoco_eval.references.files import (
    folders,
    has_name,
    list_references,
    unknown_reference,
)
from pyoco_eval.references.recipes import build_command, recipe_differences
from pyoco_eval.statistics.files import kind_of, looks_stored, read_header
from pyoco_eval.videos.readers.array_files import holds_pictures

SHIPPED = "shapes"
DEFAULT_REFERENCE = {"published": "ucf101", "embedded": SHIPPED}
KNOWN_REFERENCES: Mapping[str, str] = {
    **{name: known.about for name, known in KNOWN_SETS.items()},
    SHIPPED: "held-out moving shapes, shipped with the package",
}


def name_of(reference: object) -> str | None:
    """The reference that `reference` names, known or built; None if it is a path or videos.

    Raises:
        UsageError: it could be either, or is neither.
    """
    if not isinstance(reference, str):
        return None
    is_path = Path(reference).exists()
    if reference not in KNOWN_REFERENCES and not has_name(reference):
        if is_path:
            return None
        names = [file.name for file in list_references()]
        raise UsageError(
            f"--reference {reference}: {unknown_reference(reference, [*KNOWN_REFERENCES, *names])}"
        )
    if is_path:
        raise UsageError(
            f"--reference {reference} is the name of a stored reference and of something in this "
            f"folder; write ./{reference} for the latter, or leave the option out for the default"
        )
    return reference


def stored_side(path: Path) -> MeasuredSet | None:
    """The side in a features or statistics file; None if `path` holds videos or images.

    Reference batches of image generators hold mean and covariance beside the images (`arr_0`): it
    is the images that count, for nothing says how the statistics were made.

    Raises:
        UsageError: a bare mu/sigma file, which does not say how it was made.
        PyocoEvalError: a features or statistics file that is damaged or of another version.
    """
    if not path.is_file() or path.suffix != ".npz":
        return None
    kind = kind_of(path)
    if kind == "mu-sigma" and holds_pictures(path):
        return None
    if kind is None and looks_stored(path):
        raise PyocoEvalError(
            f"{path}: a file of features or statistics that is damaged or was written by another "
            "version; write it again with `pyoco-eval features`"
        )
    if kind == "mu-sigma":
        raise UsageError(
            f"{path}: holds mu and sigma without a recipe, so nothing says what it may be compared "
            "with; state it with `pyoco-eval reference import`, or extract features of its videos "
            "with `pyoco-eval features`"
        )
    return None if kind is None else side_from_file(path, kind)


def named_side(
    name: str, recipe: Mapping[str, str], network: Network, options: Options
) -> MeasuredSet:
    """The stored statistics or rows of reference `name` under this recipe; rows where both are.

    Raises:
        MissingError: none match; the message says how to build them.
        PyocoEvalError: the one that matches is damaged.
    """
    needs_rows = not METRICS[convention(network.base).metric].from_moments
    matching, rejected = [], []
    for path in sorted(path for folder in folders(name) for path in folder.glob("*.npz")):
        try:
            kind, there = kind_of(path), read_header(path).get("recipe")
        except PyocoEvalError as error:
            rejected.append(f"  {error}")
            continue
        if not isinstance(there, dict) or not isinstance(there.get("net"), str):
            rejected.append(f"  {path}: its header has no recipe")
        elif differences := recipe_differences(recipe, with_pixels(there)):
            if there["net"].partition("-")[0] == network.extractor:
                rejected.append(f"  {path}: other {', '.join(differences)}")
        elif kind == "features":
            return replace(side_from_file(path, kind), name=name)
        elif needs_rows:
            rejected.append(f"  {path}: holds no rows, which {network.base} needs")
        else:
            matching.append(path)
    if matching:
        return replace(side_from_file(matching[0], "statistics"), name=name)
    raise MissingError(_not_built(name, recipe, network, options, rejected, needs_rows=needs_rows))


def _not_built(
    name: str,
    recipe: Mapping[str, str],
    network: Network,
    options: Options,
    rejected: Sequence[str],
    *,
    needs_rows: bool,
) -> str:
    about = KNOWN_REFERENCES.get(name, "your own")
    lines = [f"no statistics of reference {name} ({about}) for this recipe:"]
    lines += [f"  {key}:{recipe[key]}" for key in RECIPE_KEYS if key in recipe]
    if rejected:
        lines += ["found, but not usable:", *rejected]
    if name == SHIPPED:
        lines.append(
            "Write clips to compare with (`pyoco-eval shapes --help`), then --reference DIR."
        )
        return "\n".join(lines)
    command = build_command(
        name, recipe, network, options, keep_rows=bool(options.interval or options.extrapolate)
    )
    kept = "rows" if needs_rows else "statistics"
    lines += [
        f"Build its {kept} once from your copy of its videos; they are then found by themselves:",
        f"  {command}",
        "or name your own reference with --reference PATH (a folder of videos, or a file "
        "written by `pyoco-eval features`).",
    ]
    return "\n".join(lines)


_ONE_OF_IMAGES = (
    " Frames of videos compare with images by --reference-clip images, images with frames by "
    "--reference-clip 16f-s1-first and such; --pictures images or frames says what pictures are."
)


def require_same_recipe(
    recipe: Mapping[str, str], side: MeasuredSet | None, reference_recipe: Mapping[str, str]
) -> None:
    """Refuse to compare what was not made alike.

    Args:
        recipe: of the generated side.
        side: the stored reference, None for videos.
        reference_recipe: of the reference.

    Raises:
        PyocoEvalError: naming every key that differs and what it means.
    """
    differences = recipe_differences(recipe, reference_recipe)
    if differences:
        name = "of videos" if side is None else side.name
        lines = "\n".join(f"  {line}  — {KEYS[line.split(' ')[0]]}" for line in differences)
        raise PyocoEvalError(
            f"the reference {name} and the samples were made by other recipes:\n{lines}\n"
            "Extract both sides alike (the same options to `pyoco-eval features`), or give both "
            "as folders of videos."
            + (_ONE_OF_IMAGES if "images" in (recipe["clip"], reference_recipe["clip"]) else "")
        )


def require_made_for(
    stored: MeasuredSet, network: Network, rule: Convention, options: Options, argument: str
) -> None:
    """Refuse stored features that were not made as the convention and the options say.

    Options left at their defaults say nothing.

    Raises:
        UsageError: naming what differs.
    """
    recipe = stored.recipe
    if not (recipe["net"].startswith(f"{rule.extractor}-") and f"-{rule.layer}@" in recipe["net"]):
        raise UsageError(
            f"{argument} holds features of {recipe['net']}; {rule.metric} under {rule.name} needs "
            f"--extractor {rule.extractor} --layer {rule.layer}"
        )
    usual = Options()
    asked = {
        "frames": None if network.resize is None else network.resize.spec(),
        "scale": network.scaling or None,
        "clip": None if options.clip == usual.clip else options.clip.spec(),
        "sel": None if options.frames == usual.frames else options.frames.spec(),
    }
    if pixels_differ(recipe, {"rgb": network.pixels}):
        asked["rgb"] = network.pixels
    held = {**recipe, "frames": recipe["frames"].rpartition(">")[2]}
    if options.pre_resize is not None:
        asked["frames"] = f"{options.pre_resize.spec()}>{asked['frames']}"
        held["frames"] = recipe["frames"]
    wrong = [
        f"{key}:{held.get(key, '-')} (asked for: {value})"
        for key, value in asked.items()
        if value is not None and held.get(key) != value
    ]
    if wrong:
        raise UsageError(f"{argument} holds features made with {', '.join(wrong)}; extract again")
