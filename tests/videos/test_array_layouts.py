"""Arrays as users hold them: channels first, bfloat16, rounding errors; and headers of nonsense."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pyoco_eval.errors import PyocoEvalError, UsageError, VideoError
from pyoco_eval.evaluation.evaluate import evaluate
from pyoco_eval.extraction.options import Options
from pyoco_eval.videos.clip_rule import ClipRule
from pyoco_eval.videos.inspection import inspect_source
from pyoco_eval.videos.inspection_report import findings
from pyoco_eval.videos.source import find_videos, open_source

CLIPS = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 6, 3), np.uint8)
"""(N, T, H, W, 3)"""


def frames(source) -> np.ndarray:
    return np.stack([video.read(range(video.count_frames())) for video in source])


def write_header(path: Path, shape: str, kind: str = "|u1") -> Path:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    text += " " * (63 - (10 + len(text)) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode())
    with path.open("ab") as file:
        file.write(bytes(5000))
    return path


@pytest.mark.parametrize(
    "shape",
    [
        "(-8, 8, 8, 3)", "(True, 8, 8, 3)", "(-1, 8, 8, 8, 3)", "(0, 8, 8, 8, 3)", "(8, 8, False)",
        "(-2, -2, 8, 8, 3)", "(1.5, 8, 8, 3)", "()", "(8,)", "(8, 8, -3)", "(10**30, 8, 8, 3)",
        "(99999999999, 1, 1, 1, 3)", "(0, 0, 0, 0, 0)", "(4, 4, 0, 3)", "[8, 8, 8, 3]", "8", "'8'",
    ],
)  # fmt: skip
def test_headers_of_nonsense_are_told_and_hold_no_videos(tmp_path, shape):
    write_header(tmp_path / "a.npy", shape)
    (video,) = open_source(tmp_path)
    for ask in (video.count_frames, video.probe, lambda: video.read([0])):
        with pytest.raises(VideoError, match=r"a\.npy"):
            ask()
    told = findings(inspect_source(find_videos(tmp_path), workers=1))
    assert told[0] == "1 of 1 files cannot be read."
    assert "Nothing suspicious was found." not in told


@given(st.lists(st.integers(-3, 9) | st.booleans(), min_size=3, max_size=6))
def test_any_shape_in_a_header_ends_in_frames_or_a_reason(tmp_path_factory, shape):
    folder = tmp_path_factory.mktemp("headers")
    write_header(folder / "a.npy", repr(tuple(shape)))
    for video in open_source(folder):
        with contextlib.suppress(VideoError):
            assert video.count_frames() > 0


@pytest.mark.parametrize("order", ["NTCHW", "NCTHW"])
def test_channels_first_where_unmistakable(tmp_path, order):
    stored = CLIPS.transpose(["NTHWC".index(axis) for axis in order])
    np.save(tmp_path / "plain.npy", stored)
    np.savez_compressed(tmp_path / "packed.npz", np.ascontiguousarray(stored))
    for place in (tmp_path / "plain.npy", tmp_path / "packed.npz", stored, torch.tensor(stored)):
        source = open_source(place)
        assert np.array_equal(frames(source), CLIPS)
    assert open_source(stored).digest() == open_source(CLIPS).digest()
    assert np.array_equal(frames(open_source(stored[0])), CLIPS[:1])
    assert np.array_equal(frames(open_source(list(stored))), CLIPS)


@pytest.mark.parametrize("order", ["BTCHW", "NCTHW", "TBCHW", "BHWTC", "btchw"])
def test_stated_layout(order):
    three = CLIPS[:, :3]
    axes = [order.upper().replace("B", "N").index(axis) for axis in "NTHWC"]
    stored = three.transpose(np.argsort(axes))
    assert np.array_equal(frames(open_source(stored, layout=order)), three)


def test_layouts_that_cannot_be_meant():
    with pytest.raises(UsageError, match="NTCHW or NCTHW; say which with --layout"):
        open_source(np.zeros((2, 3, 3, 8, 9), np.uint8))
    with pytest.raises(UsageError, match="--layout 'BTXHW': write the axes in order"):
        open_source(CLIPS, layout="BTXHW")
    with pytest.raises(UsageError, match="has 5 channels, not 3"):
        open_source(CLIPS, layout="BCTHW")
    with pytest.raises(UsageError, match="names 5 axes, not 4"):
        open_source(CLIPS[0], layout="BTCHW")


def test_bfloat16_tensors():
    levels = torch.from_numpy(CLIPS).float() / 255
    source = open_source(levels.bfloat16().requires_grad_(), value_range="0..1")
    expected = np.rint(levels.bfloat16().float().numpy().astype(np.float64) * 255)
    assert np.array_equal(frames(source), expected.astype(np.uint8))
    assert np.array_equal(
        frames(open_source(list(levels.bfloat16()), value_range="0..1")), expected
    )


@pytest.mark.parametrize(
    ("value", "kind", "value_range", "shown"),
    [
        (1.0000001, torch.float32, "0..1", 255),
        (-0.0000001, torch.float32, "0..1", 0),
        (1.001, torch.float16, "-1..1", 255),
        (1.0078, torch.bfloat16, "0..1", 255),
        (-1.0078, torch.bfloat16, "-1..1", 0),
        (255.3, torch.float64, "0..255", 255),
    ],
)
def test_rounding_errors_are_clipped(value, kind, value_range, shown):
    tensor = torch.full((1, 2, 4, 5, 3), value, dtype=kind)
    (video,) = open_source(tensor, value_range=value_range)
    assert set(video.read([0, 1]).ravel().tolist()) == {shown}
    video.digest()
    assert video.reader.clipped


@pytest.mark.parametrize(
    ("value", "kind", "value_range"),
    [
        (1.003, torch.float32, "0..1"),
        (1.0078, torch.float32, "0..1"),
        (-0.02, torch.bfloat16, "0..1"),
        (256.0, torch.float32, "0..255"),
        (float("nan"), torch.float32, "0..1"),
        (float("inf"), torch.float32, "0..1"),
    ],
)
def test_what_is_no_rounding_error_is_refused(value, kind, value_range):
    tensor = torch.full((1, 2, 4, 5, 3), value, dtype=kind)
    (video,) = open_source(tensor, value_range=value_range)
    with pytest.raises(VideoError, match="outside the stated --value-range"):
        video.read([0])


def test_a_score_says_that_values_were_clipped_and_how_axes_were_read(tmp_path, monkeypatch):
    monkeypatch.setenv("PYOCO_EVAL_CACHE", str(tmp_path))
    values = (CLIPS / 255).astype(np.float32)
    values[0, 0, 0, 0, 0] = np.float32(1.0000001)
    for _ in range(2):  # the second time from stored features
        found = evaluate(
            values,
            values,
            metrics=["fid"],
            profile="embedded",
            options=Options(
                value_range="0..1",
                layout="BTHWC",
                allow_small=True,
                clip=ClipRule(num_frames=4),
                keep_features=tmp_path / "kept",
            ),
        )
        (score,) = found.scores
        assert score.signature.get("input") == "0..1-round-bthwc"
        assert any("1 of 2 hold values a rounding error outside" in w for w in score.warnings)


def test_nothing_is_never_fine(tmp_path):
    (tmp_path / "empty.txt").write_text("\n")
    for place in ([], (), [[]], "", [""], tmp_path / "empty.txt", tmp_path):
        with pytest.raises(PyocoEvalError):
            open_source(place)
