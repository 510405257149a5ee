"""Requests do not depend on how many there are, and no two share a seed."""

import pytest

from pyoco_eval.errors import UsageError
from pyoco_eval.generation.request import make_requests


def test_a_longer_run_begins_like_a_shorter_one() -> None:
    prompts = ["a", "b", "c"]
    assert make_requests(100, prompts=prompts)[:7] == make_requests(7, prompts=prompts)


def test_prompts_and_labels_are_taken_in_turn() -> None:
    found = make_requests(5, prompts=["a", "b"], labels=[7, 8])
    assert [(r.index, r.prompt, r.label) for r in found] == [
        (0, "a", 7), (1, "b", 8), (2, "a", 7), (3, "b", 8), (4, "a", 7),
    ]  # fmt: skip


def test_seeds_are_distinct_fit_any_library_and_follow_the_run() -> None:
    seeds = {seed: [r.seed for r in make_requests(60_000, seed=seed)] for seed in (0, 1)}
    assert len({*seeds[0], *seeds[1]}) == 120_000
    assert max(*seeds[0], *seeds[1]) < 2**32


def test_what_cannot_be_meant() -> None:
    with pytest.raises(UsageError, match="--num 0"):
        make_requests(0)
    with pytest.raises(UsageError, match="2 prompts but 1 labels"):
        make_requests(1, prompts=["a", "b"], labels=[0])
