"""Named bundles of choices, each the rule of one published tool.

A convention fixes everything between decoded frames and the number, except which clips are read
(the clip rule) and from which files. Changing any of its choices turns its name into `custom`.

References: google-research/frechet_video_distance (`tf-fvd`); pfnet-research/tgan2 (`tgan2`);
mseitzer/pytorch-fid; GaParmar/clean-fid; bioinf-jku/TTUR and toshas/torch-fidelity (`legacy-tf`).
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pyoco_eval.errors import UsageError

METRICS: Final = ("fvd", "is", "fid", "clip-fid", "kvd", "kid", "clipsim", "prdc")
"""What can be asked for. `prdc` gives four scores: precision, recall, density and coverage."""


@dataclass(frozen=True)
class Convention:
    """The choices of one tool for one metric.

    Attributes:
        name: as given to `--convention`.
        metric: one of `METRICS`.
        extractor, layer: the network and where its features are read.
        resize: resize rule to the network's input, `SIZE-KERNEL-FIT` (see `videos.resize`).
        scaling: how 0..255 becomes network input.
        ddof: 1 divides the covariance by N-1, 0 by N.
        splits: split rule of the Inception Score.
        eps: constant added to each probability before the logarithm.
        bn_eps: constant of I3D's batch normalisation; None for the network's own.
        estimator: how kernel distances and neighbourhoods are estimated, in one token.
        clips: clip rules the tool applies to (generated, reference) videos, where it has its own;
            stated, not applied: `--clip` and `--reference-clip` choose.
        unknown: what is not known about the tool and might move its numbers, in sentences.
        about: one line for `--help` and the documentation.
        label: set for networks whose numbers are not a published metric.
    """

    name: str
    metric: str
    extractor: str
    layer: str
    resize: str
    scaling: str
    about: str
    ddof: int = 1
    splits: str = "1"
    eps: float = 0.0
    bn_eps: float | None = None
    estimator: str = ""
    clips: tuple[str, str] | None = None
    unknown: tuple[str, ...] = ()
    label: str | None = None


_ALL: Final[tuple[Convention, ...]] = (
    Convention(
        "tf-fvd", "fvd", "i3d", "logits", "224-tf1bilinear-squash", "2x/255-1",
        "the original TF-Hub I3D graph: TF1 bilinear squash to 224, 400 logits, N-1",
    ),
    Convention(
        "tgan2", "is", "c3d", "logits", "112-aligncornersbilinear-squash", "2x/255-1",
        "TGANv2's C3D on UCF-101: align-corners bilinear to 112, mean cube, one split, eps 1e-20",
        eps=1e-20,
    ),
    Convention(
        "clean", "fid", "inception", "pool3", "299-pilbicubicfloat-squash", "(x-128)/128",
        "clean-fid: PIL bicubic in float with antialiasing, no requantisation",
    ),
    Convention(
        "pytorch-fid", "fid", "inception", "pool3", "299-bilinear-squash", "2x/255-1",
        "pytorch-fid: half-pixel bilinear without antialiasing",
    ),
    Convention(
        "legacy-tf", "fid", "inception", "pool3", "299-tf1bilinear-squash", "(x-128)/128",
        "TTUR, torch-fidelity, clean-fid legacy_tensorflow: TF1 bilinear inside the graph",
    ),
    Convention(
        "clean-fid-clip", "clip-fid", "clip", "embedding", "224-pilbicubic-crop", "clip-mean-std",
        "clean-fid's CLIP-FID: PIL bicubic of the shorter side, centre crop, 512-d embedding",
    ),
    Convention(
        "embedded-fvd", "fvd", "tiny3d", "embedding", "", "",
        "FVD on the embedded video network", label="embedded",
    ),
    Convention(
        "embedded-is", "is", "tiny3d", "logits", "", "",
        "Inception Score on the embedded video classifier", label="embedded",
    ),
    Convention(
        "embedded-fid", "fid", "tiny2d", "embedding", "", "",
        "FID on the embedded frame network", label="embedded",
    ),
    Convention(
        "embedded-clip-fid", "clip-fid", "tinyclip", "embedding", "", "",
        "CLIP-FID on the embedded image-text network", label="embedded",
    ),
)  # fmt: skip

CONVENTIONS: Final[Mapping[str, Convention]] = {c.name: c for c in _ALL}

PROFILES: Final[Mapping[str, Mapping[str, str]]] = {
    "published": {"fvd": "tf-fvd", "is": "tgan2", "fid": "clean", "clip-fid": "clean-fid-clip"},
    "embedded": {
        "fvd": "embedded-fvd",
        "is": "embedded-is",
        "fid": "embedded-fid",
        "clip-fid": "embedded-clip-fid",
    },
}
"""Which convention each metric uses when none is named."""


def convention(name: str, metric: str | None = None) -> Convention:
    """Look a convention up by name, for `metric` where one is given.

    Raises:
        UsageError: unknown name (with the nearest match), or a convention of another metric.
    """
    known = [c.name for c in _ALL if metric is None or c.metric == metric]
    if name not in CONVENTIONS:
        near = difflib.get_close_matches(name, known, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(f"unknown convention {name!r}.{hint} Known: {', '.join(known)}")
    found = CONVENTIONS[name]
    if metric is not None and found.metric != metric:
        raise UsageError(
            f"convention {name!r} is for {found.metric}, not {metric}; use {', '.join(known)}"
        )
    return found
