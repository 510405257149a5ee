"""How a kept video stands in the manifest of a filter, so that every reader finds it again."""

import os
from pathlib import Path
from typing import Any

from pyoco_eval.errors import UsageError
from pyoco_eval.filtering.judge import Judgement
from pyoco_eval.videos.source import VideoSource
from pyoco_eval.videos.video import Video
from pyoco_eval.visible import as_text, one_line


def kept_row(video: Video, found: Judgement, folder: Path) -> dict[str, Any]:
    """A line of the manifest.

    Args:
        video: of a place on this machine.
        found: its scores, which stand in columns that readers pass over.
        folder: of the manifest, which `file` is relative to.
    """
    assert video.path is not None
    file = Path(os.path.relpath(video.path.absolute(), folder.absolute())).as_posix()
    row: dict[str, Any] = {"file": file + _item(video), "id": video.id}
    for name in ("caption", "label", "group"):
        if getattr(video, name) is not None:
            row[name] = getattr(video, name)
    for name in ("clip", "aesthetic"):
        if getattr(found, name) is not None:
            row[name] = getattr(found, name)
    return row


def _item(video: Video) -> str:
    """`#7` of an item of an array file, `#0007` of a sample of a shard; empty for a file."""
    assert video.path is not None
    _, mark, item = video.id.partition(f"{as_text(video.path.name)}#")
    return f"#{item}" if mark else ""


def require_places(source: VideoSource, samples: str) -> None:
    """Refuse videos that a manifest cannot name.

    Raises:
        UsageError: they lie at an address.
    """
    if any(video.path is None for video in source):
        raise UsageError(
            f"--samples {samples}: lies at an address, which a manifest cannot name; copy the "
            "videos to this machine first"
        )


def require_captions(source: VideoSource) -> None:
    """Refuse to compare frames with captions that are not there.

    Raises:
        UsageError: naming every video without one.
    """
    lacking = [video.id for video in source if not video.caption]
    if lacking:
        names = "".join(f"\n  {one_line(name)}" for name in lacking)
        raise UsageError(
            f"--min-clip: {len(lacking)} of {len(source)} videos have no caption:{names}\n"
            "Give a manifest with captions as --samples, or --captions FILE, or leave --min-clip "
            "out."
        )
