"""Running networks that other tools distribute as TorchScript, which is a program.

A TorchScript file is run only if the user says so in so many words. PyTorch has deprecated
TorchScript: its warnings are no news to who asks for such a file, and where it is gone is an error.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.features.loading.state_dict import WeightsError
from pyoco_eval.weights import MANIFEST, WeightFile


def load_torchscript(weight_file: WeightFile, *, trusted: bool) -> torch.nn.Module:
    """The module in evaluation mode, on the CPU, without gradients.

    Args:
        weight_file: the archive.
        trusted: the user asks for this program to be run.

    Raises:
        MissingError: no such file, or a PyTorch without TorchScript.
        UsageError: not trusted.
        WeightsError: not a TorchScript archive.
    """
    path, key = weight_file.path, weight_file.key
    if not path.is_file():
        raise MissingError(f"{path}: no such file; pyoco-eval weights fetch {key} gets it")
    if not trusted:
        expected = MANIFEST[key].digest or "none: no hash of it was ever published"
        raise UsageError(
            f"{path}: a TorchScript file is a program, and programs are not run unasked "
            f"({weight_file.digest}; published {expected}). Pass --trust {key} to run this one"
        )
    if getattr(torch, "jit", None) is None or not hasattr(torch.jit, "load"):
        raise MissingError(
            f"{path}: PyTorch {torch.__version__} has no TorchScript any more, which this file "
            "needs to run; use an older PyTorch"
        )
    try:
        with _quiet():
            module = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(f"{path}: not a TorchScript archive, or damaged ({reason})") from error
    module.eval()
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    return module  # type: ignore[no-any-return]


def run_torchscript(
    module: torch.nn.Module, clips: torch.Tensor, key: str, **arguments: bool
) -> torch.Tensor:
    """Call the module.

    Raises:
        WeightsError: it does not take these arguments, or fails.
    """
    try:
        with _quiet():
            found: torch.Tensor = module(clips, **arguments)
    except RuntimeError as error:
        raise WeightsError(
            f"the {key} TorchScript failed on clips {tuple(clips.shape)} {clips.dtype}: "
            f"{str(error).strip().splitlines()[-1]}"
        ) from error
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the notice that TorchScript is deprecated; any other warning is heard."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*torch\.jit", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message=r".*torch\.jit", category=FutureWarning)
        yield
