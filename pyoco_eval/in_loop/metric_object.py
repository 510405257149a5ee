"""One metric as an object: `update` with videos, `compute` a signed score, in any number of ranks.

Axes: B videos, T frames, C channels, H, W.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, Unpack

import torch

from pyoco_eval.errors import UsageError
from pyoco_eval.extraction.measure import FeatureRequest, measure
from pyoco_eval.extraction.measured_set import MeasuredSet
from pyoco_eval.extraction.open_samples import Samples, check_exists, open_samples, options_for
from pyoco_eval.extraction.options import Choices, options_from
from pyoco_eval.features.loading.torchvision_operators import import_torchvision
from pyoco_eval.in_loop.side_state import SideState
from pyoco_eval.processes import alone, sharing
from pyoco_eval.progress import Silent
from pyoco_eval.references.find import (
    DEFAULT_REFERENCE,
    name_of,
    named_side,
    require_same_recipe,
    stored_side,
)
from pyoco_eval.scoring.tasks import Networks, Task, rules_of
from pyoco_eval.videos.source import VideoSource

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

    class _Base(torch.nn.Module):
        def update(self, *arguments: Any, **settings: Any) -> None: ...
        def reset(self) -> None: ...

elif importlib.util.find_spec("torchmetrics") is not None:
    if importlib.util.find_spec("torchvision") is not None:
        import_torchvision()  # torchmetrics imports it, and it fails beside a torch without CUDA
    from torchmetrics import Metric as _Base
else:

    class _Base(torch.nn.Module):
        """Stands where torchmetrics is not installed."""

        def reset(self) -> None:
            """Nothing of its own."""


Own = TypeVar("Own", bound="MetricObject")
Place = Literal["fake", "real"]


class MetricObject(_Base):
    """Accumulates videos and gives the score that the function of its name would give for them.

    It is a `torchmetrics.Metric` where that is installed, and a `torch.nn.Module` elsewhere.

    Args:
        reference: what to compare with, as the functions take it: a place, a file of features, or
            the name of a reference. Without it, what `update(real=…)` is given, or else the
            profile's own reference. Its features are computed once.
        profile: `published` or `embedded` networks.
        convention: name of the tool whose rule to follow.
        splits: split rule of the Inception Score.
        group: processes whose videos count together in `compute`: all of `torch.distributed` where
            it is in use; `None` for this process alone.
        choices: see `extraction.options.Choices`, such as `num_frames`, `value_range`, `device`.

    Raises:
        UsageError: arguments that cannot be meant.
        MissingError: weights or a package are not there.
    """

    metric: ClassVar[str]
    is_differentiable = False
    higher_is_better = False
    full_state_update = False

    def __init__(
        self,
        reference: Samples | None = None,
        *,
        profile: str = "published",
        convention: str | None = None,
        splits: str | None = None,
        group: "ProcessGroup | Literal['world'] | None" = "world",
        **choices: Unpack[Choices],
    ) -> None:
        super().__init__()
        self._options = options_from(choices)
        (rule,) = rules_of(
            [self.metric], profile, {self.metric: convention} if convention else {}, ()
        )
        self._task = Task(rule, self._options, Networks(self._options), splits)
        if reference is not None and not self._task.needs_reference:
            raise UsageError(f"reference: {self.metric} compares videos with nothing")
        if isinstance(reference, str | Path) and name_of(reference) is None:
            check_exists(reference, "reference")
        self._given = reference
        self._profile, self._group = profile, group
        self._fixed: MeasuredSet | None = None
        self._sides: dict[str, SideState] = {"fake": SideState(), "real": SideState()}

    def update(
        self,
        fake: Any = None,
        real: Any = None,
        *,
        captions: Sequence[str] | None = None,
    ) -> None:
        """Take in videos.

        Args:
            fake: generated ones: a tensor or array (B, T, C, H, W), (B, C, T, H, W) or
                (B, T, H, W, C), uint8, or of any float dtype with `value_range` stated; on any
                device. Its axes are told by its shape, or else by `layout`. Metrics of frames also
                take pictures (B, C, H, W).
            real: the same, of real ones.
            captions: of the B generated ones, for CLIPSIM.

        Raises:
            UsageError: a shape or dtype that cannot be meant, or no captions where they are read.
        """
        if fake is None and real is None:
            raise UsageError("update: give fake=, real=, or both")
        if real is not None and (self._given is not None or not self._task.needs_reference):
            what = "a reference was given" if self._given is not None else "none is compared with"
            raise UsageError(f"update(real=…): {what}")
        for place, videos in (("fake", fake), ("real", real)):
            if videos is not None:
                self._sides[place].add(
                    self._measured(videos, captions if place == "fake" else None)
                )

    def _measured(self, videos: Any, captions: Sequence[str] | None) -> MeasuredSet:
        task = self._task
        held: Any = videos.detach() if isinstance(videos, torch.Tensor) else videos
        source = open_samples(held, "update", self._options, [task.rule])
        if task.metric.known.needs_captions:
            source = _with_captions(source, captions)
            task.metric.check_samples(source)
        request = FeatureRequest(
            task.network, task.extractor(), keep_rows=task.metric.needs_rows(None, task.dim())
        )
        options = options_for(source, self._options)
        with alone():  # each rank has videos of its own; compute joins them
            (side,) = measure(source, [request], options, Silent(), "update")
        return side

    def compute(self) -> Any:
        """The score of all videos so far, of all ranks: a `Score`; of PRDC a dict of four.

        Every rank of the group must call it; each gets the same score.

        Raises:
            SmallSampleError: too few videos.
            UsageError: none at all, or no reference.
            PeerError: another rank failed or died.
        """
        with sharing(self._processes()) as group, group.announcing_failure():
            sides = {}
            for place, state in self._sides.items():
                parts = group.gather(state.pack())
                whole = SideState()
                for part in parts or ():
                    whole.add(SideState.unpack(part))
                sides[place] = SideState.unpack(group.broadcast(whole.pack() if parts else None))
            return self._scored(sides["fake"], sides["real"])

    def forward(self, *arguments: Any, **settings: Any) -> None:
        """`update`: the score of one batch would mean nothing."""
        self.update(*arguments, **settings)

    def _wrap_compute(self, compute: Any) -> Any:
        # torchmetrics would look for tensors in the score, and join ranks its own way.
        return compute

    def _processes(self) -> "ProcessGroup | None":
        if self._group != "world":
            return self._group
        distributed = torch.distributed
        if distributed.is_available() and distributed.is_initialized():
            return distributed.group.WORLD
        return None

    def _scored(self, fake: SideState, real: SideState) -> Any:
        task = self._task
        if not fake.count:
            raise UsageError("compute: no generated videos were given; update(fake=…) comes first")
        task.generated = fake.measured("fake")
        if task.needs_reference:
            task.reference = real.measured("real") if real.count else self._reference()
            recipe = task.reference.recipe
            require_same_recipe(task.reference_recipe(), task.reference, recipe)
        rows = None if task.reference is None else task.reference.count
        task.metric.check_counts(task.dim(), task.generated.count, rows)
        scores = task.scores()
        if len(scores) == 1:
            return scores[0]
        return {score.metric: score for score in scores}

    def _reference(self) -> MeasuredSet:
        """The fixed reference, found or measured once."""
        if self._fixed is None:
            given, task = self._given, self._task
            named = DEFAULT_REFERENCE[self._profile] if given is None else name_of(given)
            stored = stored_side(Path(given)) if isinstance(given, str | Path) else None
            if named is not None:
                self._fixed = named_side(
                    named, task.reference_recipe(), task.network, self._options
                )
            elif stored is not None:
                self._fixed = stored
            else:
                assert given is not None
                self._fixed = self._measured(given, None)
        return self._fixed

    def reset(self) -> None:
        """Forget all videos; the reference stays."""
        super().reset()
        self._sides = {"fake": SideState(), "real": SideState()}

    def merge(self: Own, other: Own) -> Own:
        """Take in what another object of the same recipe was given; returns this one."""
        for place, state in self._sides.items():
            state.add(other._sides[place])
        return self

    def get_extra_state(self) -> Mapping[str, torch.Tensor]:
        """What `state_dict` keeps: both sides as bytes, without pickles."""
        return {
            place: torch.frombuffer(bytearray(state.pack()), dtype=torch.uint8)
            for place, state in self._sides.items()
        }

    def set_extra_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """What `load_state_dict` gives back."""
        for place, packed in state.items():
            self._sides[place] = SideState.unpack(packed.cpu().numpy().tobytes())


def _with_captions(source: VideoSource, captions: Sequence[str] | None) -> VideoSource:
    if captions is None or len(captions) != len(source):
        count = "none" if captions is None else len(captions)
        raise UsageError(f"update: captions: {count} for {len(source)} videos; give one for each")
    said = zip(source, captions, strict=True)
    return source.described((text, video.label, video.group) for video, text in said)


class FVD(MetricObject):
    """Fréchet Video Distance."""

    metric = "fvd"


class KVD(MetricObject):
    """Kernel Video Distance. Keeps its feature rows."""

    metric = "kvd"


class FID(MetricObject):
    """Fréchet Inception Distance of frames, or of pictures."""

    metric = "fid"


class KID(MetricObject):
    """Kernel Inception Distance of frames. Keeps its feature rows."""

    metric = "kid"


class CLIPFID(MetricObject):
    """Fréchet distance of CLIP embeddings of frames."""

    metric = "clip-fid"


class InceptionScore(MetricObject):
    """Inception Score of videos. Keeps its logits."""

    metric = "is"
    higher_is_better = True


class CLIPSIM(MetricObject):
    """Agreement of videos with their captions."""

    metric = "clipsim"
    higher_is_better = True


class PRDC(MetricObject):
    """Precision, recall, density and coverage. Keeps its feature rows."""

    metric = "prdc"
    higher_is_better = True


__all__ = [
    "CLIPFID",
    "CLIPSIM",
    "FID",
    "FVD",
    "KID",
    "KVD",
    "PRDC",
    "InceptionScore",
    "MetricObject",
]
