"""MSR-VTT as users have it: test videos alone or among others, annotations plain or zipped."""

import zipfile
from pathlib import Path

import pytest
from trees import annotation, write_clip

from pyoco_eval.datasets.msrvtt import TEST_IDS, open_msrvtt
from pyoco_eval.errors import PyocoEvalError, UsageError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "TestVideo"
    folder.mkdir()
    for number in (7009, 7010, 7011, 9999):
        write_clip(folder / f"video{number}.mp4", number)
    return folder


def test_the_test_videos_are_taken_and_the_others_are_not_extra(root: Path) -> None:
    found = open_msrvtt(root)
    assert [video.id for video in found.videos] == [
        "video7010.mp4",
        "video7011.mp4",
        "video9999.mp4",
    ]
    (absent,) = found.findings
    assert absent.kind == "missing"
    assert len(absent.names) == 2987
    assert "2,987 of the 2,990 videos of msrvtt: video7012" in str(absent)
    assert "and 2,977 more" in str(absent)
    assert found.captions == ()
    assert found.caption_list() == []


def test_captions_come_in_published_order(root: Path) -> None:
    (root / "test_videodatainfo.json").write_text(annotation(range(7008, 7013)), encoding="utf-8")
    found = open_msrvtt(root)
    assert found.captions == (("clip 7010 0", "clip 7010 1"), ("clip 7011 0", "clip 7011 1"), ())
    assert found.caption_list()[0] == ("video7010.mp4", "clip 7010 0")
    lists = next(finding for finding in found.findings if finding.kind == "lists")
    assert "6 of the test videos, published 59,800; 2,987 videos have none" in str(lists)
    assert list(found.lists) == ["test_videodatainfo.json"]


def test_captions_with_other_letters_can_be_left_out(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "captions.json"
    path.write_text(annotation(range(7010, 7012)), encoding="utf-8")
    found = open_msrvtt(root, annotations=path)
    assert len(found.caption_list()) == 4
    plain = found.caption_list(ascii_only=True)
    assert len(plain) == 3
    assert ("video7011.mp4", "a café") not in plain


def test_renamed_files_are_used_under_the_published_names(root: Path) -> None:
    (root / "video7010.mp4").rename(root / "Video_07010.mp4")
    found = open_msrvtt(root)
    assert found.videos[0].id == "video7010.mp4"
    assert found.findings[1].kind == "renamed"


def test_what_is_no_annotation_is_refused(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for text in ("{", "[]", '{"sentences": [{"caption": "x"}]}', '{"sentences": 3}'):
        path.write_text(text)
        with pytest.raises(PyocoEvalError, match=r"a\.json: not an annotation"):
            open_msrvtt(root, annotations=path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1.json", "{}")
        archive.writestr("2.json", "{}")
    with pytest.raises(PyocoEvalError, match="holds 2 JSON files"):
        open_msrvtt(root, annotations=path)
    with pytest.raises(UsageError, match=r"--annotations .*nothing\.json"):
        open_msrvtt(root, annotations=tmp_path / "nothing.json")
    with pytest.raises(UsageError, match="--split val: msrvtt has test"):
        open_msrvtt(root, "val")
    (tmp_path / "empty").mkdir()
    write_clip(tmp_path / "empty" / "video1.mp4", 1)
    with pytest.raises(PyocoEvalError, match="none of its 1 videos"):
        open_msrvtt(tmp_path / "empty")


def test_the_published_annotation_is_recognised(shared_data: Path, tmp_path: Path) -> None:
    for name in TEST_IDS:
        (tmp_path / f"{name}.mp4").touch()
    annotations = shared_data / "msrvtt" / "test_videodatainfo.json.zip"
    found = open_msrvtt(tmp_path, annotations=annotations)
    assert found.findings == ()
    assert len(found.videos) == 2990
    assert all(len(captions) == 20 for captions in found.captions)
    assert len(found.caption_list()) == 59_800
    assert len(found.caption_list(ascii_only=True)) == 59_794
