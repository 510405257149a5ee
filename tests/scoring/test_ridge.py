"""FastVideo's Fréchet distance: a constant on the diagonal of both covariances."""

import numpy as np
import pytest
from scipy.linalg import sqrtm
from toys import MeanColour, flat_videos

import pyoco_eval
from pyoco_eval.extraction import networks


@pytest.fixture(autouse=True)
def toy_networks(monkeypatch):
    def load(self, options):
        return MeanColour("video", self.extractor, self.layer, self.resize, self.scaling)

    monkeypatch.setattr(networks.Network, "load", load)


def features(videos):
    return np.stack([video[:4].reshape(-1, 3).mean(0) for video in videos])


def as_fastvideo(generated, reference, eps=1e-6):
    """Its formula: np.cov, eps on the diagonals, scipy's square root of the product."""
    means = [rows.mean(0) for rows in (generated, reference)]
    covs = [np.cov(rows, rowvar=False) + eps * np.eye(3) for rows in (generated, reference)]
    root = np.real(sqrtm(covs[0] @ covs[1]))
    return ((means[0] - means[1]) ** 2).sum() + np.trace(covs[0] + covs[1] - 2 * root)


def test_fastvideo_adds_its_constant():
    a, b = flat_videos(30), flat_videos(25, seed=1)
    score = pyoco_eval.fvd(a, b, convention="fastvideo", num_frames=4)
    assert score.value == pytest.approx(as_fastvideo(features(a), features(b)), rel=1e-6)
    assert score.signature.get("cov") == "n-1+1e-06"
    assert score.signature.get("conv") == "fastvideo"
    assert score.signature.get("frames") == "224-bilinear-squash"


def test_the_constant_shows_where_a_covariance_vanishes():
    """Still videos of one colour against scattered ones: the trace term alone differs."""
    still = [np.full((6, 8, 8, 3), 90, np.uint8) for _ in range(12)]
    scattered = [(video // 64 + 90).astype(np.uint8) for video in flat_videos(12)]
    found = pyoco_eval.fvd(still, scattered, convention="fastvideo", num_frames=4)
    plain = pyoco_eval.fvd(still, scattered, convention="common-metrics", num_frames=4)
    expected = as_fastvideo(features(still), features(scattered))
    assert found.value == pytest.approx(expected, rel=1e-5)
    assert abs(found.value - plain.value) > 10 * abs(found.value - expected)
