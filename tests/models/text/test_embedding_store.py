"""Embeddings on disk are those of the encoder, resumable, and say what is missing."""

import json
from pathlib import Path

import pytest
import torch
from text_models import save_tiny_t5

from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.models.text import load_text_encoder
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
