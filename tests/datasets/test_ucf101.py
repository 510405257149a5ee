"""UCF-101 as users have it: whole and in pieces, under any names."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from trees import CLASSES, TEST, TRAIN, name, names, write_clip, write_lists, write_ucf101

from pyoco_eval.datasets.catalogue import KNOWN_SETS, known_set
from pyoco_eval.datasets.dataset import Dataset, DatasetFinding
from pyoco_eval.datasets.ucf101 import PUBLISHED_LISTS, open_ucf101
from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError


def kinds(
    findings: list[DatasetFinding] | tuple[DatasetFinding, ...],
) -> dict[str, tuple[str, ...]]:
    return {finding.kind: finding.names for finding in findings}


def ids(dataset: Dataset) -> list[str]:
    return [video.id for video in dataset.videos]


@pytest.fixture(scope="module")
def distributed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "UCF-101"
    write_ucf101(root)
    return root


def test_a_split_holds_the_listed_videos_with_their_classes(distributed: Path) -> None:
    train = open_ucf101(distributed, "train01")
    assert ids(train) == sorted(names(TRAIN))
    assert [train.class_names[label] for label in train.labels] == [
        entry.partition("/")[0] for entry in ids(train)
    ]
    assert [video.label for video in train.videos] == [
        train.class_names[label] for label in train.labels
    ]
    assert [video.index for video in train.videos] == list(range(9))
    assert (train.name, train.split, train.known.name) == ("ucf101", "train01", "ucf101-train01")
    assert train.videos.name == "ucf101-train01"
    assert set(train.lists) == {"classInd.txt", "trainlist01.txt", "testlist01.txt"}
    assert ids(open_ucf101(distributed, "test02")) == sorted(names(TEST))
    everything = ids(open_ucf101(distributed))
    assert everything == sorted(names(TRAIN) + names(TEST))
    assert ids(open_ucf101(distributed, "train+test")) == everything


def test_lists_that_are_not_the_published_ones_are_found_out(distributed: Path) -> None:
    (found,) = open_ucf101(distributed, "train01").findings
    assert found.kind == "lists"
    assert found.hinders
    assert "name 9 videos for train01; the published 9,537" in str(found)


def test_copies_in_other_folders_hold_the_same_videos(distributed: Path, tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for entry in names(TRAIN) + names(TEST):
        shutil.copy(distributed / entry, flat)
    lists = distributed / "ucfTrainTestlist"
    copy = open_ucf101(flat, "test01", split_lists=lists)
    original = open_ucf101(distributed, "test01")
    assert copy.videos.digest() == original.videos.digest()
    assert copy.labels == original.labels
    assert kinds(copy.findings).keys() == {"lists"}
    by_parent = open_ucf101(flat, "test01", split_lists=distributed)
    assert ids(by_parent) == ids(copy)


def test_other_containers_and_folders_of_frames_are_found_by_their_stems(tmp_path: Path) -> None:
    root = tmp_path / "frames"
    from PIL import Image

    for entry in names(TEST):
        folder = root / entry.removesuffix(".avi")
        folder.mkdir(parents=True)
        for number in range(2):
            Image.fromarray(np.zeros((24, 32, 3), np.uint8)).save(folder / f"{number}.png")
    mp4 = (root / name("YoYo", 1)).with_suffix(".mp4")
    shutil.rmtree(mp4.with_suffix(""))
    write_clip(mp4, 0)
    write_lists(tmp_path / "ucfTrainTestlist")
    test = open_ucf101(root, "test01")
    expected = [entry.removesuffix(".avi") for entry in names(TEST)]
    expected[expected.index(name("YoYo", 1).removesuffix(".avi"))] += ".mp4"
    assert ids(test) == sorted(expected)


def test_everything_wrong_is_reported_at_once(distributed: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(distributed, root)
    gone, garbled = name("Archery", 8), name("Archery", 9)
    respelt, moved, twice = name("HandstandPushups", 8), name("YoYo", 8), name("YoYo", 9)
    (root / gone).unlink()
    (root / garbled).write_bytes(b"nothing")
    (root / respelt).rename(root / "HandstandPushups/HandstandPushups_G08_C01.avi")
    (root / moved).rename(root / "Archery/v_YoYo_g08_c01.avi")
    write_clip((root / twice).with_suffix(".mp4"), 1)
    write_clip(root / "YoYo/holiday.avi", 0)
    write_clip(root / "YoYo/v_YoYo_g10_c01.avi", 0, size=(64, 48))
    seen: list[None] = []
    train = open_ucf101(root, "train01")
    findings = train.check(on_video=lambda: seen.append(None))
    found = kinds(findings)
    assert len(seen) == len(train.videos) == 8
    assert found["missing"] == (gone.removesuffix(".avi"),)
    assert found["renamed"] == (
        "HandstandPushups/HandstandPushups_G08_C01.avi (published: v_HandStandPushups_g08_c01)",
    )
    assert found["misplaced"] == ("Archery/v_YoYo_g08_c01.avi (published: YoYo)",)
    assert found["duplicate"] == ("YoYo/v_YoYo_g09_c01.avi (also YoYo/v_YoYo_g09_c01.mp4)",)
    assert found["extra"] == ("YoYo/holiday.avi",)
    assert found["unreadable"][0].startswith(garbled)
    assert "64 x 48 pixels, not 320 x 240" in " ".join(map(str, findings))
    assert respelt in ids(train)
    assert moved in ids(train)
    assert {finding.kind for finding in findings if finding.hinders} == {
        "lists", "missing", "duplicate", "unreadable"}  # fmt: skip


def test_files_of_other_splits_are_neither_extra_nor_duplicates(
    distributed: Path, tmp_path: Path
) -> None:
    root = tmp_path / "copy"
    shutil.copytree(distributed, root)
    write_clip((root / name("YoYo", 9)).with_suffix(".mp4"), 1)
    assert kinds(open_ucf101(root, "test01").findings).keys() == {"lists"}


def test_all_needs_no_lists_and_says_that_it_is_not_whole(
    distributed: Path, tmp_path: Path
) -> None:
    for entry in names(TRAIN) + names(TEST):
        (tmp_path / "flat").mkdir(exist_ok=True)
        shutil.copy(distributed / entry, tmp_path / "flat")
    without = open_ucf101(tmp_path / "flat")
    assert without.class_names == CLASSES
    assert ids(without) == ids(open_ucf101(distributed))
    (found,) = without.findings
    assert "15 videos of 3 classes are here; the whole has 13,320 of 101" in str(found)
    with pytest.raises(MissingError, match="--split-lists ucfTrainTestlist"):
        open_ucf101(tmp_path / "flat", "train01")


def test_what_cannot_be_meant_is_refused(distributed: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--split train: ucf101 has all, train01"):
        open_ucf101(distributed, "train")
    with pytest.raises(UsageError, match=r"--data-root .*nowhere: no such folder"):
        open_ucf101(tmp_path / "nowhere")
    write_clip(tmp_path / "holiday.avi", 0)
    with pytest.raises(PyocoEvalError, match="none of its 1 videos"):
        open_ucf101(tmp_path)
    lists = tmp_path / "lists"
    write_lists(lists)
    (lists / "trainlist01.txt").write_text("Archery/v_Archery_g08_c01.avi 1\nsomething else\n")
    with pytest.raises(PyocoEvalError, match=r"trainlist01.txt: expected names like .*something"):
        open_ucf101(distributed, "train01", split_lists=lists)
    (lists / "trainlist01.txt").unlink()
    with pytest.raises(PyocoEvalError, match=r"trainlist01.txt: cannot be read"):
        open_ucf101(distributed, "train01", split_lists=lists)
    with pytest.raises(MissingError, match=r"classInd\.txt"):
        open_ucf101(distributed, "train01", split_lists=tmp_path)


@pytest.mark.parametrize("split", list(PUBLISHED_LISTS))
def test_the_published_lists_are_recognised(split: str, shared_data: Path, published: Path) -> None:
    """Empty files with the names of all videos, in one folder."""
    found = open_ucf101(published, split, split_lists=shared_data / "ucf101")
    known = known_set("ucf101", split)
    assert len(found.videos) == known.num_videos
    assert found.findings == ()
    assert len(set(found.labels)) == len(found.class_names) == 101
    assert KNOWN_SETS[known.name] is known


@pytest.fixture(scope="module")
def published(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("published")
    for file in ("trainlist01.txt", "testlist01.txt"):
        for line in (shared_data / "ucf101" / file).read_text().splitlines():
            (root / Path(line.split()[0]).name).touch()
    return root


def test_without_lists_the_whole_is_recognised_by_its_names(
    shared_data: Path, published: Path
) -> None:
    found = open_ucf101(published)
    assert found.findings == ()
    with_lists = open_ucf101(published, split_lists=shared_data / "ucf101")
    assert ids(found) == ids(with_lists)
    assert found.labels == with_lists.labels
    assert found.class_names == with_lists.class_names
