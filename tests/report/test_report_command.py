"""`pyoco-eval report`, from scored videos to files, as a user calls it."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from report_examples import record, results

import pyoco_eval
from pyoco_eval.cli.main import cli
from pyoco_eval.errors import UsageError
from pyoco_eval.report.make import GalleryChoices, make_report
from pyoco_eval.shapes.dataset import MovingShapes
from pyoco_eval.videos.write import write_video

NUM = 66


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips with a manifest, their record, and features of both sides."""
    folder = tmp_path_factory.mktemp("scored")
    shapes = MovingShapes("test")
    lines = []
    for index in range(NUM):
        write_video(folder / "clips" / f"{index:03d}.mp4", shapes[index].frames, 8)
        lines.append(json.dumps({"id": f"{index:03d}.mp4", "caption": shapes[index].caption}))
    (folder / "clips" / "manifest.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    reference = np.stack([MovingShapes("val")[i].frames for i in range(NUM)])
    np.save(folder / "reference.npy", reference)
    evaluation = pyoco_eval.evaluate(
        folder / "clips", folder / "reference.npy", metrics=["fvd"], profile="embedded"
    )
    evaluation.record.save(folder / "record.json")
    for name, place in (("gen", folder / "clips"), ("ref", folder / "reference.npy")):
        pyoco_eval.extract_features(place, "tiny3d", out=folder / f"{name}.npz")
    return folder


def run(*arguments: object) -> str:
    finished = CliRunner().invoke(cli, ["report", *map(str, arguments)])
    if finished.exception is not None and not isinstance(finished.exception, SystemExit):
        raise finished.exception
    assert finished.exit_code == 0, finished.output
    return finished.output


def test_a_record_becomes_a_page_with_its_clips(scored: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    run(
        scored / "record.json", "--samples", scored / "clips", "--features", scored / "gen.npz",
        "--reference", scored / "reference.npy", "--reference-features", scored / "ref.npz",
        "--num-clips", 2, "--out", out, "--out", tmp_path / "report.md",
    )  # fmt: skip
    page = out.read_text(encoding="utf-8")
    assert page.count("<video") == 6 + 2
    assert "Not comparable with published numbers." in page
    assert "slowly" in page or "quickly" in page  # captions of the manifest
    value = json.loads((scored / "record.json").read_text())["scores"][0]["value"]
    assert f"{value:.6g}" in page
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "embedded-fvd" in markdown


def test_several_runs_become_a_table_of_models(tmp_path: Path) -> None:
    record(300.0, "1", interval=(290.0, 310.0)).save(tmp_path / "first.json")
    record(400.0, "2", interval=(390.0, 410.0)).save(tmp_path / "second.json")
    results().save(tmp_path / "run.json")
    files = [tmp_path / f"{name}.json" for name in ("first", "second", "run")]
    run(*files, "--out", tmp_path / "all.tex", "--out", tmp_path / "all.html")
    page = (tmp_path / "all.html").read_text(encoding="utf-8")
    assert page.count("<article>") == 2
    assert "first is better than second at 95%" in page
    assert (tmp_path / "all.tex").read_text(encoding="utf-8").count(r"\begin{table}") == 3


def test_a_page_without_clips_says_nothing_of_them(scored: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    run(scored / "record.json", "--samples", scored / "clips", "--clip-budget", 0, "--out", out)
    page = out.read_text(encoding="utf-8")
    assert "<video" not in page
    assert "left out" not in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"outs": ["report.pdf"]}, "use .html, .md or .tex"),
        ({"outs": ["record.json"]}, "use .html, .md or .tex"),
        ({"gallery": GalleryChoices((), Path("gen.npz"))}, "with --samples"),
        ({"gallery": GalleryChoices(("clips",), Path("gen.npz"))}, "distances need both"),
        ({"paths": ["run.json"], "gallery": GalleryChoices(("clips",))}, "one plain record"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: dict[str, object],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    record(300.0, "1").save("record.json")
    results().save("run.json")
    given = {"paths": ["record.json"], "outs": ["report.html"], "gallery": None} | arguments
    paths, outs = ([Path(str(p)) for p in given[key]] for key in ("paths", "outs"))  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match=message):
        make_report(paths, outs, given["gallery"])  # type: ignore[arg-type]
    assert not Path("report.html").exists()


def test_rows_of_different_networks_have_no_distance(scored: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.npz"
    pyoco_eval.extract_features(scored / "reference.npy", "tiny3d", layer="logits", out=other)
    choices = GalleryChoices((str(scored / "clips"),), scored / "gen.npz", None, other)
    with pytest.raises(UsageError, match="have no distance"):
        make_report([scored / "record.json"], [tmp_path / "report.html"], choices)
