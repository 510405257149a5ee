"""The real protocols run on miniature copies of the datasets, with made-up weights."""

import json
from pathlib import Path

import pytest
import yaml
from made_up_weights import write_image_networks, write_video_networks
from running import NOISE, call, run_protocol
from trees import annotation, write_clip, write_ucf101

from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.metrics.signature import Signature
from pyoco_eval.protocol.loader import load_protocol
from pyoco_eval.records.results import Results

TINY = ("--repeats", "1", "--allow-incomplete", "--gallery", "1", "--scale", "0.0005")


@pytest.fixture(scope="module")
def ucf101(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ucf") / "UCF-101"
    write_ucf101(root, size=(320, 240))
    return root


@pytest.fixture(scope="module")
def msrvtt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("msrvtt")
    for number in range(7010, 7014):
        write_clip(root / f"video{number}.mp4", number, size=(320, 240), frames=20)
    text = annotation(range(7010, 7014))
    (root / "test_videodatainfo.json").write_text(text, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def video_networks(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_video_networks(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def image_networks(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_image_networks(tmp_path_factory.mktemp("weights"))


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_SIZE", "64")
    monkeypatch.setenv("TOY_FRAMES", "16")


def _hold_promises_of_reduced_runs(results: Results, name: str) -> None:
    assert results.reduced is not None
    assert "scale=" in results.reduced
    assert results.reduced.endswith("incomplete-data")
    assert not results.comparable
    for arm in results.arms:
        for entry in arm.scores:
            signature = Signature.parse(entry.signature)
            label = f"{name}@{load_protocol(name).protocol.version}"
            assert signature.get("protocol") == f"{label}-reduced({results.reduced})"
            assert "-unverified" in str(signature.get("net"))
    assert any("are not the published ones" in warning for warning in results.warnings)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "scale", "count"),
    [
        ("ucf101-uncond", "0.0005", 2),
        ("ucf101-zeroshot", "0.0005", 2),
        ("ucf101-zeroshot-stylegan-v", "0.0045", 10),
    ],
)
def test_ucf101(
    name: str,
    scale: str,
    count: int,
    ucf101: Path,
    video_networks: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if name.count("-") > 1:
        monkeypatch.setenv("TOY_SIZE", "256")
    trust = ("--trust", "i3d-torchscript", "--trust", "c3d-torchscript")
    results = run_protocol(
        name, tmp_path, "--generator", NOISE, "--data-root", str(ucf101), *video_networks, *trust,
        *TINY, "--scale", scale,
    )  # fmt: skip
    _hold_promises_of_reduced_runs(results, name)
    (arm,) = results.arms
    fvd, inception = arm.score("fvd"), arm.score("is")
    assert fvd is not None
    assert inception is not None
    assert inception.value >= 1
    assert fvd.num_samples == inception.num_samples == count
    assert fvd.num_reference == count
    if name == "ucf101-zeroshot":
        assert [found.name for found in arm.class_scores] == ["ApplyEyeMakeup", "ApplyLipstick"]
        captions = [entry.caption for entry in arm.gallery]
        assert any(caption and "eyelid" in caption for caption in captions)
    assert {entry.role for entry in arm.gallery} == {"nearest", "farthest", "random"}
    assert any(entry.neighbour_file for entry in arm.gallery)
    assert (tmp_path / "report.html").stat().st_size > 10_000


@pytest.mark.slow
def test_training_strategies_with_a_model_for_each_arm(
    ucf101: Path, video_networks: list[str], image_networks: list[str], tmp_path: Path
) -> None:
    weights = [*video_networks, *image_networks]
    results = run_protocol(
        "ucf101-training-strategies", tmp_path / "run", "--arms", "image,mixed",
        "--generator", f"image={NOISE}", "--generator", f"mixed={NOISE}",
        "--data-root", str(ucf101), *weights, *TINY, "--allow-deviations",
    )  # fmt: skip
    assert results.deviations == [
        "image: samples have 16 frames, not 1 as the protocol says.",
    ], "a generator of videos in place of an image model"
    image, mixed = results.arms
    assert [entry.key for entry in image.scores] == ["frame-fid"]
    assert [entry.key for entry in mixed.scores] == ["is", "fvd", "frame-fid"]
    pictures, frames = image.score("frame-fid"), mixed.score("frame-fid")
    assert pictures is not None
    assert frames is not None
    assert (pictures.num_samples, frames.num_samples) == (17, 2 * 16)
    assert pictures.num_reference == frames.num_reference == 2 * 16
    assert image.parameters == {"strategy": "image", "noise": "independent"}
    assert any("finetune" in warning for warning in results.warnings)


@pytest.fixture
def short_msrvtt(tmp_path: Path) -> Path:
    """msrvtt with 2 frames instead of 76, which take minutes on a CPU."""
    scores = {key: {"clip": "2f-s1-first"} for key in ("clip-fid", "fid", "clipsim")}
    for key in ("clip-fid", "fid"):
        scores[key]["reference"] = {"clip": "2f-s1-first-loop"}  # type: ignore[assignment]
    content = {
        "extends": "msrvtt", "name": "short", "samples": {"num_frames": 2}, "scores": scores,
    }  # fmt: skip
    path = tmp_path / "short.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.slow
def test_msrvtt(
    msrvtt: Path,
    short_msrvtt: Path,
    image_networks: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOY_SIZE", "256")
    monkeypatch.setenv("TOY_FRAMES", "2")
    options = ("--scale", "0.00001", "--allow-incomplete", "--gallery", "1")
    given = ("--generator", NOISE, "--data-root", str(msrvtt), *image_networks, *options)
    results = run_protocol(short_msrvtt, tmp_path / "run", *given)
    (arm,) = results.arms
    assert [entry.key for entry in arm.scores] == ["clip-fid", "fid", "clipsim"]
    for key in ("clip-fid", "fid"):
        entry = arm.score(key)
        assert entry is not None
        assert entry.num_samples == entry.num_reference == 2 * 2
    clipsim = arm.score("clipsim")
    assert clipsim is not None
    assert -1 <= clipsim.value <= 1
    manifest = next((tmp_path / "run" / "samples").rglob("manifest.jsonl")).read_text()
    assert [json.loads(line)["caption"] for line in manifest.splitlines()] == [
        "clip 7010 0",
        "clip 7010 1",
    ]
    assert {Path(entry.file).suffix for entry in arm.gallery} == {".mp4"}


def test_an_incomplete_copy_is_refused_with_everything_that_is_wrong(
    ucf101: Path, video_networks: list[str], tmp_path: Path
) -> None:
    broken = tmp_path / "UCF-101"
    write_ucf101(broken)
    first = next(broken.rglob("*.avi"))
    first.write_bytes(b"no video")
    words = ("ucf101-uncond", tmp_path / "run", "--generator", NOISE, "--data-root", str(broken))
    with pytest.raises(PyocoEvalError) as caught:
        call(*words, *video_networks)
    text = str(caught.value)
    assert "lists: " in text
    assert f"unreadable: 1 of 15 videos cannot be read: {first.parent.name}/{first.name}" in text
    assert "--allow-incomplete" in text
    assert not (tmp_path / "run" / "samples").exists()


def test_weights_are_looked_for_before_anything_is_made(
    ucf101: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYOCO_EVAL_CACHE", str(tmp_path / "cache"))
    with pytest.raises(MissingError, match="weights fetch"):
        call(
            "ucf101-uncond", tmp_path / "run", "--generator", NOISE, "--data-root", str(ucf101),
            *TINY,
        )  # fmt: skip
    assert not (tmp_path / "run" / "samples").exists()


def test_captions_must_be_there(msrvtt: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    write_clip(bare / "video7010.mp4", 1, size=(320, 240), frames=20)
    with pytest.raises(UsageError, match="--annotations"):
        call(
            "msrvtt", tmp_path / "run", "--generator", NOISE, "--data-root", str(bare), *TINY
        )  # fmt: skip
