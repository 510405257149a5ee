"""CLIPSIM by hand, against a loop, and against torchmetrics' arithmetic."""

import numpy as np
import pytest
import torch

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.metrics.clipsim import clip_similarity


def embeddings(count: int, dim: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([count, seed]).normal(size=(count, dim)).astype(np.float32)


def test_by_hand() -> None:
    """Cosines 1 and 0.6 in the first video, -1 in the second."""
    images = np.array([[2.0, 0.0], [3.0, 4.0], [0.0, -5.0]])
    texts = np.array([[7.0, 0.0], [0.0, 0.1]])
    found = clip_similarity(images, texts, np.array([0, 0, 1]))
    assert found.per_video == pytest.approx([0.8, -1], rel=1e-15)
    assert found.mean == pytest.approx(-0.1, rel=1e-14)
    assert found.std == pytest.approx(0.9, rel=1e-14)


def test_videos_weigh_alike_however_many_frames_they_have() -> None:
    counts = np.array([1, 7, 3, 16])
    images, texts = embeddings(counts.sum()), embeddings(4, seed=1)
    videos = np.repeat(np.arange(4), counts)
    expected = []
    for video in range(4):
        frames = images[videos == video].astype(float)
        text = texts[video].astype(float)
        cosines = [f @ text / np.sqrt((f @ f) * (text @ text)) for f in frames]
        expected.append(np.mean(cosines))
    found = clip_similarity(images, texts, videos)
    assert found.per_video == pytest.approx(expected, rel=1e-12)
    assert found.mean == pytest.approx(np.mean(expected), rel=1e-12)
    assert found.std == pytest.approx(np.std(expected), rel=1e-12)
    order = np.random.default_rng(0).permutation(len(images))
    assert clip_similarity(images[order], texts, videos[order]).mean == pytest.approx(found.mean)


def test_one_frame_per_video_is_torch_cosine_similarity() -> None:
    images, texts = embeddings(9), embeddings(9, seed=1)
    expected = torch.cosine_similarity(torch.from_numpy(images), torch.from_numpy(texts))
    found = clip_similarity(images, texts, np.arange(9))
    assert found.per_video == pytest.approx(expected.numpy(), abs=1e-6)


def test_a_frame_that_is_its_caption_scores_one() -> None:
    rows = embeddings(5, 512)
    assert clip_similarity(3 * rows, rows, np.arange(5)).mean == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize(
    ("videos", "message"),
    [
        (np.array([0, 1, 2]), "reach beyond the 2"),
        (np.array([0, -1, 1]), "reach beyond the 2"),
        (np.array([0, 0, 0]), "video 1 has a caption but no frame"),
        (np.array([0, 1]), "indices for 3"),
        (np.array([0.0, 1.0, 1.0]), "indices for 3"),
    ],
)
def test_indices_that_do_not_fit(videos: np.ndarray, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        clip_similarity(embeddings(3), embeddings(2), videos)


def test_what_has_no_cosine() -> None:
    good, videos = embeddings(2), np.arange(2)
    with pytest.raises(PyocoEvalError, match="16 and caption embeddings of 8"):
        clip_similarity(good, embeddings(2, 8), videos)
    with pytest.raises(PyocoEvalError, match="no direction"):
        clip_similarity(good, np.zeros((2, 16)), videos)
    for bad in (np.full((2, 16), np.nan), good[0], good[:0]):
        with pytest.raises(PyocoEvalError, match="all finite"):
            clip_similarity(bad, good, videos)
