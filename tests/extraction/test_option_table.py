"""One table of options: commands, keyword arguments and signatures agree with it."""

import runpy
from pathlib import Path
from typing import Any, get_args

import click
import numpy as np
import pytest
from click.testing import CliRunner

import pyoco_eval
from pyoco_eval.cli.main import cli
from pyoco_eval.cli.options import option
from pyoco_eval.errors import UsageError
from pyoco_eval.extraction.option_table import described
from pyoco_eval.extraction.options import OPTIONS, Choices, OnError, Options, options_from
from pyoco_eval.features.base import Precision
from pyoco_eval.metrics.sample_floor import SmallSampleError
from pyoco_eval.metrics.signature import KEYS
from pyoco_eval.videos.clip_rule import Select, Short
from pyoco_eval.videos.listing.pictures import Pictures
from pyoco_eval.videos.readers.array_reader import RANGES
from pyoco_eval.videos.readers.choose import Decoder
from pyoco_eval.videos.readers.pixels import PixelRule

ROOT = Path(__file__).resolve().parents[2]


def test_no_choices_are_the_defaults() -> None:
    assert options_from({}) == Options()


def test_unknown_names_are_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="unknown arguments colour; known: num_frames, stride"):
        options_from({"colour": "red"})  # type: ignore[typeddict-unknown-key]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("clip", get_args(Select)), ("short", get_args(Short)), ("value_range", tuple(RANGES)),
        ("pictures", get_args(Pictures)), ("pixels", get_args(PixelRule)),
        ("decoder", get_args(Decoder)), ("on_error", get_args(OnError)),
        ("precision", get_args(Precision)),
    ],
)  # fmt: skip
def test_words_are_those_the_code_knows(name: str, words: tuple[str, ...]) -> None:
    assert OPTIONS[name].option.one_of == words


def test_commands_take_what_the_table_says() -> None:
    context = click.Context(cli)
    command = cli.get_command(context, "evaluate")
    assert command is not None
    taken = {parameter.name: parameter for parameter in command.params}
    for name, row in OPTIONS.items():
        parameter = taken[name]
        assert isinstance(parameter, click.Option)
        assert parameter.help == row.option.help
        assert parameter.multiple == (row.type is list)
        assert parameter.is_flag == (row.type is bool)
        if row.type is not list:
            assert parameter.get_default(context) == row.option.default


def test_an_option_of_another_command_may_say_it_differently() -> None:
    @click.command()
    @option("clip", type=click.Choice(["first", "center"]), help="Which frames.")
    def command(clip: str) -> None:
        click.echo(clip)

    assert CliRunner().invoke(command, []).stdout == "first\n"
    assert CliRunner().invoke(command, ["--clip", "all"]).exit_code == 2
    assert "Which frames." in CliRunner().invoke(command, ["--help"]).stdout


def test_the_docstring_has_every_option_with_its_help() -> None:
    lines = described(Choices).splitlines()
    assert [line.split(":")[0].strip() for line in lines] == list(OPTIONS)
    assert described(Choices) in (Choices.__doc__ or "")
    assert "  fps: Resample to this rate; not with stride." in lines[2]


def test_the_page_of_options_is_the_generated_one() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "options_page.py"))
    page = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    assert page == script["page"](), "run python scripts/options_page.py"


GROUPS = "regex:array#(.)"
CHANGES: list[tuple[str, Any, dict[str, Any]]] = [
    ("num_frames", 3, {}), ("stride", 2, {}), ("clip", "center", {}), ("clip", "random", {}),
    ("hop", 4, {"clip": "all"}), ("clip_seed", 1, {"clip": "random"}),
    ("short", "window", {"stride": 2}),
    ("frames", "middle", {"allow_small": True}),
    ("pre_resize", "16-bilinear-squash-round", {}), ("value_range", "0..255", {}),
    ("quantise", "truncate", {}), ("layout", "BTHWC", {}), ("precision", "bf16", {}),
    ("allow_small", True, {"frames": "first"}), ("interval", 20, {}),
    ("group_by", GROUPS, {"interval": 20}), ("reference_group_by", GROUPS, {"interval": 20}),
    ("reference_clip", "2f-s1-center", {}), ("extrapolate", True, {}),
    ("batch_size", 3, {}), ("workers", 2, {}), ("device", "cpu", {}),
]  # fmt: skip
"""An option, another value of it, and what else must be said for it to matter."""
ELSEWHERE = {
    "fps", "decoder", "pictures", "pixels", "on_error",  # of stored videos
    "resize", "weights", "trust",  # of published networks
    "keep_features",
}  # fmt: skip


def test_every_option_is_changed_here_or_tested_where_it_matters() -> None:
    assert {name for name, _, _ in CHANGES} | ELSEWHERE == set(OPTIONS)
    assert {row.option.signed for row in OPTIONS.values()} <= {*KEYS, None}


@pytest.fixture(scope="module")
def sides() -> tuple[np.ndarray, np.ndarray]:
    """Twice 35 float clips of 12 frames."""
    generator = np.random.default_rng(0)
    first, second = generator.uniform(0, 1, (2, 35, 12, 9, 9, 3)).astype(np.float32)
    return first, second


def signature(sides: tuple[np.ndarray, np.ndarray], **choices: Any) -> dict[str, str]:
    """Of the last score of FID on the small networks, whose floor is 65 frames; empty if none."""
    stated: dict[str, Any] = {"num_frames": 2, "value_range": "0..1", "profile": "embedded"}
    try:
        scores = pyoco_eval.evaluate(*sides, metrics=("fid",), **(stated | choices)).scores
    except SmallSampleError:
        return {}
    return scores[-1].signature.as_dict()


@pytest.mark.parametrize(("name", "value", "beside"), CHANGES)
def test_a_score_is_signed_with_what_changed_it(
    name: str, value: Any, beside: dict[str, Any], sides: tuple[np.ndarray, np.ndarray]
) -> None:
    before = signature(sides, **beside)
    after = signature(sides, **beside | {name: value})
    changed = {key for key in {*before, *after} if before.get(key) != after.get(key)}
    signed = OPTIONS[name].option.signed
    assert (signed in changed) if signed else not changed


def test_a_rule_for_short_videos_that_leaves_out_none_hinders_no_comparison(
    sides: tuple[np.ndarray, np.ndarray],
) -> None:
    assert signature(sides, short="window") == signature(sides, short="skip") == signature(sides)
