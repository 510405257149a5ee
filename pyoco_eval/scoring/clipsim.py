"""CLIPSIM: the mean cosine between frames of a side and the captions of their videos."""

import hashlib
from collections.abc import Sequence

import numpy as np

from pyoco_eval.errors import UsageError
from pyoco_eval.extraction.measured_set import MeasuredSet, rows_of
from pyoco_eval.extraction.networks import load_text_encoder
from pyoco_eval.metrics.clipsim import clip_similarity
from pyoco_eval.metrics.interval import Interval
from pyoco_eval.metrics.resampling import mean_interval
from pyoco_eval.scoring.metric import Estimate, Metric


class ClipSimilarityMetric(Metric):
    """Mean over frames, then over videos."""

    def floor(self, dim: int, *, halved: bool = False) -> int:  # noqa: ARG002
        return 1

    def check_counts(self, dim: int, generated: int | None, reference: int | None) -> None:
        """One row is enough."""

    def estimates(self, generated: MeasuredSet, reference: MeasuredSet | None) -> list[Estimate]:  # noqa: ARG002
        rows = rows_of(generated, "clipsim")
        counts = np.array(generated.rows_per_video)
        captions = _captions(generated)
        encoder = load_text_encoder(self.rule.extractor, self.options)
        owners = np.repeat(np.arange(len(captions)), counts[counts > 0])
        found = clip_similarity(rows, encoder.encode(captions), owners)
        digest = hashlib.sha256("\n".join(captions).encode(errors="surrogatepass")).hexdigest()
        warnings: tuple[str, ...] = ()
        if encoder.truncated:
            warnings = (
                f"{encoder.truncated} of {len(captions)} captions are longer than the text tower "
                "reads and lost their end.",
            )
        return [
            Estimate(
                found.mean,
                recipe={"est": self.rule.estimator, "text": f"captions@{digest[:8]}"},
                interval=self._interval(generated, found.per_video),
                kind="boot",
                extras={"std_over_videos": found.std, "truncated_captions": encoder.truncated},
                warnings=warnings,
            )
        ]

    def _interval(self, generated: MeasuredSet, per_video: np.ndarray) -> Interval | None:
        if not self.options.interval:
            return None
        counts = np.array(generated.rows_per_video)
        units = np.array(generated.video_units())[counts > 0]
        return mean_interval(per_video, groups=units, num_resamples=self.options.interval)


def _captions(side: MeasuredSet) -> Sequence[str]:
    """The captions of the videos that have rows.

    Raises:
        UsageError: the features are kept without captions, or some video has none.
    """
    captions = side.captions or (None,) * len(side.rows_per_video)
    used = [text for text, count in zip(captions, side.rows_per_video, strict=True) if count]
    told = [caption for caption in used if caption]
    if len(told) < len(used):
        raise UsageError(
            f"{side.name}: {len(used) - len(told)} of {len(used)} videos have no caption, "
            "which clipsim needs; give a manifest, or --captions FILE"
        )
    return told
