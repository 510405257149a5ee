"""What `pyoco-eval run-protocol --dry-run` prints."""

import time
from functools import partial
from typing import TYPE_CHECKING

from pyoco_eval.cli.terminal import open_console

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyoco_eval.protocol.run import ProtocolRun

_REMEDY = {
    "training": "; give --seconds-per-step",
    "generation": "; give --seconds-per-video, or --measure",
    "scoring": "; give --measure",
}


def print_plan(
    run: "ProtocolRun",
    gpus: int,
    seconds_per_video: float | None,
    seconds_per_step: float | None,
    *,
    measure: bool,
) -> None:
    """Counts and disk, a check of everything, then hours; nothing is written but what was found.

    Args:
        measure: make one video, and put a blank clip through the networks, for the hours.

    Raises:
        PyocoEvalError: what would hinder the run, after everything that can be said is printed.
    """
    from rich.table import Table
    from rich.text import Text

    from pyoco_eval.errors import PyocoEvalError
    from pyoco_eval.protocol.outlook import (
        Rates,
        amount,
        duration,
        num_real,
        plan_arms,
        total_hours,
    )
    from pyoco_eval.protocol.trust import title_of

    console = open_console()
    console.print(Text(f"{run.loaded.label}  {run.protocol.title}", style="bold"))
