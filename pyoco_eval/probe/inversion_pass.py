"""One pass over the videos: decode, resize, invert, keep; shared among all processes.

Axes: T frames, H, W.

Threads decode while the network runs. A video that is on disk needs neither. Each process writes
the files of its own videos into one folder, which all of them and process 0 must see.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from pydantic import TypeAdapter

from pyoco_eval.atomic import atomic_path
from pyoco_eval.errors import UsageError, VideoError
from pyoco_eval.extraction.ordered_stream import OrderedStream
from pyoco_eval.parsing import parse_json
from pyoco_eval.peers import Processes, SharedStage
from pyoco_eval.probe.invert import InversionSettings, RoundTrip, invert_frames, round_trip
from pyoco_eval.probe.noise_store import InvertedVideo, NoiseStore, describe_maps
from pyoco_eval.probe.options import ProbeOptions
from pyoco_eval.products import products
from pyoco_eval.progress import Progress, Silent
from pyoco_eval.seeding import numpy_generator
from pyoco_eval.videos.clip_rule import ShortVideo, VideoClip, read_clips
from pyoco_eval.videos.outcome import set_digest, settle
from pyoco_eval.videos.resize import ResizeRule, resize_frames
from pyoco_eval.videos.source import VideoSource
from pyoco_eval.videos.video import Video


@dataclass
class Inverted:
    """What the pass found.

    Attributes:
        facts: index in the source -> what is known of the video, of every video inverted.
        skipped: id -> reason, of videos left out by rule.
        failures: id -> reason, of videos that cannot be used.
        num_resumed: videos whose maps were on disk already.
    """

    facts: dict[int, InvertedVideo] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    num_resumed: int = 0

    def settle(self, total: int, on_error: str) -> None:
        """Decide about the failures, once all `total` videos were seen.

        Raises:
            UnusableVideosError: with `error`, naming every unusable video; also when fewer than
                two usable videos are left.
        """
        settle(
            self.skipped,
            self.failures,
            num_usable=len(self.facts),
            total=total,
            on_error=on_error,
        )

    def digest(self) -> str:
        """sha256 over ids and contents of the inverted videos, in the order of the source."""
        return set_digest((known.id, known.digest) for _, known in sorted(self.facts.items()))


_INVERTED = TypeAdapter(Inverted)
_ROUND_TRIP = TypeAdapter(RoundTrip)


def choose_videos(count: int, options: ProbeOptions) -> list[int]:
    """Which of `count` videos to invert, rising."""
    if options.max_videos is None or options.max_videos >= count:
        return list(range(count))
    generator = numpy_generator("probe-videos", options.seed)
    return sorted(int(i) for i in generator.choice(count, options.max_videos, replace=False))


def resize_rule(options: ProbeOptions, walk: InversionSettings) -> ResizeRule:
    """How frames reach the size the model gets."""
    return ResizeRule(options.size or walk.model.size, options.kernel, "crop")


def invert_videos(
    source: VideoSource,
    chosen: Sequence[int],
    walk: InversionSettings,
    options: ProbeOptions,
    store: NoiseStore,
    group: Processes,
    progress: Progress,
) -> Inverted | None:
    """Invert the chosen videos; what was found on process 0, None on others.

    Raises:
        UnusableVideosError: videos that cannot be used, of all processes at once.
        PeerError: another process failed or died.
    """
    own = [source[index] for index in chosen[group.rank :: group.size]]
    found = Inverted()
    shown = progress if group.is_main else Silent()
    with shown.stage("inversion", len(chosen)) as stage:
        counter = SharedStage(stage, group)
        _run(own, walk, options, store, found, counter.advance)
        payloads = group.gather(_pack(found))
        counter.show(len(chosen))
    if payloads is None:
        return None
    whole = Inverted()
    for payload in payloads:
        part = _INVERTED.validate_python(json.loads(payload))
        whole.facts |= part.facts
        whole.skipped |= part.skipped
        whole.failures |= part.failures
        whole.num_resumed += part.num_resumed
    whole.facts = dict(sorted(whole.facts.items()))
    whole.settle(len(chosen), options.on_error)
    return whole


def check_round_trips(
    source: VideoSource,
    checked: Sequence[int],
    walk: InversionSettings,
    options: ProbeOptions,
    folder: Path,
    group: Processes,
    progress: Progress,
) -> RoundTrip | None:
    """Invert and sample some videos with several numbers of steps; on process 0, None on others.

    Results are kept in `folder` and used again.
    """
    shown = progress if group.is_main else Silent()
    parts: list[RoundTrip] = []
    with shown.stage("round trip", len(checked)) as stage:
        for index in checked[group.rank :: group.size]:
            parts.append(_checked(source[index], walk, options, folder))
            stage.advance()
            group.check_peers()
        payloads = group.gather(json.dumps([asdict(part) for part in parts]).encode())
    if payloads is None:
        return None
    found = [values for payload in payloads for values in json.loads(payload)]
    return RoundTrip.total([_ROUND_TRIP.validate_python(values) for values in found])


def prompt_of(video: Video, options: ProbeOptions) -> str | None:
    """What the model is told of a video.

    Raises:
        UsageError: its caption is wanted and it has none.
    """
    if not options.captions:
        return options.prompt
    if video.caption is None:
        raise UsageError(
            f"--captions: {video.id} has none; give a manifest with a caption of every video, or "
            "--prompt"
        )
    return video.caption


@dataclass(frozen=True)
class _Clip:
    """Frames ready for the model: (T, 3, H, W) in [-1, 1]."""

    clip: VideoClip
    frames: torch.Tensor


def _run(
    videos: Sequence[Video],
    walk: InversionSettings,
    options: ProbeOptions,
    store: NoiseStore,
    found: Inverted,
    on_video: Callable[[], None],
) -> None:
    rule = resize_rule(options, walk)

    def prepare(video: Video) -> Iterator[str | InvertedVideo | _Clip]:
        digest = video.digest()
        known = store.find(video.index, video.id, digest, prompt_of(video, options))
        if known is not None:
            yield known
            return
        yield digest
        yield _prepare(video, options, rule)

    with OrderedStream(videos, prepare, workers=options.num_workers()) as stream:
        for video, values in stream:
            try:
                first = next(values)
                if isinstance(first, InvertedVideo):
                    found.facts[video.index] = first
                    found.num_resumed += 1
                else:
                    clip = next(values)
                    assert isinstance(first, str)
                    assert isinstance(clip, _Clip)
                    if not found.failures or options.on_error == "skip":
                        facts = _invert(video, first, clip, walk, options, store)
                        found.facts[video.index] = facts
            except ShortVideo as error:
                found.skipped[video.id] = error.reason
            except VideoError as error:
                found.failures[video.id] = error.reason
            on_video()


def _prepare(video: Video, options: ProbeOptions, rule: ResizeRule) -> _Clip:
    clip = next(iter(read_clips(video, options.clip)))
    return _Clip(clip, resize_frames(clip.frames, rule).div_(127.5).sub_(1))


def _invert(
    video: Video,
    digest: str,
    clip: _Clip,
    walk: InversionSettings,
    options: ProbeOptions,
    store: NoiseStore,
) -> InvertedVideo:
    prompt = prompt_of(video, options)
    maps = invert_frames(clip.frames, walk, prompt=prompt).numpy()
    with torch.inference_mode(), products(tf32=False):
        encoded = walk.model.encode(clip.frames.to(walk.model.device)).cpu().numpy()
    height, width = clip.clip.frames.shape[1:3]
    facts = InvertedVideo(
        id=video.id,
        digest=digest,
        frames=clip.clip.indices,
        size=(width, height),
        looped=clip.clip.looped,
        timed=clip.clip.timed,
        prompt=prompt,
        **describe_maps(maps, encoded),
    )
    store.write(video.index, facts, maps)
    return facts


def _checked(
    video: Video, walk: InversionSettings, options: ProbeOptions, folder: Path
) -> RoundTrip:
    path = folder / f"round-trip-{video.index:08d}.json"
    prompt = prompt_of(video, options)
    made_of = {"digest": video.digest(), "prompt": prompt}
    try:
        kept = parse_json(path.read_text(encoding="utf-8"), nan=True)
        if kept["made_of"] == made_of:
            return _ROUND_TRIP.validate_python(kept["round_trip"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not there or damaged: measured anew
    clip = _prepare(video, options, resize_rule(options, walk))
    result = round_trip(clip.frames, walk, prompt=prompt)
    with atomic_path(path) as partial:
        text = json.dumps({"made_of": made_of, "round_trip": asdict(result)})
        partial.write_text(text, encoding="utf-8")
    return result


def _pack(found: Inverted) -> bytes:
    return json.dumps(asdict(found)).encode()
