"""References: found by name, built once, and the printed command that builds them."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from toys import MeanColour, flat_videos

import pyoco_eval
from pyoco_eval.cli.main import cli
from pyoco_eval.datasets import ucf101
from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.extraction import networks
from pyoco_eval.extraction.options import Options
from pyoco_eval.locks import LOCK
from pyoco_eval.references.build import Built, ReferenceVideos, build_reference
from pyoco_eval.references.recipes import recipe_differences
from pyoco_eval.shapes.dataset import MovingShapes
from pyoco_eval.statistics.files import FeatureSet, StatisticsFile
from pyoco_eval.videos.clip_rule import ClipRule
from pyoco_eval.videos.write import write_video

IMAGE_NETWORKS = ("inception", "clip", "tiny2d", "tinyclip")
OPTIONS = ("--num-frames", "4")


@pytest.fixture(autouse=True)
def toy_networks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[MeanColour]:
    loaded = []

    def load(self: networks.Network, options: object) -> MeanColour:
        kind = "image" if self.extractor in IMAGE_NETWORKS else "video"
        loaded.append(MeanColour(kind, self.extractor, self.layer, self.resize, self.scaling))
        return loaded[-1]

    monkeypatch.setattr(networks.Network, "load", load)
    monkeypatch.setenv("PYOCO_EVAL_CACHE", str(tmp_path / "cache"))
    return loaded


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """Twenty clips, exact as arrays."""
    return write_clips(tmp_path / "real", [f"{i:02d}" for i in range(20)])


def write_clips(folder: Path, names: list[str], seed: int = 1) -> Path:
    for name, frames in zip(names, flat_videos(len(names), seed=seed), strict=True):
        write_video(folder / f"{name}.npz", frames)
    return folder


def run(*arguments: str) -> Any:
    return CliRunner().invoke(cli, list(arguments))


def build(name: str, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
    result = run("reference", "build", name, *OPTIONS, "--json", *arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return list(json.loads(result.stdout))


def test_a_reference_of_ones_own_is_found_by_its_name(real: Path) -> None:
    (built,) = build("mine", "--samples", str(real), "--metrics", "fvd")
    assert built["is_new"]
    named = pyoco_eval.fvd(flat_videos(20), "mine", num_frames=4)
    direct = pyoco_eval.fvd(flat_videos(20), str(real), num_frames=4)
    assert named.value == direct.value
    digest = str(direct.signature.get("ref")).partition("@")[2]
    assert named.signature.get("ref") == f"mine@{digest}"


def test_one_pass_serves_all_metrics_and_conventions(
    real: Path, toy_networks: list[MeanColour]
) -> None:
    built = build(
        "mine", "--samples", str(real), "--metrics", "fvd,fid,clip-fid", "--convention",
        "fid=pytorch-fid", "--also-as", "clean",
    )  # fmt: skip
    assert len(built) == len(toy_networks) == 4
    names = [Path(file["path"]).name for file in built]
    assert [name.rpartition("-")[0] for name in names] == [
        "i3d-logits", "inception-pool3", "clip-embedding", "inception-pool3",
    ]  # fmt: skip
    for metric, rule in (("fid", "clean"), ("fid", "pytorch-fid"), ("fvd", "tf-fvd")):
        score = getattr(pyoco_eval, metric)(flat_videos(9), "mine", num_frames=4, convention=rule)
        assert score.signature.get("conv") == rule


def test_the_header_says_how_it_was_made(real: Path) -> None:
    (built,) = build("mine", "--samples", str(real), "--metrics", "fvd")
    header = StatisticsFile.load(Path(built["path"])).header
    assert header["name"] == "mine"
    assert header["source"] == "real"
    assert header["recipe"]["clip"] == "4f-s1-first"
    assert header["count"] == header["num_videos"] == len(header["files"]) == 20
    assert header["created"].endswith("+00:00")
    assert "numpy" in header["environment"]["libraries"]
    assert header["code"]["version"] == pyoco_eval.__version__
    assert header["signature"] == built["signature"]


def test_rows_are_kept_on_request_or_where_a_metric_needs_them(real: Path) -> None:
    samples = ("--samples", str(real))
    (statistics,) = build("mine", *samples, "--metrics", "fvd")
    score = pyoco_eval.fvd(flat_videos(30), "mine", num_frames=4, interval=20)
    assert str(score.signature.get("ci")).endswith("-refexact")
    with pytest.raises(MissingError, match=r"(?s)holds no rows.*--metrics kvd"):
        pyoco_eval.evaluate(flat_videos(30), "mine", metrics="kvd", num_frames=4)
    (rows,) = build("mine", *samples, "--metrics", "fvd", "--keep-rows")
    assert rows["path"] == statistics["path"]
    assert len(FeatureSet.load(Path(rows["path"])).ids) == 20
    both = pyoco_eval.fvd(flat_videos(30), "mine", num_frames=4, interval=20)
    assert both.value == score.value
    assert both.signature.get("ci") == "quarters20-95%-seed0"
    (kernel,) = build("other", *samples, "--metrics", "kvd")
    assert len(FeatureSet.load(Path(kernel["path"])).ids) == 20
    pyoco_eval.evaluate(flat_videos(30), "other", metrics="kvd", num_frames=4)


def test_an_equal_reference_is_not_built_again(real: Path, toy_networks: list[MeanColour]) -> None:
    samples = ("--samples", str(real), "--metrics", "fvd")
    (first,) = build("mine", *samples, "--keep-rows")
    before = Path(first["path"]).read_bytes()
    del toy_networks[:]
    (second,) = build("mine", *samples)
    assert not second["is_new"]
    assert toy_networks[0].calls == []
    assert Path(first["path"]).read_bytes() == before
    (forced,) = build("mine", *samples, "--force")
    assert forced["is_new"]
    assert toy_networks[1].calls
    write_clips(real, ["00"], seed=7)
    (changed,) = build("mine", *samples)
    assert changed["is_new"], "one video has other content"
    write_clips(real, ["20"])
    (more,) = build("mine", *samples)
    assert (more["is_new"], more["num_videos"]) == (True, 21)


def test_a_failed_build_leaves_no_reference(real: Path, tmp_path: Path) -> None:
    (real / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(PyocoEvalError, match=r"broken\.mp4"):
        build("mine", "--samples", str(real), "--metrics", "fvd")
    assert not list((tmp_path / "cache" / "references" / "mine").glob("*.npz"))
    with pytest.raises(MissingError):
        pyoco_eval.fvd(flat_videos(5), "mine", num_frames=4)
    (real / "broken.mp4").unlink()
    build("mine", "--samples", str(real), "--metrics", "fvd")
    left = [path.name for path in (tmp_path / "cache" / "references" / "mine").iterdir()]
    assert left.count(LOCK) == 1
    assert [name.rpartition(".")[2] for name in left if name != LOCK] == ["npz"], (
        "what was kept for going on is gone"
    )


@pytest.fixture
def ucf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A miniature UCF-101 that counts as the published one."""
    names = [f"{label}/v_{label}_g{g:02d}_c01" for label in ("Archery", "YoYo") for g in range(10)]
    published = {"all": ucf101.names_digest(f"{name}.avi" for name in names)}
    monkeypatch.setattr(ucf101, "PUBLISHED_LISTS", published)
    return write_clips(tmp_path / "UCF-101", names)


def command_of(error: PyocoEvalError) -> list[str]:
    line = next(line for line in str(error).splitlines() if "pyoco-eval reference build" in line)
    return shlex.split(line)[1:]


def test_the_command_that_is_printed_builds_what_was_missing(ucf: Path) -> None:
    a = flat_videos(20)
    with pytest.raises(MissingError) as raised:
        pyoco_eval.fvd(a, num_frames=4, clip="center")
    words = command_of(raised.value)
    words[words.index("PATH/TO/UCF101")] = str(ucf)
    result = run(*words)
    assert result.exit_code == 0, result.output
    named = pyoco_eval.fvd(a, num_frames=4, clip="center")
    assert named.value == pyoco_eval.fvd(a, str(ucf), num_frames=4, clip="center").value
    assert str(named.signature.get("ref")).startswith("ucf101@")
    assert any("20 videos here; the whole of it has 13,320" in text for text in named.warnings)
    with pytest.raises(MissingError, match=r"not usable:\n.*other clip"):
        pyoco_eval.fvd(a, num_frames=4)


def test_the_command_repeats_every_choice() -> None:
    with pytest.raises(MissingError) as raised:
        pyoco_eval.fid(
            flat_videos(20),
            num_frames=4,
            convention="pytorch-fid",
            clip="random",
            clip_seed=3,
            short="loop",
            frames="middle",
            pre_resize="128-pilbicubic-crop-round",
            resize="299-bilinear-crop",
            precision="bf16",
            interval=20,
            weights={"inception": "my file.pth"},
        )
    assert " ".join(command_of(raised.value)) == (
        "reference build ucf101 --data-root PATH/TO/UCF101 --metrics fid "
        "--convention fid=pytorch-fid --num-frames 4 --stride 1 --clip random --clip-seed 3 "
        "--short loop --frames middle --pre-resize 128-pilbicubic-crop-round "
        "--resize 299-bilinear-crop --precision bf16 --weights inception=my file.pth --keep-rows"
    )


def test_the_clip_rule_of_the_reference_is_that_of_the_command() -> None:
    with pytest.raises(MissingError) as raised:
        pyoco_eval.fvd(
            flat_videos(20),
            "ucf101-train01",
            num_frames=4,
            reference_clip="4f-fps12.5-all(hop=4)",
        )
    words = " ".join(command_of(raised.value))
    assert "build ucf101-train01 " in words
    assert "--num-frames 4 --fps 12.5 --clip all --hop 4" in words


def test_an_incomplete_dataset_is_refused_with_everything_that_is_wrong(ucf: Path) -> None:
    (ucf / "YoYo" / "v_YoYo_g03_c01.npz").unlink()
    (ucf / "YoYo" / "v_YoYo_g04_c01.npz").write_bytes(b"")
    root = ("--data-root", str(ucf), "--metrics", "fvd")
    with pytest.raises(PyocoEvalError, match="--allow-incomplete") as raised:
        build("ucf101", *root)
    assert "missing: " in str(raised.value)
    assert "v_YoYo_g04_c01" in str(raised.value)
    (built,) = build("ucf101", *root, "--allow-incomplete", "--on-error", "skip")
    assert built["num_videos"] == 18
    assert built["dataset"]["is_complete"] is False
    assert {finding["kind"] for finding in built["dataset"]["findings"]} >= {
        "missing",
        "unreadable",
    }


@pytest.mark.parametrize(
    ("name", "videos", "message"),
    [
        ("shapes", {"samples": "x"}, "choose another one"),
        ("ucf101", {"samples": "x"}, "is the name of UCF-101"),
        ("msrvtt", {"samples": "x"}, "is the name of MSR-VTT"),
        ("mine", {"data_root": "x"}, "no part of a known dataset"),
        ("mine", {}, "give --data-root DIR"),
        ("mine", {"samples": "x", "data_root": "x"}, "give --data-root DIR"),
        ("mine", {"samples": "x", "split": "train01"}, "--split train01: mine has none"),
        ("msrvtt", {"data_root": "x", "split_lists": "x"}, "--split-lists x: msrvtt has none"),
        ("ucf101", {"data_root": "x", "split": "train09"}, "--split train09"),
        ("ucf101-test01", {"data_root": "x", "split": "train01"}, "another split"),
        ("../mine", {"samples": "x"}, "reference name"),
        (".mine", {"samples": "x"}, "reference name"),
        ("a/b", {"samples": "x"}, "reference name"),
        ("ucf101", {"data_root": "nowhere"}, "no such folder"),
    ],
)
def test_names_and_sources_that_do_not_fit_are_refused(
    name: str, videos: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        build_reference(name, ReferenceVideos(**_paths(videos)), metrics=("fvd",))


def _paths(videos: dict[str, Any]) -> dict[str, Any]:
    return {key: value if key == "split" else Path(value) for key, value in videos.items()}


def test_metrics_without_a_reference_are_refused(real: Path) -> None:
    with pytest.raises(UsageError, match="is, clipsim has no reference"):
        build_reference("mine", ReferenceVideos(real), metrics=("fvd", "is", "clipsim"))


def test_a_split_is_a_reference_of_its_own(ucf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lists = ucf / "ucfTrainTestlist"
    lists.mkdir()
    (lists / "classInd.txt").write_text("1 Archery\n2 YoYo\n", encoding="utf-8")
    names = [
        f"{label}/v_{label}_g{g:02d}_c01.avi" for label in ("Archery", "YoYo") for g in range(10)
    ]
    (lists / "trainlist01.txt").write_text("\n".join(f"{n} 1" for n in names[::2]), "utf-8")
    (lists / "testlist01.txt").write_text("\n".join(names[1::2]), "utf-8")
    published = {"train01": ucf101.names_digest(names[::2])}
    monkeypatch.setattr(ucf101, "PUBLISHED_LISTS", published)
    (built,) = build("ucf101", "--data-root", str(ucf), "--split", "train01", "--metrics", "fvd")
    assert (built["name"], built["num_videos"]) == ("ucf101-train01", 10)
    assert set(built["dataset"]["lists"]) == {"classInd.txt", "trainlist01.txt", "testlist01.txt"}
    (again,) = build("ucf101-train01", "--data-root", str(ucf), "--metrics", "fvd")
    assert not again["is_new"]
    score = pyoco_eval.fvd(flat_videos(20), "ucf101-train01", num_frames=4)
    assert any("has 9,537" in text for text in score.warnings)


def test_an_unknown_name_is_refused_with_the_nearest(real: Path) -> None:
    build("mine", "--samples", str(real), "--metrics", "fvd")
    with pytest.raises(UsageError, match=r"no such file or folder.*Did you mean mine\?"):
        pyoco_eval.fvd(flat_videos(5), "nine", num_frames=4)


def test_a_name_that_is_also_a_path_is_refused_as_ambiguous(
    real: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build("real", "--samples", str(real), "--metrics", "fvd")
    monkeypatch.chdir(real.parent)
    with pytest.raises(UsageError, match=r"write \./real for the latter"):
        pyoco_eval.fvd(flat_videos(5), "real", num_frames=4)


def test_what_happens_to_short_videos_parts_no_recipes(real: Path) -> None:
    recipe = {"net": "x", "clip": "16f-s1-first", "prec": "fp32"}
    for suffix in ("-loop", "-skip"):
        assert not recipe_differences(recipe, recipe | {"clip": f"16f-s1-first{suffix}"})
    assert recipe_differences(recipe, recipe | {"clip": "16f-s1-center-loop"}) == [
        "clip (here 16f-s1-first, there 16f-s1-center-loop)"
    ]
    build("mine", "--samples", str(real), "--metrics", "fvd")
    videos = [*flat_videos(20), np.zeros((2, 8, 8, 3), np.uint8)]
    score = pyoco_eval.fvd(videos, "mine", num_frames=4, short="loop")
    assert score.signature.get("clip") == "4f-s1-first-loop/4f-s1-first"


def test_a_damaged_file_beside_others_is_named_where_nothing_else_fits(
    real: Path, tmp_path: Path
) -> None:
    (built,) = build("mine", "--samples", str(real), "--metrics", "fvd")
    other = Path(built["path"]).with_name("half.npz")
    other.write_bytes(Path(built["path"]).read_bytes()[:1000])
    assert pyoco_eval.fvd(flat_videos(20), "mine", num_frames=4).value > 0
    with pytest.raises(MissingError, match=r"half\.npz: damaged"):
        pyoco_eval.fvd(flat_videos(20), "mine", num_frames=3)


def test_the_python_function_returns_what_it_wrote(real: Path) -> None:
    options = Options(clip=ClipRule(4))
    (built,) = build_reference("mine", ReferenceVideos(real), metrics=("fvd",), options=options)
    assert isinstance(built, Built)
    assert built.is_new
    assert built.header["name"] == "mine"


@pytest.mark.slow
def test_many_processes_build_what_one_does(tmp_path: Path) -> None:
    shapes = MovingShapes("val")
    clips = tmp_path / "clips.npy"
    np.save(clips, np.stack([shapes[i].frames for i in range(40)]))
    words = ["-m", "pyoco_eval", "reference", "build", "mine", "--samples", str(clips), "--json"]
    words += ["--metrics", "fvd", "--profile", "embedded", "--keep-rows"]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    found = []
    for name, command in (("one", words), ("two", [*launcher, *words])):
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        environment |= {"PYOCO_EVAL_CACHE": str(tmp_path / name)}
        run = subprocess.run([sys.executable, *command], env=environment, capture_output=True)
        assert run.returncode == 0, run.stderr.decode()
        (built,) = json.loads(run.stdout)
        assert built["is_new"]
        found.append(FeatureSet.load(Path(built["path"])))
    one, two = found
    assert one.features.tobytes() == two.features.tobytes()
    assert one.header["digest"] == two.header["digest"]
    assert len(list((tmp_path / "two").rglob("*.npz"))) == 1
