"""One decoding pass that judges every video whose scores are not on disk yet."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from pyoco_eval.extraction.decode_pass import run_pass
from pyoco_eval.extraction.feature_store import ScoredVideo, VideoRows
from pyoco_eval.extraction.feeding.row_queue import NetworkInput
from pyoco_eval.extraction.options import Options
from pyoco_eval.filtering.judge import Judge
from pyoco_eval.filtering.score_store import Journal, VideoScores, caption_digest
from pyoco_eval.peers import Processes, SharedStage
from pyoco_eval.progress import Progress, Silent
from pyoco_eval.videos.source import VideoSource
from pyoco_eval.videos.video import Video


@dataclass
class Passed:
    """What a pass found besides scores.

    Attributes:
        failures: id -> reason, of videos that cannot be read.
        reused: videos whose scores were on disk.
        scored: videos that were decoded and judged.
    """

    failures: dict[str, str] = field(default_factory=dict)
    reused: int = 0
    scored: int = 0


@dataclass
class _Desk:
    """Brings the rows of all networks of a video together and has them judged."""

    videos: Sequence[Video]
    judge: Judge
    known: Mapping[str, VideoScores]
    journal: Journal
    passed: Passed
    digests: dict[int, str] = field(default_factory=dict)
    rows: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)

    def caption(self, position: int) -> str | None:
        """Of a video, where it is judged by one."""
        return self.videos[position].caption if self.judge.reads_captions else None

    def knows(self, position: int, video_id: str, digest: str) -> bool:
        scores = self.known.get(video_id)
        caption = self.caption(position)
        told = None if caption is None else caption_digest(caption)
        return scores is not None and (scores.sha256, scores.caption) == (digest, told)

    def take(self, position: int, network: str, rows: np.ndarray) -> None:
        if not len(rows):  # known, or cannot be read
            self.digests.pop(position, None)
            self.rows.pop(position, None)
            return
        waiting = self.rows.setdefault(position, {})
        waiting[network] = rows
        if len(waiting) < len(self.judge.networks):
            return
        del self.rows[position]
        caption = self.caption(position)
        scores = VideoScores(
            self.videos[position].id,
            self.digests.pop(position),
            None if caption is None else caption_digest(caption),
            self.judge(waiting, caption),
        )
        self.journal.note(scores)
        self.passed.scored += 1


@dataclass(frozen=True)
class _Seat:
    """Of one network at the desk: what a pass takes for its store of rows."""

    desk: _Desk
    network: str
    dim: int

    def find(self, position: int, video_id: str, digest: str) -> VideoRows | None:
        if not self.desk.knows(position, video_id, digest):
            return None
        return VideoRows(ScoredVideo(video_id, digest), np.empty((0, self.dim), np.float32), ())

    def describe(self, position: int, facts: ScoredVideo, *, stored: bool) -> None:
        self.desk.digests[position] = facts.digest
        if stored and self.network == next(iter(self.desk.judge.networks)):
            self.desk.passed.reused += 1

    def spoil(self, position: int) -> None:
        pass

    def add(self, position: int, rows: np.ndarray, ids: Sequence[str]) -> None:
        del ids
        self.desk.take(position, self.network, rows)


def score_videos(
    source: VideoSource,
    judge: Judge,
    options: Options,
    known: Mapping[str, VideoScores],
    journal: Journal,
    *,
    group: Processes,
    progress: Progress,
) -> Passed | None:
    """Judge the videos of `source`, shared among the processes.

    Args:
        known: scores of this process's videos that are on disk.
        journal: takes those that are not.

    Returns:
        What all processes found, on process 0; None on others.

    Raises:
        PeerError: another process failed or died.
    """
    chosen = group.share(len(source))
    passed = Passed()
    videos = [source[index] for index in chosen]
    desk = _Desk(videos, judge, known, journal, passed)
    taps = [
        NetworkInput(
            extractor, (), network.pixels, _Seat(desk, name, extractor.spec.dim), row_ids=None
        )
        for name, (network, extractor) in judge.networks.items()
    ]
    # A video that cannot be read keeps no other from being scored; the caller decides about it.
    going_on = replace(options, on_error="skip")
    shown = progress if group.is_main else Silent()
    with shown.stage("filter", len(source)) as stage:
        counter = SharedStage(stage, group)
        found = run_pass(source, taps, going_on, chosen=chosen, on_video=counter.advance)
        passed.failures = found.failures | found.skipped
        payloads = group.gather(json.dumps(asdict(passed)).encode())
        counter.show(len(source))
    if payloads is None:
        return None
    whole = Passed()
    for payload in payloads:
        part = Passed(**json.loads(payload))
        whole.failures |= part.failures
        whole.reused += part.reused
        whole.scored += part.scored
    return whole
