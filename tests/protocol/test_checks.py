"""Every promise of `protocol validate` has protocols that break it, and each is found."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pyoco_eval.cli.main import cli
from pyoco_eval.protocol.checks import PROMISES
from pyoco_eval.protocol.loader import load_protocol, shipped_protocols
from pyoco_eval.protocol.validate import examine

Content = dict[str, Any]


def put(dotted: str, value: object) -> Callable[[Content], None]:
    """Sets one key; numbers are places in lists."""

    def change(content: Content) -> None:
        *parents, last = dotted.split(":")
        place: Any = content
        for key in parents:
            place = place[int(key) if key.isdecimal() and isinstance(place, list) else key]
        place[last] = value

    return change


def drop(dotted: str) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        *parents, last = dotted.split(":")
        place: Any = content
        for key in parents:
            place = place[key]
        del place[last]

    return change


RULES, SPELT, COUNTS, FLOOR, NEEDS, ARMS, INIT, TRAINING, NAMES = (
    PROMISES[5], PROMISES[3], PROMISES[7], PROMISES[8], PROMISES[9], PROMISES[10], PROMISES[11],
    PROMISES[12], PROMISES[13],
)  # fmt: skip
KEYS, PROFILE, LENGTHS = PROMISES[0], PROMISES[4], PROMISES[6]

BREAKS: list[tuple[str, str, Callable[[Content], None], str]] = [
    (KEYS, "ucf101-uncond", drop("samples:fps"), "samples.fps: is required"),
    (KEYS, "ucf101-uncond", drop("scores:fvd:network:bn_eps"), "bn_eps: is required"),
    (KEYS, "ucf101-uncond", put("sample", {}), "sample: no such key; did you mean 'samples'"),
    (KEYS, "ucf101-uncond", put("scores:fvd:colour", 1), "scores.fvd.colour: no such key"),
    (KEYS, "ucf101-uncond", put("scores:fvd:covariance", "N"), "scores.fvd.covariance"),
    (KEYS, "ucf101-uncond", put("samples:replacement", True), "samples.replacement"),
    (KEYS, "ucf101-uncond", put("samples:count", 0), "samples.count"),
    (KEYS, "ucf101-uncond", put("scores", {}), "scores"),
    (SPELT, "ucf101-uncond", put("scores:fvd:convention", "tats2"), "unknown convention"),
    (SPELT, "ucf101-uncond", put("scores:fvd:convention", "clean"), "is for fid, not fvd"),
    (SPELT, "ucf101-uncond", put("scores:fvd:convention", "tf-fvd"), "network.bn_eps: is 1e-05"),
    (SPELT, "ucf101-uncond", put("scores:fvd:covariance", "n"), "covariance: is 'n'"),
    (SPELT, "ucf101-uncond", put("scores:is:eps", 1e-7), "eps: is 1e-07"),
    (SPELT, "ucf101-uncond", put("scores:is:splits", "10"), "splits: is '10'"),
    (SPELT, "ucf101-uncond", put("scores:fvd:distance", None), "distance: is None"),
    (SPELT, "msrvtt", put("scores:clipsim:estimator", None), "estimator: is None"),
    (PROFILE, "ucf101-uncond", put("profile", "embedded"), "is not of the profile embedded"),
    (PROFILE, "shapes-uncond", put("profile", "published"), "is not of the profile published"),
    (PROFILE, "shapes-uncond", put("dataset:name", "ucf101"), "embedded networks know shapes"),
    (RULES, "ucf101-uncond", put("scores:fvd:clip", "16"), "scores.fvd.clip: clip rule '16'"),
    (RULES, "ucf101-uncond", put("scores:fvd:clip", "016f-s1-first"), "write 16f-s1-first"),
    (RULES, "ucf101-uncond", put("scores:fvd:pre_resize", "64-x-y"), "scores.fvd.pre_resize"),
    (RULES, "ucf101-uncond", put("scores:fvd:pre_resize", "64-pilbicubic-crop"), "how it rounds"),
    (RULES, "msrvtt", put("scores:fid:frames", "some"), "scores.fid.frames"),
    (RULES, "msrvtt", put("scores:fid:frames", "random"), "write random(seed=0)"),
    (RULES, "msrvtt", put("scores:fid:pooling", None), "sees frames"),
    (RULES, "ucf101-uncond", put("scores:fvd:frames", "all"), "sees clips"),
    (RULES, "ucf101-uncond", put("scores:fvd:interval", 7), "an even number"),
    (RULES, "ucf101-uncond", put("scores:fvd:reference:seed", 1), ""),
    (LENGTHS, "ucf101-uncond", put("scores:fvd:clip", "32f-s1-first"), "needs 32 frames"),
    (LENGTHS, "ucf101-uncond", put("scores:fvd:clip", "8f-s1-first"), "i3d takes 9 or more"),
    (LENGTHS, "ucf101-uncond", put("scores:is:clip", "15f-s1-first"), "takes exactly 16"),
    (LENGTHS, "ucf101-uncond", put("scores:is:clip", "16f-s1-all(hop=16)"), "not all"),
    (COUNTS, "ucf101-uncond", put("scores:fvd:count", 2049), "2,049 of 2,048 samples"),
    (COUNTS, "ucf101-zeroshot", put("samples:conditioning:per_class", 21), "are 2,121, more"),
    (COUNTS, "ucf101-zeroshot", put("samples:conditioning:seed", 1), "are not drawn"),
    (COUNTS, "ucf101-zeroshot", put("samples:conditioning:prompts", "mine"), "no such list"),
    (COUNTS, "ucf101-zeroshot", put("samples:conditioning:prompts", "shapes"), "is no class"),
    (COUNTS, "ucf101-zeroshot-videopoet", put("samples:conditioning:per_class", 9), "give null"),
    (COUNTS, "shapes-zeroshot", put("samples:conditioning:classes", "all-frequencies"), "no split"),
    (COUNTS, "msrvtt", put("samples:count", 59_800), "this choice of captions has 59,794"),
    (COUNTS, "msrvtt", put("samples:conditioning:videos", "random"), "have no fixed count"),
    (COUNTS, "msrvtt-2990", put("samples:count", 2_991), "has 2,990"),
    (COUNTS, "shapes-msrvtt", put("samples:count", 10_001), "has 10,000 test captions"),
    (COUNTS, "msrvtt", put("dataset:name", "ucf101"), "ucf101 has no captions"),
    (COUNTS, "ucf101-uncond", put("scores:fvd:reference:split", "val"), "ucf101 has all"),
    (COUNTS, "ucf101-uncond", put("scores:fvd:reference:select", "first(13321)"), "has 13,320"),
    (COUNTS, "shapes-uncond", put("scores:fvd:reference:select", "all"), "say how many"),
    (COUNTS, "msrvtt", put("samples:width", 255), "mp4 needs even sides"),
    (COUNTS, "msrvtt", put("samples:fps", None), "an mp4 has a frame rate"),
    (FLOOR, "ucf101-uncond", put("scores:fvd:count", 801), "801 feature rows of arm samples"),
    (FLOOR, "ucf101-uncond", put("scores:fvd:reference:select", "first(801)"), "reference rows"),
    (FLOOR, "ucf101-zeroshot-stylegan-v", put("scores:is:count", 19), "below the floor of 20"),
    (FLOOR, "ucf101-training-strategies", put("arms:image:count", 2048), "arm image"),
    (NEEDS, "ucf101-uncond", put("scores:fvd:reference", None), "needs a reference"),
    (NEEDS, "msrvtt", put("samples:conditioning", {"kind": "none"}), "needs prompts or captions"),
    (NEEDS, "ucf101-uncond", put("scores:is:per_class", True), "needs class prompts"),
    (NEEDS, "ucf101-uncond", put("scores:is:curve", True), "only fvd"),
    (ARMS, "shapes-alpha", put("arms:scratch:parameters:alpha", 3), ""),
    (ARMS, "shapes-alpha", put("arms:scratch:parameters:series", "image"), "are those of image"),
    (ARMS, "shapes-alpha", put("arms:scratch:parameters", {"series": 1}), "same parameters"),
    (ARMS, "shapes-alpha", put("arms:scratch:scores", ["is"]), "there is no score is"),
    (INIT, "shapes-alpha", put("arms:image:init_from", "mixed-1"), "is no arm before"),
    (INIT, "shapes-alpha", put("training", None), "the protocol trains nothing"),
    (TRAINING, "shapes-uncond", put("training:config:stepps", 3), "stepps"),
    (TRAINING, "shapes-uncond", put("training:config:steps", 0), "must be at least 1"),
    (TRAINING, "shapes-uncond", put("training:config:model:preset", "x"), "x is none of"),
    (TRAINING, "shapes-uncond", put("training:config:data:size", 64), "data.size is 64"),
    (TRAINING, "shapes-alpha", put("arms:scratch:training", {"prio": "x"}), "arms.scratch: "),
    (TRAINING, "shapes-alpha", put("arms:image:training", {}), "data.num_frames is 8"),
    (NAMES, "shapes-alpha", put("figure:x", "beta"), "has the parameter beta"),
    (NAMES, "shapes-alpha", put("figure:columns", ["is"]), "there is no score is"),
    (NAMES, "ucf101-uncond", put("published:0:values", {"fid": {"value": 1}}), "no score fid"),
    (NAMES, "ucf101-uncond", put("published:0:parameters", {"a": 1}), "the parameter a"),
    (NAMES, "ucf101-uncond", put("published:0:method", "TATS"), "TATS stands there twice"),
    (NAMES, "ucf101-uncond", drop("open:repeats:why"), "open.repeats.why: is required"),
]


@pytest.mark.parametrize(("promise", "base", "change", "said"), [b for b in BREAKS if b[3]])
def test_a_broken_promise_is_found(
    promise: str, base: str, change: Callable[[Content], None], said: str, write: Any
) -> None:
    verdict = examine(write(base, change))
    assert any(said in problem for problem in verdict.problems), verdict.problems


@pytest.mark.parametrize(("base", "change"), [(b[1], b[2]) for b in BREAKS if not b[3]])
def test_a_change_that_breaks_nothing_is_valid(
    base: str, change: Callable[[Content], None], write: Any
) -> None:
    assert examine(write(base, change)).problems == ()


@pytest.mark.parametrize("path", shipped_protocols(), ids=lambda path: path.stem)
def test_a_resolved_copy_under_another_name_is_valid(path: Path, write: Any) -> None:
    assert examine(write(path.stem)).problems == ()


def test_every_promise_about_the_content_is_tested() -> None:
    elsewhere = {PROMISES[1], PROMISES[2], PROMISES[14]}
    """extends, file name, change log: test_loader.py and test_shipped.py."""
    assert {promise for promise, *_ in BREAKS} | elsewhere == set(PROMISES)


def test_the_help_of_validate_makes_these_promises_and_no_other() -> None:
    text = CliRunner().invoke(cli, ["protocol", "validate", "--help"]).output
    lines = [line.strip() for line in text.splitlines()]
    assert [line.removeprefix("- ") for line in lines if line.startswith("- ")] == list(PROMISES)


def test_all_problems_are_told_at_once(write: Any) -> None:
    def change(content: Content) -> None:
        content["scores"]["fvd"]["count"] = 5000
        content["scores"]["is"]["splits"] = "2"

    problems = examine(write("ucf101-uncond", change)).problems
    assert len(problems) == 2
    assert load_protocol("ucf101-uncond").protocol.scores["fvd"].count == 2048
