"""What `pyoco-eval inspect` prints for people, at 80 columns and up."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from pyoco_eval.cli.terminal import open_console
from pyoco_eval.videos.inspection import InspectedVideo, Inspection
from pyoco_eval.videos.inspection_report import codec, frame_rate, size
from pyoco_eval.visible import one_line

MOST_ROWS = 40
"""Longer lists show only the videos with an error or a remark, and no more than this."""


def print_inspection(inspection: Inspection, *, show_all: bool) -> None:
    """A table of the videos, with what is odd about each."""
    videos = inspection.videos
    shown: Sequence[InspectedVideo] = videos
    if len(videos) > MOST_ROWS and not show_all:
        shown = [video for video in videos if video.error or video.remarks][:MOST_ROWS]
    noun = "image" if inspection.images else "video"
    count = f"{len(videos)} {noun}" + "s" * (len(videos) != 1)
    console = open_console()
    headline = ", ".join([f"{one_line(inspection.name)}: {count}", *_common(videos)])
    console.print(Text(headline, style="bold"))
    if shown:
        table = Table(pad_edge=False, box=None, header_style="bold")
        table.add_column("video", overflow="fold", ratio=3, min_width=16)
        table.add_column("frames", justify="right", no_wrap=True)
        table.add_column("size", justify="right", no_wrap=True)
        table.add_column("fps", justify="right", no_wrap=True)
        table.add_column("codec", no_wrap=True)
        table.add_column("remarks", ratio=3, min_width=16)
        for video in shown:
            table.add_row(*_row(video))
        console.print(table)
    if len(shown) < len(videos):
        console.print(
            f"{len(videos) - len(shown)} more are not listed; --all or --json lists every video."
        )
    console.print()


def _common(videos: Sequence[InspectedVideo]) -> list[str]:
    """What every readable video has in common, as `64 x 64`, `16 frames`, `8 fps`, `h264`."""
    readable = [video for video in videos if video.error is None and video.properties is not None]
    found = []
    for fact in (
        size,
        lambda video: f"{video.num_frames} frames",
        lambda video: f"{frame_rate(video)} fps" if video.fps is not None else "",
        codec,
    ):
        values = {fact(video) for video in readable}
        if len(values) == 1:
            found += [value for value in values if value]
    return found


def print_sentences(title: str, sentences: Sequence[str]) -> None:
    """A heading and one wrapped line per sentence."""
    console = open_console()
    console.print(Text(title, style="bold"))
    lines = Table.grid(padding=(0, 1))
    for sentence in sentences:
        lines.add_row(" -", Text(one_line(sentence)))
    console.print(lines)


def _row(video: InspectedVideo) -> list[Text]:
    remarks = Text(one_line("; ".join(video.remarks)))
    if video.error is not None:
        remarks = Text(one_line("; ".join([video.error, *video.remarks])), style="red")
    rate = "" if video.fps is None else frame_rate(video)
    known = video.properties is not None
    return [
        Text(one_line(video.path)),
        Text(str(video.num_frames)),
        Text("" if video.width is None else size(video).replace(" ", "")),
        Text(rate),
        Text(codec(video) if known else ""),
        remarks,
    ]
