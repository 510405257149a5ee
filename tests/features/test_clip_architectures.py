"""CLIP ViT-L/14 by the code of ViT-B/32: towers against open_clip's, on made-up weights."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from torch import nn

from pyoco_eval.errors import UsageError
from pyoco_eval.features.base import LoadRequest
from pyoco_eval.features.clip import extractor as clip_extractor
from pyoco_eval.features.clip.architectures import ARCHITECTURES, VIT_B_32, VIT_L_14
from pyoco_eval.features.clip.extractor import load_clip
from pyoco_eval.features.clip.extractor import open_clip as open_network
from pyoco_eval.features.clip.text import load_clip_text, open_clip_text
from pyoco_eval.features.loading.state_dict import WeightsError
from pyoco_eval.weights import MANIFEST, WeightFile


def test_rows_agree_with_open_clip_and_the_published_files() -> None:
    for row in ARCHITECTURES.values():
        assert open_clip.get_model_config(row.open_clip)["embed_dim"] == row.dim
        assert row.published == MANIFEST[row.name].digest
        assert str(row.published).removeprefix("sha256:") in MANIFEST[row.name].addresses[0]
    assert VIT_L_14.published == (
        "sha256:b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836"
    )


@pytest.fixture
def one_block(monkeypatch: pytest.MonkeyPatch) -> Iterator[nn.Module]:
    """ViT-L/14 with one block in each tower, here and for whoever asks open_clip for it."""
    config = open_clip.get_model_config(VIT_L_14.open_clip)
    config["vision_cfg"]["layers"] = config["text_cfg"]["layers"] = 1
    monkeypatch.setattr(open_clip, "get_model_config", lambda _: config)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        yield open_clip.CLIP(**config).eval().requires_grad_(False)


def test_towers_of_vit_l_14(one_block: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "ViT-L-14.pt"
    torch.save(one_block.state_dict(), path)
    request = LoadRequest(
        "clip-vitl14", "embedding", clip_extractor.CLEAN_FID_RESIZE,
        weights={"clip-vitl14": path},
    )  # fmt: skip
    network = open_network(request)
    frames = np.random.default_rng(0).integers(0, 256, (2, 60, 80, 3)).astype(np.uint8)
    found = network(frames)
    assert found.shape == (2, 768)
    expected = one_block.encode_image(network.prepare(frames))  # type: ignore[operator]
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5, atol=1e-5)
    assert network.spec.network == "vitl14-openai"
    assert not network.spec.weights.published

    encoder = open_clip_text(request)
    captions = ["a red square slides", "Ünïcode and a very long text " * 20]
    tokens = open_clip.tokenizer.SimpleTokenizer()(captions, context_length=77)
    texts = one_block.encode_text(tokens).numpy()  # type: ignore[operator]
    np.testing.assert_allclose(encoder.encode(captions), texts, rtol=1e-4, atol=1e-4)
    assert encoder.truncated == 1
    assert encoder.encode([]).shape == (0, 768)


def test_the_other_architecture_is_refused_with_the_right_remedy(tmp_path: Path) -> None:
    with torch.device("meta"):
        network = open_clip.CLIP(**open_clip.get_model_config(VIT_B_32.open_clip))
    state = {name: torch.zeros(()).expand(t.shape) for name, t in network.state_dict().items()}
    path = tmp_path / "ViT-B-32.pt"
    torch.save(state, path)
    file = WeightFile("clip-vitl14", path, "sha256:" + "0" * 64, published=False)
    with pytest.raises(WeightsError, match=r"CLIP ViT-L/14.*Expected OpenAI's ViT-L-14\.pt"):
        load_clip(file, architecture=VIT_L_14)
    with pytest.raises(WeightsError, match=r"text tower of CLIP ViT-L/14.*ViT-L-14\.pt"):
        load_clip_text(path, VIT_L_14)
    with pytest.raises(UsageError, match="clip-vitl14 layer 'pool3'"):
        load_clip(file, layer="pool3", architecture=VIT_L_14)
