"""Makes samples and writes them: resumable, shared out among processes, with the same result.

A folder of samples holds one video for each request (`000000.mp4`, …), `manifest.jsonl` with what
stands behind each, `recipe.json` with what stands behind all, and a contact sheet.
"""

import json
import os
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

import numpy as np

from pyoco_eval.atomic import atomic_path, writing
from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.generation.ledger import (
    SUFFIXES,
    Row,
    close_ledger,
    note_sample,
    open_ledger,
    sample_name,
)
from pyoco_eval.generation.request import Request, VideoGenerator
from pyoco_eval.locks import LOCK, locked
from pyoco_eval.peers import Processes
from pyoco_eval.processes import processes
from pyoco_eval.progress import Progress, Silent, Stage
from pyoco_eval.videos.contact_sheet import contact_sheet
from pyoco_eval.videos.content_digest import content_digest
from pyoco_eval.videos.source import open_source
from pyoco_eval.videos.write import write_video

SHEET_ROWS: Final = 8
_THREADS: Final = min(4, os.cpu_count() or 1)


def write_samples(
    generator: VideoGenerator,
    requests: Sequence[Request],
    out: Path,
    *,
    file_format: str = "mp4",
    batch_size: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
    group: Processes | None = None,
) -> list[Row]:
    """Make what is not there yet.

    Under `torchrun` every process calls this; each makes its share.

    Args:
        generator: makes the videos.
        requests: all of the run, with indices of their own.
        out: folder of the samples; one of an earlier run with the same recipe goes on.
        file_format: `mp4`, `gif`, `npz` or `png` (a folder of frames).
        batch_size: requests handed to the generator at once.
        overwrite: remove the samples of another recipe instead of refusing.
        progress: one step per video of this process.
        group: the processes; by default those of `torchrun`.

    Returns:
        Rows of the manifest, in order of the requests' indices; on process 0, elsewhere none.

    Raises:
        UsageError: what cannot be made, or a folder that holds something else.
        PyocoEvalError: the generator broke its contract, or the folder cannot be written.
    """
    group = group or processes()
    progress = (progress if group.is_main else None) or Silent()
    if file_format not in SUFFIXES:
        raise UsageError(f"--format {file_format}: use one of {', '.join(SUFFIXES)}")
    if batch_size < 1:
        raise UsageError(f"--batch-size {batch_size}: use at least 1")
    recipe = dict(generator.recipe) | {"fps": f"{generator.fps:.12g}", "format": file_format}
    with group.announcing_failure(), ExitStack() as stack:
        payload = None
        if group.is_main:
            generator.check(requests)
            # Two runs in one folder would take each other's unfinished files for left ones.
            stack.enter_context(locked(out / LOCK, "makes samples here"))
            done = open_ledger(out, recipe, requests, overwrite=overwrite)
            payload = json.dumps(list(done)).encode()
        finished = set(json.loads(group.broadcast(payload)))
        pending = [request for request in requests if request.index not in finished]
        own = pending[group.rank :: group.size]
        with (
            progress.stage("sample", len(own)) as stage,
            _Writers(out, generator.fps, recipe, group) as writers,
        ):
            for start in range(0, len(own), batch_size):
                group.check_peers()
                part = own[start : start + batch_size]
                videos = checked_videos(generator.generate(part), part, recipe)
                for request, frames in zip(part, videos, strict=True):
                    writers.put(request, sample_name(request, file_format), frames, stage)
            writers.finish()
        if group.gather(b"") is None:
            return []
        rows = close_ledger(out)
        write_sheet(out, rows)
        return rows


class _Writers:
    """Encodes on threads of its own, so that the next videos need not wait, and notes the files.

    Only so many videos are held; whoever has more waits.
    """

    def __init__(self, out: Path, fps: float, recipe: Mapping[str, str], group: Processes) -> None:
        self._out = out
        self._recipe = recipe
        self._rank = group.rank
        self._fps = fps
        self._threads = ThreadPoolExecutor(_THREADS)
        self._started: deque[tuple[Future[str], Request, str, Stage]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)

    def put(self, request: Request, name: str, frames: np.ndarray, stage: Stage) -> None:
        self._note_all_but(2 * _THREADS - 1)
        future = self._threads.submit(self._write, self._out / name, frames)
        self._started.append((future, request, name, stage))

    def finish(self) -> None:
        self._note_all_but(0)

    def _note_all_but(self, number: int) -> None:
        while len(self._started) > number:
            future, request, name, stage = self._started.popleft()
            note_sample(self._out, request, name, future.result(), self._recipe, self._rank)
            stage.advance()

    def _write(self, path: Path, frames: np.ndarray) -> str:
        with writing(path):
            write_video(path, frames, self._fps)
            return content_digest(path)


def checked_videos(
    videos: Sequence[np.ndarray], requests: Sequence[Request], recipe: Mapping[str, str]
) -> list[np.ndarray]:
    """What a generator returned, held to its contract.

    Raises:
        PyocoEvalError: another number of videos, or one that is not uint8 (T, H, W, 3).
    """
    who = recipe.get("generator", "the generator")
    if len(videos) != len(requests):
        raise PyocoEvalError(f"{who}: {len(videos)} videos for {len(requests)} requests")
    for request, frames in zip(requests, videos, strict=True):
        shape, dtype = np.shape(frames), getattr(frames, "dtype", type(frames).__name__)
        if dtype != np.uint8 or len(shape) != 4 or shape[3] != 3 or 0 in shape:
            raise PyocoEvalError(
                f"{who}: request {request.index} gave {dtype} {shape}, not uint8 (T, H, W, 3)"
            )
    return list(videos)


def sheet_path(out: Path, rows: Sequence[Row]) -> Path:
    """Where the contact sheet is: in the folder, or beside one whose videos are pictures."""
    beside = any(not Path(str(row["id"])).suffix for row in rows)
    return out.with_name(f"{out.name}.png") if beside else out / "samples.png"


def write_sheet(out: Path, rows: Sequence[Row]) -> Path:
    """Write the contact sheet of the first samples; returns its path."""
    videos, captions = [], []
    for row in rows[:SHEET_ROWS]:
        video = open_source(out / str(row["id"]))[0]
        videos.append(video.read(range(video.count_frames())))
        captions.append(str(row.get("caption", row.get("label", f"seed {row['seed']}"))))
    path = sheet_path(out.resolve(), rows)
    with atomic_path(path) as temporary:
        contact_sheet(videos, captions).save(temporary, format="PNG")
    return path
