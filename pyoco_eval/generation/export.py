"""A video model made of a diffusers pipeline, as a folder that diffusers loads.

The folder is an `AnimateDiffPipeline`: `unet/` is a `UNet2DConditionModel` with the spatial layers,
`motion_adapter/` a `MotionAdapter` with the temporal ones, so that each of them can also be used
with what others trained. `noise.json` says which noise it was trained with; diffusers starts from
independent noise unless it is given other as `latents`.

The scheduler is DDIM over the pipeline's own levels. It begins at the noisiest of them
(`timestep_spacing="trailing"`), ends at the clean video and clips nothing; what schedulers of image
pipelines do otherwise is described in `probe.diffusers_model`.
"""

import json
import shutil
from pathlib import Path
from typing import Any, Final

from pyoco_eval.atomic import atomic_path
from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.generation.pipeline_noise import NOISE
from pyoco_eval.models.checkpoint import Model, load_model
from pyoco_eval.models.diffusers_parts import import_diffusers
from pyoco_eval.models.first_stage import find_first_stage
from pyoco_eval.models.motion_config import MotionConfig
from pyoco_eval.models.motion_unet import motion_state, spatial_state
from pyoco_eval.models.state import load_state
from pyoco_eval.models.text.load import load_text_encoder
from pyoco_eval.models.text.pipeline import PipelineTextEncoder, beside, check_text
from pyoco_eval.parsing import parse_json
from pyoco_eval.priors import parse_prior

_INDEX: Final = "model_index.json"


def export_pipeline(folder: Path, out: Path) -> Path:
    """Write the averaged weights of a run, model or checkpoint as a pipeline of diffusers.

    Args:
        folder: of the model, or of the run.
        out: made; the pipeline is there whole or not at all. One of the same weights that is there
            already stays as it is.

    Returns:
        `out`.

    Raises:
        UsageError: not a model of a diffusers pipeline, or `out` is something else.
        MissingError: the model, its VAE or its text encoder is not there.
        PyocoEvalError: they are not those it was trained with, or the disk refuses.
    """
    model = load_model(folder)
    config = model.info.unet
    if not isinstance(config, MotionConfig):
        raise UsageError(
            f"{folder}: its network is of this package, and diffusers has no such class; models "
            "that were trained with model.diffusers can be exported"
        )
    if _is_of(out, model):
        return out
    if out.exists():
        raise UsageError(f"--out {out}: is there already, with other content; name a new folder")
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # of a killed export
    try:
        part.mkdir(parents=True)
        _write(part, model, config)
        part.rename(out)
    except OSError as error:
        raise PyocoEvalError(f"{out}: cannot be written: {error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return out


def _is_of(out: Path, model: Model) -> bool:
    """Whether an earlier export of this very model is there, as after a kill in the last moment."""
    try:
        noise = parse_json((out / NOISE).read_text(encoding="utf-8"))
        return bool(noise["model_sha256"] == model.sha256)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _write(out: Path, model: Model, config: MotionConfig) -> None:
    diffusers, state = import_diffusers(), model.network.state_dict()
    unet = diffusers.UNet2DConditionModel(**config.spatial)
    load_state(unet, spatial_state(state))
    adapter = _adapter(diffusers, config)
    tables = frozenset(name for name, _ in adapter.named_buffers())
    load_state(adapter, motion_state(state), keep=tables)
    scheduler = diffusers.DDIMScheduler(
        **config.schedule,
        prediction_type=config.prediction,
        clip_sample=False,
        set_alpha_to_one=True,
        timestep_spacing="trailing",
        steps_offset=1,  # without effect here, and image pipelines warn of any other
    )
    assert model.info.latent is not None
    stage, text = find_first_stage(model.info.latent, model.folder, "cpu"), _text(model, config)
    parts: dict[str, tuple[str, Any]] = {
        "unet": ("diffusers", unet),
        "motion_adapter": ("diffusers", adapter),
        "scheduler": ("diffusers", scheduler),
        "vae": ("diffusers", stage.network()),
        "text_encoder": ("transformers", text.network),
        "tokenizer": ("transformers", text.tokenizer),
    }
    for name, (_, part) in parts.items():
        part.save_pretrained(out / name)
    index = {
        "_class_name": "AnimateDiffPipeline",
        "_diffusers_version": diffusers.__version__,
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        **{name: [library, _class_name(part)] for name, (library, part) in parts.items()},
    }
    _write_json(out / _INDEX, index)
    _write_noise(out, model)


def _adapter(diffusers: Any, config: MotionConfig) -> Any:
    spatial = config.spatial
    return diffusers.MotionAdapter(
        block_out_channels=spatial["block_out_channels"],
        motion_layers_per_block=spatial["layers_per_block"],
        motion_num_attention_heads=config.heads,
        motion_norm_num_groups=spatial["norm_num_groups"],
        motion_max_seq_length=config.max_frames,
        use_motion_mid_block=True,
    )


def _text(model: Model, config: MotionConfig) -> PipelineTextEncoder:
    """Of the pipeline; a model that was told no text needs it all the same, as diffusers does."""
    specs = model.info.text_encoders or (f"diffusers:{_place(model)}",)
    encoder = load_text_encoder(beside(specs[0], model.folder))
    assert isinstance(encoder, PipelineTextEncoder)
    check_text(encoder, config.pipeline["text_encoder"], model.folder)
    return encoder


def _place(model: Model) -> str:
    """Where the pipeline was while the model was trained."""
    try:
        return str(model.info.provenance["config"]["model"]["diffusers"])
    except (KeyError, TypeError) as error:
        raise PyocoEvalError(f"{model.folder}: its provenance names no pipeline") from error


def _class_name(part: Any) -> str:
    return type(part).__name__.removesuffix("Fast")


def _write_noise(out: Path, model: Model) -> None:
    info = model.info
    parse_prior(info.prior, folder=model.folder).save(out)
    _write_json(
        out / NOISE,
        {
            "prior": info.prior,
            "num_frames": info.num_frames,
            "size": list(info.size),
            "fps": info.fps,
            "model_sha256": model.sha256,
            "step": info.step,
        },
    )


def _write_json(path: Path, values: dict[str, Any]) -> None:
    with atomic_path(path) as part:
        part.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
