"""Images, or frames of videos: the one rule that decides what pictures are taken for.

1. What is stated holds: `--pictures images` or `--pictures frames`.
2. A metric of clips among those asked for: each folder of pictures is a video.
3. Metrics of images alone: every picture is an image, unless names say that they are frames. They
   do where all folders of pictures are called so: files `frame_0001.png`, folders `video_01`,
   `clip7`, `v_Biking_g01_c02`, `x.mp4`, or a folder `frames` above them.
4. What could be either is an error that names both options: pictures in one folder alone whose
   names say frames; names that say so in some folders only; pictures together with videos.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, get_args

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.readers.choose import ANIMATION_SUFFIXES, VIDEO_SUFFIXES

Pictures = Literal["auto", "images", "frames"]
Sees = Literal["clips", "pictures"]

_FRAME_FILE = re.compile(r"(?<![a-z])(key)?(frames?|frm)[ _.=-]*\d|^t=", re.IGNORECASE)
_VIDEO_FOLDER = re.compile(
    r"(^|[^a-z])(videos?|vids?|clips?|seqs?|sequences?|shots?|scenes?)[ _.-]*\d|^v_.*_g\d+_c\d+",
    re.IGNORECASE,
)
_FRAMES_ABOVE = re.compile(r"(^|[ _.-])(frames|rgb_frames|jpegs_256)$", re.IGNORECASE)
_MOVING = VIDEO_SUFFIXES | ANIMATION_SUFFIXES


@dataclass(frozen=True)
class PictureRule:
    """What the user said of pictures, and what the metrics asked for look at.

    Attributes:
        stated: `images` or `frames` if the user said so, else `auto`.
        sees: `pictures` if every metric asked for looks at single pictures, else `clips`.
    """

    stated: Pictures = "auto"
    sees: Sees = "clips"

    def __post_init__(self) -> None:
        if self.stated not in get_args(Pictures):
            raise UsageError(f"--pictures {self.stated!r}: choose one of auto, images, frames")
        if self.stated == "images" and self.sees == "clips":
            raise UsageError(
                "--pictures images: a metric of clips is asked for, which sees videos; ask for "
                "metrics of images alone (fid, clip-fid, kid, …), or leave the option out"
            )

    @property
    def open(self) -> bool:
        """Whether names have to decide."""
        return self.stated == "auto" and self.sees == "pictures"


@dataclass(frozen=True)
class Decision:
    """What the pictures of a source are taken for.

    Attributes:
        images: every picture is an image by itself, not a frame.
        folders_of_frames: some videos are folders of pictures.
        note: the decision in a sentence, where the user did not make it; else empty.
    """

    images: bool = False
    folders_of_frames: bool = False
    note: str = ""

    def label(self) -> str | None:
        """For signatures: `images` or `frames`; None where there are no pictures."""
        if self.images:
            return "images"
        return "frames" if self.folders_of_frames else None


AS_VIDEOS = Decision()


@dataclass(frozen=True)
class PictureFolder:
    """A folder that holds pictures: its id and the names in it."""

    id: str
    names: Sequence[str]


def decide(
    where: str, folders: Sequence[PictureFolder], num_videos: int, rule: PictureRule
) -> Decision:
    """Apply the rule to one place.

    Args:
        where: the place, for messages.
        num_videos: videos and animations beside the pictures, or elsewhere in the place.

    Raises:
        UsageError: it could be either.
    """
    if not folders:
        return AS_VIDEOS
    if not rule.open:
        return Decision(images=rule.stated == "images", folders_of_frames=rule.stated != "images")
    count = sum(len(folder.names) for folder in folders)
    if num_videos:
        raise could_be_either(
            where,
            f"holds {_number(count, 'picture')} and {_number(num_videos, 'video')}",
            "score the pictures",
            "score the videos, folders of pictures among them",
        )
    named = sum(_says_frames(folder) for folder in folders)
    if named and (len(folders) == 1 or named < len(folders)):
        called = (
            "called frames"
            if len(folders) == 1
            else f"called frames in {named} of {len(folders)} folders"
        )
        raise could_be_either(
            where,
            f"holds {_number(count, 'picture')}, {called}",
            "take every picture as an image",
            "take each folder as one video",
        )
    held = f"{_number(count, 'picture')} in {_number(len(folders), 'folder')}"
    if named:
        return Decision(
            folders_of_frames=True,
            note=f"{held} are taken as frames, each folder as one video, as their names say; "
            "--pictures images takes every picture as an image.",
        )
    return Decision(
        images=True,
        note=f"{held} {'is' if count == 1 else 'are'} taken as images, every one a row, since "
        "only metrics of images are asked for; --pictures frames takes each folder as one video.",
    )


def could_be_either(where: str, what: str, if_images: str, if_frames: str) -> UsageError:
    """The error that names both options."""
    return UsageError(
        f"{where} {what}: images, or frames of videos? Say --pictures images to {if_images}, or "
        f"--pictures frames to {if_frames}"
    )


def _says_frames(folder: PictureFolder) -> bool:
    if all(_FRAME_FILE.search(PurePosixPath(name).stem) for name in folder.names):
        return True
    if not all(any(c.isdigit() for c in name) for name in folder.names):
        return False
    *above, own = folder.id.split("/")
    return bool(
        _VIDEO_FOLDER.search(own)
        or PurePosixPath(own).suffix.lower() in _MOVING
        or any(_FRAMES_ABOVE.search(part) for part in (*above, own))
    )


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + "s" * (count != 1)
