"""Finding the reference side: a folder of videos, a stored file, or a name."""

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.metrics.conventions import Convention, convention
from pyoco_eval.metrics.signature import KEYS
from pyoco_eval.resources import resource_folder, user_folder
from pyoco_eval.scoring.networks import Network
from pyoco_eval.scoring.options import Options
from pyoco_eval.scoring.sides import RECIPE_KEYS, Side, side_from_file
from pyoco_eval.statistics.files import kind_of, looks_stored
from pyoco_eval.videos.clip_frames import ClipRule

DEFAULT_REFERENCE = {"published": "ucf101", "embedded": "shapes"}
KNOWN_REFERENCES = {
    "ucf101": "UCF-101, 101 classes, 13,320 videos with all splits",
    "msrvtt": "MSR-VTT, 2,990 test videos",
    "shapes": "held-out moving shapes, shipped with the package",
}
WHOLE = {"ucf101": 13_320, "msrvtt": 2_990}
"""Videos in the whole of a known reference."""


def name_of(reference: object) -> str | None:
    """The known reference that `reference` names, or None if it is a path or videos.

    Raises:
        UsageError: it could be either.
    """
    if not isinstance(reference, str) or reference not in KNOWN_REFERENCES:
        return None
    if Path(reference).exists():
        raise UsageError(
            f"--reference {reference} is the name of a known reference and of something in this "
            f"folder; write ./{reference} for the latter, or leave the option out for the former"
        )
    return reference


def stored_side(path: Path) -> Side | None:
    """The side in a features or statistics file; None if `path` holds videos.

    Raises:
        UsageError: a bare mu/sigma file, which does not say how it was made.
        PyocoEvalError: a features or statistics file that is damaged or of another version.
    """
    if not path.is_file() or path.suffix != ".npz":
        return None
    kind = kind_of(path)
    if kind is None and looks_stored(path):
        raise PyocoEvalError(
            f"{path}: a file of features or statistics that is damaged or was written by another "
            "version; write it again with `pyoco-eval features`"
        )
    if kind == "mu-sigma":
        raise UsageError(
            f"{path}: holds mu and sigma without a recipe, so nothing says what it may be compared "
            "with; extract features of its videos with `pyoco-eval features`"
        )
    return None if kind is None else side_from_file(path, kind)


def named_side(name: str, recipe: Mapping[str, str], network: Network, options: Options) -> Side:
    """The stored statistics of a known reference under this recipe.

    Raises:
        MissingError: none match; the message says how to build them.
    """
    shipped = resource_folder("reference_stats") / name
    own = user_folder() / "references" / name
    rejected = []
    for path in sorted([*shipped.glob("*.npz"), *own.glob("*.npz")]):
        kind = kind_of(path)
        if kind not in ("features", "statistics"):
            continue
        side = side_from_file(path, kind)
        differences = recipe_differences(recipe, side.recipe)
        if not differences:
            return replace(side, name=name)
        if side.recipe["net"].partition("-")[0] == network.extractor:
            rejected.append(f"  {path}: other {', '.join(differences)}")
    message = (
        f"no statistics of reference {name} ({KNOWN_REFERENCES[name]}) for this recipe:\n"
        + "".join(f"  {key}:{recipe[key]}\n" for key in RECIPE_KEYS if key in recipe)
    )
    if rejected:
        message += "found, but not comparable:\n" + "\n".join(rejected) + "\n"
    if name != "shapes":
        message += (
            "Build them once from your copy of its videos; they are then found by themselves:\n"
            f"  {_build_command(name, own, recipe, network, options)}\n"
            "or name your own reference with --reference PATH (a folder of videos, or a file "
            "written by `pyoco-eval features`)."
        )
    else:
        message += "Write clips to compare with (`pyoco-eval shapes --help`), then --reference DIR."
    raise MissingError(message)


def _build_command(
    name: str, folder: Path, recipe: Mapping[str, str], network: Network, options: Options
) -> str:
    """The command that makes this very recipe and puts the file where it is looked for."""
    clip = ClipRule.parse(recipe["clip"])
    pre_resize, _, resize = recipe["frames"].rpartition(">")
    layer = recipe["net"].rpartition("@")[0].rpartition("-")[2]
    words = ["--samples", f"PATH/TO/{name.upper()}", "--extractor", network.extractor]
    words += ["--convention", network.base, "--layer", layer]
    words += ["--num-frames", str(clip.num_frames)]
    words += ["--fps", f"{clip.fps:g}"] if clip.fps else ["--stride", str(clip.stride)]
    words += ["--clip", clip.select]
    for option, value, default in (
        ("--clip-seed", clip.seed, 0),
        ("--hop", clip.hop, None),
        ("--short", clip.short, "error"),
        ("--frames", recipe.get("sel", "all"), "all"),
        ("--pre-resize", pre_resize, ""),
        ("--resize", resize, convention(network.base).resize or resize),
        ("--decoder", options.decoder, "pyav"),
    ):
        if value != default:
            words += [option, str(value)]
    for key, path in options.weights.items():
        words += ["--weights", f"{key}={path}"]
    content = "\n".join(f"{key}:{recipe[key]}" for key in RECIPE_KEYS if key in recipe)
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    words += ["--out", str(folder / f"{network.extractor}-{layer}-{digest}.npz")]
    return "pyoco-eval features " + shlex.join(words)


def recipe_differences(a: Mapping[str, str], b: Mapping[str, str]) -> list[str]:
    """Recipe keys on which two sides differ, as `key (here A, there B)`."""
    return [
        f"{key} (here {a.get(key, '-')}, there {b.get(key, '-')})"
        for key in RECIPE_KEYS
        if a.get(key) != b.get(key)
    ]


def require_same_recipe(
    recipe: Mapping[str, str], side: Side | None, reference_recipe: Mapping[str, str]
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
        )


def require_made_for(
    stored: Side, network: Network, rule: Convention, options: Options, argument: str
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
