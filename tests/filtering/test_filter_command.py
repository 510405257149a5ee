"""`pyoco-eval filter` with the embedded networks: planted clips, thresholds, kills, errors."""

import hashlib
import io
import json
import shutil
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from planted_clips import EMBEDDED, THRESHOLDS, Planted, plant, rows_of, run

from pyoco_eval.errors import PyocoEvalError, UnusableVideosError, UsageError
from pyoco_eval.features.aesthetic.embedded import load_embedded_head
from pyoco_eval.features.tiny.extractor import load_tiny
from pyoco_eval.filtering.judge import Judge
from pyoco_eval.metrics.clipsim import clip_similarity
from pyoco_eval.training.config_file import parse_config
from pyoco_eval.training.data.examples import open_examples
from pyoco_eval.training.run import train
from pyoco_eval.videos.readers.array_reader import ArrayReader
from pyoco_eval.videos.source import open_source


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return plant(tmp_path_factory.mktemp("planted"), good=80, noisy=12, wrong=12)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """Quick to read, for what hangs on no decoder."""
    return plant(tmp_path_factory.mktemp("few"), good=6, noisy=1, wrong=1, suffix=".npz")


def files_of(folder: Path) -> dict[str, str]:
    """Hashes of what a filter left; its lock file is of no account."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if ".lock" not in path.name
    }


def test_planted_clips_are_dropped_and_the_rest_trains(planted: Planted, tmp_path: Path) -> None:
    out = tmp_path / "kept.jsonl"
    result = run("--samples", planted.manifest, *EMBEDDED, *THRESHOLDS, "--out", out)
    assert result.exit_code == 0, result.output
    table = {str(row["id"]): row for row in rows_of(tmp_path / "kept.scores.jsonl")}
    assert table.keys() == planted.good | planted.noisy | planted.wrong
    kept = {name for name, row in table.items() if row["kept"]}
    assert not kept & (planted.noisy | planted.wrong)
    assert len(kept & planted.good) >= 0.95 * len(planted.good)
    assert all("aesthetic" in str(table[name]["why"]) for name in planted.noisy)
    assert all("clip" in str(table[name]["why"]) for name in planted.wrong)

    source = open_source(out)
    assert [Path(video.id).name for video in source] == sorted(kept)
    captions = {Path(str(row["file"])).name: row["caption"] for row in rows_of(planted.manifest)}
    assert all(video.caption == captions[Path(video.id).name] for video in source)
    _check_record(tmp_path, planted, len(kept), result.output)
    _train_one_step(out, tmp_path / "run")


def _check_record(folder: Path, planted: Planted, kept: int, output: str) -> None:
    record = json.loads((folder / "kept.recipe.json").read_text())
    total = len(planted.good) + len(planted.noisy) + len(planted.wrong)
    assert record["counts"]["videos"] == total
    assert record["counts"]["kept"] == kept
    assert sum(record["counts"]["dropped"].values()) == total - kept
    assert record["frames"] == "4f-s1-even"
    assert record["networks"].keys() == {"tinyclip", "shapes-clean"}
    assert all(network["published"] for network in record["networks"].values())
    for name, digest in record["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert (folder / "kept.png").read_bytes().startswith(b"\x89PNG")
    for text in (f"{kept} of {total} videos kept", "label:embedded", record["signature"],
                 "dropped: below the threshold of"):  # fmt: skip
        assert text in output


def _train_one_step(manifest: Path, out: Path) -> None:
    tree = {
        "seed": 3, "steps": 1, "batch": 2, "out": str(out), "model": {"preset": "test"},
        "data": {"source": "videos", "path": str(manifest), "size": 16, "num_frames": 1},
        "condition": {"encoders": ["shapes"]}, "ema": {"halflife_samples": 40},
        "hardware": {"device": "cpu", "workers": 0, "threads": 1},
        "log": {"samples_every": 0, "checkpoint_every": 1},
    }  # fmt: skip
    config = parse_config(tree, "test")
    assert len(open_examples(config.data)) == len(open_source(manifest))
    train(config)
    assert list(out.rglob("model.json"))


def test_scores_are_those_of_the_networks(few: Planted, tmp_path: Path) -> None:
    out = tmp_path / "kept.jsonl"
    result = run("--samples", few.manifest, *EMBEDDED, "--min-clip", -1, "--min-aesthetic", -9,
                 "--no-figure", "--json", "--out", out)  # fmt: skip
    assert json.loads(result.stdout)["counts"] == {"videos": 8, "kept": 8, "dropped": {}}
    assert not (tmp_path / "kept.png").exists()
    network, head = load_tiny("tinyclip"), load_embedded_head()
    for video, row in zip(open_source(few.manifest), rows_of(out), strict=True):
        rows = network(video.read([1, 3, 5, 7]))
        texts = network.encode_text([str(video.caption)])
        cosine = clip_similarity(rows, texts, np.zeros(4, np.int64)).mean
        assert row["clip"] == pytest.approx(cosine, abs=1e-6)
        assert row["aesthetic"] == pytest.approx(float(head.scores(rows).mean()), abs=1e-5)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often frames of each video are walked through."""
    found: Counter[str] = Counter()
    walk = ArrayReader.walk

    def counted(self):  # type: ignore[no-untyped-def]
        found["all"] += 1
        return walk(self)

    monkeypatch.setattr(ArrayReader, "walk", counted)
    return found


def test_other_thresholds_decode_nothing(few: Planted, tmp_path: Path, reads: Counter[str]) -> None:
    common = ("--samples", few.manifest, *EMBEDDED, "--no-figure", "--out", tmp_path / "k.jsonl")
    run(*common, "--min-clip", 0.7, "--min-aesthetic", 4.5)
    assert reads["all"] >= 8
    reads.clear()
    result = run(*common, "--min-clip", 0.1, "--min-aesthetic", 4)
    assert not reads
    assert "0 scored now, 8 used again" in result.output
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    run(*common[:-1], fresh / "k.jsonl", "--min-clip", 0.1, "--min-aesthetic", 4)
    table = (fresh / "k.scores.jsonl").read_bytes()
    assert (tmp_path / "k.scores.jsonl").read_bytes() == table


def test_other_content_captions_and_frames_are_scored_anew(tmp_path: Path) -> None:
    planted = plant(tmp_path / "clips", good=4, noisy=0, wrong=0, suffix=".npz")
    common = ("--samples", planted.manifest, *EMBEDDED, "--min-clip", -1, "--no-figure",
              "--out", tmp_path / "k.jsonl")  # fmt: skip
    assert "4 scored now" in run(*common).output
    shutil.copy(tmp_path / "clips" / "000.npz", tmp_path / "clips" / "001.npz")
    assert "1 scored now, 3 used again" in run(*common).output
    text = planted.manifest.read_text()
    first, rest = text.split("\n", 1)
    row = json.loads(first) | {"caption": "a red circle"}
    planted.manifest.write_text(json.dumps(row) + "\n" + rest)
    assert "1 scored now, 3 used again" in run(*common).output
    assert "4 scored now, 0 used again" in run(*common, "--frames", 2).output


def test_a_run_that_was_stopped_goes_on(
    few: Planted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    common = ("--samples", few.manifest, *EMBEDDED, *THRESHOLDS, "--out")
    for folder in (whole, parts):
        folder.mkdir()
    run(*common, whole / "kept.jsonl")
    judge, calls = Judge.__call__, iter(range(5))

    def stops(self: Judge, *arguments):  # type: ignore[no-untyped-def]
        if next(calls, None) is None:
            raise PyocoEvalError("stopped here")
        return judge(self, *arguments)

    monkeypatch.setattr(Judge, "__call__", stops)
    with pytest.raises(PyocoEvalError, match="stopped here"):
        run(*common, parts / "kept.jsonl")
    monkeypatch.undo()
    journal = parts / "kept.jsonl.parts" / "journal-0.jsonl"
    assert len(rows_of(journal)) == 5
    assert not (parts / "kept.jsonl").exists()
    with journal.open("a") as file:
        file.write('{"id": "cut')  # as a kill in the middle of a line leaves it
    result = run(*common, parts / "kept.jsonl")
    assert "3 scored now, 5 used again" in result.output
    assert files_of(parts) == files_of(whole)


def test_samples_of_shards(few: Planted, tmp_path: Path) -> None:
    rows = rows_of(few.manifest)
    (tmp_path / "in").mkdir()
    for shard in range(2):
        with tarfile.open(tmp_path / "in" / f"{shard}.tar", "w") as archive:
            for row in rows[shard::2]:
                name = Path(str(row["file"]))
                data = {
                    ".npz": (few.manifest.parent / name).read_bytes(),
                    ".txt": str(row["caption"]).encode(),
                }
                for suffix, content in data.items():
                    info = tarfile.TarInfo(f"{name.stem}{suffix}")
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))
    out = tmp_path / "kept.jsonl"
    run("--samples", tmp_path / "in", *EMBEDDED, *THRESHOLDS, "--no-figure", "--out", out)
    kept = rows_of(out)
    assert [row["file"] for row in kept[:2]] == ["in/0.tar#000", "in/0.tar#002"]
    source = open_source(out)
    assert [video.caption for video in source] == [row["caption"] for row in kept]
    assert source[0].read([0]).shape == (1, 64, 64, 3)


def test_unreadable_videos(few: Planted, tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    shutil.copytree(few.manifest.parent, folder)
    for name in ("001.npz", "004.npz"):
        (folder / name).write_bytes(b"no array")
    out = tmp_path / "k.jsonl"
    common = ("--samples", folder / "clips.jsonl", *EMBEDDED, "--min-aesthetic", -9, "--out", out)
    with pytest.raises(UnusableVideosError, match=r"2 of 8 videos.*\n.*001\.npz.*\n.*004\.npz"):
        run(*common)
    assert not out.exists()
    result = run(*common, "--on-error", "skip")
    assert "6 of 8 videos kept" in result.output
    assert "0 scored now, 6 used again" in result.output
    assert "2 dropped: unreadable" in result.output
    assert "001.npz:" in result.output
    table = {row["id"]: row for row in rows_of(tmp_path / "k.scores.jsonl")}
    assert str(table["001.npz"]["why"]).startswith("unreadable: ")
    assert (table["001.npz"]["kept"], table["001.npz"]["aesthetic"]) == (False, None)
    assert json.loads((tmp_path / "k.recipe.json").read_text())["counts"]["dropped"] == {
        "unreadable": 2
    }


def test_captions_that_are_not_there_are_named_all_at_once(few: Planted, tmp_path: Path) -> None:
    folder, out = few.manifest.parent, tmp_path / "k.jsonl"
    plain = tmp_path / "plain"
    plain.mkdir()
    for path in folder.glob("*.npz"):
        shutil.copy(path, plain)
    with pytest.raises(UsageError, match="--min-clip: 8 of 8 videos have no caption") as caught:
        run("--samples", plain, *EMBEDDED, "--min-clip", 0.5, "--out", out)
    assert all(f"{number:03d}.npz" in str(caught.value) for number in range(8))
    result = run("--samples", plain, *EMBEDDED, "--min-aesthetic", -9, "--out", out)
    assert "8 of 8 videos kept" in result.output
    result = run("--samples", plain, "--captions", few.manifest, *EMBEDDED, "--min-clip", 0.7,
                 "--no-figure", "--out", out)  # fmt: skip
    assert "6 of 8 videos kept" in result.output, "the wrong caption, and noise on top of one"
    assert not (tmp_path / "k.png").exists(), "that of the run before"
    foreign = tmp_path / "foreign.jsonl"
    foreign.write_text("".join(
        json.dumps({"file": f"{n:03d}.npz", "caption": "a dog"}) + "\n" for n in range(8)
    ))  # fmt: skip
    with pytest.raises(UsageError, match=r"does not know the word 'dog'.*clipsim-vitb32"):
        run("--samples", plain, "--captions", foreign, *EMBEDDED, "--min-clip", 0.7, "--out", out)


def test_nothing_kept_is_an_error_with_the_highest_scores(few: Planted, tmp_path: Path) -> None:
    out = tmp_path / "k.jsonl"
    with pytest.raises(PyocoEvalError, match=r"none of 8 videos reaches --min-clip 1 \(the high"):
        run("--samples", few.manifest, *EMBEDDED, "--min-clip", 1, "--no-figure", "--out", out)
    assert out.read_bytes() == b""
    assert len(rows_of(tmp_path / "k.scores.jsonl")) == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--min-clip, --min-aesthetic or both"),
        (("--min-clip", 25), "divide a CLIPScore by 100"),
        (("--min-aesthetic", 450), "about 1 to 10"),
        (("--min-clip", 0.5, "--frames", 0), "--frames 0: must be at least 1"),
        (("--min-clip", 0.5, "--clip-network", "clip"), "--profile embedded has tinyclip"),
        (("--min-aesthetic", 5, "--clip-network", "tinyclip"), "without --min-clip"),
    ],
)
def test_wrong_usage_names_the_option(
    few: Planted, tmp_path: Path, arguments: tuple[object, ...], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        run("--samples", few.manifest, *EMBEDDED, *arguments, "--out", tmp_path / "k.jsonl")


def test_somebody_elses_files_stay(few: Planted, tmp_path: Path) -> None:
    common = ("--samples", few.manifest, *EMBEDDED, "--min-aesthetic", 1, "--out")
    with pytest.raises(UsageError, match=r"give a name in \.jsonl"):
        run(*common, tmp_path / "kept.csv")
    (tmp_path / "mine.jsonl").write_text("{}\n")
    with pytest.raises(UsageError, match="is there and not of a filter"):
        run(*common, tmp_path / "mine.jsonl")
    assert (tmp_path / "mine.jsonl").read_text() == "{}\n"
    run(*common, tmp_path / "kept.jsonl")
    kept = tmp_path / "kept.jsonl"
    with pytest.raises(UsageError, match="is --samples too"):
        run("--samples", kept, *EMBEDDED, "--min-aesthetic", 2, "--out", kept)
    result = run("--samples", kept, *EMBEDDED, "--min-clip", 0.7, "--out", tmp_path / "again.jsonl")
    assert "6 of 8 videos kept" in result.output
    names = [Path(str(row["file"])).name for row in rows_of(tmp_path / "again.jsonl")]
    assert names == [f"{number:03d}.npz" for number in range(6)]
