"""pyoco-eval: video diffusion with correlated noise priors, and video scores with their recipe.

Scores of any folder of videos, as the commands of the same names give them:

>>> import pyoco_eval
>>> pyoco_eval.fvd("generated/", "real/")  # doctest: +SKIP

Noise priors, the EDM loss and denoiser, samplers, and the video U-Nets of the paper:

>>> prior = pyoco_eval.parse_prior("progressive:alpha=2")
>>> network = pyoco_eval.VideoUNet(pyoco_eval.PRESETS["test"])
>>> denoiser = pyoco_eval.EDMDenoiser(network)
>>> loss = pyoco_eval.EDMLoss(prior)

Every name is imported when it is first used: `import pyoco_eval` itself loads neither NumPy nor
PyTorch.
"""

from importlib import import_module
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
    from pyoco_eval.diffusion.denoiser import Conditioning, Denoiser, KnownFrames, TextEmbedding
    from pyoco_eval.diffusion.guidance import GuidedDenoiser
    from pyoco_eval.diffusion.inversion import invert
    from pyoco_eval.diffusion.loss import EDMLoss
    from pyoco_eval.diffusion.precondition import EDMDenoiser, VPDenoiser
    from pyoco_eval.diffusion.samplers import SamplerSpec, ddim, deis, heun, stochastic
    from pyoco_eval.diffusion.schedules import karras
    from pyoco_eval.diffusion.weighting import LossWeighting
    from pyoco_eval.in_loop.metric_object import (
        CLIPFID,
        CLIPSIM,
        FID,
        FVD,
        KID,
        KVD,
        PRDC,
        InceptionScore,
    )
    from pyoco_eval.metrics.base import Score
    from pyoco_eval.metrics.signature import Signature
    from pyoco_eval.models.checkpoint import Model, ModelInfo, load_model, save_model
    from pyoco_eval.models.config import UNetConfig
    from pyoco_eval.models.inflation import inflate
    from pyoco_eval.models.presets import PRESETS
    from pyoco_eval.models.unet import VideoUNet
    from pyoco_eval.noise_check.check import check_prior
    from pyoco_eval.priors import (
        EmpiricalPrior,
        IndependentPrior,
        MixedPrior,
        NoisePrior,
        ProgressivePrior,
        parse_prior,
    )
    from pyoco_eval.priors.drawing import noise
    from pyoco_eval.records.record import Record

__all__ = [
    "CLIPFID",
    "CLIPSIM",
    "FID",
    "FVD",
    "KID",
    "KVD",
    "PRDC",
    "PRESETS",
    "Conditioning",
    "Denoiser",
    "EDMDenoiser",
    "EDMLoss",
    "EmpiricalPrior",
    "GuidedDenoiser",
    "InceptionScore",
    "IndependentPrior",
    "KnownFrames",
    "LossWeighting",
    "MixedPrior",
    "Model",
    "ModelInfo",
    "NoisePrior",
    "ProgressivePrior",
    "Record",
    "SamplerSpec",
    "Score",
    "Signature",
    "TextEmbedding",
    "UNetConfig",
    "VPDenoiser",
    "VideoUNet",
    "__version__",
    "check_prior",
    "clip_fid",
    "clipsim",
    "ddim",
    "deis",
    "evaluate",
    "extract_features",
    "fid",
    "fvd",
    "heun",
    "inception_score",
    "inflate",
    "invert",
    "karras",
    "kid",
    "kvd",
    "load_model",
    "noise",
    "parse_prior",
    "prdc",
    "save_model",
    "stochastic",
]

_MODULES = {
    "api": "clip_fid clipsim evaluate extract_features fid fvd inception_score kid kvd prdc",
    "diffusion.denoiser": "Conditioning Denoiser KnownFrames TextEmbedding",
    "diffusion.guidance": "GuidedDenoiser",
    "diffusion.inversion": "invert",
    "diffusion.loss": "EDMLoss",
    "diffusion.precondition": "EDMDenoiser VPDenoiser",
    "diffusion.samplers": "SamplerSpec ddim deis heun stochastic",
    "diffusion.schedules": "karras",
    "diffusion.weighting": "LossWeighting",
    "in_loop.metric_object": "CLIPFID CLIPSIM FID FVD InceptionScore KID KVD PRDC",
    "metrics.base": "Score",
    "metrics.signature": "Signature",
    "models.checkpoint": "Model ModelInfo load_model save_model",
    "models.config": "UNetConfig",
    "models.inflation": "inflate",
    "models.presets": "PRESETS",
    "models.unet": "VideoUNet",
    "noise_check.check": "check_prior",
    "priors.drawing": "noise",
    "priors": "EmpiricalPrior IndependentPrior MixedPrior NoisePrior ProgressivePrior parse_prior",
    "records.record": "Record",
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Import on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'pyoco_eval' has no attribute {name!r}")
    value = getattr(import_module(f"pyoco_eval.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
