"""Short videos and broken ones are two things: a policy and a count each, and a limit for both."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_runs import small_config

from pyoco_eval.errors import PyocoEvalError, VideoError
from pyoco_eval.training.config import DataConfig
from pyoco_eval.training.data.examples import ShapesExamples
from pyoco_eval.training.data.samples import DrawnExamples, Replaced
from pyoco_eval.training.data.video_examples import VideoExamples
from pyoco_eval.training.outputs.checkpoints import newest_state
from pyoco_eval.training.outputs.log import read_log
from pyoco_eval.training.run import train
from pyoco_eval.videos.clip_rule import ShortVideo
from pyoco_eval.videos.source import open_source


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips of 12 frames, one of 3, one that is no video."""
    place = tmp_path_factory.mktemp("clips")
    for number in range(3):
        np.save(place / f"whole{number}.npy", np.full((12, 16, 16, 3), 40 * number, np.uint8))
    np.save(place / "short.npy", np.zeros((3, 16, 16, 3), np.uint8))
    (place / "broken.npy").write_bytes(b"no array at all")
    return place


def drawn(folder: Path, short: str, on_error: str) -> list[Any]:
    """What comes of each of the five: what was replaced, or the error."""
    config = DataConfig("videos", str(folder), size=16, num_frames=6, short=short)  # type: ignore[arg-type]
    examples = DrawnExamples(VideoExamples(config, open_source(folder)), short, on_error, 0)
    found: list[Any] = []
    for number in range(5):
        try:
            found.append(examples.read(number)[1])
        except VideoError as error:
            found.append(type(error))
    return found


@pytest.mark.parametrize(
    ("short", "on_error", "raised", "counted"),
    [
        ("error", "error", {ShortVideo, VideoError}, (False, False)),
        ("skip", "error", {VideoError}, (True, False)),
        ("error", "skip", {ShortVideo}, (False, True)),
        ("skip", "skip", set(), (True, True)),
        ("loop", "error", {VideoError}, (False, False)),
    ],
)
def test_each_policy_is_for_its_own_kind(
    folder: Path, short: str, on_error: str, raised: set[type], counted: tuple[bool, bool]
) -> None:
    found = drawn(folder, short, on_error)
    errors = {kind for kind in found if isinstance(kind, type)}
    total = sum((item for item in found if isinstance(item, Replaced)), Replaced())
    assert errors == raised
    if not raised:  # a replacement may itself have to be replaced
        assert (total.short > 0, total.broken > 0) == counted
    else:
        assert total.short == 0 or counted[0]
        assert total.broken == 0 or counted[1]


def run_config(out: Path, folder: Path, **changes: Any) -> Any:
    data = {"source": "videos", "path": str(folder), "size": 16, "num_frames": 6}
    data |= {"short": "skip", "on_error": "skip"}
    return small_config(out, **{"data": data, "condition": {}, "batch": 5, **changes})


def test_both_counts_are_in_log_and_sheet(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []

    def sheet(videos: Any, texts: Any, **_: Any) -> Any:
        from PIL import Image

        shown.extend(texts)
        return Image.new("RGB", (8, 8))

    monkeypatch.setattr("pyoco_eval.training.outputs.samples_sheet.contact_sheet", sheet)
    config = run_config(tmp_path / "run", folder, steps=2, log__samples_every=2)
    train(config)
    entries = read_log(tmp_path / "run" / "log.jsonl")
    short = sum(entry["replaced_short"] for entry in entries)
    broken = sum(entry["replaced_broken"] for entry in entries)
    assert short >= 2, "two epochs"
    assert broken >= 2
    assert shown[0] == f"[{short} short and {broken} broken samples were replaced]"


def test_a_run_on_the_rest_of_its_data_ends(tmp_path: Path, folder: Path) -> None:
    """Two of five are replaced, again and again; the state is kept."""
    config = run_config(tmp_path / "run", folder, steps=30, log__checkpoint_every=100)
    with pytest.raises(PyocoEvalError, match=r"broken samples were replaced of .*max_replaced"):
        train(config)
    place = newest_state(tmp_path / "run" / "checkpoints")
    assert place is not None
    assert int(place.name[-8:]) < 30
    train(run_config(tmp_path / "run", folder, steps=30, max_replaced=1.0))
    assert len(read_log(tmp_path / "run" / "log.jsonl")) == 30


def test_shapes_are_never_replaced() -> None:
    examples = DrawnExamples(ShapesExamples(DataConfig(size=16, num_frames=4)), "skip", "skip", 0)
    assert not examples.read(0)[1]
