"""`pyoco-eval train`: configs, errors, and what it says on the way."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from pyoco_eval.cli.train import command
from pyoco_eval.cli.train_display import TrainDisplay
from pyoco_eval.errors import UsageError
from pyoco_eval.training.config_file import parse_config


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_help_shows_examples_and_loads_no_torch() -> None:
    code = (
        "import sys; from click.testing import CliRunner\n"
        "from pyoco_eval.cli.train import command\n"
        "print(CliRunner().invoke(command, ['--help']).output); print('torch' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pyoco-eval train configs/shapes-video.yaml" in shown.stdout
    assert shown.stdout.rstrip().endswith("False")


def test_check_prints_the_config_whole_and_trains_nothing(tmp_path: Path) -> None:
    result = run("shapes-video", "--check", "--set", f"out={tmp_path / 'run'}", "--set", "seed=5")
    config = parse_config(yaml.safe_load(result.stdout), "printed")
    assert (config.seed, config.prior, config.data.num_frames) == (5, "progressive:alpha=6", 16)
    assert not (tmp_path / "run").exists()


def test_check_tells_the_memory_of_each_process() -> None:
    shown = run("shapes-image", "--check", "--world-size", "2").stdout
    assert "# memory of each of 2 processes, GiB\n#   parameters" in shown
    assert "#   activations " in shown
    with pytest.raises(UsageError, match="--world-size: goes with --check"):
        run("shapes-image", "--world-size", "2")


def test_mistakes_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"shapes-videos: no such file; .*shapes-video.yaml"):
        run("shapes-videos")
    with pytest.raises(UsageError, match=r"optimizer.rate: no such key"):
        run("shapes-video", "--set", "optimizer.rate=1")


def test_away_from_a_terminal_every_entry_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    entry = {
        "step": 50,
        "loss": 0.25,
        "steps_per_second": 2.0,
        "steps_skipped": 0,
        "replaced_short": 1,
        "replaced_broken": 2,
    }
    with TrainDisplay() as display:
        display.started(10, 200, {"run": "runs/[x]", "network": "1 parameters"})
        display.advanced(11, 0.5)
        display.logged(entry)
        display.noted("checkpoint there")
    display.finished(Path("runs/x/model"))
    assert capsys.readouterr().err.splitlines() == [
        "run:     runs/[x]",
        "network: 1 parameters",
        "goes on after step 10",
        "step 50/200  loss 0.2500  2.00 it/s  eta 0:01:15",
        "1 short and 2 broken samples were replaced",
        "checkpoint there",
        "model runs/x/model",
    ]


def test_on_a_terminal_one_live_line_tells_loss_rate_and_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with TrainDisplay() as display:
        display.started(0, 10, {})
        for step in range(1, 5):
            display.advanced(step, 0.125)
    shown = capsys.readouterr().err
    for part in ("loss 0.1250", "4/10", "it/s", "eta"):
        assert part in shown


def test_a_finished_run_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainDisplay() as display:
        display.started(20, 20, {})
    assert "all 20 steps are done" in capsys.readouterr().err
