"""Arms get what the user gives them, or the message that says what is missing."""

import pytest

from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.protocol.loader import load_protocol
from pyoco_eval.protocol_run.arm_sources import assign

UNCOND = load_protocol("ucf101-uncond").protocol
STRATEGIES = load_protocol("ucf101-training-strategies").protocol
ALPHA = load_protocol("ucf101-alpha").protocol
TWIN = load_protocol("shapes-training-strategies").protocol


def test_one_arm_needs_no_name_and_may_have_one() -> None:
    for text in ("runs/a=b", "samples=runs/a=b"):
        found = assign(UNCOND, 10, ckpt=[text])
        assert found.sources["samples"].values == ("runs/a=b",)
        assert found.sources["samples"].texts() == ["--ckpt runs/a=b"]
    assert not found.trains
    assert found.scored(UNCOND) == ["samples"]


def test_samples_come_once_or_once_for_each_repeat() -> None:
    assert assign(UNCOND, 3, samples=["a"]).sources["samples"].value(2) == "a"
    assert assign(UNCOND, 3, samples=["a", "b", "c"]).sources["samples"].value(2) == "c"
    with pytest.raises(UsageError, match="2 folders for arm samples; this run has 3"):
        assign(UNCOND, 3, samples=["a", "b"])
    with pytest.raises(UsageError, match="is one model; 2 are given"):
        assign(UNCOND, 3, ckpt=["a", "b"])
    with pytest.raises(UsageError, match="has --ckpt already"):
        assign(UNCOND, 1, ckpt=["a"], samples=["b"])


def test_repeats_of_the_training_need_a_model_each() -> None:
    arms = ["scratch"]
    three = [f"scratch={name}" for name in "abc"]
    assert assign(ALPHA, 3, ckpt=three, arms=arms).sources["scratch"].value(1) == "b"
    with pytest.raises(UsageError, match="1 models for arm scratch; this run has 3"):
        assign(ALPHA, 3, ckpt=three[:1], arms=arms)
    assert assign(ALPHA, 1, ckpt=three[:1], arms=arms).sources["scratch"].value(0) == "a"


def test_arms_without_a_model_are_named_with_what_to_give() -> None:
    with pytest.raises(MissingError) as caught:
        assign(STRATEGIES, 1, ckpt=["image=a", "scratch=b"])
    text = str(caught.value)
    assert "3 arms (finetune, mixed, progressive)" in text
    assert "--ckpt finetune=PATH" in text
    assert "--train" in text
    found = assign(STRATEGIES, 1, ckpt=["image=a", "scratch=b"], arms=["image", "scratch"])
    assert list(found.sources) == ["image", "scratch"]
    assert found.left_out == ("finetune", "mixed", "progressive")


def test_what_is_trained_brings_the_arm_it_starts_from() -> None:
    found = assign(TWIN, 1, arms=["mixed"])
    assert {name: source.kind for name, source in found.sources.items()} == {
        "image": "train",
        "mixed": "train",
    }
    given = assign(TWIN, 1, arms=["mixed"], ckpt=["image=a"])
    assert given.sources["image"].values == ("a",)
    assert given.sources["mixed"].kind == "train"
    alone = assign(TWIN, 1, arms=["mixed"], ckpt=["mixed=a"])
    assert list(alone.sources) == ["mixed"]
    trained = assign(STRATEGIES, 1, arms=["mixed"], train=True)
    assert trained.trains


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"arms": ["fast"]}, "no arm fast"),
        ({"ckpt": ["a"]}, "write ARM=VALUE"),
        ({"ckpt": ["mixed="]}, "says nothing"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, list[str]], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        assign(TWIN, 1, **options)  # type: ignore[arg-type]


def test_optional_arms_are_in_a_run_where_they_are_given() -> None:
    msrvtt = load_protocol("msrvtt").protocol
    alone = assign(msrvtt, 1, ckpt=["runs/a"])
    assert list(alone.sources) == ["samples"]
    assert alone.left_out == ()
    configs = assign(msrvtt, 1, ckpt=["config-b=b.yaml", "config-a=a.yaml"])
    assert list(configs.sources) == ["config-a", "config-b"]
    assert configs.left_out == ("samples",)
    both = assign(msrvtt, 1, ckpt=["runs/a", "config-d=d.yaml"])
    assert list(both.sources) == ["samples", "config-d"]
    with pytest.raises(MissingError, match="--ckpt PATH"):
        assign(msrvtt, 1)
    with pytest.raises(MissingError, match="no model is given"):
        assign(msrvtt, 1, ckpt=["config-a=a.yaml"], arms=["config-a", "config-b"])
