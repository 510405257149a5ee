"""`pyoco-eval grid` from folders to files: the same bytes again, a record, and what it refuses."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from grid_examples import HOSTILE, frames_of, write_folder

from pyoco_eval.cli.grid import command
from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.videos.write import write_video

FILES = ("grid.png", "grid.html", "grid.json")


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    for number, name in enumerate(("a0", "a1")):
        write_folder(
            folder / name, list(HOSTILE), content=10 * number,
            recipe={"prior": f"mixed:alpha={number}", "model": "abc"},
        )  # fmt: skip
    return folder


def test_the_record_says_what_every_cell_is_and_signs_the_files(
    samples: Path, tmp_path: Path
) -> None:
    shown = run(f"α = 0={samples / 'a0'}", f"α = 1={samples / 'a1'}", "--out", tmp_path)
    assert shown.stdout.startswith("8 cells in ")
    record = json.loads((tmp_path / "grid.json").read_text(encoding="utf-8"))
    assert record["format"] == "pyoco-eval/grid/1"
    assert (record["layout"], record["matched_by"], record["every"]) == ("strips", "index", 4)
    assert [f["recipe"]["prior"] for f in record["folders"]] == ["mixed:alpha=0", "mixed:alpha=1"]
    for cell in record["cells"]:
        folder = samples / ("a0" if cell["folder"] == "α = 0" else "a1")
        content = (folder / cell["file"]).read_bytes()
        assert cell["sha256"] == hashlib.sha256(content).hexdigest()
        assert cell["seed"] == 100 + cell["index"]
        assert cell["caption"] == HOSTILE[cell["index"]]
    for name, digest in record["files"].items():
        assert digest == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()


@pytest.mark.parametrize("layout", ["strips", "side-by-side", "gallery"])
def test_the_same_inputs_give_the_same_bytes(samples: Path, tmp_path: Path, layout: str) -> None:
    folders = [samples / "a0"] if layout == "gallery" else [samples / "a0", samples / "a1"]
    for name in ("one", "two", "two"):
        run(*folders, "--out", tmp_path / name, "--layout", layout, "--num", 6, "--every", 3)
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_foreign_text_acts_nowhere(samples: Path, tmp_path: Path) -> None:
    shown = run(samples / "a0", "--out", tmp_path, "--layout", "gallery", "--num", 6)
    page = (tmp_path / "grid.html").read_text(encoding="utf-8")
    assert page.count("<script>") == 1
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "{{ 7 * 7 }}" in page
    assert "\u202e" not in page + shown.output
    assert "\x1b" not in page + shown.output
    assert "has no sign for" in shown.stderr
    assert "日本語" in page
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", page)


def test_options_choose_what_is_shown(samples: Path, tmp_path: Path) -> None:
    run(samples / "a1", "--out", tmp_path, "--pick", "3,1", "--every", 2, "--scale", 3,
        "--columns", 1, "--fps", 5)  # fmt: skip
    record = json.loads((tmp_path / "grid.json").read_text(encoding="utf-8"))
    assert [cell["index"] for cell in record["cells"]] == [3, 1]
    assert [cell["frames"] for cell in record["cells"]] == [[0, 2, 4, 6]] * 2
    assert record["cells"][0]["shown_size"] == [24, 24]
    assert record["columns"] == 1
    assert 'data-fps="5.0"' in (tmp_path / "grid.html").read_text(encoding="utf-8")


def test_a_sample_that_is_not_the_one_of_its_manifest_is_an_error(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "a", ["x", "y"])
    write_video(folder / "000001.npz", frames_of(77), 8)
    with pytest.raises(PyocoEvalError, match=r"000001\.npz is not the video that its manifest"):
        run(folder, "--out", tmp_path / "out")
    assert not list((tmp_path / "out").glob("grid.*"))


def test_what_cannot_be_meant_is_refused_before_anything_is_decoded(
    samples: Path, tmp_path: Path
) -> None:
    one, two = samples / "a0", samples / "a1"
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "grid.png").write_bytes(b"mine")
    for arguments, message in (
        ((one, two, "--out", tmp_path / "x", "--layout", "gallery"), "one folder, not 2"),
        ((one, two, "--out", tmp_path / "x", "--layout", "side-by-side", "--columns", 2),
         "--columns 2: has no meaning"),
        ((one, "--out", one / "grid"), "among the samples"),
        ((one, "--out", tmp_path / "foreign"), "grid.png, which is of no grid"),
        ((one, "--out", tmp_path / "x", "--num", 70), "holds 6 samples"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=message):
            run(*arguments)
    assert (tmp_path / "foreign" / "grid.png").read_bytes() == b"mine"


def test_folders_of_frames_and_other_sizes_stand_beside_each_other(tmp_path: Path) -> None:
    for number in range(2):
        write_video(tmp_path / "png" / f"{number:03d}", frames_of(number, side=10), 8)
        write_video(tmp_path / "gif" / f"{number:03d}.gif", frames_of(number, side=24, num=5), 8)
    shown = run(tmp_path / "png", tmp_path / "gif", "--out", tmp_path / "out", "--every", 2)
    record = json.loads((tmp_path / "out" / "grid.json").read_text(encoding="utf-8"))
    cells = {(cell["folder"], cell["sample"]): cell for cell in record["cells"]}
    assert cells["png", "0"]["shown_size"] == [100, 100]
    assert cells["gif", "0"]["shown_size"] == [96, 96]
    assert cells["gif", "1"]["frames"] == [0, 2, 4]
    assert "No seeds are stated by png, gif" in shown.stderr
