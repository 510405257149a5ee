"""`pyoco-eval filter` with the published networks, on made-up weights in the right formats."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from planted_clips import Planted, plant, rows_of, run

from pyoco_eval.errors import MissingError
from pyoco_eval.features.aesthetic.head import LAYERS, WIDTHS
from pyoco_eval.features.clip.architectures import ARCHITECTURES, ClipArchitecture
from pyoco_eval.features.clip.extractor import load_clip
from pyoco_eval.metrics.clipsim import clip_similarity
from pyoco_eval.videos.source import open_source
from pyoco_eval.weights import WeightFile

PUBLISHED = ("--device", "cpu", "--workers", 1, "--frames", 2, "--no-figure")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return plant(tmp_path_factory.mktemp("clips"), good=3, noisy=0, wrong=0, suffix=".npz")


@pytest.fixture
def weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Mapping[str, Path]:
    """CLIPs of one block in each tower, here and for whoever asks open_clip, and a head."""
    known = {row.open_clip: open_clip.get_model_config(row.open_clip)
             for row in ARCHITECTURES.values()}  # fmt: skip
    for config in known.values():
        config["vision_cfg"]["layers"] = config["text_cfg"]["layers"] = 1
    monkeypatch.setattr(open_clip, "get_model_config", known.__getitem__)
    monkeypatch.setenv("PYOCO_EVAL_CACHE", str(tmp_path / "cache"))
    files = {}
    with torch.random.fork_rng():
        torch.manual_seed(5)
        for name, row in ARCHITECTURES.items():
            files[name] = tmp_path / f"{name}.pt"
            torch.save(open_clip.CLIP(**known[row.open_clip]).state_dict(), files[name])
        head = {}
        for number, inputs, outputs in zip(LAYERS, WIDTHS, WIDTHS[1:], strict=False):
            head[f"layers.{number}.weight"] = torch.randn(outputs, inputs) / inputs**0.5
            head[f"layers.{number}.bias"] = torch.randn(outputs)
        files["aesthetic"] = tmp_path / "head.pth"
        torch.save(head, files["aesthetic"])
    return files


def named(weights: Mapping[str, Path], *keys: str) -> list[str]:
    return [word for key in keys for word in ("--weights", f"{key}={weights[key]}")]


def cosines(weights: Mapping[str, Path], row: ClipArchitecture, clips: Planted) -> list[float]:
    """By open_clip's own text tower and tokenizer."""
    model = open_clip.CLIP(**open_clip.get_model_config(row.open_clip)).eval()
    model.load_state_dict(torch.load(weights[row.name], weights_only=True))
    network = load_clip(WeightFile(row.name, weights[row.name], "", False), architecture=row)
    found = []
    for video in open_source(clips.manifest):
        tokens = open_clip.tokenizer.SimpleTokenizer()([str(video.caption)], context_length=77)
        with torch.no_grad():
            text = model.encode_text(tokens).numpy()
        rows = network(video.reading("peer").read([2, 6]))
        found.append(clip_similarity(rows, text, np.zeros(2, np.int64)).mean)
    return found


@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_similarity_and_head(
    name: str, weights: Mapping[str, Path], clips: Planted, tmp_path: Path
) -> None:
    """With ViT-B/32 for captions two networks see the frames of one decoding."""
    result = run("--samples", clips.manifest, "--min-clip", -1, "--min-aesthetic", -50, *PUBLISHED,
                 "--clip-network", name, *named(weights, *weights), "--json",
                 "--out", tmp_path / "k.jsonl")  # fmt: skip
    rows = rows_of(tmp_path / "k.jsonl")
    expected = cosines(weights, ARCHITECTURES[name], clips)
    assert [row["clip"] for row in rows] == pytest.approx(expected, abs=1e-5)
    assert len({row["aesthetic"] for row in rows}) == 3
    record = json.loads(result.stdout)
    assert record["networks"].keys() == {name, "clip-vitl14", "laion-improved"}
    assert not any(network["published"] for network in record["networks"].values())
    assert f"net:{name}-" in record["signatures"]["clip"]
    assert "est:mean-laion-improved@" in record["signatures"]["aesthetic"]
    assert "-unverified" in record["signatures"]["aesthetic"]


def test_each_threshold_alone_asks_for_its_own_files(
    weights: Mapping[str, Path], clips: Planted, tmp_path: Path
) -> None:
    out = tmp_path / "k.jsonl"
    common = ("--samples", clips.manifest, *PUBLISHED, "--out", out)
    result = run(*common, "--min-clip", -1, *named(weights, "clip-vitl14"))
    assert "note: weights of clip-vitl14 are not the published file" in result.output
    run(*common, "--min-clip", -1, "--clip-network", "clip", *named(weights, "clip"))
    run(*common, "--min-aesthetic", -50, *named(weights, "clip-vitl14", "aesthetic"))
    assert "clip" not in rows_of(out)[0]
    with pytest.raises(MissingError, match=r"weights fetch aesthetic"):
        run(*common, "--min-aesthetic", 5, *named(weights, "clip-vitl14"))
    with pytest.raises(MissingError, match=r"weights fetch clip-vitl14"):
        run(*common, "--min-clip", 0.2)


def test_captions_that_lose_their_end_are_counted(
    weights: Mapping[str, Path], clips: Planted, tmp_path: Path
) -> None:
    rows = rows_of(clips.manifest)
    long = clips.manifest.with_name("long.jsonl")
    rows[1]["caption"] = "a very long text " * 40
    long.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for _ in range(2):  # also where the scores are used again
        result = run("--samples", long, "--min-clip", -1, *PUBLISHED,
                     *named(weights, "clip-vitl14"), "--out", tmp_path / "k.jsonl")  # fmt: skip
        assert "note: 1 captions are longer than the text tower reads" in result.output
