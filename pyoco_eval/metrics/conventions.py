"""Named bundles of choices, each the rule of one published tool.

A convention fixes everything between decoded frames and the number, except which clips are read
(the clip rule) and from which files. Changing any of its choices turns its name into `custom`.

References: google-research/frechet_video_distance (`tf-fvd`); universome/stylegan-v;
wilson1yan/VideoGPT and sihyun-yu/digan (`videogpt`); songweige/TATS;
songweige/content-debiased-fvd (`cd-fvd`); hao-ai-lab/FastVideo
(fastvideo/eval/metrics/common/fvd); JunyaoHu/common_metrics_on_video_quality;
pfnet-research/tgan2; SongweiGe/tgan2 (`tats-is`); mseitzer/pytorch-fid; GaParmar/clean-fid;
bioinf-jku/TTUR and toshas/torch-fidelity (`legacy-tf`); Lightning-AI/torchmetrics.
"""

import difflib
from dataclasses import dataclass
from typing import Final, Literal

from pyoco_eval.catalogue import Catalogue
from pyoco_eval.errors import UsageError
from pyoco_eval.metrics.catalogue import METRICS


@dataclass(frozen=True)
class Convention:
    """The choices of one tool for one metric.

    Attributes:
        name: as given to `--convention`.
        metric: one of `catalogue.METRICS`.
        extractor, layer: the network and where its features are read.
        resize: resize rule to the network's input, `SIZE-KERNEL-FIT` (see `videos.resize`).
        scaling: how 0..255 becomes network input.
        ddof: 1 divides the covariance by N-1, 0 by N.
        ridge: added to the diagonals of both covariances before their distance is taken.
        splits: split rule of the Inception Score.
        eps: constant added to each probability before the logarithm.
        bn_eps: constant of I3D's batch normalisation; None for the network's own.
        estimator: how kernel distances and neighbourhoods are estimated, in one token.
        pixels: how its users' frames became RGB: `peer`, as video libraries and Pillow do by
            default, or `exact` (see `videos.readers.pixels`).
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
    ridge: float = 0.0
    splits: str = "1"
    eps: float = 0.0
    bn_eps: float | None = None
    estimator: str = ""
    pixels: Literal["peer", "exact"] = "peer"
    clips: tuple[str, str] | None = None
    unknown: tuple[str, ...] = ()
    label: str | None = None


_EXACT_DISTANCE = (
    "The tool computes the distance in float32 with an SVD, whose error depends on the spectrum; "
    "here it is computed in float64."
)
_SCRIPT = (
    "Its network runs in plain PyTorch: tensors, eps and the kernel of its resize are read from "
    "the TorchScript archive, whose program is not run. On an archive of its shape with made-up "
    "weights, features differ from the program's by 4e-7 of their length, the rounding of float32. "
    "The published file itself was not at hand: pyoco-eval selftest --trust i3d-torchscript "
    "compares the two on it.",
    "Clips are a multiple of four frames, from 12 on: for other lengths its pooling is reported to "
    "differ from TensorFlow's, and how it pads is not known. --trust i3d-torchscript runs the "
    "program, for any length; the signature then says `executed`.",
)
_STYLEGAN_CLIPS = (
    "It begins a real clip at random.randint(0, T - n*s + s - 1), for n frames at stride s of a "
    "video of T: every start that fits, as --clip random draws them, but by the state of its "
    "loader. Real videos shorter than n*s frames are dropped: --short window, or -window in "
    "--reference-clip, does it; the output names such videos and the signature counts them (skip)."
)

_ALL: Final[tuple[Convention, ...]] = (
    Convention(
        "tf-fvd", "fvd", "i3d", "logits", "224-tf1bilinear-squash", "2x/255-1",
        "the original TF-Hub I3D graph: TF1 bilinear squash to 224, 400 logits, N-1",
        unknown=("The original fixes no clip rule, no number of videos and no decoding.",),
    ),
    Convention(
        "stylegan-v", "fvd", "i3d-torchscript", "logits", "224-innetwork-squash", "2x/255-1",
        "StyleGAN-V: its TorchScript of I3D, which resizes inside; covariance divided by N",
        ddof=0, clips=("16f-s1-first", "16f-s1-random(seed=0)-window"),
        unknown=(*_SCRIPT, "Its inner resize is taken to squash; its data were square.",
                 _STYLEGAN_CLIPS),
    ),
    Convention(
        "videogpt", "fvd", "i3d", "logits", "224-bilinear-cropceil", "2x/255-1",
        "VideoGPT, DIGAN: shorter side to 224, centre crop; BatchNorm eps 1e-5, N-1",
        bn_eps=1e-5, unknown=(_EXACT_DISTANCE,),
    ),
    Convention(
        "tats", "fvd", "i3d", "logits", "224-bilinear-squash", "2x/255-1",
        "TATS: half-pixel bilinear squash to 224; BatchNorm eps 1e-5, N-1",
        bn_eps=1e-5, unknown=(_EXACT_DISTANCE,),
    ),
    Convention(
        "cd-fvd", "fvd", "i3d", "logits", "224-bilinear-squash", "2x/255-1",
        "cd-fvd with I3D: the input of TATS; covariance divided by N",
        ddof=0, bn_eps=1e-5, clips=("16f-s1-random(seed=0)", "16f-s1-random(seed=0)"),
        unknown=(
            "Reading files, it first resizes to the dataset's resolution R with antialiasing and "
            "truncates to whole numbers: --pre-resize R-bilinearantialias-cropceil-truncateunit; "
            "its random clips depend on its workers.",
            "With fewer than 2,048 videos it counts some of them again.",
        ),
    ),
    Convention(
        "common-metrics", "fvd", "i3d-torchscript", "logits", "224-bilinear-cropceil", "2x/255-1",
        "common_metrics (styleganv): StyleGAN-V's TorchScript, crop to 224 outside, N-1",
        clips=("16f-s1-first", "16f-s1-first"), unknown=_SCRIPT,
    ),
    Convention(
        "fastvideo", "fvd", "i3d-torchscript", "logits", "224-bilinear-squash", "2x/255-1",
        "FastVideo: StyleGAN-V's TorchScript, squash to 224 outside, N-1, 1e-6 on each diagonal",
        ridge=1e-6,
        unknown=(*_SCRIPT, "It scales before it resizes; here it is after, which differs by the "
                 "rounding of float32.",
                 "Intervals and limits leave its 1e-6 out."),
    ),
    Convention(
        "tgan2", "is", "c3d", "logits", "112-aligncornersbilinear-squash", "2x/255-1",
        "TGANv2's C3D on UCF-101: align-corners bilinear to 112, mean cube, one split, eps 1e-20",
        eps=1e-20,
        unknown=("Its script repeats 2,048 videos ten times and reports mean and spread.",),
    ),
    Convention(
        "tats-is", "is", "c3d", "logits", "112-aligncornersbilinear-squash", "2x/255-1",
        "TATS and PYoCo's author: TGANv2's network, all videos as one split in file order",
        eps=1e-20, clips=("16f-s1-first", "16f-s1-first"),
        unknown=("Numbers are known of 10,240 videos: five runs of 2,048, concatenated.",),
    ),
    Convention(
        "stylegan-v-is", "is", "c3d-torchscript", "log-probs", "112-innetwork-squash", "x",
        "StyleGAN-V: its TorchScript of C3D, 2,048 videos in ten shuffled splits",
        splits="10-shuffle42", clips=("16f-s1-first", "16f-s1-first"),
        unknown=(
            "What its TorchScript does inside was never published, so there is no port to plain "
            "PyTorch: the program is executed as it is.",
            "No hash of it was ever published: it runs only with --trust c3d-torchscript.",
        ),
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
        "torchmetrics", "fid", "inception", "pool3", "299-bilinearantialias-squash", "(x-128)/128",
        "torchmetrics 1.9: half-pixel bilinear with antialiasing, its default",
        unknown=("Its result is rounded to float32.",),
    ),
    Convention(
        "clean-fid-clip", "clip-fid", "clip", "embedding", "224-pilbicubic-crop", "clip-mean-std",
        "clean-fid's CLIP-FID: PIL bicubic of the shorter side, centre crop, 512-d embedding",
        unknown=("On CUDA it computes in float16, mean included; here it is float32.",),
    ),
    Convention(
        "torch-fidelity-clip", "clip-fid", "clip", "embedding", "224-tf1bilinear-squash",
        "clip-mean-std", "torch-fidelity's CLIP features: TF1 bilinear squash to 224",
    ),
    Convention(
        "tf-kvd", "kvd", "i3d", "logits", "224-tf1bilinear-squash", "2x/255-1",
        "MMD² of the features of tf-fvd: cubic kernel, unbiased over all rows",
        estimator="poly3-unbiased",
        unknown=("The original paper fixes neither the kernel's constants nor subsets.",),
    ),
    Convention(
        "tats-kvd", "kvd", "i3d", "logits", "224-bilinear-squash", "2x/255-1",
        "TATS: MMD² of its features, scikit-learn's default cubic kernel, unbiased",
        bn_eps=1e-5, estimator="poly3-unbiased",
    ),
    Convention(
        "digan-kvd", "kvd", "i3d", "logits", "224-bilinear-cropceil", "2x/255-1",
        "DIGAN: MMD² of its features, scikit-learn's default cubic kernel, unbiased",
        bn_eps=1e-5, estimator="poly3-unbiased",
    ),
    Convention(
        "clean-kid", "kid", "inception", "pool3", "299-pilbicubicfloat-squash", "(x-128)/128",
        "clean-fid's KID: its input, 100 subsets of 1,000 frames",
        estimator="poly3-100x1000-seed0",
        unknown=("It seeds no generator; its draws are these after np.random.seed(0).",),
    ),
    Convention(
        "torch-fidelity-kid", "kid", "inception", "pool3", "299-tf1bilinear-squash",
        "(x-128)/128", "torch-fidelity's KID: TF1 bilinear, 100 subsets of 1,000, seed 2020",
        estimator="poly3-100x1000-seed2020",
    ),
    Convention(
        "torchmetrics-kid", "kid", "inception", "pool3", "299-bilinearantialias-squash",
        "(x-128)/128", "torchmetrics' KID: antialiased bilinear, 100 subsets of 1,000",
        estimator="poly3-100x1000-seed0",
        unknown=("It draws subsets with torch's global generator: other subsets, same estimator.",),
    ),
    Convention(
        "clipsim-vitb32", "clipsim", "clip", "embedding", "224-pilbicubic-crop", "clip-mean-std",
        "mean over frames, then videos, of the cosine under CLIP ViT-B/32, in -1..1",
        estimator="mean-cosine",
        unknown=("Papers also use ViT-B/16 and ViT-L/14, the middle frame, and a factor of 100.",),
    ),
    Convention(
        "clipsim-vitl14", "clipsim", "clip-vitl14", "embedding", "224-pilbicubic-crop",
        "clip-mean-std", "as clipsim-vitb32 under CLIP ViT-L/14", estimator="mean-cosine",
        unknown=("Papers also use the middle frame, and a factor of 100.",),
    ),
    Convention(
        "prdc-i3d", "prdc", "i3d", "logits", "224-tf1bilinear-squash", "2x/255-1",
        "precision, recall, density, coverage of clips, five neighbours", estimator="k5",
    ),
    Convention(
        "prdc-inception", "prdc", "inception", "pool3", "299-pilbicubicfloat-squash",
        "(x-128)/128", "precision, recall, density, coverage of frames, five neighbours",
        estimator="k5",
    ),
    Convention(
        "prdc-i3d-open", "prdc", "i3d", "logits", "224-tf1bilinear-squash", "2x/255-1",
        "as prdc-i3d with the ties of the package prdc: a row on a ball's surface is outside",
        estimator="k5-open",
    ),
    Convention(
        "prdc-inception-open", "prdc", "inception", "pool3", "299-pilbicubicfloat-squash",
        "(x-128)/128", "as prdc-inception with the ties of the package prdc",
        estimator="k5-open",
    ),
    Convention(
        "embedded-fvd", "fvd", "tiny3d", "embedding", "", "",
        "FVD on the embedded video network", label="embedded",
        pixels="exact",
    ),
    Convention(
        "embedded-is", "is", "tiny3d", "logits", "", "",
        "Inception Score on the embedded video classifier", label="embedded",
        pixels="exact",
    ),
    Convention(
        "embedded-fid", "fid", "tiny2d", "embedding", "", "",
        "FID on the embedded frame network", label="embedded",
        pixels="exact",
    ),
    Convention(
        "embedded-clip-fid", "clip-fid", "tinyclip", "embedding", "", "",
        "CLIP-FID on the embedded image-text network", label="embedded",
        pixels="exact",
    ),
    Convention(
        "embedded-kvd", "kvd", "tiny3d", "embedding", "", "",
        "KVD on the embedded video network", estimator="poly3-unbiased", label="embedded",
        pixels="exact",
    ),
    Convention(
        "embedded-kid", "kid", "tiny2d", "embedding", "", "",
        "KID on the embedded frame network", estimator="poly3-100x1000-seed0", label="embedded",
        pixels="exact",
    ),
    Convention(
        "embedded-clipsim", "clipsim", "tinyclip", "embedding", "", "",
        "agreement with captions under the embedded image-text network",
        estimator="mean-cosine", label="embedded",
        pixels="exact",
    ),
    Convention(
        "embedded-prdc", "prdc", "tiny3d", "embedding", "", "",
        "precision, recall, density, coverage on the embedded video network",
        estimator="k5", label="embedded",
        pixels="exact",
    ),
)  # fmt: skip

CONVENTIONS: Final = Catalogue("pyoco_eval.conventions", Convention, _ALL)
"""By name. Another package adds one by an entry point in the group `pyoco_eval.conventions`."""


def usual_convention(metric: str, profile: str) -> str:
    """The convention that a metric follows when none is named.

    Raises:
        UsageError: the metric has none in this profile.
    """
    known = METRICS[metric].conventions
    if profile not in known:
        raise UsageError(
            f"--profile {profile}: {metric} has no convention there, only in {', '.join(known)}; "
            f"name one with --convention {metric}=NAME"
        )
    return known[profile]


def convention(name: str, metric: str | None = None) -> Convention:
    """Look a convention up by name, for `metric` where one is given.

    Raises:
        UsageError: unknown name (with the nearest match), or a convention of another metric.
    """
    if name not in CONVENTIONS:
        known = _fitting(metric)
        near = difflib.get_close_matches(name, known, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(f"unknown convention {name!r}.{hint} Known: {', '.join(known)}")
    found = CONVENTIONS[name]
    if metric is not None and found.metric != metric:
        raise UsageError(
            f"convention {name!r} is for {found.metric}, not {metric}; "
            f"use {', '.join(_fitting(metric))}"
        )
    return found


def _fitting(metric: str | None) -> list[str]:
    return [rule.name for rule in CONVENTIONS.values() if metric in (None, rule.metric)]
