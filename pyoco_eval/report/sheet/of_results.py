"""Runs of one protocol as one sheet of a report, each arm a row."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyoco_eval.metrics.signature import Signature
from pyoco_eval.records.results import Arm, Results
from pyoco_eval.report.sheet.sheet import (
    EMBEDDED_REASON,
    FORCED_REASON,
    UNVERIFIED_REASON,
    Sheet,
    flatten,
)


def sheet_of_results(runs: Sequence[tuple[str, Path, Results]]) -> Sheet:
    """Runs of one protocol as one sheet.

    Args:
        runs: (name, path of the file, what it holds), all of one protocol and version.
    """
    first = runs[0][2]
    arms: list[Arm] = []
    folders: dict[str, Path] = {}
    for run_name, run_path, results in runs:
        for arm in results.arms:
            renamed = arm
            if len(runs) > 1:
                title = run_name if len(results.arms) == 1 else f"{run_name}: {arm.title}"
                renamed = arm.model_copy(update={"key": f"{run_name}/{arm.key}", "title": title})
            arms.append(renamed)
            folders[renamed.key] = run_path.resolve().parent
    reasons: list[str] = []
    for run_name, _, results in runs:
        before = f"{run_name}: " if len(runs) > 1 else ""
        if results.reduced:
            reasons.append(f"{before}Counts were reduced ({results.reduced}).")
        if results.embedded:
            reasons.append(before + EMBEDDED_REASON)
        reasons += [before + sentence for sentence in results.deviations]
        reasons += [before + sentence for sentence in _doubts(results)]
    stages = [
        (" ".join(filter(None, [before, stage.stage, stage.arm, "(reused)" * stage.reused])), stage)
        for before, results in ((n if len(runs) > 1 else "", r) for n, _, r in runs)
        for stage in results.stages
    ]
    protocol = first.protocol
    return Sheet(
        title=protocol.title,
        kicker=_kicker([results for _, _, results in runs]),
        created=max(results.created for _, _, results in runs),
        columns=tuple({c.key: c for _, _, results in runs for c in results.columns}.values()),
        arms=tuple(arms),
        comparable=not reasons and all(results.comparable for _, _, results in runs),
        reasons=tuple(reasons),
        cites=protocol.cites,
        published=tuple(first.published),
        figure=first.figure,
        recipe=_sections(protocol.recipe | {"sha256": protocol.sha256}),
        open_points=tuple(protocol.open_points),
        timings=tuple((what, stage.seconds) for what, stage in stages),
        machines={
            n: flatten({"version": r.version, "code": r.code, "environment": r.environment})
            for n, _, r in runs
        },
        warnings=tuple(dict.fromkeys(w for _, _, r in runs for w in r.warnings)),
        folders=folders,
    )


def _kicker(runs: Sequence[Results]) -> str:
    """The protocol as the signatures of all runs name it, its name alone where they differ."""
    labels = {run.protocol.label for run in runs}
    protocol = runs[0].protocol
    label = labels.pop() if len(labels) == 1 else ""
    return label or f"{protocol.name}@{protocol.version}"


def _doubts(results: Results) -> list[str]:
    """What the file itself holds against a comparison, whatever it says of it."""
    recipes = [
        Signature.parse(score.signature).as_dict() for arm in results.arms for score in arm.scores
    ]
    found = [FORCED_REASON] if any("floor" in recipe for recipe in recipes) else []
    if any(recipe.get("net", "").endswith("-unverified") for recipe in recipes):
        found.append(UNVERIFIED_REASON)
    text = json.dumps(results.protocol.recipe, sort_keys=True, ensure_ascii=True)
    if hashlib.sha256(text.encode()).hexdigest() != results.protocol.sha256:
        found.append("The recipe in the results is not the one that their sha256 names.")
    return found


def _sections(recipe: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    plain = {key: value for key, value in recipe.items() if not isinstance(value, Mapping | list)}
    sections = {"protocol": flatten(plain)} if plain else {}
    for key, value in recipe.items():
        if key not in plain:
            sections[key] = flatten(value)
    return sections
