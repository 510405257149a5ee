"""Features kept on disk: a killed run goes on, and only from rows of the very same videos."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from toys import MeanColour, flat_videos

from pyoco_eval.extraction.decode_pass import Pass, run_pass
from pyoco_eval.extraction.feature_store import UNIT, FeatureStore
from pyoco_eval.extraction.feeding.row_queue import NetworkInput
from pyoco_eval.extraction.measure import RowCollector
from pyoco_eval.extraction.options import Options
from pyoco_eval.records.record import Record
from pyoco_eval.videos.clip_rule import ClipRule
from pyoco_eval.videos.source import VideoSource, open_source

RECIPE = {"net": "toy-mean-rgb@00000000", "clip": "4f-s1-first", "conv": "custom"}


def extract(
    source: VideoSource, folder: Path, recipe: dict[str, str] = RECIPE, **choices: str
) -> tuple[np.ndarray, Pass, MeanColour, tuple[str, ...]]:
    network, rows = MeanColour(), RowCollector()
    short = choices.get("short", "error")
    options = Options(
        clip=ClipRule(num_frames=4, short=short),  # type: ignore[arg-type]
        on_error=choices.get("on_error", "error"),  # type: ignore[arg-type]
        workers=3,
    )
    store = FeatureStore(folder, source.name, [video.id for video in source], recipe)
    tap = NetworkInput(network, [rows], "exact", store)
    found = run_pass(source, [tap], options)
    found.settle(len(source), options)
    assert tap.row_ids is not None
    return rows.rows(), found, network, tuple(tap.row_ids)


def folder_of(path: Path, num: int) -> Path:
    path.mkdir()
    for index, video in enumerate(flat_videos(num)):
        np.save(path / f"v{index:03d}.npy", video)
    return path


def test_a_second_run_needs_no_network(tmp_path: Path) -> None:
    source = open_source(folder_of(tmp_path / "clips", 2 * UNIT + 5))
    rows, found, network, ids = extract(source, tmp_path / "store")
    again, found_again, idle, ids_again = extract(source, tmp_path / "store")
    assert (len(network.calls), len(idle.calls)) == (2 * UNIT + 5, 0)
    assert (found.num_from_store, found_again.num_from_store) == (0, 2 * UNIT + 5)
    np.testing.assert_array_equal(rows, again)
    assert ids == ids_again
    assert found.digest() == found_again.digest()
    assert found.size_label() == found_again.size_label() == "8x8"


def test_a_changed_video_is_extracted_anew_and_the_others_are_not(tmp_path: Path) -> None:
    clips = folder_of(tmp_path / "clips", UNIT + 3)
    rows, *_ = extract(open_source(clips), tmp_path / "store")
    np.save(clips / "v004.npy", flat_videos(1, seed=9)[0])
    changed, found, network, _ = extract(open_source(clips), tmp_path / "store")
    assert len(network.calls) == 1
    assert found.num_from_store == UNIT + 2
    assert (changed != rows).any(axis=1).nonzero()[0].tolist() == [4]
    _, _, idle, _ = extract(open_source(clips), tmp_path / "store")
    assert idle.calls == []


@pytest.mark.parametrize("key", ["net", "clip"])
def test_rows_of_another_recipe_are_not_used(tmp_path: Path, key: str) -> None:
    source = open_source(folder_of(tmp_path / "clips", 3))
    extract(source, tmp_path / "store")
    _, _, network, _ = extract(source, tmp_path / "store", RECIPE | {key: "other@1"})
    assert len(network.calls) == 3


def test_the_name_of_the_convention_and_skips_do_not_part_stores(tmp_path: Path) -> None:
    source = open_source(folder_of(tmp_path / "clips", 3))
    extract(source, tmp_path / "store")
    _, _, network, _ = extract(source, tmp_path / "store", RECIPE | {"conv": "tats"})
    assert network.calls == []


def test_a_damaged_unit_is_extracted_anew(tmp_path: Path) -> None:
    source = open_source(folder_of(tmp_path / "clips", UNIT + 1))
    rows, *_ = extract(source, tmp_path / "store")
    unit = min((tmp_path / "store").rglob("*.npz"))
    unit.write_bytes(unit.read_bytes()[:-200])
    again, _, network, _ = extract(source, tmp_path / "store")
    assert len(network.calls) == UNIT
    np.testing.assert_array_equal(rows, again)
    _, _, idle, _ = extract(source, tmp_path / "store")
    assert idle.calls == []


def test_a_run_that_breaks_off_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_source(folder_of(tmp_path / "clips", 3 * UNIT))
    whole, *_ = extract(source, tmp_path / "undisturbed")
    original = MeanColour.extract

    def tired(self: MeanColour, batch: object) -> object:
        if len(self.calls) == 2 * UNIT + 7:
            raise KeyboardInterrupt
        return original(self, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(MeanColour, "extract", tired)
    with pytest.raises(KeyboardInterrupt):
        extract(source, tmp_path / "store")
    monkeypatch.setattr(MeanColour, "extract", original)
    rows, found, network, _ = extract(source, tmp_path / "store")
    assert (len(network.calls), found.num_from_store) == (UNIT, 2 * UNIT)
    np.testing.assert_array_equal(rows, whole)


def test_what_was_left_out_by_rule_is_remembered_and_what_failed_is_tried_again(
    tmp_path: Path,
) -> None:
    clips = folder_of(tmp_path / "clips", UNIT + 4)
    np.save(clips / "v002.npy", flat_videos(1, num_frames=2)[0])
    (clips / f"v{UNIT + 1:03d}.npy").write_bytes(b"no array")
    choices = {"short": "skip", "on_error": "skip"}
    rows, found, _, _ = extract(open_source(clips), tmp_path / "store", **choices)
    again, found_again, network, _ = extract(open_source(clips), tmp_path / "store", **choices)
    assert found.skipped == found_again.skipped
    assert set(found.skipped) == {"v002.npy", f"v{UNIT + 1:03d}.npy"}
    assert len(network.calls) == 3  # the unit with the failure
    np.testing.assert_array_equal(rows, again)


@pytest.mark.slow
def test_a_killed_command_ends_with_the_same_record(tmp_path: Path) -> None:
    from pyoco_eval.shapes.dataset import MovingShapes
    from pyoco_eval.videos.write import write_video

    for split in ("val", "test"):
        clips = MovingShapes(split)
        (tmp_path / split).mkdir()
        for index in range(200):
            write_video(tmp_path / split / f"{index:03d}.npz", clips[index].frames, fps=8)

    def command(name: str) -> list[str]:
        options = ["--profile", "embedded", "--metrics", "fvd,is,fid", "--keep-features"]
        sides = ["--samples", str(tmp_path / "val"), "--reference", str(tmp_path / "test")]
        paths = [str(tmp_path / f"kept-{name}"), "--out", str(tmp_path / f"{name}.json")]
        return [sys.executable, "-m", "pyoco_eval", "evaluate", *sides, *options, *paths]

    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(command("calm"), check=True, env=environment, capture_output=True)
    kills = 0
    for enough in (2, 9):
        process = subprocess.Popen(command("killed"), env=environment, stderr=subprocess.DEVNULL)
        while len(list((tmp_path / "kept-killed").rglob("*.npz"))) < enough:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    subprocess.run(command("killed"), check=True, env=environment, capture_output=True)
    assert kills == 2
    calm, killed = (Record.load(tmp_path / f"{name}.json") for name in ("calm", "killed"))
    assert killed.scores == calm.scores
    assert killed.samples == calm.samples
