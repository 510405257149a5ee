"""From the name of an extractor to a loaded network."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyoco_eval.catalogue import object_at
from pyoco_eval.devices import pick_device, refuse_faulty_conv3d
from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.extraction.options import Options
from pyoco_eval.features.base import CaptionEncoder, FeatureExtractor, LoadRequest
from pyoco_eval.features.catalogue import NETWORKS
from pyoco_eval.metrics.catalogue import METRICS
from pyoco_eval.metrics.conventions import CONVENTIONS, Convention, convention
from pyoco_eval.videos.readers.pixels import PixelRule
from pyoco_eval.videos.resize import IN_NETWORK, ResizeRule


def sees_frames(rule: Convention) -> bool:
    """Whether a feature row stands for a frame, not for a clip."""
    return NETWORKS[rule.extractor].kind == "image"


def dim_of(rule: Convention) -> int:
    """D of the features that a convention reads.

    Raises:
        UsageError: its network has no such layer.
    """
    layers = NETWORKS[rule.extractor].layers
    if rule.layer not in layers:
        raise UsageError(
            f"convention {rule.name}: {rule.extractor} has no layer {rule.layer!r}, only "
            f"{', '.join(layers)}"
        )
    return layers[rule.layer]


def of_frames() -> list[str]:
    """Names of the metrics whose rows are frames under every convention."""
    rows: dict[str, bool] = {}
    for rule in CONVENTIONS.values():
        rows[rule.metric] = sees_frames(rule) and rows.get(rule.metric, True)
    return [name for name in METRICS if rows.get(name)]


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
            known = NETWORKS[rule.extractor]
            if resize is None or not known.resizable:
                raise UsageError(f"--resize: {rule.extractor} has a fixed input rule")
            if options.resize.kernel == IN_NETWORK and not known.resizes_inside:
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
        if extractor not in NETWORKS:
            raise UsageError(f"unknown extractor {extractor!r}; known: {', '.join(NETWORKS)}")
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
        request = LoadRequest(
            self.extractor,
            self.layer,
            self.resize,
            self.scaling,
            self.bn_eps,
            options.weights,
            options.trust,
        )
        extractor = object_at(NETWORKS[self.extractor].loader)(request)
        if not isinstance(extractor, FeatureExtractor):
            raise PyocoEvalError(f"{self.extractor}: its loader returns no FeatureExtractor")
        _check_clip_length(extractor, options.clip.num_frames)
        device = pick_device(options.device)
        if options.precision == "bf16":
            refuse_faulty_conv3d(extractor.rounded_parts(), device)
        return extractor.set_precision(options.precision).to(device)


def _usual_convention(extractor: str, layer: str | None) -> str:
    """The convention that reads this layer, else the extractor's default one."""
    default = NETWORKS[extractor].convention
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


def refuse_captions(rule: Convention, captions: Sequence[str]) -> None:
    """Refuse captions that the text tower of a convention does not read, before it is loaded.

    Raises:
        UsageError: such as a word that the embedded text tower does not know.
    """
    refuse = NETWORKS[rule.extractor].refuses_text
    if refuse is None:
        return
    try:
        object_at(refuse)(captions)
    except UsageError as error:
        others = (
            name
            for name, other in CONVENTIONS.items()
            if other.metric == rule.metric and NETWORKS[other.extractor].refuses_text is None
        )
        raise UsageError(
            f"{rule.name}: {error}; other captions can be scored under {', '.join(others)}"
        ) from error


def load_text_encoder(extractor: str, options: Options) -> CaptionEncoder:
    """The text tower that belongs to an image network: `clip` or `tinyclip`.

    Raises:
        UsageError: a network without a text tower.
        MissingError: weights or an optional package are not there.
    """
    known = NETWORKS[extractor]
    if known.text is None:
        having = [name for name, row in NETWORKS.items() if row.text is not None]
        raise UsageError(f"{extractor} has no text tower; {' and '.join(having)} have one")
    request = LoadRequest(extractor, "", weights=options.weights, trust=options.trust)
    encoder: CaptionEncoder = object_at(known.text)(request)
    return encoder
