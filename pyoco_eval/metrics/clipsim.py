"""CLIPSIM: how well frames agree with the caption of their video, by an image-text network.

Axes: N frames, V videos, D embedding dimension.

Per video the mean over its frames of the cosine between frame and caption embedding; the score is
the mean over videos. Cosines are given as they are, in [-1, 1]. torchmetrics' CLIPScore is another
estimator of the same cosines: the mean over frames, times 100, and 0 where that is negative.

References: Wu et al. (2021), GODIVA, Sec. 4; Hessel et al. (2021), CLIPScore.
"""

from dataclasses import dataclass

import numpy as np

from pyoco_eval.errors import PyocoEvalError, UsageError


@dataclass(frozen=True)
class ClipSimilarity:
    """Mean and standard deviation (divisor V) over videos, with every video's own value."""

    mean: float
    std: float
    per_video: np.ndarray


def clip_similarity(
    images: np.ndarray, texts: np.ndarray, video_of_image: np.ndarray
) -> ClipSimilarity:
    """CLIPSIM of frames and the captions of their videos.

    Args:
        images: (N, D) frame embeddings, of any length.
        texts: (V, D) caption embeddings, of any length; one per video.
        video_of_image: (N,) index in [0, V) of the video each frame belongs to; every video has a
            frame or more.

    Returns:
        per_video: (V,) float64.

    Raises:
        UsageError: indices that do not fit, or a video without frames.
        PyocoEvalError: embeddings of different D, not finite, or of no length.
    """
    for name, rows in (("frame", images), ("caption", texts)):
        if rows.ndim != 2 or not rows.size or not np.isfinite(rows).all():
            raise PyocoEvalError(f"{name} embeddings {rows.shape} must be (N, D), all finite")
    if images.shape[1] != texts.shape[1]:
        raise PyocoEvalError(
            f"frame embeddings of {images.shape[1]} and caption embeddings of {texts.shape[1]} "
            "dimensions have no cosine: both must come from one network"
        )
    videos = np.asarray(video_of_image)
    if videos.shape != (len(images),) or not np.issubdtype(videos.dtype, np.integer):
        raise UsageError(f"{videos.shape} video indices for {len(images)} frame embeddings")
    if videos.min() < 0 or videos.max() >= len(texts):
        raise UsageError(f"video indices reach beyond the {len(texts)} caption embeddings")
    counts = np.bincount(videos, minlength=len(texts))
    if not counts.all():
        raise UsageError(f"video {int(np.argmin(counts))} has a caption but no frame")
    image_rows, text_rows = (_unit_rows(rows) for rows in (images, texts))
    cosines = np.einsum("nd,nd->n", image_rows, text_rows[videos])
    per_video = np.bincount(videos, weights=cosines, minlength=len(texts)) / counts
    return ClipSimilarity(float(per_video.mean()), float(per_video.std()), per_video)


def _unit_rows(rows: np.ndarray) -> np.ndarray:
    """Rows (N, D) float64 scaled to length 1."""
    rows = rows.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not lengths.all():
        raise PyocoEvalError("an embedding of zeros has no direction and no cosine")
    rows /= lengths
    return rows
