"""Where releases of PyAV differ in what they can be asked."""

from typing import Any


def tolerant_of_metadata(version: str) -> dict[str, Any]:
    """Arguments for `av.open` that let it open files whose tags are not UTF-8.

    PyAV 19 always does and took the argument away.

    Args:
        version: `av.__version__`.
    """
    return {"metadata_errors": "replace"} if int(version.partition(".")[0]) < 19 else {}
