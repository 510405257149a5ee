"""`pyoco-eval`: names the commands; each lives in its own module and is imported when called."""

import importlib
import os
import sys
from collections.abc import Mapping

import click

from pyoco_eval.cli.suggesting import SuggestingGroup
from pyoco_eval.cli.terminal import say, say_click_error, say_error, take_over_warnings
from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.launching import follow_launcher
from pyoco_eval.metrics.catalogue import METRICS, KnownMetric
from pyoco_eval.resources import OFFLINE_VARIABLE
from pyoco_eval.version import __version__

_SECTIONS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "Score, several at once": {
        "evaluate": ("evaluate", "Several metrics from one decoding pass."),
        "curve": ("curve", "A distance against the number of samples, and its limit."),
        "features": ("features", "Extract features once, to score later."),
        "reference": ("reference", "Build, list, show, verify and import stored references."),
    },
    "Compare and report": {
        "compare": ("compare", "Compare the scores of records, if they can be compared."),
        "report": ("report", "Make a page, Markdown or LaTeX from results or records."),
        "grid": ("grid", "Show the same seeds across models or priors."),
    },
    "Protocols": {
        "run-protocol": ("run_protocol", "From a model to a finished table, by a named protocol."),
        "protocol": ("protocol", "List, show, validate and compare protocols."),
    },
    "Make videos": {
        "sample": ("sample", "Make videos with a trained model, resumable and reproducible."),
        "upsample": ("upsample", "Fill in frames of videos, or enlarge them, with one stage."),
        "shapes": ("shapes", "Write clips of the moving-shapes dataset."),
    },
    "Train": {
        "train": ("train", "Train an image or video diffusion model, or go on with one."),
        "train-cascade": ("train_cascade", "Train all stages of a cascade, and their experts."),
        "experts": ("experts", "Join models for parts of the noise levels into one."),
        "step-scores": ("step_scores", "Score every checkpoint of a training run."),
        "export": ("export", "Write a model made of a diffusers pipeline for diffusers."),
        "embed-text": ("embed_text", "Embed prompts once, for machines without text encoder."),
    },
    "Noise": {
        "invert-noise": ("invert_noise", "How correlated is the noise of real videos?"),
        "prior": ("prior", "Check that noise is what a video model was trained with."),
    },
    "Data": {
        "inspect": ("inspect", "Look at a folder of videos before any network runs."),
        "filter": ("filter", "Keep the videos that fit their captions and look good."),
        "index": ("index", "Count the samples of tar shards, to train on millions."),
    },
    "This machine": {
        "weights": ("weights", "List, fetch, verify and bundle network weights."),
        "doctor": ("doctor", "Examine this machine: libraries, decoders, weights, caches."),
        "selftest": ("selftest", "Compute known results on this machine and compare."),
    },
}
"""Heading -> command -> its module, and what it does."""
_COMMANDS: Mapping[str, tuple[str, str]] = {
    name: row for section in _SECTIONS.values() for name, row in section.items()
}


def _metrics() -> dict[str, KnownMetric]:
    """Every metric is a command; those that want more than videos come last."""
    return dict(sorted(METRICS.items(), key=lambda item: item[1].needs_captions))


class _LazyGroup(SuggestingGroup):
    """Imports a command's module when it is asked for, so that --help stays fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return [*_metrics(), *_COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            from pyoco_eval.cli.metrics import metric_command

            return metric_command(cmd_name) if cmd_name in METRICS else None
        module = importlib.import_module(f"pyoco_eval.cli.{_COMMANDS[cmd_name][0]}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Score, one metric"):
            formatter.write_dl([(name, row.help) for name, row in _metrics().items()])
        for heading, commands in _SECTIONS.items():
            with formatter.section(heading):
                formatter.write_dl([(name, about) for name, (_, about) in commands.items()])


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  pyoco-eval inspect generated/
  pyoco-eval fvd generated/ real/
  pyoco-eval evaluate generated/ real/ --profile embedded --interval 100 --out scores.json
  pyoco-eval sample --ckpt embedded:shapes-video --num 8 --out clips/

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 something needed is missing, 70 a fault of
pyoco-eval itself, 130 stopped.""",
)
@click.version_option(__version__, prog_name="pyoco-eval")
@click.option("--offline", is_flag=True, help="Open no connection, as PYOCO_EVAL_OFFLINE=1.")
def cli(offline: bool) -> None:
    """Score generated videos, every number with its recipe; train and sample video diffusion."""
    if offline:
        os.environ[OFFLINE_VARIABLE] = "1"


def main() -> None:
    """Run the command line; known errors become one message and an exit code."""
    try:
        take_over_warnings()
        follow_launcher()
        cli.main(prog_name="pyoco-eval", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        say_click_error(error)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        say("stopped", err=True)
        sys.exit(130)
    except PyocoEvalError as error:
        say_error(f"{_process()}{error}")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        _discard_output()
        sys.exit(1)
    except OSError as error:
        say_error(str(error))
        _discard_output()
        sys.exit(1)
    except MemoryError:
        say_error(f"{_process()}{_NO_MEMORY}")
        sys.exit(1)
    except Exception as error:
        if type(error).__name__ == "OutOfMemoryError":  # torch's, which must not be imported here
            say_error(f"{_process()}{_NO_MEMORY}\n{error}")
            sys.exit(1)
        from pyoco_eval.cli.crash_report import OUR_FAULT, report_crash

        say_error(f"{_process()}{report_crash(error)}")
        sys.exit(OUR_FAULT)


_NO_MEMORY = (
    "the memory of this machine does not suffice; use smaller batches or fewer workers, or close "
    "other programs"
)


def _process() -> str:
    """Which of several processes speaks; nothing for the first and for one alone."""
    rank = os.environ.get("RANK", "0")
    return "" if rank == "0" else f"[process {rank}] "


def _discard_output() -> None:
    """Nobody can read what is left in the buffer; flushing it at exit would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
