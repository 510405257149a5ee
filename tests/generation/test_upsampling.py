"""Stages by themselves, on videos of any origin."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cascade_models import save_stages
from click.testing import CliRunner
from small_models import CAPTIONS

from pyoco_eval.cli.main import cli
from pyoco_eval.errors import UsageError
from pyoco_eval.generation.request import GeneratorOptions
from pyoco_eval.generation.upsample_videos import UpsamplingOptions, upsampling, with_captions
from pyoco_eval.generation.write import write_samples
from pyoco_eval.shapes.dataset import MovingShapes
from pyoco_eval.videos.source import open_source
from pyoco_eval.videos.write import write_video


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_stages(tmp_path_factory.mktemp("stages"))


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Two mp4 files of other people's: 24 x 32, 3 frames, 10 a second."""
    (tmp_path / "theirs").mkdir()
    for number in range(2):
        shapes = MovingShapes("val", (24, 32), num_frames=3)[number].frames
        write_video(tmp_path / "theirs" / f"{number}.mp4", shapes, fps=10)
    return tmp_path / "theirs"


def test_other_peoples_videos_are_enlarged(models: Path, videos: Path, tmp_path: Path) -> None:
    words = ["upsample", "--ckpt", str(models / "large"), "--samples", str(videos)]
    words += ["--augmentation", "0.1", "--device", "cpu", "--out", str(tmp_path / "out")]
    found = CliRunner().invoke(cli, words)
    assert found.exit_code == 0, found.output
    assert "note: frames of 96x128 are asked for" in found.output
    made = open_source(tmp_path / "out")
    assert len(made) == 2
    assert made[0].read(range(3)).shape == (3, 96, 128, 3)
    assert made[0].probe().fps == pytest.approx(10)
    first = (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()[0]
    assert '"from": "0.mp4@' in first
    again = CliRunner().invoke(cli, words)
    assert again.exit_code == 0, again.output
    write_video(videos / "0.mp4", np.zeros((3, 24, 32, 3), np.uint8), fps=10)
    changed = CliRunner().invoke(cli, words)
    assert changed.exit_code != 0
    assert "sample 0 was made with from" in str(changed.exception)


def test_frames_are_filled_in_between_those_given(models: Path, videos: Path) -> None:
    source = open_source(videos)
    own = UpsamplingOptions(every=4, input_size=16)
    generator, requests = upsampling(models / "between", source, GeneratorOptions(), own)
    made = generator.generate(requests)
    assert [video.shape for video in made] == [(9, 16, 16, 3)] * 2
    assert generator.fps == 40
    known = made[0][::4].astype(int)
    small = upsampled_input(videos)
    assert np.array_equal(known, small)
    alone = generator.generate(requests[1:])
    assert np.array_equal(alone[0], made[1])


def upsampled_input(videos: Path) -> np.ndarray:
    from pyoco_eval.generation.request import Request
    from pyoco_eval.generation.upsample_videos import SourceFrames

    return SourceFrames(open_source(videos), 16)(Request(0)).astype(int)


def test_captions_of_a_manifest_are_prompts(models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    (folder).mkdir()
    shapes = MovingShapes("val", 16, num_frames=2)[0]
    write_video(folder / "a.mp4", shapes.frames, fps=8)
    (folder / "manifest.jsonl").write_text('{"id": "a.mp4", "caption": "' + CAPTIONS[0] + '"}\n')
    source = with_captions(str(folder))
    _, requests = upsampling(models / "large", source, GeneratorOptions(), UpsamplingOptions())
    assert requests[0].prompt == CAPTIONS[0]


def test_another_guess_of_the_noise_gives_another_video(models: Path, videos: Path) -> None:
    source, made = open_source(videos), []
    for share in (0.0, 0.5):
        own = UpsamplingOptions(augmentation=share)
        generator, requests = upsampling(models / "large", source, GeneratorOptions(), own)
        made.append(generator.generate(requests[:1])[0])
    assert not np.array_equal(*made)


def test_refusals(models: Path, videos: Path, tmp_path: Path) -> None:
    source, options = open_source(videos), GeneratorOptions()

    def refused(model: str, message: str, **own: int) -> None:
        with pytest.raises(UsageError, match=message):
            upsampling(models / model, source, options, UpsamplingOptions(**own))  # type: ignore[arg-type]

    refused("base", "makes videos from nothing")
    refused("between", "say how far known frames are apart")
    refused("between", "does not enlarge", every=2, augmentation=0)
    refused("between", "does not enlarge", every=2, frames_at_once=2)
    refused("large", "does not fill in", every=2)
    write_video(tmp_path / "odd.mp4", np.zeros((2, 22, 30, 3), np.uint8), fps=10)
    with pytest.raises(UsageError, match="takes multiples of 2; --input-size resizes"):
        upsampling(models / "between", open_source(videos), options,
                   UpsamplingOptions(every=2, input_size=(15, 15)))  # fmt: skip
    write_video(videos / "2.mp4", np.zeros((3, 24, 32, 3), np.uint8), fps=12)
    with pytest.raises(UsageError, match="10, 12 frames a second; --fps"):
        upsampling(models / "large", open_source(videos), options, UpsamplingOptions())
    one = tmp_path / "one"
    one.mkdir()
    write_video(one / "a.mp4", np.zeros((1, 16, 16, 3), np.uint8), fps=10)
    with pytest.raises(UsageError, match="fills in frames between two"):
        upsampling(models / "between", open_source(one), options, UpsamplingOptions(every=2))


def test_samples_carry_what_they_were_made_from(models: Path, videos: Path, tmp_path: Path) -> None:
    generator, requests = upsampling(
        models / "large", open_source(videos), GeneratorOptions(), UpsamplingOptions()
    )
    write_samples(generator, requests, tmp_path / "out", file_format="npz")
    with pytest.raises(UsageError, match="made with from"):
        write_samples(
            generator, [replace(r, origin="other") for r in requests], tmp_path / "out",
            file_format="npz",
        )  # fmt: skip
