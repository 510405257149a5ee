"""Finding the reference side: a folder of videos, a stored file, or a name."""

import hashlib
import shlex
from collections.abc import Mapping
from pathlib import Path

from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.metrics.signature import KEYS
from pyoco_eval.resources import resource_folder, user_folder
from pyoco_eval.scoring.networks import Network
from pyoco_eval.scoring.options import Options
from pyoco_eval.scoring.sides import RECIPE_KEYS, Side, side_from_file
from pyoco_eval.statistics.files import kind_of

DEFAULT_REFERENCE = {"published": "ucf101", "embedded": "shapes"}
KNOWN_REFERENCES = {
    "ucf101": "UCF-101 (13,320 videos, 101 classes)",
    "msrvtt": "MSR-VTT test (2,990 videos)",
    "shapes": "held-out moving shapes, shipped with the package",
}


def is_name(reference: str | Path) -> bool:
    """Whether `reference` is the name of a known reference and not a path."""
    return str(reference) in KNOWN_REFERENCES and not Path(reference).exists()


def stored_side(path: Path) -> Side | None:
    """The side in a features or statistics file; None if `path` holds videos.

    Raises:
        UsageError: a bare mu/sigma file, which does not say how it was made.
    """
    if not path.is_file() or path.suffix != ".npz":
        return None
    kind = kind_of(path)
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
            return side
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
    clip = options.clip
    words = ["--samples", f"PATH/TO/{name.upper()}", "--extractor", network.extractor]
    if network.conv != "custom":
        words += ["--convention", network.conv]
    words += ["--layer", network.layer, "--num-frames", str(clip.num_frames)]
    words += ["--fps", f"{clip.fps:g}"] if clip.fps else ["--stride", str(clip.stride)]
    words += ["--clip", clip.select]
    for option, value, default in (
        ("--clip-seed", clip.seed, 0),
        ("--hop", clip.hop if clip.select == "all" else None, None),
        ("--short", clip.short, "error"),
        ("--frames", options.frames.spec() if "sel" in recipe else "all", "all"),
        ("--pre-resize", options.pre_resize and options.pre_resize.spec(), None),
        ("--resize", options.resize and options.resize.spec(), None),
        ("--decoder", options.decoder, "pyav"),
    ):
        if value != default:
            words += [option, str(value)]
    for key, path in options.weights.items():
        words += ["--weights", f"{key}={path}"]
    content = "\n".join(f"{key}:{recipe[key]}" for key in RECIPE_KEYS if key in recipe)
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    words += ["--out", str(folder / f"{network.extractor}-{network.layer}-{digest}.npz")]
    return "pyoco-eval features " + shlex.join(words)


def recipe_differences(a: Mapping[str, str], b: Mapping[str, str]) -> list[str]:
    """Recipe keys on which two sides differ, as `key (here A, there B)`."""
    return [
        f"{key} (here {a.get(key, '-')}, there {b.get(key, '-')})"
        for key in RECIPE_KEYS
        if a.get(key) != b.get(key)
    ]


def require_same_recipe(generated: Side, reference: Side) -> None:
    """Refuse to compare what was not made alike.

    Raises:
        PyocoEvalError: naming every key that differs and what it means.
    """
    differences = recipe_differences(generated.recipe, reference.recipe)
    if differences:
        lines = "\n".join(f"  {line}  — {KEYS[line.split(' ')[0]]}" for line in differences)
        raise PyocoEvalError(
            f"reference {reference.name} was made by another recipe than {generated.name}:\n"
            f"{lines}\n"
            "Extract both sides alike (the same options to `pyoco-eval features`), or give the "
            "reference as a folder of videos."
        )
