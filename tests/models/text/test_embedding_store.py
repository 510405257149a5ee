"""Embeddings on disk are those of the encoder, resumable, and say what is missing."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from text_models import save_tiny_t5

from pyoco_eval.diffusion.denoiser import TextEmbedding
from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.models.text import load_text_encoder, store
from pyoco_eval.models.text.store import StoredTextEncoder, precompute_embeddings

CAPTIONS = [
    "a small red circle slides left slowly over plain navy",
    "a large striped blue star bounces quickly over grey clouds",
]


def test_stored_embeddings_are_those_of_the_encoder(tmp_path: Path) -> None:
    encoder = load_text_encoder("shapes")
    assert precompute_embeddings([*CAPTIONS, CAPTIONS[0]], encoder, tmp_path) == 2
    stored = load_text_encoder("shapes", embeddings=tmp_path)
    assert isinstance(stored, StoredTextEncoder)
    found, expected = stored.encode(CAPTIONS), encoder.encode(CAPTIONS)
    assert torch.equal(found.tokens, expected.tokens)
    assert torch.equal(found.mask, expected.mask)
    assert (stored.name, stored.width, stored.max_tokens, stored.digest, stored.precision) == (
        encoder.name, encoder.width, encoder.max_tokens, encoder.digest, encoder.precision,
    )  # fmt: skip


def test_half_precision_is_kept_in_half_the_bytes_without_loss(tmp_path: Path) -> None:
    folder = save_tiny_t5(tmp_path / "t5")
    sizes = {}
    for half in (False, True):
        encoder = load_text_encoder(f"t5:{folder}", half=half)
        out = tmp_path / str(half)
        precompute_embeddings(["a bird"], encoder, out)
        stored = load_text_encoder(f"t5:{folder}", embeddings=out).encode(["a bird"])
        assert torch.equal(stored.tokens, encoder.encode(["a bird"]).tokens)
        (file,) = out.rglob("*.safetensors")
        sizes[half] = file.stat().st_size
    assert sizes[True] < sizes[False]


def test_what_is_there_is_not_embedded_again(tmp_path: Path) -> None:
    encoder = load_text_encoder("shapes")
    precompute_embeddings(CAPTIONS[:1], encoder, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    assert precompute_embeddings(CAPTIONS, encoder, tmp_path) == 1
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


def test_many_texts_share_a_shard_and_a_kill_loses_the_last_one_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_AT_ONCE", 4)
    monkeypatch.setattr(store, "_SHARD_TEXTS", 8)
    encoder = load_text_encoder("shapes")
    texts = [f"{caption}{' ' * number}" for number in range(10) for caption in CAPTIONS]
    asked = []

    class Killed(type(encoder)):  # type: ignore[misc]
        def encode(self, part: list[str]) -> TextEmbedding:
            asked.extend(part)
            if len(asked) > 16:
                raise KeyboardInterrupt
            return encoder.encode(part)

    with pytest.raises(KeyboardInterrupt):
        precompute_embeddings(texts, Killed(), tmp_path)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2
    assert precompute_embeddings(texts, encoder, tmp_path) == 4
    assert len(list(tmp_path.rglob("*.safetensors"))) == 3
    found = load_text_encoder("shapes", embeddings=tmp_path).encode(texts)
    assert torch.equal(found.tokens, encoder.encode(texts).tokens)


def test_a_file_for_each_text_as_earlier_versions_wrote_is_read(tmp_path: Path) -> None:
    encoder = load_text_encoder("shapes")
    precompute_embeddings([], encoder, tmp_path)
    (header,) = tmp_path.glob("*/encoder.json")
    name = hashlib.sha256(CAPTIONS[0].encode()).hexdigest()
    path = header.parent / name[:2] / f"{name}.safetensors"
    path.parent.mkdir()
    save_file({"tokens": encoder.encode(CAPTIONS[:1]).tokens[0]}, path)
    assert precompute_embeddings(CAPTIONS, encoder, tmp_path) == 1
    found = load_text_encoder("shapes", embeddings=tmp_path).encode(CAPTIONS)
    assert torch.equal(found.tokens, encoder.encode(CAPTIONS).tokens)


def test_missing_texts_are_named_with_the_command(tmp_path: Path) -> None:
    precompute_embeddings(CAPTIONS[:1], load_text_encoder("shapes"), tmp_path)
    stored = StoredTextEncoder(tmp_path, "shapes")
    with pytest.raises(MissingError, match=r"1 of 2 texts .*'a large.*embed-text --encoder shapes"):
        stored.encode(CAPTIONS)
    with pytest.raises(MissingError, match=r"no embeddings of text encoder clip .*are: shapes"):
        StoredTextEncoder(tmp_path, "clip")


def test_two_weights_of_one_spec_are_not_mixed(tmp_path: Path) -> None:
    precompute_embeddings(CAPTIONS[:1], load_text_encoder("shapes"), tmp_path)
    (header,) = tmp_path.glob("*/encoder.json")
    other = tmp_path / "shapes-other"
    other.mkdir()
    changed = json.loads(header.read_text()) | {"digest": "sha256:00"}
    (other / "encoder.json").write_text(json.dumps(changed))
    with pytest.raises(UsageError, match="from several weights"):
        StoredTextEncoder(tmp_path, "shapes")


def test_damage_is_told(tmp_path: Path) -> None:
    precompute_embeddings(CAPTIONS[:1], load_text_encoder("shapes"), tmp_path)
    (file,) = tmp_path.rglob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(PyocoEvalError, match=r"damaged .* delete it and embed again"):
        StoredTextEncoder(tmp_path, "shapes").encode(CAPTIONS[:1])
    (header,) = tmp_path.glob("*/encoder.json")
    header.write_text("{")
    with pytest.raises(PyocoEvalError, match=r"encoder\.json: cannot be read"):
        StoredTextEncoder(tmp_path, "shapes")
