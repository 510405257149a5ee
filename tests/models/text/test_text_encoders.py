"""Each encoder against the library that defines it, and what all of them promise."""

from pathlib import Path

import numpy as np
import pytest
import torch
from text_models import save_tiny_clip, save_tiny_t5

from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.features.loading.state_dict import WeightsError
from pyoco_eval.features.tiny.extractor import load_tiny
from pyoco_eval.models.text import TextEncoder, load_text_encoder
from pyoco_eval.models.text.encoder import stack_texts

TEXTS = ["a red cat", "dogs", "two red birds fly over a lake", ""]
CAPTIONS = [
    "a small red circle slides left slowly over plain navy",
    "a large striped blue star bounces quickly over grey clouds",
]


@pytest.fixture(scope="module")
def t5_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_t5(tmp_path_factory.mktemp("t5"))


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_clip(tmp_path_factory.mktemp("clip"))


def encoder(kind: str, t5_folder: Path, clip_folder: Path) -> tuple[TextEncoder, list[str]]:
    if kind == "shapes":
        return load_text_encoder("shapes"), CAPTIONS
    folder = t5_folder if kind == "t5" else clip_folder
    return load_text_encoder(f"{kind}:{folder}"), TEXTS


def test_t5_is_that_of_transformers_reading_each_text_alone(t5_folder: Path) -> None:
    import transformers

    network = transformers.T5EncoderModel.from_pretrained(t5_folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(t5_folder)
    found = load_text_encoder(f"t5:{t5_folder}").encode(TEXTS)
    lengths = []
    for row, text in enumerate(TEXTS):
        batch = tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            expected = network(**batch).last_hidden_state[0]
        lengths.append(len(expected))
        torch.testing.assert_close(found.tokens[row, : len(expected)], expected, rtol=0, atol=1e-6)
    assert found.mask.sum(1).tolist() == lengths
    assert found.tokens[~found.mask].eq(0).all()


def test_clip_tokens_pool_to_the_embedding_of_open_clip(clip_folder: Path) -> None:
    """The last token, projected, is the text embedding that open_clip itself computes."""
    import open_clip
    from safetensors.torch import load_file
    from text_models import CLIP_CONFIG

    model = open_clip.CLIP(**CLIP_CONFIG).eval()
    model.load_state_dict(load_file(clip_folder / "open_clip_model.safetensors"))
    tokenizer = open_clip.tokenizer.SimpleTokenizer(context_length=24)
    found = load_text_encoder(f"clip:{clip_folder}").encode(TEXTS)
    with torch.no_grad():
        expected = model.encode_text(tokenizer(TEXTS))
        last = torch.stack([row[mask][-1] for row, mask in zip(*_parts(found), strict=True)])
        torch.testing.assert_close(last @ model.text_projection, expected, rtol=0, atol=1e-5)


def _parts(embedding: object) -> tuple[torch.Tensor, torch.Tensor]:
    return embedding.tokens, embedding.mask  # type: ignore[attr-defined]


def test_shapes_words_are_those_of_the_embedded_network() -> None:
    tokens, mask = load_tiny("tinyclip").encode_words(CAPTIONS)
    found = load_text_encoder("shapes").encode(CAPTIONS)
    np.testing.assert_array_equal(found.mask.numpy(), mask)
    np.testing.assert_allclose(found.tokens.numpy()[mask], tokens[mask], atol=1e-5)


def test_an_unknown_word_is_named() -> None:
    with pytest.raises(UsageError, match=r"does not know the word 'elephant' .*such as 'a small"):
        load_text_encoder("shapes").encode(["a small red elephant"])


@pytest.mark.parametrize("kind", ["t5", "clip", "shapes"])
def test_a_text_has_the_same_numbers_in_any_company(
    kind: str, t5_folder: Path, clip_folder: Path
) -> None:
    network, texts = encoder(kind, t5_folder, clip_folder)
    together = network.encode([*texts, texts[0]])
    assert together.tokens.shape == (len(texts) + 1, together.mask.shape[1], network.width)
    assert together.tokens.dtype == torch.float32
    assert together.mask.dtype == torch.bool
    for row, text in enumerate([*texts, texts[0]]):
        alone = network.encode([text])
        assert alone.mask.all()
        assert torch.equal(together.tokens[row][together.mask[row]], alone.tokens[0])


@pytest.mark.parametrize("kind", ["t5", "clip", "shapes"])
def test_embeddings_can_be_trained_on(kind: str, t5_folder: Path, clip_folder: Path) -> None:
    """Tensors of inference mode could not: autograd refuses to save them."""
    network, texts = encoder(kind, t5_folder, clip_folder)
    projection = torch.nn.Linear(network.width, 2)
    projection(network.encode(texts[:2]).tokens).sum().backward()
    assert projection.weight.grad is not None


@pytest.mark.parametrize("kind", ["t5", "clip"])
def test_long_texts_lose_their_end_and_are_counted(
    kind: str, t5_folder: Path, clip_folder: Path
) -> None:
    network, _ = encoder(kind, t5_folder, clip_folder)
    found = network.encode(["a bird " * 200, "short"])
    assert found.mask.sum(1)[0] == network.max_tokens
    assert network.truncated == 1


def test_the_digest_follows_the_weights_and_not_the_place(t5_folder: Path, tmp_path: Path) -> None:
    digest = load_text_encoder(f"t5:{t5_folder}").digest
    same = load_text_encoder(f"t5:{save_tiny_t5(tmp_path / 'same')}").digest
    other = load_text_encoder(f"t5:{save_tiny_t5(tmp_path / 'other', seed=1)}").digest
    assert digest == same != other


def test_half_precision_is_float32_outside(t5_folder: Path) -> None:
    exact = load_text_encoder(f"t5:{t5_folder}")
    half = load_text_encoder(f"t5:{t5_folder}", half=True)
    assert (exact.precision, half.precision) == ("float32", "bfloat16")
    found, expected = half.encode(TEXTS).tokens, exact.encode(TEXTS).tokens
    assert found.dtype == torch.float32
    assert 0 < (found - expected).abs().max() < 0.2


def test_a_dropped_text_has_no_token() -> None:
    found = stack_texts([None, torch.ones(3, 2)], 2)
    assert found.mask.tolist() == [[False] * 3, [True] * 3]
    assert not stack_texts([None, None], 2).mask.any()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("bert:x", "'bert:x' is not one of t5:PATH-OR-ID, clip, "),
        ("t5", "'t5' is not one of"),
        ("shapes:x", "shapes takes no path"),
    ],
)
def test_specs_that_cannot_be_meant(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_text_encoder(spec)


def test_a_model_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYOCO_EVAL_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MissingError, match=r"t5:google/t5-tiny.*PYOCO_EVAL_OFFLINE.*hf download"):
        load_text_encoder("t5:google/t5-tiny")
    with pytest.raises(MissingError, match=r"no folder /nowhere/t5"):
        load_text_encoder("t5:/nowhere/t5")


def test_pickled_and_foreign_weights_are_refused(t5_folder: Path, tmp_path: Path) -> None:
    pickled = save_tiny_t5(tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(WeightsError, match=r"no \*\.safetensors, and pickled weights are not read"):
        load_text_encoder(f"t5:{pickled}")
    damaged = save_tiny_t5(tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(WeightsError, match="cannot be read as a T5 encoder"):
        load_text_encoder(f"t5:{damaged}")
    with pytest.raises(WeightsError, match="does not describe a CLIP"):
        load_text_encoder(f"clip:{t5_folder}")


def test_a_clip_with_another_tokenizer_is_refused(clip_folder: Path, tmp_path: Path) -> None:
    folder = save_tiny_clip(tmp_path / "other")
    config = folder / "open_clip_config.json"
    config.write_text(config.read_text().replace("49408", "64000"))
    with pytest.raises(WeightsError, match=r"64000 tokens; only CLIP's own tokenizer"):
        load_text_encoder(f"clip:{folder}")
