"""Everything a user can choose about a probe, in one object."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from pyoco_eval.errors import UsageError
from pyoco_eval.processes import own_cores
from pyoco_eval.videos.clip_rule import ClipRule
from pyoco_eval.videos.frame_size import Size

Solver = Literal["heun", "ddim", "deis"]
OnError = Literal["error", "skip"]


@dataclass(frozen=True)
class ProbeOptions:
    """Choices of one probe. Those that can change a number stand in its signature.

    Attributes:
        clip: which frames of every video; `first`, `center` or `random`.
        size: of the frames in pixels; the model's own if None.
        kernel: how frames reach that size: they cover it, then the centre is cut.
        solver, num_steps: of the ODE.
        prompt: what the model is told that every frame shows; None is unconditional.
        captions: tell it the caption of each video instead.
        max_videos: of more videos, so many are chosen at random.
        seed: of that choice, of the bootstrap, the null, the reference noise and the t-SNE.
        check_videos: how many videos are sampled back, with several numbers of steps.
        compared_videos: how many videos, chosen at random, are compared with each other.
        num_resamples: bootstrap samples, and shuffles of the null.
        batch_size: frames in one call of the network.
        workers: decoding threads.
        on_error: `error` lists every unusable video and fails; `skip` goes on and says so.
        value_range, quantise: of float arrays.
        decoder: `pyav` or `decord`.
        device: `auto`, `cpu`, `cuda`, `cuda:1`.
    """

    clip: ClipRule = field(default_factory=ClipRule)
    size: Size | None = None
    kernel: str = "bilinear-antialias"
    solver: Solver = "heun"
    num_steps: int = 64
    prompt: str | None = None
    captions: bool = False
    max_videos: int | None = None
    seed: int = 0
    check_videos: int = 4
    compared_videos: int = 256
    num_resamples: int = 1000
    batch_size: int = 16
    workers: int | None = None
    on_error: OnError = "error"
    value_range: str | None = None
    quantise: str = "round"
    decoder: str = "pyav"
    device: str = "auto"

    def __post_init__(self) -> None:
        for option, value, least in (
            ("--num-frames", self.clip.num_frames, 2),
            ("--num-steps", self.num_steps, 2),
            ("--max-videos", self.max_videos, 2),
            ("--check-videos", self.check_videos, 1),
            ("--compared-videos", self.compared_videos, 2),
            ("--resamples", self.num_resamples, 20),
            ("--batch-size", self.batch_size, 1),
            ("--workers", self.workers, 1),
        ):
            if value is not None and value < least:
                raise UsageError(f"{option} {value}: must be at least {least}")
        if self.clip.select == "all":
            raise UsageError("--clip all: a probe takes one clip of each video")
        if self.solver not in get_args(Solver):
            raise UsageError(
                f"--sampler {self.solver!r}: the inversion walks an ODE; use one of "
                f"{', '.join(get_args(Solver))}"
            )
        if self.prompt is not None and self.captions:
            raise UsageError("--prompt and --captions: give one of them, both say what is shown")

    def num_workers(self) -> int:
        """Decoding threads: as many as asked for, or as suits this machine."""
        return self.workers or own_cores()
