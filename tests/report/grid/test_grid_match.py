"""Samples of several folders: found by index, number or name; what does not match is told whole."""

import json
from pathlib import Path

import pytest
from grid_examples import frames_of, opened, write_folder

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.report.grid.match import match_samples
from pyoco_eval.report.grid.sample_folder import open_sample_folder, parse_named
from pyoco_eval.videos.write import write_video


def plain(folder: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        write_video(folder / f"{name}.npz", frames_of(number), 8)
    return folder


def ids(matched) -> list[list[str]]:
    return [[sample.video.id for sample in row] for row in matched.rows]


def test_samples_of_one_index_belong_together_whatever_their_files_are_called(
    tmp_path: Path,
) -> None:
    one = write_folder(tmp_path / "a", ["x", "y", "z"])
    two = write_folder(tmp_path / "b", ["x", "y", "z"])
    rows = [json.loads(line) for line in (two / "manifest.jsonl").read_text().splitlines()]
    for row in rows:
        (two / row["id"]).rename(two / f"clip-{9 - row['index']}.npz")
        row["id"] = f"clip-{9 - row['index']}.npz"
    (two / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    matched = match_samples(opened(a=one, b=two), 2)
    assert (matched.scheme, matched.keys, matched.notes) == ("index", ("0", "1"), ())
    assert ids(matched) == [["000000.npz", "clip-9.npz"], ["000001.npz", "clip-8.npz"]]
    assert matched.captions() == ["x", "y"]


def test_all_that_is_missing_or_different_is_listed_at_once(tmp_path: Path) -> None:
    one = write_folder(tmp_path / "a", ["x", "y", "z"])
    two = write_folder(tmp_path / "b", ["x", "other", "z"])
    three = write_folder(tmp_path / "c", ["x"])
    with pytest.raises(UsageError) as caught:
        match_samples(opened(a=one, b=two, c=three))
    text = str(caught.value)
    assert "told by the index" in text
    assert f"c ({three}) has no sample 1" in text
    assert f"c ({three}) has no sample 2" in text
    assert "sample 1 has another caption: 'y' in a, 'other' in b" in text
    assert "all folders have 0; choose with --pick" in text
    assert ids(match_samples(opened(a=one, b=two, c=three), pick=["0"])) == [3 * ["000000.npz"]]


def test_seeds_that_differ_or_are_not_known_are_told(tmp_path: Path) -> None:
    one = write_folder(tmp_path / "a", ["x", "y"])
    two = write_folder(tmp_path / "b", ["x", "y"], seed=7)
    three = plain(tmp_path / "c", "v_1", "v_2")
    (note,) = match_samples(opened(a=one, b=two)).notes
    assert "Seeds differ between folders at 2 of 2 samples (0, 1)" in note
    matched = match_samples(opened(a=one, c=three))
    assert matched.scheme == "number"
    assert ids(matched) == [["000000.npz", "v_1.npz"], ["000001.npz", "v_2.npz"]]
    assert matched.notes[0] == "The files of c are numbered from 1: its number 1 stands for 0."
    assert "No seeds are stated by c" in matched.notes[1]


def test_folders_without_numbers_match_by_name(tmp_path: Path) -> None:
    one = plain(tmp_path / "a", "a-dog", "cat", "deep/owl")
    two = plain(tmp_path / "b", "cat", "a-dog", "deep/owl")
    matched = match_samples(opened(a=one, b=two))
    assert matched.scheme == "name"
    assert matched.keys == ("a-dog", "cat", "deep/owl")
    assert matched.captions() == ["sample a-dog", "sample cat", "sample deep/owl"]
    with pytest.raises(UsageError, match=r"(?s)names of their files.*a \(.*\) has no sample bird"):
        match_samples(opened(a=one, b=two), pick=["bird"])


@pytest.mark.parametrize("pick", ["2", "000002", "000002.npz"])
def test_a_sample_is_picked_by_number_or_file(tmp_path: Path, pick: str) -> None:
    one = write_folder(tmp_path / "a", ["x", "y", None])
    matched = match_samples(opened(a=one), pick=[pick])
    assert (matched.keys, matched.captions()) == (("2",), ["seed 102"])


@pytest.mark.parametrize(
    ("num", "pick", "message"),
    [
        (9, [], r"--num 9: a \(.*\) holds 2 samples"),
        (1, ["0"], "--num and --pick: give one"),
        (None, ["0", "000000"], "--pick: 0 is given twice"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    tmp_path: Path, num: int | None, pick: list[str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        match_samples(opened(a=write_folder(tmp_path / "a", ["x", "y"])), num, pick)


def test_names_stand_before_the_equals_sign_that_a_folder_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("plain", "alpha=1"):
        (tmp_path / name).mkdir()
    assert parse_named(["plain", "α = 0=plain", "alpha=1", "b=alpha=1"]) == [
        ("plain", "plain"), ("α = 0", "plain"), ("alpha=1", "alpha=1"), ("b", "alpha=1"),
    ]  # fmt: skip
    for texts, message in (
        (["a=nowhere"], "no folder 'nowhere'"),
        (["nowhere"], "no folder 'nowhere'"),
        (["=plain"], "has no name"),
        (["a=plain", "a=alpha=1"], "a stands for several"),
    ):
        with pytest.raises(UsageError, match=message):
            parse_named(texts)


def test_a_line_separator_inside_of_a_caption_ends_no_row(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "a", ["x"])
    row = json.loads((folder / "manifest.jsonl").read_text())
    text = json.dumps(row | {"caption": "two\u2028lines"}, ensure_ascii=False) + "\n"
    (folder / "manifest.jsonl").write_text(text, encoding="utf-8")
    (sample,) = open_sample_folder("a", str(folder)).samples
    assert (sample.index, sample.seed) == (0, 100)


def test_a_recipe_that_is_none_is_an_error(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "a", ["x"])
    (folder / "recipe.json").write_text("[]")
    with pytest.raises(PyocoEvalError, match=r"recipe\.json: is no recipe"):
        open_sample_folder("a", str(folder))
