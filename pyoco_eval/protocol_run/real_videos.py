"""The real side of a run: the user's copy of a dataset, checked file by file, or moving shapes."""

from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np

from pyoco_eval.datasets.catalogue import known_set
from pyoco_eval.datasets.class_lists import class_names
from pyoco_eval.datasets.dataset import Dataset, DatasetFinding, ordered
from pyoco_eval.datasets.msrvtt import open_msrvtt
from pyoco_eval.datasets.ucf101 import open_ucf101
from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.progress import Progress
from pyoco_eval.protocol.conditioning import Captions, ClassPrompts
from pyoco_eval.protocol.schema import Protocol, ReferenceRule
from pyoco_eval.seeding import numpy_generator
from pyoco_eval.shapes.dataset import CLASS_NAMES, MovingShapes, Split
from pyoco_eval.videos.readers.array_reader import ArrayReader, Levels
from pyoco_eval.videos.source import VideoSource
from pyoco_eval.videos.video import Video


@dataclass(frozen=True)
class DataPlace:
    """Where a user's copy is.

    Attributes:
        root: `--data-root`.
        split_lists, annotations: of UCF-101 and MSR-VTT, where they are not beside it.
        allow_incomplete: go on with what is there.
    """

    root: Path | None = None
    split_lists: Path | None = None
    annotations: Path | None = None
    allow_incomplete: bool = False


@dataclass(eq=False)
class ProtocolVideos:
    """What a protocol needs of its dataset.

    Attributes:
        protocol: whose.
        place: where the copy is.
        findings: what is not as published, known after `check`.
    """

    protocol: Protocol
    place: DataPlace
    findings: list[DatasetFinding] = field(default_factory=list)
    _opened: dict[str, Dataset] = field(default_factory=dict)

    @property
    def is_made(self) -> bool:
        """Whether the videos are rendered, not read."""
        return self.protocol.dataset.name == "shapes"

    def splits(self) -> list[str]:
        """Every split that the protocol takes anything from."""
        found = [s.reference.split for s in self.protocol.scores.values() if s.reference]
        rule = self.protocol.samples.conditioning
        if isinstance(rule, ClassPrompts) and rule.classes != "uniform":
            found.append(cast(Split, rule.classes.removesuffix("-frequencies")))
        if isinstance(rule, Captions):
            found.append("test")
        return list(dict.fromkeys(found))

    def open(self, split: str) -> Dataset:
        """One split of the user's copy; names only, no video is opened.

        Raises:
            UsageError: no --data-root, or nothing there.
            MissingError: split lists are missing.
        """
        name, place = self.protocol.dataset.name, self.place
        if place.root is None:
            about = known_set(name, split).about
            raise UsageError(f"this protocol needs real videos: give --data-root DIR ({about})")
        if split not in self._opened:
            decoder = self.protocol.compute.decoder
            if name == "ucf101":
                found = open_ucf101(
                    place.root, split, split_lists=place.split_lists, decoder=decoder
                )
            else:
                found = open_msrvtt(
                    place.root, split, annotations=place.annotations, decoder=decoder
                )
            self._opened[split] = found
        return self._opened[split]

    def check(self, progress: Progress, *, workers: int) -> None:
        """Look at every file of every split that is needed, before anything runs.

        Raises:
            UsageError: the copy is not there.
            PyocoEvalError: it is not the published set; everything that is wrong at once.
        """
        if self.is_made:
            return
        seen: dict[str, DatasetFinding] = {}
        for split in self.splits():
            dataset = self.open(split)
            with progress.stage(f"checking {split}", len(dataset.videos)) as stage:
                findings = dataset.check(workers=workers, on_video=stage.advance)
            seen |= {str(finding): finding for finding in findings}
        self.findings = list(seen.values())
        self._require_whole(self.findings)

    def require_names(self) -> None:
        """What names alone tell of the copy: no file is opened.

        Raises:
            PyocoEvalError: it is not the published set.
        """
        found = {
            str(finding): finding
            for split in ([] if self.is_made or self.place.root is None else self.splits())
            for finding in self.open(split).findings
        }
        self._require_whole(list(found.values()))

    def _require_whole(self, findings: Sequence[DatasetFinding]) -> None:
        if any(finding.hinders for finding in findings) and not self.place.allow_incomplete:
            lines = "\n".join(f"  {finding}" for finding in findings)
            raise PyocoEvalError(
                f"{self.place.root} is not the published set:\n{lines}\n"
                "Complete it, or run on what is there with --allow-incomplete: the results are "
                "then marked as reduced and stand beside no published row."
            )

    @property
    def is_incomplete(self) -> bool:
        """Whether the copy of the dataset lacks what scores need."""
        return any(finding.hinders for finding in self.findings)

    def reference(self, rule: ReferenceRule, limit: int | None) -> VideoSource:
        """The real videos of a score.

        Args:
            limit: take at most so many instead of those the rule names, for reduced runs.
        """
        wanted = rule.limit() if limit is None else limit
        name = self.protocol.dataset.name
        if self.is_made:
            assert wanted is not None
            split = cast(Split, rule.split)
            places = chosen(len(MovingShapes(split)), rule, wanted)
            return self._shapes(split, places)
        dataset = self.open(rule.split)
        whole = dataset.videos
        places = chosen(len(whole), rule, wanted)
        if len(places) == len(whole) and rule.select == "all":
            return whole
        word = rule.select.partition("(")[0] if limit is None else f"{rule.select}-reduced"
        label = f"{known_set(name, rule.split).name}-{word}{len(places)}"
        if rule.select.startswith("random"):
            label += f"-seed{rule.seed}"
        return whole.subset(label, ordered([whole[place] for place in places]))

    def class_counts(self, split: str) -> list[int]:
        """Videos of every class in a split, in the order of `class_lists.class_names`."""
        dataset = self.open(split)
        found = Counter(dataset.class_names[label] for label in dataset.labels)
        return [found[name] for name in class_names(dataset.name)]

    def test_captions(self, rule: Captions, count: int) -> list[tuple[str, str]]:
        """(id of the video, caption) of the test captions that the rule takes, in their order."""
        if self.is_made:
            shapes = MovingShapes("test", size=8, num_frames=1)
            return [(f"test-{i:06d}", shapes.clip(i, num_frames=1).caption) for i in range(count)]
        dataset = self.open("test")
        pairs = dataset.caption_list(ascii_only=rule.alphabet == "ascii")
        if rule.per_video == "all":
            return pairs
        by_video: dict[str, list[str]] = {}
        for video, caption in pairs:
            by_video.setdefault(video, []).append(caption)
        names = list(by_video)
        if rule.videos == "random":
            names = [names[place] for place in drawn(len(names), count, rule.seed)]
        return [(name, _one_of(by_video[name], name, rule.seed)) for name in names]

    def require_captions(self) -> None:
        """Raises UsageError if the protocol needs captions and the copy has none."""
        if not isinstance(self.protocol.samples.conditioning, Captions):
            return
        dataset = self.open("test")
        if not any(dataset.captions):
            raise UsageError(
                f"--data-root {self.place.root}: the captions are not there; give MSR-VTT's "
                "test_videodatainfo.json with --annotations"
            )

    def _shapes(self, split: Split, places: Sequence[int]) -> VideoSource:
        samples = self.protocol.samples
        size = (samples.height, samples.width)
        shapes = MovingShapes(split, size, samples.num_frames, samples.fps or 8)
        videos = []
        for number, place in enumerate(places):
            clip = shapes[place]
            reader = memory_reader(clip.frames)
            videos.append(
                Video(
                    f"{split}-{place:06d}",
                    number,
                    None,
                    reader,
                    caption=clip.caption,
                    label=CLASS_NAMES[clip.label],
                )
            )
        return VideoSource(f"shapes-{split}", videos)


def chosen(total: int, rule: ReferenceRule, wanted: int | None) -> list[int]:
    """Positions of the videos a reference takes, ascending; all there are if they are fewer."""
    count = total if wanted is None else min(wanted, total)
    if rule.select.startswith("random"):
        return drawn(total, count, rule.seed)
    return list(range(count))


def drawn(total: int, count: int, seed: int) -> list[int]:
    """`count` of `total` positions without repetition, ascending; the draw of captions too."""
    order = numpy_generator("protocol", "videos", seed).permutation(total)
    return sorted(int(place) for place in order[:count])


def memory_reader(frames: np.ndarray) -> ArrayReader:
    """A reader of frames (T, H, W, 3) uint8 in memory."""
    return ArrayReader(lambda: nullcontext(frames), frames.shape, frames.dtype, Levels(), "memory")


def _one_of(captions: Sequence[str], video: str, seed: int) -> str:
    generator = numpy_generator("protocol", "caption", seed, video)
    return captions[int(generator.integers(len(captions)))]
