"""Networks of diffusers from local folders: safetensors alone, complete, nothing fetched."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.models.hub import folder_digest
from pyoco_eval.parsing import parse_json

WEIGHTS: Final = (
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model-*-of-*.safetensors",
    "model.safetensors",
)
"""Names of files with weights."""

FILES: Final = (
    "*.json", "*/*.json", "tokenizer/*.txt", *WEIGHTS[:2], *(f"*/{name}" for name in WEIGHTS),
)  # fmt: skip
"""Of a pipeline, what is fetched."""

_SCHEDULE: Final = (
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "rescale_betas_zero_snr",
)
"""Settings of a scheduler that make its noise levels."""


def import_diffusers() -> Any:
    """The package.

    Raises:
        MissingError: it is not installed, or cannot be imported.
    """
    from pyoco_eval.features.loading.torchvision_operators import import_torchvision

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


def read_index(folder: Path, argument: str) -> dict[str, str]:
    """Part of a pipeline -> name of its class, of the parts that are there.

    Raises:
        MissingError: no folder of a pipeline.
    """
    path = folder / "model_index.json"
    try:
        index = parse_json(path.read_text(encoding="utf-8"))
        return {
            name: str(value[1])
            for name, value in index.items()
            if isinstance(value, list) and len(value) == 2 and value[1] is not None
        }
    except (OSError, ValueError, AttributeError) as error:
        raise MissingError(
            f"{argument}: {path} cannot be read ({error}); give the folder of a saved pipeline"
        ) from error


def read_schedule(folder: Path, argument: str, purpose: str) -> tuple[dict[str, Any], Any]:
    """What makes the noise levels, as arguments of `DDPMScheduler`, and the prediction type.

    Args:
        purpose: for messages, what needs it, such as `the probe inverts`.

    Raises:
        UsageError: its model is not variance-preserving.
        PyocoEvalError: its scheduler cannot be read.
    """
    path = part_folder(folder, "scheduler") / "scheduler_config.json"
    try:
        config = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PyocoEvalError(f"{argument}: {path} cannot be read ({error})") from error
    if "beta_schedule" not in config and "trained_betas" not in config:
        raise UsageError(
            f"{argument}: {config.get('_class_name')} states no betas; {purpose} "
            "variance-preserving models, not those of flow matching or EDM"
        )
    found = {name: config[name] for name in _SCHEDULE if name in config}
    return found, config.get("prediction_type", "epsilon")


def part_folder(folder: Path, part: str) -> Path:
    """The folder of a part; old pipelines have everything in one."""
    return folder / part if (folder / part).is_dir() else folder


def text_digest(folder: Path) -> str:
    """`sha256:<hex>` of the text encoder and tokenizer of a pipeline, independent of the place."""
    return folder_digest(
        folder,
        ("text_encoder/config.json", "text_encoder/*.safetensors", "tokenizer/*.json",
         "tokenizer/*.txt"),
    )  # fmt: skip


def weight_patterns(folder: Path, parts: Sequence[str]) -> list[str]:
    """Where the weights of these parts lie."""
    places = {part_folder(folder, part) for part in parts}
    return [
        (place / name).relative_to(folder).as_posix()
        for place in sorted(places)
        for name in WEIGHTS
    ]
