"""Loading networks that other tools distribute as TorchScript, which is a program.

A TorchScript file is executed only if its sha256 is the pinned one, or if the user says in so many
words that this file is to be trusted.
"""

import warnings

import torch

from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.features.state_dict import WeightsError
from pyoco_eval.weights import MANIFEST, WeightFile


def load_torchscript(weight_file: WeightFile, *, trusted: bool) -> torch.jit.ScriptModule:
    """The module in evaluation mode, on the CPU, without gradients.

    Args:
        weight_file: the archive.
        trusted: execute it although its hash is not the pinned one.

    Raises:
        MissingError: no such file.
        UsageError: not the pinned file, and not trusted.
        WeightsError: not a TorchScript archive.
    """
    path, key = weight_file.path, weight_file.key
    if not path.is_file():
        raise MissingError(f"{path}: no such file; pyoco-eval weights fetch {key} gets it")
    if not (weight_file.published or trusted):
        expected = MANIFEST[key].digest or "none: no hash of it was ever published"
        raise UsageError(
            f"{path}: a TorchScript file is a program, and this is not the known one "
            f"({weight_file.digest}; expected {expected}). Use the published file, or pass "
            f"--trust {key} to execute this one all the same"
        )
    try:
        with warnings.catch_warnings():  # TorchScript is deprecated, its files are not
            warnings.simplefilter("ignore")
            module = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(f"{path}: not a TorchScript archive, or damaged ({reason})") from error
    module.eval()
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    return module  # type: ignore[no-any-return]


def run_torchscript(
    module: torch.jit.ScriptModule, clips: torch.Tensor, key: str, **arguments: bool
) -> torch.Tensor:
    """Call the module.

    Raises:
        WeightsError: it does not take these arguments, or fails.
    """
    try:
        found: torch.Tensor = module(clips, **arguments)
    except RuntimeError as error:
        raise WeightsError(
            f"the {key} TorchScript failed on clips {tuple(clips.shape)} {clips.dtype}: "
            f"{str(error).strip().splitlines()[-1]}"
        ) from error
    return found
