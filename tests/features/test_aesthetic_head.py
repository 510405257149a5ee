"""The aesthetic heads: the folded map is the chain, files are read as data, levels are told."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.features.aesthetic.embedded import load_embedded_head
from pyoco_eval.features.aesthetic.head import AestheticHead, fold, load_laion_head
from pyoco_eval.features.base import WeightsIdentity
from pyoco_eval.features.loading.state_dict import WeightsError
from pyoco_eval.features.tiny.extractor import load_tiny
from pyoco_eval.shapes.corruptions import Corruption, corrupt_clip
from pyoco_eval.shapes.dataset import MovingShapes
from pyoco_eval.weights import MANIFEST, WeightFile, resolve

IDENTITY = WeightsIdentity("0" * 8, "sha256:" + "0" * 64, published=False)


class Original(nn.Module):
    """The modules of the published predictor, dropout included, as its repository lists them."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(768, 1024), nn.Dropout(0.2), nn.Linear(1024, 128), nn.Dropout(0.2),
            nn.Linear(128, 64), nn.Dropout(0.1), nn.Linear(64, 16), nn.Linear(16, 1),
        )  # fmt: skip


def made_up(seed: int = 0) -> Original:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Original().eval().requires_grad_(False)


def test_two_layers_by_hand() -> None:
    first = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, -1.0])
    last = np.array([[10.0, 100.0]]), np.array([5.0])
    weight, bias = fold([first, last])
    np.testing.assert_array_equal(weight, [310, 420])
    assert bias == 10 * 1 + 100 * -1 + 5


def test_the_folded_head_is_the_chain(tmp_path: Path) -> None:
    network = made_up()
    path = tmp_path / "sac+logos+ava1-l14-linearMSE.pth"
    torch.save(network.state_dict(), path)
    rows = np.random.default_rng(0).normal(size=(50, 768)).astype(np.float32)
    unit = torch.from_numpy(rows).double()
    expected = network.double().layers(unit / unit.norm(dim=1, keepdim=True))[:, 0]
    head = load_laion_head(WeightFile("aesthetic", path, "sha256:" + "ab" * 32, published=False))
    np.testing.assert_allclose(head.scores(rows), expected.numpy(), rtol=0, atol=1e-14)
    np.testing.assert_allclose(head.scores(7 * rows), expected.numpy(), rtol=0, atol=1e-6)
    assert (head.identity.short, head.identity.published) == ("ab" * 4, False)


def test_the_file_is_the_size_of_the_published_one(tmp_path: Path) -> None:
    """What a state dict of these layers takes, but for names inside the archive."""
    torch.save(made_up().state_dict(), tmp_path / "head.pth")
    size = MANIFEST["aesthetic"].size
    assert size == 3_714_759
    assert abs((tmp_path / "head.pth").stat().st_size - size) < 8_000


def test_older_forms_of_the_file_are_read_too(tmp_path: Path) -> None:
    for legacy in (False, True):
        path = tmp_path / f"{legacy}.pth"
        torch.save(made_up().state_dict(), path, _use_new_zipfile_serialization=not legacy)
    heads = [load_laion_head(resolve("aesthetic", {"aesthetic": p})) for p in tmp_path.iterdir()]
    np.testing.assert_array_equal(heads[0].weight, heads[1].weight)
    assert not heads[0].identity.published


def test_another_network_is_refused_by_tensor(tmp_path: Path) -> None:
    state = made_up().state_dict()
    state["layers.7.weight"] = torch.zeros(2, 16)
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=r"layers\.7\.weight \(2, 16\) instead of \(1, 16\)"):
        load_laion_head(resolve("aesthetic", {"aesthetic": tmp_path / "other.pth"}))
    torch.save({"visual.proj": torch.zeros(2)}, tmp_path / "clip.pth")
    with pytest.raises(WeightsError, match="weights fetch aesthetic"):
        load_laion_head(resolve("aesthetic", {"aesthetic": tmp_path / "clip.pth"}))


def test_a_hostile_pickle_is_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(marker),)

    (tmp_path / "bad.pth").write_bytes(pickle.dumps({"layers.0.weight": Hostile()}))
    with pytest.raises(WeightsError, match="not a readable weight file"):
        load_laion_head(resolve("aesthetic", {"aesthetic": tmp_path / "bad.pth"}))
    assert not marker.exists()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.ones((2, 3), np.float32), r"takes \(N, 2\)"),
        (np.zeros((1, 2), np.float32), "no direction"),
        (np.full((1, 2), np.nan, np.float32), "not finite"),
    ],
)
def test_embeddings_without_a_direction(rows: np.ndarray, message: str) -> None:
    head = AestheticHead("toy", np.ones(2), 0.0, IDENTITY)
    with pytest.raises(PyocoEvalError, match=message):
        head.scores(rows)


def test_the_embedded_head_tells_levels_of_held_out_clips() -> None:
    head, network = load_embedded_head(), load_tiny("tinyclip")
    assert head.identity.published
    shapes = MovingShapes("val", 64, 2)
    for kind in ("noise", "blur"):
        means = []
        for level in range(5):
            corruption = Corruption(kind, level)  # type: ignore[arg-type]
            frames = [corrupt_clip(shapes, i, corruption).frames for i in range(40)]
            means.append(head.scores(network(np.concatenate(frames))).mean())
        assert means == sorted(means, reverse=True)
        assert means[0] > means[4] + 3
