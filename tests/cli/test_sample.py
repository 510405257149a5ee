"""`pyoco-eval sample` and `pyoco-eval embed-text`, as a user calls them."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from pyoco_eval.cli import embed_text, sample
from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.videos.listing.pictures import PictureRule
from pyoco_eval.videos.source import open_source

sys.path.insert(0, str(Path(__file__).parents[1] / "generation"))
from small_models import CAPTIONS, save_checkpoint


def run(*arguments: object, command: object = sample.command) -> Result:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])  # type: ignore[arg-type]
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def rows(folder: Path) -> list[dict[str, object]]:
    lines = (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("classes"), num_classes=3, text=False)


def test_prompts_of_a_file_are_taken_in_turn(checkpoint: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("\n".join(CAPTIONS) + "\n\n")
    out = tmp_path / "out"
    result = run("--ckpt", checkpoint, "--prompts", prompts, "--num", 4, "--out", out)
    assert f"4 videos in {out}, to look at: {out / 'samples.png'}" in result.output
    assert [row["caption"] for row in rows(out)] == [*CAPTIONS, CAPTIONS[0]]
    assert all(video.count_frames() == 4 for video in open_source(out))


def test_a_folder_of_samples_is_scored_as_it_is(checkpoint: Path, tmp_path: Path) -> None:
    """Its sheet is no sample, neither for metrics of clips nor for those of images."""
    out = tmp_path / "out"
    run("--ckpt", checkpoint, "--prompt", "a small red circle", "--num", 3, "--out", out)
    assert (out / "samples.png").is_file()
    for sees in ("clips", "pictures"):
        source = open_source(out, rule=PictureRule(sees=sees))
        assert len(source) == 3


def test_the_same_command_does_nothing_and_another_is_refused(
    checkpoint: Path, tmp_path: Path
) -> None:
    command = ("--ckpt", checkpoint, "--prompt", CAPTIONS[0], "--out", tmp_path / "out")
    run(*command)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.mp4")}
    run(*command)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    with pytest.raises(UsageError, match="guidance_scale: 1 -> 2"):
        run(*command, "--guidance-scale", 2)
    run(*command, "--guidance-scale", 2, "--overwrite")


def test_prior_sampler_seed_and_batch(checkpoint: Path, tmp_path: Path) -> None:
    def make(name: str, *options: object) -> list[bytes]:
        run(
            "--ckpt", checkpoint, "--num", 2, "--prompt", CAPTIONS[1], "--format", "npz",
            "--out", tmp_path / name, *options,
        )  # fmt: skip
        return [
            np.load(tmp_path / name / str(r["id"]))["frames"].tobytes()
            for r in rows(tmp_path / name)
        ]

    plain = make("plain")
    assert make("batch", "--batch-size", 2) == plain
    others = [
        make("prior", "--prior", "independent"),
        make("sampler", "--sampler", "ddim:num_steps=3"),
        make("seed", "--seed", 1),
    ]
    assert all(other[0] != plain[0] for other in others)
    assert rows(tmp_path / "prior")[0]["prior"] == "independent"


def test_labels_by_number_by_name_and_all(classes: Path, tmp_path: Path) -> None:
    def labels(name: str, *options: object) -> list[object]:
        run("--ckpt", classes, "--out", tmp_path / name, *options)
        return [row.get("label") for row in rows(tmp_path / name)]

    assert labels("all", "--label", "all", "--num", 4) == [0, 1, 2, 0]
    assert labels("named", "--label", "class 2", "--label", 0) == [2, 0]
    assert labels("none", "--num", 1) == [None]
    with pytest.raises(UsageError, match=r"--label 'clas 1': no class .* did you mean class 1"):
        labels("wrong", "--label", "clas 1")


def test_prompts_by_file_or_by_hand(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--prompts and --prompt"):
        run("--ckpt", checkpoint, "--prompts", "x.txt", "--prompt", "a", "--out", tmp_path)
    with pytest.raises(UsageError, match=r"--prompts no\.txt: cannot be read"):
        run("--ckpt", checkpoint, "--prompts", "no.txt", "--out", tmp_path)


@pytest.mark.parametrize("text", ["height", "height=tall", "2=3"])
def test_settings_are_numbers(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="write KEY=NUMBER"):
        run("--ckpt", "diffusers:x", "--set", text, "--out", tmp_path)


def test_embeddings_on_disk_replace_the_encoder(checkpoint: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text("".join(json.dumps({"caption": text}) + "\n" for text in CAPTIONS))
    store = tmp_path / "store"
    embed = ("--encoder", "shapes", "--prompts", prompts, "--out", store)
    assert "3 of 3 texts embedded" in run(*embed, command=embed_text.command).output
    assert "0 of 3 texts embedded" in run(*embed, command=embed_text.command).output
    sampled = ("--ckpt", checkpoint, "--prompts", prompts, "--out", tmp_path / "out")
    run(*sampled, "--text-embeddings", store)
    before = rows(tmp_path / "out")
    run(*sampled)
    assert rows(tmp_path / "out") == before
    with pytest.raises(MissingError, match="1 of 1 texts have no embedding"):
        run(
            "--ckpt", checkpoint, "--text-embeddings", store, "--out", tmp_path / "other",
            "--prompt", "a small red circle zooms slowly over plain navy",
        )  # fmt: skip


def test_torchrun_leaves_every_option_to_the_command() -> None:
    """It completes options that are unique beginnings of its own, and refuses other beginnings."""
    from torch.distributed.run import get_args_parser

    for option in sample.command.params:
        name = max(option.opts, key=len)
        given = ["-m", "pyoco_eval", "sample", name, "1"]
        assert get_args_parser().parse_args(given).training_script_args == given[2:], name


def test_a_device_without_float64_is_refused(checkpoint: Path) -> None:
    from pyoco_eval.generation.open import open_generator
    from pyoco_eval.generation.request import GeneratorOptions

    with pytest.raises(UsageError, match="--device mps: samplers keep their state in float64"):
        open_generator(checkpoint, GeneratorOptions(device="mps"))


@pytest.mark.parametrize("command", [sample.command, embed_text.command])
def test_help_shows_examples(command: object) -> None:
    assert "Examples:" in run("--help", command=command).output
