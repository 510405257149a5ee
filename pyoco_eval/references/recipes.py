"""Recipes of references: when two are the same, what file holds one, what command makes it."""

import hashlib
import re
import shlex
from collections.abc import Mapping

from pyoco_eval.datasets.catalogue import KNOWN_SETS
from pyoco_eval.extraction.measured_set import RECIPE_KEYS
from pyoco_eval.extraction.networks import Network
from pyoco_eval.extraction.options import Options
from pyoco_eval.extraction.pixel_recipes import pixels_differ
from pyoco_eval.metrics.catalogue import METRICS
from pyoco_eval.metrics.conventions import convention
from pyoco_eval.videos.clip_rule import IMAGES, ClipRule
from pyoco_eval.videos.readers.pixels import rule_of

_SHORT_SUFFIX = re.compile("-(loop|skip)$")


def recipe_differences(a: Mapping[str, str], b: Mapping[str, str]) -> list[str]:
    """Recipe keys on which two sides differ, as `key (here A, there B)`.

    What happens to short videos is told apart by the score's signature, not here: it changes
    nothing for a video that is long enough.
    """
    ours, theirs = comparable(a), comparable(b)
    return [
        f"{key} (here {a.get(key, '-')}, there {b.get(key, '-')})"
        for key in RECIPE_KEYS
        if (pixels_differ(a, b) if key == "rgb" else ours.get(key) != theirs.get(key))
    ]


def comparable(recipe: Mapping[str, str]) -> dict[str, str]:
    """What of a recipe both sides of a comparison must share."""
    found = {key: recipe[key] for key in RECIPE_KEYS if key in recipe}
    if "clip" in found:
        found["clip"] = _SHORT_SUFFIX.sub("", found["clip"])
    if "rgb" in found:
        found["rgb"] = rule_of(found["rgb"]) or ""
    return found


def file_name(recipe: Mapping[str, str]) -> str:
    """Name of the file that holds a reference under this recipe: `i3d-logits-1a2b3c4d.npz`."""
    net = recipe["net"].partition("@")[0]
    content = "\n".join(f"{key}:{value}" for key, value in comparable(recipe).items())
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    return f"{net.partition('-')[0]}-{net.rpartition('-')[2]}-{digest}.npz"


def build_command(
    name: str,
    recipe: Mapping[str, str],
    network: Network,
    options: Options,
    *,
    keep_rows: bool = False,
) -> str:
    """The command that builds reference `name` under this very recipe."""
    rule = convention(network.base)
    clip = ClipRule.parse(recipe["clip"])
    pre_resize, _, resize = recipe["frames"].rpartition(">")
    known = KNOWN_SETS.get(name)
    words = [name]
    words += ["--samples", "PATH/TO/VIDEOS"] if known is None else _data_root(known.dataset)
    words += ["--metrics", rule.metric]
    if METRICS[rule.metric].conventions.get("published") != rule.name:
        words += ["--convention", f"{rule.metric}={rule.name}"]
    if clip == IMAGES:
        words += ["--pictures", "images"]
    else:
        words += ["--num-frames", str(clip.num_frames)]
        words += ["--fps", f"{clip.fps:g}"] if clip.fps else ["--stride", str(clip.stride)]
        words += ["--clip", clip.select]
    for option, value, default in (
        ("--clip-seed", clip.seed, 0),
        ("--hop", clip.hop, None),
        ("--short", clip.short, "error"),
        ("--frames", recipe.get("sel", "all"), "all"),
        ("--pre-resize", pre_resize, ""),
        ("--resize", resize, rule.resize or resize),
        ("--pixels", rule_of(recipe.get("rgb")) or rule.pixels, rule.pixels),
        ("--decoder", options.decoder, "pyav"),
        ("--precision", recipe.get("prec", "fp32").removesuffix("-emulated"), "fp32"),
    ):
        if value != default:
            words += [option, str(value)]
    for key, path in options.weights.items():
        words += ["--weights", f"{key}={path}"]
    for key in sorted(options.trust):
        words += ["--trust", key]
    words += ["--keep-rows"] if keep_rows else []
    return "pyoco-eval reference build " + shlex.join(words)


def _data_root(dataset: str) -> list[str]:
    return ["--data-root", f"PATH/TO/{dataset.upper()}"]
