"""The exceptions a user meets. Each carries the exit code of the command line.

Messages name the file or argument, the value, and the remedy.
"""

from collections.abc import Mapping
from pathlib import Path

from pyoco_eval.visible import one_line


class PyocoEvalError(Exception):
    """Base of every error that is reported as a message instead of a traceback."""

    exit_code = 1


class UsageError(PyocoEvalError, ValueError):
    """An argument, or a combination of arguments, that cannot be meant. Exit code 2."""

    exit_code = 2


class MissingError(PyocoEvalError):
    """Something needed is not there; the message says how to get it. Exit code 3."""

    exit_code = 3


class VideoError(PyocoEvalError):
    """One video that cannot be used.

    Args:
        video: its id or path, as the user wrote or would recognise it.
        reason: a sentence without the name of the file.
    """

    def __init__(self, video: str | Path, reason: str) -> None:
        self.video = str(video)
        self.reason = reason
        super().__init__(f"{one_line(video)}: {one_line(reason)}")


class UnusableVideosError(PyocoEvalError):
    """Every unusable video of a run at once, with the way to go on without them."""

    def __init__(
        self, reasons: Mapping[str, str], total: int, *, already_skipping: bool = False
    ) -> None:
        self.reasons = dict(reasons)
        lines = [f"{len(reasons)} of {total} videos cannot be used:"]
        for video, reason in self.reasons.items():
            lines.append(f"  {one_line(video)}: {one_line(reason)}")
        if already_skipping:
            lines.append("No usable video is left.")
        else:
            lines.append("Repair or remove them, or pass --on-error skip to score the others;")
            lines.append("the skipped ones and the real count then stand in record and signature.")
        super().__init__("\n".join(lines))
