"""The same features on a GPU as on the CPU."""

import numpy as np
import pytest
import torch
from golden_weights import i3d_tensors, relative_l2, weight_file

from pyoco_eval.features.base import FeatureExtractor
from pyoco_eval.features.i3d.extractor import I3DExtractor, load_i3d
from pyoco_eval.features.i3d.published_tensors import published_tensors
from pyoco_eval.features.tiny.extractor import load_tiny

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.fixture(scope="module")
def i3d(tmp_path_factory: pytest.TempPathFactory) -> I3DExtractor:
    path = tmp_path_factory.mktemp("i3d") / "i3d.data"
    tensors = dict(i3d_tensors())
    with path.open("wb") as checkpoint:
        for record in published_tensors():
            checkpoint.seek(record.offset)
            checkpoint.write(tensors[record.name].tobytes())
    return load_i3d(weight_file(path))


def same_on_both(extractor: FeatureExtractor, clips: np.ndarray, tolerance: float) -> None:
    on_cpu = extractor.to("cpu")(clips)
    on_gpu = extractor.to("cuda")(clips)
    assert relative_l2(on_gpu, on_cpu) <= tolerance


@pytest.mark.parametrize("num_frames", [13, 16])
def test_i3d(i3d: I3DExtractor, num_frames: int) -> None:
    clips = np.random.default_rng(0).integers(0, 256, (2, num_frames, 64, 64, 3), np.uint8)
    same_on_both(i3d, clips, 1e-5)


@pytest.mark.parametrize("name", ["tiny3d", "tiny2d", "tinyclip"])
def test_embedded(name: str) -> None:
    extractor = load_tiny(name)  # type: ignore[arg-type]
    shape = (4, 16, 64, 64, 3) if extractor.kind == "video" else (16, 64, 64, 3)
    same_on_both(extractor, np.random.default_rng(0).integers(0, 256, shape, np.uint8), 1e-5)
