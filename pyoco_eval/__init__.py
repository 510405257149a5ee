"""pyoco-eval: scores of generated videos, every number with its recipe.

>>> import pyoco_eval
>>> pyoco_eval.fvd("generated/", "real/")  # doctest: +SKIP
"""

from typing import TYPE_CHECKING, Any

from pyoco_eval.version import __version__

if TYPE_CHECKING:
    from pyoco_eval.api import (
        clip_fid,
        clipsim,
        evaluate,
        extract_features,
        fid,
        fvd,
        inception_score,
        kid,
        kvd,
        prdc,
    )
    from pyoco_eval.metrics.base import Score
    from pyoco_eval.metrics.signature import Signature
    from pyoco_eval.report.record import Record

__all__ = [
    "Record",
    "Score",
    "Signature",
    "__version__",
    "clip_fid",
    "clipsim",
    "evaluate",
    "extract_features",
    "fid",
    "fvd",
    "inception_score",
    "kid",
    "kvd",
    "prdc",
]

_HOMES = {
    "Record": "pyoco_eval.report.record",
    "Score": "pyoco_eval.metrics.base",
    "Signature": "pyoco_eval.metrics.signature",
}


def __getattr__(name: str) -> Any:
    """Import on first use: `import pyoco_eval` and `pyoco-eval --help` load no torch."""
    if name not in __all__:
        raise AttributeError(f"module 'pyoco_eval' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES.get(name, "pyoco_eval.api")), name)


def __dir__() -> list[str]:
    return sorted(__all__)
