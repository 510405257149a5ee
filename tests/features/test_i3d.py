"""I3D against TensorFlow's own outputs and against an unfolded float64 network written here."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from golden_weights import golden_rng, i3d_tensors, relative_l2, weight_file

from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.features.i3d.extractor import I3DExtractor, load_i3d
from pyoco_eval.features.layers.same_padding import same_conv3d, same_max_pool3d, same_padding
from pyoco_eval.videos.resize import ResizeRule, resize_frames
from pyoco_eval.weights import resolve

Tensors = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    """float64, under TensorFlow's names and in TensorFlow's layout."""
    return {name: torch.from_numpy(array).double() for name, array in i3d_tensors()}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("i3d") / "model.ckpt.data-00000-of-00001"
    path.write_bytes(b"".join(array.tobytes() for _, array in i3d_tensors()))
    return path


@pytest.fixture(scope="module")
def i3d(checkpoint: Path) -> I3DExtractor:
    return load_i3d(weight_file(checkpoint))


def reference_pads(x: torch.Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> list[int]:
    """SAME for `F.pad`, last axis first, straight from TensorFlow's documentation."""
    pads: list[int] = []
    for n, k, s in zip(x.shape[2:], kernel, stride, strict=True):
        total = max(k - s, 0) if n % s == 0 else max(k - n % s, 0)
        pads = [total // 2, total - total // 2, *pads]
    return pads


def reference_trunk(tensors: Tensors, x: torch.Tensor, eps: float) -> torch.Tensor:
    """Everything before the average pool: explicit padding, separate batch normalisation."""

    def unit(x: torch.Tensor, name: str, stride: int = 1) -> torch.Tensor:
        scope = f"RGB/inception_i3d/{name}"
        kernel = tensors[f"{scope}/conv_3d/w"].permute(4, 3, 0, 1, 2)
        strides = (stride,) * 3
        x = F.pad(x, reference_pads(x, tuple(kernel.shape[2:]), strides))
        x = F.conv3d(x, kernel, stride=strides)
        beta, mean, variance = (
            tensors[f"{scope}/batch_norm/{part}"].reshape(1, -1, 1, 1, 1)
            for part in ("beta", "moving_mean", "moving_variance")
        )
        return F.relu((x - mean) / (variance + eps).sqrt() + beta)

    def pool(x: torch.Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> torch.Tensor:
        x = F.pad(x, reference_pads(x, kernel, stride), value=-torch.inf)
        return F.max_pool3d(x, kernel, stride)

    def mixed(x: torch.Tensor, name: str) -> torch.Tensor:
        last = "Conv3d_0a_3x3" if name == "Mixed_5b" else "Conv3d_0b_3x3"
        branches = [
            unit(x, f"{name}/Branch_0/Conv3d_0a_1x1"),
            unit(unit(x, f"{name}/Branch_1/Conv3d_0a_1x1"), f"{name}/Branch_1/Conv3d_0b_3x3"),
            unit(unit(x, f"{name}/Branch_2/Conv3d_0a_1x1"), f"{name}/Branch_2/{last}"),
            unit(pool(x, (3, 3, 3), (1, 1, 1)), f"{name}/Branch_3/Conv3d_0b_1x1"),
        ]
        return torch.cat(branches, 1)

    x = pool(unit(x, "Conv3d_1a_7x7", stride=2), (1, 3, 3), (1, 2, 2))
    x = unit(unit(x, "Conv3d_2b_1x1"), "Conv3d_2c_3x3")
    x = pool(x, (1, 3, 3), (1, 2, 2))
    x = mixed(mixed(x, "Mixed_3b"), "Mixed_3c")
    x = pool(x, (3, 3, 3), (2, 2, 2))
    for letter in "bcdef":
        x = mixed(x, f"Mixed_4{letter}")
    x = pool(x, (2, 2, 2), (2, 2, 2))
    return mixed(mixed(x, "Mixed_5b"), "Mixed_5c")


def reference_features(tensors: Tensors, x: torch.Tensor, eps: float) -> dict[str, torch.Tensor]:
    """Every layer, with the logits taken at each time step and then averaged, as the graph does."""
    pooled = F.avg_pool3d(reference_trunk(tensors, x, eps), (2, 7, 7), stride=1)
    scope = "RGB/inception_i3d/Logits/Conv3d_0c_1x1/conv_3d"
    kernel = tensors[f"{scope}/w"].permute(4, 3, 0, 1, 2)
    per_step = F.conv3d(pooled, kernel, tensors[f"{scope}/b"])
    logits = per_step.flatten(3).squeeze(3).mean(2)
    return {
        "logits": logits,
        "probs": logits.softmax(1),
        "pool": pooled.flatten(2).mean(2),
    }


@pytest.mark.parametrize("num_frames", [16, 13])
def test_equals_the_tensorflow_graph(i3d: I3DExtractor, shared_data: Path, num_frames: int) -> None:
    rng = golden_rng(f"clip{num_frames}")
    frames = rng.randint(0, 256, (1, num_frames, 64, 64, 3)).astype(np.uint8)
    expected = np.load(shared_data / "golden" / "i3d_tf.npz")[f"logits_T{num_frames}"]
    assert relative_l2(i3d(frames)[0], expected) < 5e-6


@pytest.mark.parametrize("num_frames", [*range(9, 33), 40])
def test_trunk_equals_reference_at_any_length(
    i3d: I3DExtractor, tensors: Tensors, num_frames: int
) -> None:
    """Small frames of odd and even size, so that every axis meets every padding."""
    size = (32 + num_frames % 3, 30)
    x = torch.rand(1, 3, num_frames, *size, dtype=torch.float64) * 2 - 1
    found = x.float()
    with torch.inference_mode():
        for stage in i3d.network.stages.values():
            found = stage(found)
        expected = reference_trunk(tensors, x, 1e-3)
    assert found.shape[2] == -(-num_frames // 8)
    assert relative_l2(found.numpy(), expected.numpy()) < 2e-6


def test_layers_equal_reference(checkpoint: Path, tensors: Tensors) -> None:
    frames = golden_rng("layers").randint(0, 256, (17, 40, 50, 3)).astype(np.uint8)
    expected: dict[str, torch.Tensor] = {}
    for layer, dim in (("logits", 400), ("probs", 400), ("pool", 1024)):
        extractor = load_i3d(weight_file(checkpoint), layer=layer, bn_eps=1e-5)
        batch = extractor.prepare(frames)[None]
        if not expected:
            expected = reference_features(tensors, batch.transpose(1, 2).double(), 1e-5)
        found = extractor.extract(batch)
        assert (extractor.spec.layer, extractor.spec.dim) == (layer, dim)
        assert extractor.spec.variant == "bn1e-5"
        assert found.shape == (1, dim)
        assert found.dtype == torch.float32
        assert relative_l2(found.numpy(), expected[layer].numpy()) < 5e-6


def test_eps_of_batch_normalisation_shows(i3d: I3DExtractor, checkpoint: Path) -> None:
    other = load_i3d(weight_file(checkpoint), bn_eps=1e-5)
    assert i3d.spec.variant == ""
    frames = golden_rng("eps").randint(0, 256, (1, 9, 24, 24, 3)).astype(np.uint8)
    assert relative_l2(other(frames), i3d(frames)) > 1e-4


def test_features_do_not_depend_on_the_batch(i3d: I3DExtractor) -> None:
    clips = golden_rng("batch").randint(0, 256, (3, 9, 20, 28, 3)).astype(np.uint8)
    together = i3d(clips)
    np.testing.assert_array_equal(together[1:2], i3d(clips[1:2]))


def test_prepare_scales_to_minus_one_and_one(i3d: I3DExtractor) -> None:
    frames = np.zeros((9, 30, 40, 3), np.uint8)
    frames[:, :, :, 1] = 255
    prepared = i3d.prepare(frames)
    assert prepared.shape == (9, 3, 224, 224)
    assert prepared.dtype == torch.float32
    assert (prepared[:, 0] == -1).all()
    assert (prepared[:, 1] == 1).all()


def test_prepare_follows_the_rule(checkpoint: Path) -> None:
    rule = ResizeRule(224, "bilinear", "crop-ceil", "truncate")
    extractor = load_i3d(weight_file(checkpoint), resize=rule)
    frames = golden_rng("rule").randint(0, 256, (9, 48, 64, 3)).astype(np.uint8)
    expected = resize_frames(frames, rule) / 127.5 - 1
    torch.testing.assert_close(extractor.prepare(frames), expected, rtol=0, atol=1e-6)
    assert extractor.spec.resize == rule


def test_short_clips_are_refused(i3d: I3DExtractor) -> None:
    with pytest.raises(UsageError, match="at least 9 frames, found 8"):
        i3d.prepare(np.zeros((8, 16, 16, 3), np.uint8))
    with pytest.raises(UsageError, match="at least 9 frames, found 8"):
        i3d.extract(torch.zeros(1, 8, 3, 224, 224))


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"layer": "logit"}, "logits, probs, pool"),
        ({"resize": ResizeRule(299, "bilinear")}, "frames of 224 pixels, not 299-bilinear-squash"),
        ({"bn_eps": 0.0}, "bn_eps 0.0 is not a positive number"),
    ],
)
def test_impossible_choices(checkpoint: Path, choice: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_i3d(weight_file(checkpoint), **choice)  # type: ignore[arg-type]


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 7])
def test_same_padding_leaves_the_ceiling(kernel: int, stride: int) -> None:
    for length in range(max(1, kernel - 1), 24):
        before, after = same_padding(length, kernel, stride)
        outputs = (length + before + after - kernel) // stride + 1
        assert outputs == -(-length // stride)
        assert after - before in (0, 1)


@pytest.mark.parametrize("size", [(9, 8, 7), (8, 9, 10), (11, 12, 13), (4, 4, 5)])
@pytest.mark.parametrize(
    ("kernel", "stride"),
    [
        ((1, 3, 3), (1, 2, 2)),
        ((3, 3, 3), (2, 2, 2)),
        ((2, 2, 2), (2, 2, 2)),
        ((3, 3, 3), (1, 1, 1)),
    ],
)
def test_max_pool_equals_padding_with_minus_infinity(
    size: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    x = torch.randn(2, 3, *size)
    padded = F.pad(x, reference_pads(x, kernel, stride), value=-torch.inf)
    expected = F.max_pool3d(padded, kernel, stride)
    torch.testing.assert_close(same_max_pool3d(x, kernel, stride), expected, rtol=0, atol=0)


@pytest.mark.parametrize("size", [(9, 8, 7), (8, 9, 10)])
def test_convolution_equals_padding_with_zeros(size: tuple[int, int, int]) -> None:
    x, weight, bias = torch.randn(2, 3, *size), torch.randn(4, 3, 7, 3, 5), torch.randn(4)
    padded = F.pad(x, reference_pads(x, (7, 3, 5), (2, 1, 2)))
    expected = F.conv3d(padded, weight, bias, (2, 1, 2))
    found = same_conv3d(x, weight, bias, (2, 1, 2))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.weights
def test_published_network_gives_published_distance() -> None:
    """Constant clips have no covariance, so FVD is the squared distance of two feature rows.

    151.39244: all zeros against all ones, 30 frames of 64 x 64, the TensorFlow implementation
    (README of JunyaoHu/common_metrics_on_video_quality).
    """
    try:
        extractor = load_i3d(resolve("i3d"))
    except MissingError as error:
        pytest.skip(str(error))
    assert extractor.spec.weights.published
    clips = np.stack([np.full((30, 64, 64, 3), value, np.uint8) for value in (0, 255)])
    black, white = extractor(clips).astype(np.float64)
    assert np.sum((black - white) ** 2) == pytest.approx(151.39244, rel=1e-5)
