"""A slice of `benchmarks/peers_end_to_end.py`: real mp4 in, cd-fvd's number out."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import pyoco_eval
from pyoco_eval.videos.source import open_source

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def script():
    for package in ("decord", "cdfvd", "cleanfid", "pytorch_fid", "torch_fidelity"):
        pytest.importorskip(package)
    sys.path.insert(0, str(FOLDER))
    spec = importlib.util.spec_from_file_location("peers", FOLDER / "peers_end_to_end.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.remove(str(FOLDER))
    return module


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # scipy's, of the tool's square root
def test_cd_fvd_of_real_mp4(script, shared_data, tmp_path):
    sides = script.cut_clips(shared_data / "videos", tmp_path, 6)
    state = script.random_state()
    torch.save(state, tmp_path / "i3d.pt")
    arrays = [script.decoded(side) for side in sides]
    for side, clips in zip(sides, arrays, strict=True):
        ours = [video.reading("peer").read(range(script.NUM_FRAMES)) for video in open_source(side)]
        assert np.array_equal(np.stack(ours), clips), "the tools see these very frames"
    expected = script.tools.by_cd_fvd(arrays, state).value
    choices = {"convention": "cd-fvd", "weights": {"i3d": tmp_path / "i3d.pt"}}
    found = pyoco_eval.fvd(*sides, allow_small=True, device="cpu", **choices)
    assert found.value == pytest.approx(expected, rel=1e-5)
    assert found.signature.get("rgb") == "peer-video"
    exact = pyoco_eval.fvd(*sides, allow_small=True, device="cpu", pixels="exact", **choices)
    assert abs(exact.value - expected) > 100 * abs(found.value - expected)
