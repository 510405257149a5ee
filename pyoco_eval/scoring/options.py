"""Everything a user can choose about how videos become features, in one object."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pyoco_eval.errors import UsageError
from pyoco_eval.features.base import Precision
from pyoco_eval.scoring.frame_rules import FrameRule
from pyoco_eval.videos.clip_rule import ClipRule
from pyoco_eval.videos.listing.pictures import Pictures
from pyoco_eval.videos.readers.pixels import PixelRule
from pyoco_eval.videos.resize import IN_NETWORK, ResizeRule

OnError = Literal["error", "skip"]


@dataclass(frozen=True)
class Options:
    """Choices of one run. Those that can change a score all stand in its signature.

    Attributes:
        clip: which frames of a video form its clip or clips.
        frames: which frames of a clip image metrics see.
        pre_resize: resize before the network's own, rounded to uint8 as stored videos are.
        resize: replaces the convention's resize rule (kernel and fit; the size must agree).
        value_range: range of float arrays, `0..1`, `-1..1` or `0..255`; required for them.
        quantise: how float arrays become uint8.
        layout: axes of arrays in order, such as `BTCHW`, where their shape does not tell.
        pictures: what folders and arrays of pictures are: `images`, each a row by itself, or
            `frames` of videos; `auto` decides by the metrics asked for and by names.
        pixels: how stored pixels become RGB, `peer` or `exact`; None for each convention's own.
        decoder: `pyav` or `decord`, which converts as `peer` alone.
        weights: KEY -> file, for networks whose published file is not in the cache.
        device: `auto` (CUDA if there is one), `cpu`, `cuda`, `cuda:1`, `mps`.
        batch_size: video clips per network call on a GPU; frames count as an eighth of a clip.
            A CPU takes one clip at a time.
        workers: decoding threads.
        on_error: `error` lists every unusable video and fails; `skip` goes on and says so.
        allow_small: print a score below the sample floor, labelled.
        interval: half-samples for the interval of a score, 0 for none; an even number
            of at least 20. Feature rows are then kept in memory.
        extrapolate: also give the Fréchet distances that infinitely many samples would have.
        reference_clip: clip rule of the reference videos, where it is another than `clip`.
        group_by: what counts as one on the generated side, for intervals and limits, as in
            `scoring.grouping.labels_of`; None finds it in a manifest or in names of UCF-101.
        reference_group_by: likewise for the reference.
        precision: arithmetic of the networks: `fp32`, or `bf16`, which changes scores and is
            never mixed with fp32.
        trust: keys of TorchScript weights whose program is run; nothing is run unasked.
        keep_features: folder where feature rows are kept as they are made; a run that was killed
            goes on from there, and later scores of the same videos take them from there.
    """

    clip: ClipRule = field(default_factory=ClipRule)
    frames: FrameRule = field(default_factory=lambda: FrameRule("all"))
    pre_resize: ResizeRule | None = None
    resize: ResizeRule | None = None
    value_range: str | None = None
    quantise: str = "round"
    layout: str | None = None
    pictures: Pictures = "auto"
    pixels: PixelRule | None = None
    decoder: str = "pyav"
    weights: Mapping[str, Path] = field(default_factory=dict)
    device: str = "auto"
    batch_size: int | None = None
    workers: int | None = None
    on_error: OnError = "error"
    allow_small: bool = False
    interval: int = 0
    extrapolate: bool = False
    reference_clip: ClipRule | None = None
    precision: Precision = "fp32"
    trust: frozenset[str] = frozenset()
    keep_features: Path | None = None
    group_by: str | None = None
    reference_group_by: str | None = None

    def __post_init__(self) -> None:
        if self.pre_resize is not None and self.pre_resize.quantise == "none":
            raise UsageError(
                f"--pre-resize {self.pre_resize.spec()} must end in -round or -truncate: "
                "stored videos are uint8, and how they were rounded is part of the recipe"
            )
        if self.pre_resize is not None and self.pre_resize.kernel == IN_NETWORK:
            raise UsageError(f"--pre-resize {self.pre_resize.spec()}: no network runs before it")
        for name, value in (("--batch-size", self.batch_size), ("--workers", self.workers)):
            if value is not None and value < 1:
                raise UsageError(f"{name} {value}: must be at least 1")
        if self.decoder == "decord" and self.pixels == "exact":
            raise UsageError(
                "--pixels exact: decord converts by its own rule, which is peer; use --decoder pyav"
            )
        if self.interval and (self.interval < 20 or self.interval % 2):
            raise UsageError(f"--interval {self.interval}: an even number of at least 20, or 0")
        if self.precision not in ("fp32", "bf16"):
            raise UsageError(f"--precision {self.precision!r}: use fp32 or bf16")
        if self.on_error not in ("error", "skip"):
            raise UsageError(f"--on-error {self.on_error!r}: use error or skip")

    def pixels_of(self, own: PixelRule) -> PixelRule:
        """The rule for a convention whose `own` it is."""
        return self.pixels or ("peer" if self.decoder == "decord" else own)

    def num_workers(self) -> int:
        return self.workers or min(4, os.cpu_count() or 1)
