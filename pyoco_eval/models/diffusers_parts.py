"""Networks of diffusers from local folders: safetensors alone, complete, nothing fetched."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from pyoco_eval.errors import MissingError, PyocoEvalError


def import_diffusers() -> Any:
    """The package.

    Raises:
        MissingError: it is not installed, or cannot be imported.
    """
    from pyoco_eval.features.torchvision_operators import import_torchvision

    with suppress(MissingError):  # neither package needs it, but a broken one breaks both
        import_torchvision()
    try:
        import diffusers
    except ImportError as error:
        raise MissingError(
            f"diffusers cannot be imported ({error}): pip install 'pyoco-eval[diffusers]'"
        ) from error
    return diffusers


def load_part(kind: Any, folder: Path, argument: str) -> Any:
    """A network with the weights of a folder, on the CPU.

    Args:
        kind: class of diffusers or transformers.
        folder: with `config.json` and the weights.
        argument: for the message, what the user wrote.

    Raises:
        PyocoEvalError: no safetensors, damaged, or weights of another config.
    """
    try:
        network, loading = kind.from_pretrained(
            folder,
            use_safetensors=True,
            local_files_only=True,
            low_cpu_mem_usage=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise PyocoEvalError(
            f"{argument} cannot be read: {str(error).strip().splitlines()[0]}. "
            "Weights must be safetensors; save the pipeline anew with save_pretrained"
        ) from error
    missing = sorted(loading["missing_keys"])
    if missing:
        raise PyocoEvalError(
            f"{argument}: the weights lack {len(missing)} tensors, such as "
            f"{missing[0]}; the files do not belong to its config.json"
        )
    return network
