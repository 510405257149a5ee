"""What a probe found, as signed scores, a record, and the sentences a reader must know."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pyoco_eval import provenance
from pyoco_eval.metrics.base import Score
from pyoco_eval.metrics.signature import Signature, token
from pyoco_eval.probe.correlation import FEW_VIDEOS, PairCorrelation, Similarity
from pyoco_eval.probe.fit import Fit, better_fit
from pyoco_eval.probe.inversion_pass import Inverted, resize_rule
from pyoco_eval.probe.invert import InversionSettings, RoundTrip
from pyoco_eval.probe.options import ProbeOptions
from pyoco_eval.records.record import Record, ScoreRecord, SourceRecord
from pyoco_eval.version import __version__
from pyoco_eval.videos.source import VideoSource

TRUSTED_ERROR = 0.1
"""Largest relative L2 error of the round trip, and change of maps with twice the steps."""

USUAL_STD, TRUSTED_STD = (0.8, 1.25), (0.5, 2.0)
"""Standard deviations of inverted noise; 1 for frames that the model itself could have made."""


class ProbeRecord(Record):
    """A record with everything else that a probe measured."""

    probe: dict[str, Any]


@dataclass(frozen=True)
class Probe:
    """The result of a probe.

    Attributes:
        similarity: Table 1 and similarity against frame distance.
        fits: the mixed and the progressive prior.
        round_trip: what inverting and sampling loses, at several numbers of steps.
        num_steps: of the ODE in use.
        noise: mean over videos of `mean`, `std`, `kurtosis` and `alignment` of the maps.
        prior: spec of the measured prior, with its hash.
        signature: the recipe.
        warnings: sentences a reader must know.
        record: for the JSON file.
    """

    similarity: Similarity
    fits: tuple[Fit, Fit]
    round_trip: RoundTrip
    num_steps: int
    noise: Mapping[str, float]
    prior: str
    signature: Signature
    warnings: tuple[str, ...]
    record: ProbeRecord

    @property
    def best(self) -> Fit:
        """The parametric prior that fits better."""
        return better_fit(self.fits)


def recipe_of(walk: InversionSettings, options: ProbeOptions, decoder: str) -> dict[str, str]:
    """What decides about the value of a noise map: signature keys known before any is made."""
    recipe = {
        "net": walk.model.name,
        "clip": options.clip.signed(),
        "frames": resize_rule(options, walk).spec(),
        "ode": walk.spec(),
        "dec": decoder,
    }
    if options.captions:
        recipe["text"] = "captions"
    elif options.prompt is not None:
        recipe["text"] = f"prompt@{_short(options.prompt.encode())}"
    if options.value_range is not None:
        recipe["input"] = f"{options.value_range}-{options.quantise}"
    return recipe


def describe(
    source: VideoSource,
    num_chosen: int,
    inverted: Inverted,
    similarity: Similarity,
    fits: tuple[Fit, Fit],
    round_trip: RoundTrip,
    prior: str,
    walk: InversionSettings,
    options: ProbeOptions,
    seconds: Mapping[str, float],
) -> Probe:
    """Everything found, signed and recorded."""
    facts = list(inverted.facts.values())
    noise = {
        name: float(np.mean([getattr(known, name) for known in facts]))
        for name in ("mean", "std", "kurtosis", "alignment")
    }
    signature = _sign(source, num_chosen, inverted, similarity, walk, options)
    warnings = _warnings(similarity, round_trip, noise, walk, inverted, num_chosen)
    scores = [
        _score("noise-same", similarity.same, signature, similarity),
        _score("noise-different", similarity.different, signature, similarity),
    ]
    record = ProbeRecord(
        version=__version__,
        scores=[ScoreRecord.of(score) for score in scores],
        samples=SourceRecord(
            name=source.name,
            digest=inverted.digest(),
            num_videos=len(facts),
            recipe=signature.as_dict(),
            skipped=inverted.skipped,
            files={known.id: known.digest for known in facts},
        ),
        environment=provenance.environment() | {"device": str(walk.model.device)},
        code=provenance.code_state(),
        seconds={name: round(value, 3) for name, value in seconds.items()},
        warnings=list(warnings),
        probe={
            "model": {"name": walk.model.name, "weights": walk.model.digest},
            "options": _plain(asdict(options)),
            "excess": similarity.excess,
            "null": asdict(similarity.null),
            "by_distance": similarity.by_distance.tolist(),
            "by_distance_interval": similarity.by_distance_interval.tolist(),
            "fits": [_plain(asdict(fit) | {"spec": fit.spec()}) for fit in fits],
            "better": better_fit(fits).spec(),
            "prior": prior,
            "round_trip": {
                "num_videos": min(options.check_videos, len(facts)),
                "num_steps": list(round_trip.num_steps),
                "psnr": _plain(round_trip.psnr()),
                "relative_error": round_trip.relative_error(),
                "relative_change": round_trip.relative_change(),
            },
            "noise": noise,
        },
    )
    return Probe(
        similarity, fits, round_trip, walk.num_steps, noise, prior, signature, warnings, record
    )


def _sign(
    source: VideoSource,
    num_chosen: int,
    inverted: Inverted,
    similarity: Similarity,
    walk: InversionSettings,
    options: ProbeOptions,
) -> Signature:
    facts = inverted.facts.values()
    sizes = {known.size for known in facts}
    num_timed = sum(known.timed for known in facts)
    told = json.dumps([known.prompt for known in facts]).encode()
    recipe: dict[str, str | None] = dict(recipe_of(walk, options, source.decoder_label()))
    if not any(known.looped for known in facts):
        recipe["clip"] = str(recipe["clip"]).removesuffix("-loop")
    recipe |= {
        "n": str(len(inverted.facts) * similarity.num_frames),
        "size": "{}x{}".format(*sizes.pop()) if len(sizes) == 1 else "mixed",
        "ref": f"{token(source.name)}@{inverted.digest()[:8]}",
        "ci": f"bootstrap{options.num_resamples}-{similarity.level:.0%}-seed{options.seed}",
        "text": f"captions@{_short(told)}" if options.captions else recipe.get("text"),
        "times": f"{num_timed}of{num_chosen}" if num_timed else None,
        "skip": f"{len(inverted.skipped)}of{num_chosen}" if inverted.skipped else None,
        "v": __version__,
    }
    return Signature.of(recipe)


def _score(metric: str, spread: PairCorrelation, signature: Signature, found: Similarity) -> Score:
    return Score(
        metric=metric,
        value=spread.mean,
        std=spread.std,
        interval=spread.interval,
        signature=signature,
        num_samples=found.num_videos * found.num_frames,
        extras={"num_pairs": spread.num_pairs, "num_videos": found.num_videos},
    )


def _warnings(
    similarity: Similarity,
    round_trip: RoundTrip,
    noise: Mapping[str, float],
    walk: InversionSettings,
    inverted: Inverted,
    num_chosen: int,
) -> tuple[str, ...]:
    found = []
    place = round_trip.num_steps.index(walk.num_steps)
    error, change = round_trip.relative_error()[place], round_trip.relative_change()[place]
    remedy = f"use more steps (--num-steps {2 * walk.num_steps}) or another --sampler"
    if not error <= TRUSTED_ERROR:
        found.append(
            f"DO NOT TRUST THESE NOISE MAPS: sampled back, they give other frames than went in "
            f"(relative error {error:.3g}, above {TRUSTED_ERROR}); {remedy}."
        )
    if not change <= TRUSTED_ERROR:
        found.append(
            f"DO NOT TRUST THESE NOISE MAPS: twice the steps change them by {change:.3g} of their "
            f"length, above {TRUSTED_ERROR}; {remedy}."
        )
    spread = f"their standard deviation is {noise['std']:.3g}; noise to sample from has 1"
    if not TRUSTED_STD[0] <= noise["std"] <= TRUSTED_STD[1]:
        found.append(
            f"DO NOT TRUST THESE NOISE MAPS: {spread}. The model does not know such frames: check "
            "its training, --size, and that the frames look like its training data."
        )
    elif not USUAL_STD[0] <= noise["std"] <= USUAL_STD[1]:
        found.append(
            f"The noise maps are not quite noise: {spread}. The model finds these frames likelier "
            "or less likely than what it makes itself; plain areas leave less noise."
        )
    if similarity.num_videos < FEW_VIDEOS:
        found.append(
            f"{similarity.num_videos} videos are few: a bootstrap over fewer than {FEW_VIDEOS} "
            "gives intervals that are too narrow."
        )
    if similarity.num_videos_between < similarity.num_videos:
        found.append(
            f"Different videos and the null are measured on {similarity.num_videos_between} of "
            f"{similarity.num_videos} videos, chosen at random (--compared-videos)."
        )
    if inverted.skipped:
        found.append(
            f"{len(inverted.skipped)} of {num_chosen} videos were left out; the record says why."
        )
    return tuple(found)


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:8]


def _plain(value: Any) -> Any:
    """As JSON can hold it: infinity as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(entry) for entry in value]
    return value
