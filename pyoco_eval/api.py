"""The Python face of the commands: the same names, arguments and results.

>>> import pyoco_eval
>>> score = pyoco_eval.fvd("generated/", "real/", num_frames=16)  # doctest: +SKIP
>>> print(score)  # doctest: +SKIP
FVD 355.19 | net:i3d-k400-logits@fa7df956 | ...
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from pyoco_eval.evaluation import evaluate as _evaluate
from pyoco_eval.evaluation.evaluate import Evaluation
from pyoco_eval.extraction import extract_features as _features
from pyoco_eval.extraction.open_samples import Samples
from pyoco_eval.extraction.options import Choices, options_from
from pyoco_eval.metrics.base import Score
from pyoco_eval.metrics.catalogue import USUAL
from pyoco_eval.processes import sharing
from pyoco_eval.progress import Progress
from pyoco_eval.statistics.files import FeatureSet

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


def evaluate(
    samples: Samples,
    reference: Samples | None = None,
    *,
    metrics: Sequence[str] = USUAL,
    profile: str = "published",
    conventions: Mapping[str, str] | None = None,
    also_as: Sequence[str] = (),
    splits: str | None = None,
    captions: str | Path | None = None,
    progress: Progress | None = None,
    group: "ProcessGroup | None" = None,
    **choices: Unpack[Choices],
) -> Evaluation:
    """Several metrics from one decoding pass: `pyoco-eval evaluate`.

    Args:
        samples: generated videos: a path, arrays (T, H, W, 3) or (N, T, H, W, 3) uint8 (float with
            `value_range`), or a file written by `extract_features`.
        reference: the same kinds, or the name of a known reference; `ucf101` by default.
        metrics: any of `fvd`, `is`, `fid`, `clip-fid`, `kvd`, `kid`, `clipsim`, `prdc`.
        profile: `published` or `embedded`.
        conventions: metric -> name of the tool whose rule to follow.
        also_as: further conventions to score under, from the same decoding.
        splits: split rule of the Inception Score.
        captions: file with the caption of every video, for `clipsim`.
        progress: told about every finished video.
        group: of `torch.distributed`, whose members all make this call. They share the videos of a
            path; of videos in memory each brings its own, and all are counted. Without it this
            process works alone, also under `torchrun`.
        choices: see `extraction.options.Choices`.
    """
    with sharing(group):
        return _evaluate.evaluate(
            samples,
            reference,
            metrics=metrics,
            profile=profile,
            conventions=conventions,
            also_as=also_as,
            splits=splits,
            captions=captions,
            options=options_from(choices),
            progress=progress,
        )


def fvd(
    samples: Samples,
    reference: Samples | None = None,
    *,
    profile: str = "published",
    convention: str | None = None,
    progress: Progress | None = None,
    group: "ProcessGroup | None" = None,
    **choices: Unpack[Choices],
) -> Score:
    """Fréchet Video Distance: `pyoco-eval fvd`. Arguments as in `evaluate`."""
    said = {"profile": profile, "progress": progress, "group": group, **choices}
    return _one("fvd", samples, reference, convention=convention, **said).scores[0]


def fid(
    samples: Samples,
    reference: Samples | None = None,
    *,
    profile: str = "published",
    convention: str | None = None,
    progress: Progress | None = None,
    group: "ProcessGroup | None" = None,
    **choices: Unpack[Choices],
) -> Score:
    """Fréchet Inception Distance of frames: `pyoco-eval fid`. Arguments as in `evaluate`."""
    said = {"profile": profile, "progress": progress, "group": group, **choices}
    return _one("fid", samples, reference, convention=convention, **said).scores[0]


def clip_fid(
    samples: Samples,
    reference: Samples | None = None,
    *,
    profile: str = "published",
    convention: str | None = None,
    progress: Progress | None = None,
    group: "ProcessGroup | None" = None,
    **choices: Unpack[Choices],
) -> Score:
    """Fréchet distance of CLIP embeddings: `pyoco-eval clip-fid`. Arguments as in `evaluate`."""
    said = {"profile": profile, "progress": progress, "group": group, **choices}
    return _one("clip-fid", samples, reference, convention=convention, **said).scores[0]


def inception_score(
    samples: Samples,
    *,
    profile: str = "published",
    convention: str | None = None,
    splits: str | None = None,
    progress: Progress | None = None,
    group: "ProcessGroup | None" = None,
    **choices: Unpack[Choices],
) -> Score:
    """Inception Score of videos: `pyoco-eval is`. Arguments as in `evaluate`."""
    said = {"profile": profile, "progress": progress, "group": group, **choices}
    return _one("is", samples, None, convention=convention, splits=splits, **said).scores[0]


def kvd(
    samples: Samples,
    reference: Samples | None = None,
    *,
    profile: str = "published",
    convention: str | None = None,
    progress: Progress | None = None,
    group: "ProcessGroup | None" = None,
    **choices: Unpack[Choices],
) -> Score:
    """Kernel Video Distance: `pyoco-eval kvd`. Arguments as in `evaluate`."""
    said = {"profile": profile, "progress": progress, "group": group, **choices}
    return _one("kvd", samples, reference, convention=convention, **said).scores[0]


def kid(
    samples: Samples,
    reference: Samples | None = None,
    *,
    profile: str = "published",
    convention: str | None = None,
    progress: Progress | None = None,
    group: "ProcessGroup | None" = None,
    **choices: Unpack[Choices],
) -> Score:
    """Kernel Inception Distance of frames: `pyoco-eval kid`. Arguments as in `evaluate`."""
    said = {"profile": profile, "progress": progress, "group": group, **choices}
    return _one("kid", samples, reference, convention=convention, **said).scores[0]


def prdc(
    samples: Samples,
    reference: Samples | None = None,
    *,
    profile: str = "published",
    convention: str | None = None,
    progress: Progress | None = None,
    group: "ProcessGroup | None" = None,
    **choices: Unpack[Choices],
) -> Evaluation:
    """Precision, recall, density, coverage: `pyoco-eval prdc`. Arguments as in `evaluate`."""
    said = {"profile": profile, "progress": progress, "group": group, **choices}
    return _one("prdc", samples, reference, convention=convention, **said)


def clipsim(
    samples: Samples,
    *,
    captions: str | Path | None = None,
    profile: str = "published",
    convention: str | None = None,
    progress: Progress | None = None,
    group: "ProcessGroup | None" = None,
    **choices: Unpack[Choices],
) -> Score:
    """Mean cosine of frames and captions: `pyoco-eval clipsim`. Arguments as in `evaluate`."""
    said = {"profile": profile, "progress": progress, "group": group, "captions": captions}
    return _one("clipsim", samples, None, convention=convention, **said, **choices).scores[0]


def extract_features(
    samples: Samples,
    extractor: str,
    *,
    convention: str | None = None,
    layer: str | None = None,
    captions: str | Path | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
    group: "ProcessGroup | None" = None,
    **choices: Unpack[Choices],
) -> FeatureSet:
    """Features (N, D) float32 with their ids: `pyoco-eval features`.

    Args:
        samples: as in `evaluate`.
        extractor: `i3d`, `c3d`, `inception`, `clip`, `tiny3d`, `tiny2d` or `tinyclip`.
        convention: whose input rule to follow; the extractor's usual one by default.
        layer: where to read; the convention's by default.
        captions: file with the caption of every video, kept for `clipsim`.
        out: npz file to write.
        progress: told about every finished video.
        group: of `torch.distributed`, whose members all make this call. They share the videos of a
            path; of videos in memory each brings its own, and all are counted. Without it this
            process works alone, also under `torchrun`.
        choices: see `extraction.options.Choices`.
    """
    with sharing(group):
        side = _features.extract_features(
            samples,
            extractor,
            convention=convention,
            layer=layer,
            captions=captions,
            options=options_from(choices),
            out=out,
            progress=progress,
        )
    assert side.features is not None
    return side.features


def _one(
    metric: str,
    samples: Samples,
    reference: Samples | None = None,
    *,
    convention: str | None,
    **said: Any,
) -> Evaluation:
    """`evaluate` with one metric and, if any, its convention."""
    conventions = {metric: convention} if convention else None
    return evaluate(samples, reference, metrics=(metric,), conventions=conventions, **said)
