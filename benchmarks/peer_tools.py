"""The tools that conventions are named after, run as their users run them, on given weights.

Each `by_…` returns the tool's own number and, of a Fréchet distance, the moments of its features:
`Told.exact` tells the error of the tool's formula (a matrix square root, eigenvalues of a matrix
that is not symmetric) apart from that of the network.

Chainer cannot be installed with today's NumPy, so its C3D stands here again in plain PyTorch, with
its preprocessing and its formula written from its source.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from unittest import mock

import numpy as np
import torch
from bench_c3d import plain_network, random_network

from pyoco_eval.features.c3d.network import C3DNetwork
from pyoco_eval.features.loading.torchvision_operators import import_torchvision

import_torchvision()

import cleanfid.fid  # noqa: E402
import cleanfid.resize  # noqa: E402
import pytorch_fid.fid_score  # noqa: E402
import pytorch_fid.inception  # noqa: E402
import torch_fidelity  # noqa: E402
from cdfvd.fvd import cdfvd  # noqa: E402
from cdfvd.third_party.i3d.pytorch_i3d import InceptionI3d  # noqa: E402
from torchmetrics.image.fid import FrechetInceptionDistance, NoTrainInceptionV3  # noqa: E402

Moments = tuple[np.ndarray, np.ndarray]

_NOTHING = 1e-11
"""Eigenvalues below this share of the largest are what rounding left of zero."""


class Told(NamedTuple):
    """A tool's number; of a Fréchet distance also the moments that its formula was given."""

    value: float
    moments: tuple[Moments, Moments] | None = None

    def exact(self) -> float | None:
        """The number without the rounding of the tool's formula."""
        return None if self.moments is None else exact_distance(*self.moments)


def exact_distance(first: Moments, second: Moments) -> float:
    """Fréchet distance in float64 without square roots of matrices that are not symmetric.

    tr (S1 S2)^½ is the sum of the singular values of A1ᵀ A2, where S = A Aᵀ.
    """
    difference = first[0] - second[0]
    factors = []
    for _, covariance in (first, second):
        values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
        kept = values > _NOTHING * values[-1]
        factors.append(vectors[:, kept] * np.sqrt(values[kept]))
    cross = np.linalg.svd(factors[0].T @ factors[1], compute_uv=False).sum()
    spreads = sum(float((factor**2).sum()) for factor in factors)
    return float(difference @ difference + spreads - 2 * cross)


@contextmanager
def watched(name: str) -> Iterator[mock.MagicMock]:
    """The tool's own function, its arguments noted."""
    module, _, function = name.rpartition(".")
    original = getattr(__import__(module, fromlist=[function]), function)
    with mock.patch(name, side_effect=original) as watch:
        yield watch


def by_cd_fvd(sides: list[np.ndarray], state: dict[str, torch.Tensor]) -> Told:
    network = InceptionI3d(400, in_channels=3)
    network.load_state_dict(state, strict=False)
    with mock.patch("cdfvd.fvd.load_i3d_model", return_value=network.eval()):
        tool = cdfvd("i3d", device="cpu", n_fake="full")
    value = float(tool.compute_fvd(sides[1], sides[0]))
    return Told(value, (tool.fake_stats.get_mean_cov(), tool.real_stats.get_mean_cov()))


def by_pytorch_fid(folders: list[str], state: dict[str, torch.Tensor]) -> Told:
    with (
        mock.patch("pytorch_fid.inception.load_state_dict_from_url", return_value=state),
        watched("pytorch_fid.fid_score.calculate_frechet_distance") as formula,
    ):
        value = float(
            pytorch_fid.fid_score.calculate_fid_given_paths(folders, 16, "cpu", 2048, num_workers=0)
        )
    m1, s1, m2, s2 = formula.call_args.args
    return Told(value, ((m1, s1), (m2, s2)))


def by_clean_fid(folders: list[str], state: dict[str, torch.Tensor]) -> Told:
    """Its own Inception is a TorchScript file; the same network of pytorch-fid takes its place."""
    with mock.patch("pytorch_fid.inception.load_state_dict_from_url", return_value=state):
        network = pytorch_fid.inception.InceptionV3([3], False, False).eval()
    with watched("cleanfid.fid.frechet_distance") as formula:
        value = float(
            cleanfid.fid.compute_fid(
                *folders, mode="clean", device=torch.device("cpu"), num_workers=0, verbose=False,
                use_dataparallel=False,
                custom_feat_extractor=lambda x: network((x - 128) / 128)[0][:, :, 0, 0],
            )
        )  # fmt: skip
    m1, s1, m2, s2 = (np.asarray(part, np.float64) for part in formula.call_args.args)
    return Told(value, ((m1, s1), (m2, s2)))


def by_torch_fidelity(folders: list[str], inception: str) -> Told:
    with watched("torch_fidelity.metric_fid.fid_statistics_to_metric") as formula:
        found = torch_fidelity.calculate_metrics(
            input1=folders[0], input2=folders[1], fid=True, cuda=False, verbose=False, cache=False,
            save_cpu_ram=True, feature_extractor_weights_path=inception,
        )  # fmt: skip
    first, second = ((one["mu"], one["sigma"]) for one in formula.call_args.args[:2])
    return Told(float(found["frechet_inception_distance"]), (first, second))


def by_torchmetrics(sides: list[np.ndarray], inception: str) -> Told:
    """Of clips (N, T, H, W, 3) whose every frame counts."""
    network = NoTrainInceptionV3(
        name="inception-v3-compat",
        features_list=["2048"],
        feature_extractor_weights_path=inception,
    )
    metric = FrechetInceptionDistance(feature=network)
    for clips, is_real in zip(sides, (False, True), strict=True):
        for clip in clips:
            metric.update(torch.from_numpy(clip).permute(0, 3, 1, 2), real=is_real)
    with watched("torchmetrics.image.fid._compute_fid") as formula:
        value = float(metric.compute())
    m1, s1, m2, s2 = (part.double().numpy() for part in formula.call_args.args)
    return Told(value, ((m1, s1), (m2, s2)))


def c3d_network() -> C3DNetwork:
    """Random, its last layer scaled so that logits spread by a few units, as trained ones do.

    Unscaled they spread by 180: each clip has one class of probability 1, and a clip near a border
    of two classes moves the score by 2e-5 with the last digits of float32.
    """
    network = random_network()
    network.fc8.weight.mul_(0.03)
    network.fc8.bias.mul_(0.03)
    return network


def by_tgan2(clips: np.ndarray, mean: np.ndarray, dtype: torch.dtype = torch.float32) -> Told:
    """TGANv2's Inception Score: its input, C3D, one split, 1e-20 before the logarithm."""
    network, probabilities = plain_network(c3d_network()).to(dtype), []
    crop = torch.from_numpy(mean[:, :, 8:120, 8:120]).to(dtype)
    for clip in clips:
        x = torch.from_numpy(clip).permute(0, 3, 1, 2).to(dtype) / 255 * 2 - 1
        bgr = x[:, [2, 1, 0]] * 128
        resized = torch.nn.functional.interpolate(
            bgr, (112, 112), mode="bilinear", align_corners=True
        )
        volume = resized.transpose(0, 1) + (128 - crop)
        with torch.no_grad():
            probabilities.append(network(volume[None]).softmax(1)[0].numpy())
    p = np.asarray(probabilities, np.float64) + 1e-20
    return Told(float(np.exp((p * (np.log(p) - np.log(p.mean(0)))).sum(1).mean())))
