"""`pyoco-eval fvd`, `is`, `fid` and so on: one command for each metric of the catalogue."""

from typing import Any, Final

import click

from pyoco_eval.cli.options import Decorator
from pyoco_eval.cli.score_command import ScoreCommand
from pyoco_eval.cli.scoring import (
    captions_option,
    convention_options,
    extrapolate_option,
    reference_options,
    score_and_report,
    score_options,
)
from pyoco_eval.metrics.catalogue import METRICS, KnownMetric

_SPLITS: Final = click.option(
    "--splits", default=None, help="1, 10-sequential, 10-shuffle42, 10-permute2020."
)
_HELP: Final = {
    "fvd": """Fréchet Video Distance: how far the features of two sets of videos are apart.

By default the 400 logits of I3D (Kinetics-400) of the first 16 frames, as the original
TensorFlow implementation computes them. Lower is better.

\b
Examples:
  pyoco-eval fvd --samples generated/ --reference UCF-101/
  pyoco-eval fvd --samples generated/                      # reference ucf101, once built
  pyoco-eval fvd --samples gen.npz --reference ucf.npz     # from stored features
  pyoco-eval fvd --samples generated/ --reference real/ --clip center --stride 2 \\
      --pre-resize 128-bilinearantialias-crop-round --out fvd.json
  pyoco-eval fvd --profile embedded --samples shapes/      # offline, nothing to download
""",
    "is": """Inception Score of videos under C3D (UCF-101), as TGANv2 computes it.

Mean and standard deviation over named splits; the score grows with the number of videos per
split, so only equal counts compare. Higher is better.

\b
Examples:
  pyoco-eval is --samples generated/
  pyoco-eval is --samples generated/ --splits 10-sequential
  pyoco-eval is --samples c3d-logits.npz
""",
    "fid": """Fréchet Inception Distance of images, or of the frames of videos.

Folders of pictures and (N, H, W, 3) arrays are images, every one a row; --pictures frames
takes them as videos. --frames says which frames of each clip count. --convention: clean
(default), pytorch-fid, legacy-tf. Lower is better.

\b
Examples:
  pyoco-eval fid --samples generated/ --reference real/
  pyoco-eval fid --samples samples_50000x64x64x3.npz --reference images/ --pictures images
  pyoco-eval fid --samples generated/ --reference real/ --frames middle
  pyoco-eval fid --samples generated/ --reference real/ --convention pytorch-fid
""",
    "clip-fid": """Fréchet distance of CLIP ViT-B/32 embeddings of images or frames (CLIP-FID).

--frames says which frames of each clip count. Lower is better.

\b
Examples:
  pyoco-eval clip-fid --samples generated/ --reference msrvtt-test/
  pyoco-eval clip-fid --samples images/ --reference real_images/ --pictures images
  pyoco-eval clip-fid --samples generated/ --reference real/ --frames 'random(seed=1)'
""",
    "kvd": """Kernel Video Distance: MMD² of I3D features under a polynomial kernel.

Its estimate is unbiased, so it can be used on sets too small for FVD; it may be negative when
the two sets agree. Lower is better.

\b
Examples:
  pyoco-eval kvd --samples generated/ --reference real/
  pyoco-eval kvd --samples gen.npz --reference ucf.npz
  pyoco-eval kvd --profile embedded --samples shapes/ --reference real-shapes/
""",
    "kid": """Kernel Inception Distance of images, or of the frames of videos.

Mean over random subsets, as the tool of the convention draws them; unbiased, so it may be
negative when the two sets agree. Lower is better.

\b
Examples:
  pyoco-eval kid --samples generated/ --reference real/ --frames middle
  pyoco-eval kid --samples images/ --reference real_images/ --pictures images
  pyoco-eval kid --samples generated/ --reference real/ --convention torch-fidelity-kid
""",
    "prdc": """Precision, recall, density and coverage by nearest neighbours in feature space.

Precision and density say whether generated videos look real, recall and coverage whether real
videos are all represented. Higher is better. Both sets should have the same size.

\b
Examples:
  pyoco-eval prdc --samples generated/ --reference real/
  pyoco-eval prdc --samples generated/ --reference real/ --convention prdc-inception
""",
    "clipsim": """Mean cosine between frames and the caption of their video, under CLIP.

Captions come with a manifest, with tar shards, or from --captions. Higher is better.

\b
Examples:
  pyoco-eval clipsim --samples manifest.csv
  pyoco-eval clipsim --samples generated/ --captions prompts.csv
  pyoco-eval clipsim --samples shards/ --frames middle
""",
}


def metric_command(name: str) -> click.Command:
    """The command that scores one metric by itself."""
    row = METRICS[name]

    @click.command(name, cls=ScoreCommand, help=_HELP.get(name, row.help), short_help=row.help)
    @score_options(*_own_options(row))
    def command(
        samples: str, convention: str | None, reference: str | None = None, **choices: Any
    ) -> None:
        conventions = {name: convention} if convention else {}
        score_and_report([name], samples, reference, conventions=conventions, **choices)

    return command


def _own_options(row: KnownMetric) -> tuple[Decorator, ...]:
    """What is asked of this metric and not of all."""
    references = reference_options if row.needs_reference else ()
    limit = (extrapolate_option,) if row.extrapolates else ()
    splits = (_SPLITS,) if row.classifies else ()
    captions = (captions_option,) if row.needs_captions else ()
    return (*references, *limit, *splits, *convention_options, *captions)
