"""From the name of an extractor to a loaded network."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pyoco_eval.devices import pick_device
from pyoco_eval.errors import UsageError
from pyoco_eval.features.base import FeatureExtractor, TextEncoder
from pyoco_eval.metrics.conventions import CONVENTIONS, Convention, convention
from pyoco_eval.scoring.options import Options
from pyoco_eval.videos.readers.pixels import PixelRule
from pyoco_eval.videos.resize import IN_NETWORK, ResizeRule
from pyoco_eval.weights import remember, resolve

if TYPE_CHECKING:
    from pyoco_eval.features.c3d import Scaling as C3DScaling
    from pyoco_eval.features.inception import Scaling

DEFAULT_CONVENTION: Mapping[str, str] = {
    "i3d": "tf-fvd",
    "c3d": "tgan2",
    "inception": "clean",
    "clip": "clean-fid-clip",
    "i3d-torchscript": "stylegan-v",
    "c3d-torchscript": "stylegan-v-is",
    "tiny3d": "embedded-fvd",
    "tiny2d": "embedded-fid",
    "tinyclip": "embedded-clip-fid",
}
"""Whose input rule an extractor follows when none is named."""

_RESIZABLE = ("i3d", "i3d-torchscript", "inception", "clip")
"""Networks whose resize rule can be replaced."""


@dataclass(frozen=True)
class Network:
    """What to load: an extractor, a layer and how frames reach it.

    Attributes:
        bn_eps: constant of batch normalisation, None for the network's own.
        pixels: how stored pixels become RGB.
        base: the convention it starts from.
        conv: `base` if its rule is in force unchanged, else `custom`.
    """

    extractor: str
    layer: str
    resize: ResizeRule | None
    scaling: str
    bn_eps: float | None
    pixels: PixelRule
    base: str
    conv: str

    @classmethod
    def of(cls, rule: Convention, options: Options, layer: str | None = None) -> "Network":
        """The network of a convention, with the user's changes.

        Raises:
            UsageError: `--resize` names a size the network does not take.
        """
        resize = ResizeRule.parse(rule.resize) if rule.resize else None
        pixels = options.pixels_of(rule.pixels)
        changed = pixels != rule.pixels or (layer is not None and layer != rule.layer)
        if options.resize is not None and options.resize != resize:
            if resize is None or rule.extractor not in _RESIZABLE:
                raise UsageError(f"--resize: {rule.extractor} has a fixed input rule")
            if options.resize.kernel == IN_NETWORK and rule.extractor != "i3d-torchscript":
                raise UsageError(
                    f"--resize {options.resize.spec()}: {rule.extractor} does not resize inside"
                )
            if options.resize.size != resize.size:
                raise UsageError(
                    f"--resize {options.resize.spec()}: {rule.extractor} takes {resize.size} x "
                    f"{resize.size} pixels; to resize before the network, use --pre-resize"
                )
            resize, changed = options.resize, True
        conv = "custom" if changed else rule.name
        return cls(
            rule.extractor,
            layer or rule.layer,
            resize,
            rule.scaling,
            rule.bn_eps,
            pixels,
            rule.name,
            conv,
        )

    @classmethod
    def named(
        cls, extractor: str, options: Options, *, rule: str | None = None, layer: str | None = None
    ) -> "Network":
        """The network `extractor` under the input rule of convention `rule`.

        Raises:
            UsageError: an unknown extractor, or a convention of another one.
        """
        if extractor not in DEFAULT_CONVENTION:
            raise UsageError(
                f"unknown extractor {extractor!r}; known: {', '.join(DEFAULT_CONVENTION)}"
            )
        found = convention(rule or _usual_convention(extractor, layer))
        if found.extractor != extractor:
            fitting = [c.name for c in CONVENTIONS.values() if c.extractor == extractor]
            raise UsageError(
                f"convention {found.name!r} is for {found.extractor}, not {extractor}; "
                f"use one of {', '.join(fitting)}"
            )
        return cls.of(found, options, layer)

    def load(self, options: Options) -> FeatureExtractor:
        """The network with its weights, on the device of the options.

        Raises:
            MissingError: weights or an optional package are not there.
            UsageError: clips of a length the network does not take.
        """
        extractor = _LOADERS[self.extractor](self, options)
        _check_clip_length(extractor, options.clip.num_frames)
        return extractor.set_precision(options.precision).to(pick_device(options.device))


def _usual_convention(extractor: str, layer: str | None) -> str:
    """The convention that reads this layer, else the extractor's default one."""
    default = DEFAULT_CONVENTION[extractor]
    if layer is None or CONVENTIONS[default].layer == layer:
        return default
    fitting = (c.name for c in CONVENTIONS.values() if (c.extractor, c.layer) == (extractor, layer))
    return next(fitting, default)


def _check_clip_length(extractor: FeatureExtractor, num_frames: int) -> None:
    name, exact, least = extractor.spec.name, extractor.num_frames, extractor.min_frames
    if extractor.kind == "image":
        return
    if exact is not None and num_frames != exact:
        raise UsageError(f"--num-frames {num_frames}: {name} takes clips of exactly {exact} frames")
    if num_frames < least:
        raise UsageError(f"--num-frames {num_frames}: {name} needs at least {least} frames")
    if num_frames % extractor.frame_step:
        raise UsageError(
            f"--num-frames {num_frames}: {name} in plain PyTorch takes a multiple of "
            f"{extractor.frame_step}; --trust {name} runs the program in the file, for any length"
        )


def _load_i3d(network: Network, options: Options) -> FeatureExtractor:
    from pyoco_eval.features.i3d import load_i3d

    weights = resolve("i3d", options.weights)
    if network.bn_eps is None:
        return load_i3d(weights, layer=network.layer, resize=network.resize)
    return load_i3d(weights, layer=network.layer, resize=network.resize, bn_eps=network.bn_eps)


def _load_i3d_torchscript(network: Network, options: Options) -> FeatureExtractor:
    from pyoco_eval.features.i3d_torchscript import KEY, load_i3d_torchscript

    assert network.resize is not None
    return load_i3d_torchscript(
        resolve(KEY, options.weights),
        resize=network.resize,
        layer=network.layer,
        trusted=KEY in options.trust,
    )


def _load_c3d_torchscript(network: Network, options: Options) -> FeatureExtractor:
    from pyoco_eval.features.c3d_torchscript import KEY, load_c3d_torchscript

    weights = resolve(KEY, options.weights)
    return load_c3d_torchscript(weights, layer=network.layer, trusted=KEY in options.trust)


def _load_c3d(network: Network, options: Options) -> FeatureExtractor:
    from pyoco_eval.features.c3d import load_c3d

    weights, mean = (resolve(key, options.weights) for key in ("c3d", "c3d-mean"))
    scaling = cast("C3DScaling", network.scaling)
    extractor = load_c3d(weights, mean, layer=network.layer, scaling=scaling)
    for file in (weights, mean):
        remember(file)
    return extractor


def _load_inception(network: Network, options: Options) -> FeatureExtractor:
    from pyoco_eval.features.inception import load_inception

    assert network.resize is not None
    return load_inception(
        resolve("inception", options.weights),
        layer=network.layer,
        resize=network.resize,
        scaling=cast("Scaling", network.scaling),
    )


def _load_clip(network: Network, options: Options) -> FeatureExtractor:
    from pyoco_eval.features.clip import load_clip

    assert network.resize is not None
    weights = resolve("clip", options.weights)
    return load_clip(weights, layer=network.layer, resize=network.resize)


def _load_tiny(network: Network, options: Options) -> FeatureExtractor:  # noqa: ARG001
    from pyoco_eval.features.tiny import load_tiny

    return load_tiny(network.extractor, layer=network.layer)


_LOADERS: Mapping[str, Callable[[Network, Options], FeatureExtractor]] = {
    "i3d": _load_i3d,
    "c3d": _load_c3d,
    "inception": _load_inception,
    "clip": _load_clip,
    "i3d-torchscript": _load_i3d_torchscript,
    "c3d-torchscript": _load_c3d_torchscript,
    "tiny3d": _load_tiny,
    "tiny2d": _load_tiny,
    "tinyclip": _load_tiny,
}


def load_text_encoder(extractor: str, options: Options) -> TextEncoder:
    """The text tower that belongs to an image network: `clip` or `tinyclip`.

    Raises:
        UsageError: a network without a text tower.
        MissingError: weights or an optional package are not there.
    """
    if extractor == "clip":
        from pyoco_eval.features.clip_text import load_clip_text

        return load_clip_text(resolve("clip", options.weights).path)
    if extractor == "tinyclip":
        from pyoco_eval.features.tiny import load_tiny

        return load_tiny("tinyclip")
    raise UsageError(f"{extractor} has no text tower; clip and tinyclip have one")
