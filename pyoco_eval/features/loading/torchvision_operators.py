"""Lets torchvision be imported beside a CPU-only torch.

The torchvision wheel of the default package index is built for CUDA. Beside a CPU-only torch its
C++ library cannot load, and its Python code then fails while it attaches fake kernels to two
operators that only that library declares. Declaring their schemas is enough to import it: its
models and transforms need no C++, and a call of the two operators still fails.
"""

import importlib
import re
from typing import Final

import torch

from pyoco_eval.errors import MissingError

_SCHEMAS: Final = dict.fromkeys(
    ("nms", "qnms"), "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
)


def import_torchvision() -> None:
    """Import torchvision, declaring an operator only if the import fails for want of it.

    Raises:
        MissingError: torchvision is not installed, or cannot be imported for another reason.
    """
    while True:
        try:
            importlib.import_module("torchvision")
        except ImportError as error:
            raise MissingError(
                f"torchvision cannot be imported ({error}): pip install 'pyoco-eval[clip]'"
            ) from error
        except RuntimeError as error:
            _declare_operator_of(error)
        else:
            return


def _declare_operator_of(error: RuntimeError) -> None:
    missing = re.search(r"operator torchvision::(\w+) does not exist", str(error))
    if missing is None or missing[1] not in _SCHEMAS:
        raise MissingError(
            f"torchvision fails to import beside torch {torch.__version__} ({error}): "
            "install versions of the two that belong together"
        ) from error
    torch.library.define(f"torchvision::{missing[1]}", _SCHEMAS[missing[1]])
