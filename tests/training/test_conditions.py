"""Which parts of the conditioning are dropped."""

from dataclasses import replace

import pytest
import torch

from pyoco_eval.diffusion.denoiser import TextEmbedding
from pyoco_eval.training.conditions import Conditioner, unconditional_share
from pyoco_eval.training.config import ConditionConfig
from pyoco_eval.training.data.samples import Batch


class Words:
    """An encoder of one token a text."""

    max_tokens = 1
    width = 2
    precision = "float32"
    truncated = 0
    digest = "none"

    def __init__(self, name: str) -> None:
        self.name = self.spec = name

    def encode(self, texts: list[str]) -> TextEmbedding:
        tokens = torch.tensor([[[float(len(text)), 1.0]] for text in texts])
        return TextEmbedding(tokens, torch.ones(len(texts), 1, dtype=torch.bool))


def batch(numbers: range, per_video: int = 0) -> Batch:
    count = len(numbers)
    return Batch(
        tuple(numbers),
        torch.zeros(count, 1, 8, 8, 3, dtype=torch.uint8),
        ("word",) * count,
        torch.arange(count),
        ("picture",) * (count * per_video),
        torch.zeros(count * per_video, dtype=torch.int64),
    )


def conditioner(**config: float | bool) -> Conditioner:
    encoders = (Words("t5"), Words("clip"))
    return Conditioner(ConditionConfig(("t5", "clip"), **config), encoders, 0)  # type: ignore[arg-type]


def test_embeddings_are_dropped_independently_with_the_stated_probability() -> None:
    """Of 4000 samples, both frequencies and that of both together are within 4 sigma."""
    cond = conditioner(text_dropout=0.3).videos(batch(range(4000)))
    dropped = {name: ~embedding.mask[:, 0] for name, embedding in cond.text.items()}
    for probability, found in (
        (0.3, dropped["t5"]), (0.3, dropped["clip"]), (0.09, dropped["t5"] & dropped["clip"]),
    ):  # fmt: skip
        bound = 4 * (probability * (1 - probability) / 4000) ** 0.5
        assert abs(float(found.float().mean()) - probability) < bound


def test_all_is_dropped_together_beside_the_independent_drops() -> None:
    """Of 4000 samples, within 4 sigma; the independent draws are what they were."""
    alone = conditioner(text_dropout=0.1, labels=True, label_dropout=0.1).videos(batch(range(4000)))
    cond = conditioner(text_dropout=0.1, labels=True, label_dropout=0.1, all_dropout=0.2).videos(
        batch(range(4000))
    )
    assert cond.labels is not None
    assert alone.labels is not None
    lost = {name: ~text.mask[:, 0] for name, text in cond.text.items()} | {"l": cond.labels == -1}
    nothing = lost["t5"] & lost["clip"] & lost["l"]
    share = 0.2 + 0.8 * 0.1**3
    config = ConditionConfig(("t5", "clip"), labels=True, all_dropout=0.2)
    assert unconditional_share(config) == pytest.approx(share)
    assert abs(float(nothing.float().mean()) - share) < 4 * (share * (1 - share) / 4000) ** 0.5
    for name, text in alone.text.items():
        before = ~text.mask[:, 0]
        assert (lost[name] >= before).all(), "a joint drop adds to them"
        assert torch.equal(lost[name] & ~nothing, before & ~nothing)


def test_what_is_never_told_has_no_share() -> None:
    assert unconditional_share(ConditionConfig()) is None
    assert unconditional_share(ConditionConfig(("t5", "clip"))) == pytest.approx(0.01)
    assert unconditional_share(ConditionConfig(labels=True, label_dropout=0.0)) == 0


def test_every_kth_frame_of_the_video_is_told_and_none_of_its_pictures() -> None:
    frames = torch.arange(2 * 9 * 8 * 8 * 3).view(2, 9, 8, 8, 3).to(torch.uint8)
    found = replace(batch(range(2), per_video=2), frames=frames)
    known = conditioner(known_every=3).videos(found).known
    assert known is not None
    assert known.mask.tolist() == [[True, False, False, True, False, False, True, False, False]] * 2
    assert torch.equal(
        ((known.frames + 1) * 127.5).round().to(torch.uint8), frames.permute(0, 1, 4, 2, 3)
    )
    assert conditioner().videos(found).known is None


def test_a_drop_is_the_samples_own_whatever_the_batch() -> None:
    whole = conditioner(text_dropout=0.5).videos(batch(range(20)))
    part = conditioner(text_dropout=0.5).videos(batch(range(12, 17)))
    for name in ("t5", "clip"):
        assert torch.equal(part.text[name].mask, whole.text[name].mask[12:17])


def test_labels_are_dropped_to_none() -> None:
    kept = conditioner(labels=True, label_dropout=0.0).videos(batch(range(5))).labels
    assert kept is not None
    assert kept.tolist() == [0, 1, 2, 3, 4]
    lost = conditioner(labels=True, label_dropout=1.0).videos(batch(range(5))).labels
    assert lost is not None
    assert lost.tolist() == [-1] * 5
    assert conditioner().videos(batch(range(5))).labels is None


def test_pictures_have_rows_and_drops_of_their_own() -> None:
    cond = conditioner(text_dropout=0.5).images(batch(range(200), per_video=2))
    mask = cond.text["t5"].mask[:, 0]
    assert cond.text["t5"].tokens.shape == (400, 1, 2)
    assert not torch.equal(mask[0::2], mask[1::2])
