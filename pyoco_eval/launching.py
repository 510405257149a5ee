"""Whether this process runs a command, which `torchrun` may have started several times.

A program that calls the library keeps its processes to itself, whatever launcher started it.
"""

_is_command = False


def follow_launcher() -> None:
    """From here on this process is a command and works with those started beside it."""
    global _is_command
    _is_command = True


def is_command() -> bool:
    """Whether `follow_launcher` was called."""
    return _is_command
