"""From two sides and a convention to the signature and warnings of a score."""

from typing import Final

from pyoco_eval.datasets.catalogue import KNOWN_SETS
from pyoco_eval.extraction.measured_set import MeasuredSet
from pyoco_eval.extraction.pixel_recipes import storage_warning
from pyoco_eval.metrics.conventions import Convention
from pyoco_eval.metrics.interval import Interval
from pyoco_eval.metrics.sample_floor import frechet_floor
from pyoco_eval.metrics.signature import Signature
from pyoco_eval.version import __version__

BIASED_INTERVAL = (
    "The interval is for the score that infinitely many videos would give; the score itself is "
    "off by the bias of its finite number."
)

_PARTS = {"limit": "quarters", "bounds": "bounds"}
"""How a Fréchet distance's interval is made, by its target; other scores are divided in halves."""


FEW_VIDEOS: Final = 32
"""Frames of fewer videos are hardly a sample."""


def frechet_kind(interval: Interval) -> str:
    """The kind that `interval_label` wants for the interval of a Fréchet distance."""
    return _PARTS[interval.target]


def sign(recipe: dict[str, str], rule: Convention, floor: str | None) -> Signature:
    """The signature of a finished recipe."""
    return Signature.of({**recipe, "floor": floor, "label": rule.label, "v": __version__})


def joint_recipe(generated: MeasuredSet, reference: MeasuredSet) -> dict[str, str]:
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


def interval_label(
    interval: Interval, kind: str, generated: MeasuredSet, reference: MeasuredSet | None = None
) -> str:
    """Value of the signature's `ci` key."""
    label = f"{kind}{interval.num_resamples}-{interval.level:.0%}-seed{interval.seed}"
    exact = reference is not None and reference.features is None
    return label + grouping_label(generated, reference) + ("-refexact" if exact else "")


def grouping_label(generated: MeasuredSet, reference: MeasuredSet | None) -> str:
    """What was kept together beyond the rows of one video: `-by(ucf101)`, of both sides where they
    differ; empty where nothing was.
    """
    rules = [side.grouping.rule or "video" for side in (generated, reference) if side is not None]
    if reference is not None and reference.features is None:
        del rules[1]
    if set(rules) == {"video"}:
        return ""
    return f"-by({'/'.join(dict.fromkeys(rules))})"


def grouping_extras(
    generated: MeasuredSet, reference: MeasuredSet | None = None
) -> dict[str, float]:
    """Numbers of groups, and how much fewer rows count for standing in groups, where they do."""
    found: dict[str, float] = {}
    sides = {"": generated} if reference is None else {"": generated, "reference_": reference}
    for prefix, side in sides.items():
        if side.grouping.rule is not None:
            found[f"num_{prefix}groups"] = side.grouping.count
            if side.grouping.design_effect is not None:
                found[f"{prefix}design_effect"] = side.grouping.design_effect
    return found


def interval_extras(interval: Interval | None) -> dict[str, float | int | str | list[float]]:
    """What it takes to read the interval, and to compare it with another that was made alike."""
    if interval is None:
        return {}
    found: dict[str, float | int | str | list[float]] = {
        "interval_target": interval.target,
        "interval_deviation": interval.deviation,
        "interval_names": "/".join(interval.names),
    }
    if interval.halves:
        found["interval_halves"] = list(interval.halves)
    if interval.errors:
        found["interval_errors"] = list(interval.errors)
    if interval.centre is not None:
        found["interval_centre"] = interval.centre
    if interval.limits is not None:
        found["interval_limits"] = list(interval.limits)
    return found


def interval_warnings(interval: Interval | None) -> tuple[str, ...]:
    """What a reader must know of the interval of a score."""
    if interval is None:
        return ()
    biased = (BIASED_INTERVAL,) if interval.target == "limit" else ()
    return (*biased, *interval.warnings)


def bounds(interval: Interval | None) -> tuple[float, float] | None:
    """Both ends of an interval, if there is one."""
    return None if interval is None else (interval.low, interval.high)


def side_warnings(side: MeasuredSet, floor: str | None) -> list[str]:
    """What a reader must know of one side."""
    found = []
    known = KNOWN_SETS.get(side.name)
    if known is not None and side.num_videos != known.num_videos:
        found.append(
            f"The reference {side.name} is made of {side.num_videos:,} videos here; the whole of "
            f"it has {known.num_videos:,}."
        )
    found += side.grouping.warnings
    if side.imported:
        found.append(
            f"The reference {side.name} was imported from another tool: that it was made by this "
            "recipe, from this many rows, is the word of whoever imported it."
        )
    if floor is not None:
        found.append("Below the sample floor: this number mostly measures the sample size.")
    if side.recipe.get("size") == "mixed":
        found.append(f"{side.name}: frames are of several sizes; each was resized by itself.")
    frames = "sel" in side.recipe and side.recipe["clip"] != "images"
    if frames and side.count > side.num_videos < FEW_VIDEOS:
        found.append(
            f"{side.name}: {side.count:,} rows are frames of {side.num_videos} videos; frames of "
            "one video are alike, so the score tells of these videos more than of a model."
        )
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


def effective_warnings(side: MeasuredSet) -> list[str]:
    """A warning if rows in groups are worth fewer independent ones than the distance needs."""
    effect, floor = side.grouping.design_effect, frechet_floor(side.dim())
    if effect is None or side.count / effect >= floor > 0:
        return []
    return [
        f"{side.name}: {side.count:,} rows in {side.grouping.count:,} groups are worth about "
        f"{side.count / effect:,.0f} independent ones (design effect {effect:.2f}), fewer than the "
        f"{floor} that {side.dim()} features need: the distance mostly measures their number."
    ]


def joint_warnings(generated: MeasuredSet, reference: MeasuredSet, floor: str | None) -> list[str]:
    """What a reader must know of a comparison of two sides."""
    found = side_warnings(generated, floor) + side_warnings(reference, None)
    mixed = storage_warning(generated.recipe, reference.recipe)
    if mixed is not None:
        found.append(mixed)
    if generated.digest == reference.digest:
        found.append("Both sides hold the same videos, so a perfect score is no achievement.")
    return list(dict.fromkeys(found))
