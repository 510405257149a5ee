"""The videos of one arm and repeat: generated into the run's folder, or found in the user's."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pyoco_eval.devices import pick_device
from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.generation.cascade.description import Stage, is_cascade, read_cascade
from pyoco_eval.generation.cascade.run import sample_cascade
from pyoco_eval.generation.ledger import RECIPE
from pyoco_eval.generation.open import open_generator
from pyoco_eval.generation.request import GeneratorOptions, VideoGenerator
from pyoco_eval.generation.write import write_samples
from pyoco_eval.models.embedded import located
from pyoco_eval.progress import Progress
from pyoco_eval.protocol.arms import frames_of
from pyoco_eval.protocol.schema import Protocol
from pyoco_eval.protocol.trust import Deviation
from pyoco_eval.protocol_run.planned_videos import PlannedVideo
from pyoco_eval.protocol_run.run_options import RunChoices, Sampling
from pyoco_eval.protocol_run.stages import Outcome, Stages, digest_of, fingerprint
from pyoco_eval.videos.source import VideoSource, open_source
from pyoco_eval.videos.video import Video


@dataclass(frozen=True)
class Samples:
    """Videos in order of the wishes, and what is known of them.

    Attributes:
        recipe: what the generator says of itself.
        identity: changes whenever a video does.
    """

    source: VideoSource
    recipe: dict[str, str]
    identity: str


def open_model(spec: str, protocol: Protocol, arm: str, choices: RunChoices) -> VideoGenerator:
    """The generator of an arm; its videos have the length and rate of the protocol.

    Raises:
        UsageError: an option that does not fit it.
        MissingError: it is not there.
    """
    options = _options(protocol, arm, choices)
    if spec.partition(":")[0] in ("python", "diffusers"):
        options = replace(options, num_frames=None)
    return open_generator(spec, options)


def _options(protocol: Protocol, arm: str, choices: RunChoices) -> GeneratorOptions:
    sampling = choices.sampling
    return GeneratorOptions(
        device=pick_device(choices.machine.device),
        precision=sampling.precision,
        sampler=sampling.sampler,
        guidance_scale=sampling.guidance_scale,
        num_frames=frames_of(protocol, protocol.arms[arm]),
        fps=protocol.samples.fps,
        call=sampling.call,
    )


def _cascade_stages(spec: str, protocol: Protocol, arm: str, sampling: Sampling) -> list[Stage]:
    """The stages of a cascade, whose last one makes the videos of the protocol.

    Raises:
        UsageError: it makes videos of another shape, or options that stages have of their own.
    """
    for name, value in (("sampler", sampling.sampler), ("guidance-scale", sampling.guidance_scale)):
        if value is not None:
            raise UsageError(f"--{name} {value}: stages of the cascade {spec} have their own")
    stages, samples = read_cascade(Path(spec)), protocol.samples
    wanted = frames_of(protocol, protocol.arms[arm]), samples.height, samples.width
    for number, stage in enumerate(stages):
        if stage.shape == wanted:
            return stages[: number + 1]
    found = ", ".join("x".join(map(str, stage.shape)) for stage in stages)
    raise UsageError(
        f"{spec}: its stages make videos of {found}; {protocol.name} scores "
        f"{'x'.join(map(str, wanted))}"
    )


def generate(
    stages: Stages,
    protocol: Protocol,
    arm: str,
    repeat: int,
    spec: str,
    wished: Sequence[PlannedVideo],
    choices: RunChoices,
    progress: Progress,
) -> Samples:
    """Make the videos of one repeat, or take those an earlier start made."""
    sampling = choices.sampling
    inputs = {
        "model": model_identity(spec),
        "wishes": digest_of([vars(wish) for wish in wished]),
        "sampling": vars(sampling) | {"batch_size": None},
        "num_frames": frames_of(protocol, protocol.arms[arm]),
        "fps": protocol.samples.fps,
        "codec": protocol.samples.codec,
    }
    folder = choices.out / "samples" / arm / f"r{repeat}-{digest_of(inputs)[:8]}"

    def work() -> Outcome:
        requests = [wish.request(sampling.tell) for wish in wished]
        written: dict[str, Any] = {
            "file_format": protocol.samples.codec,
            "batch_size": sampling.batch_size,
            "progress": progress,
        }
        if is_cascade(Path(spec)):
            cascade = _cascade_stages(spec, protocol, arm, sampling)
            sample_cascade(cascade, requests, folder, _options(protocol, arm, choices), **written)
            recipe = json.loads((folder / RECIPE).read_text(encoding="utf-8"))["recipe"]
        else:
            generator = open_model(spec, protocol, arm, choices)
            write_samples(generator, requests, folder, **written)
            recipe = dict(generator.recipe)
        return {"recipe": recipe, "files": fingerprint([folder])}

    outcome = stages.run(
        "generate", arm, inputs, work, lambda found: found["files"] == fingerprint([folder])
    )
    identity = hashlib.sha256((folder / "manifest.jsonl").read_bytes()).hexdigest()
    source = _in_order(open_source(folder, decoder=protocol.compute.decoder), wished, arm, repeat)
    return Samples(source, outcome["recipe"], identity)


def model_identity(spec: str) -> str:
    """What tells one model from another without loading it.

    Own models by the text of `model.json`, which holds the hash of the weights; other folders by
    names, sizes and times; specs that name no folder by themselves.
    """
    place = located(Path(spec.removeprefix("diffusers:")))
    if is_cascade(place):
        stages = read_cascade(place)
        own = [[s.name, repr(s.config), model_identity(str(s.folder))] for s in stages]
        return f"cascade {digest_of(own)}"
    for info in (place / "model.json", place / "model" / "model.json"):
        if info.is_file():
            return f"model.json {hashlib.sha256(info.read_bytes()).hexdigest()}"
    if place.is_dir():
        return f"{spec} {fingerprint([place])}"
    return spec


def sampling_deviations(
    protocol: Protocol, sampling: Sampling, trained: Sequence[str]
) -> list[Deviation]:
    """What of the sampling is not as the protocol means it.

    Args:
        trained: arms that the protocol itself trains, and says how to sample.
    """
    found = []
    tell = sampling.tell
    if tell != "prompts" and protocol.samples.conditioning.kind == "class-prompts":
        text = f"The models are told {tell} of each class, not its prompt alone."
        found.append(Deviation(f"tell={tell}", text))
    if trained and sampling.sampler is not None:
        word = f"sampler={sampling.sampler.replace(',', '+')}"
        text = f"Models that are trained here are sampled by {sampling.sampler}, not as they say."
        found.append(Deviation(word, text))
    if trained and sampling.guidance_scale is not None:
        word = f"guidance={sampling.guidance_scale:g}"
        text = f"Models that are trained here are guided by {sampling.guidance_scale:g}."
        found.append(Deviation(word, text))
    return found


def _in_order(
    source: VideoSource, wished: Sequence[PlannedVideo], arm: str, repeat: int
) -> VideoSource:
    """Videos called by numbers, which are those of the wishes."""
    by_number = {int(video.id.partition(".")[0]): video for video in source if _is_number(video)}
    lacking = [wish.index for wish in wished if wish.index not in by_number]
    if lacking:
        raise PyocoEvalError(f"samples of {arm}: number {lacking[0]} is not there; start again")
    videos = []
    for place, wish in enumerate(wished):
        video = by_number[wish.index]
        videos.append(Video(video.id, place, video.path, video.reader, caption=wish.prompt))
    return VideoSource(f"{arm}-r{repeat}", videos)


def _is_number(video: Video) -> bool:
    return video.id.partition(".")[0].isdecimal()
