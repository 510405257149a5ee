"""The embedded networks: what they know of held-out clips, and what they react to."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.features.base import FeatureExtractor
from pyoco_eval.features.tiny import extractor as tiny
from pyoco_eval.features.tiny.extractor import (
    FRAME_CLASS_NAMES,
    WEIGHTS_FOLDER,
    TinyImageTextExtractor,
    load_tiny,
)
from pyoco_eval.metrics.frechet import frechet_distance
from pyoco_eval.shapes.captions import COLOURS, SHAPES, VOCABULARY
from pyoco_eval.shapes.corruptions import CORRUPTION_KINDS, Corruption, corrupt_clip
from pyoco_eval.shapes.dataset import MovingShapes, ShapesClip
from pyoco_eval.statistics.moments import Moments

NAMES = ("tiny3d", "tiny2d", "tinyclip")
NUM_CLIPS = 96


@pytest.fixture(scope="module")
def clips() -> list[ShapesClip]:
    shapes = MovingShapes("test")
    return [shapes[index] for index in range(NUM_CLIPS)]


@pytest.fixture(scope="module")
def videos(clips: list[ShapesClip]) -> np.ndarray:
    return np.stack([clip.frames for clip in clips])


def test_all_weights_together_are_under_two_megabytes() -> None:
    files = sorted(WEIGHTS_FOLDER.glob("*.safetensors"))
    assert [file.stem for file in files] == sorted([*NAMES, "aesthetic"])
    assert sum(file.stat().st_size for file in files) < 2_000_000


@pytest.mark.parametrize("name", NAMES)
def test_the_packaged_weights_are_the_published_ones(name: str) -> None:
    weights = load_tiny(name).spec.weights
    assert weights.published
    assert weights.digest == f"sha256:{weights.digest.removeprefix('sha256:')}"
    assert weights.digest.removeprefix("sha256:").startswith(weights.short)


def test_other_weights_are_not_called_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = bytearray((WEIGHTS_FOLDER / "tiny2d.safetensors").read_bytes())
    changed[-1] ^= 1
    (tmp_path / "tiny2d.safetensors").write_bytes(changed)
    monkeypatch.setattr(tiny, "WEIGHTS_FOLDER", tmp_path)
    assert not load_tiny("tiny2d").spec.weights.published


def test_missing_weights_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiny, "WEIGHTS_FOLDER", tmp_path)
    with pytest.raises(MissingError, match=r"tiny3d\.safetensors is missing; install the package"):
        load_tiny("tiny3d")


def test_tiny3d_knows_shape_and_motion_of_held_out_clips(
    clips: list[ShapesClip], videos: np.ndarray
) -> None:
    best = load_tiny("tiny3d", layer="logits")(videos).argmax(1)
    labels = np.array([clip.label for clip in clips])
    assert (best == labels).mean() > 0.75
    assert (best % 8 == labels % 8).mean() > 0.9  # motion


def test_tiny2d_knows_shape_and_colour_of_held_out_frames(
    clips: list[ShapesClip], videos: np.ndarray
) -> None:
    best = load_tiny("tiny2d", layer="probs")(videos[:, 8]).argmax(1)
    colours, shapes = zip(*(FRAME_CLASS_NAMES[number].split() for number in best), strict=True)
    assert np.mean(np.array(colours) == [clip.attributes.colour for clip in clips]) > 0.8
    assert np.mean(np.array(shapes) == [clip.attributes.shape for clip in clips]) > 0.75


def test_tinyclip_finds_the_caption_of_a_held_out_frame(
    clips: list[ShapesClip], videos: np.ndarray
) -> None:
    pair = load_tiny("tinyclip")
    images, texts = pair(videos[:, 8]), pair.encode_text([clip.caption for clip in clips])
    images /= np.linalg.norm(images, axis=1, keepdims=True)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    assert ((images @ texts.T).argmax(1) == np.arange(NUM_CLIPS)).mean() > 0.6


@pytest.mark.parametrize("name", NAMES)
def test_features_are_of_full_rank(name: str, videos: np.ndarray) -> None:
    extractor = load_tiny(name)
    features = extractor(
        videos if extractor.kind == "video" else videos[:, ::4].reshape(-1, 64, 64, 3)
    )
    assert features.shape[1] == extractor.spec.dim == 64
    assert features.dtype == np.float32
    spread = np.linalg.eigvalsh(np.cov(features.T.astype(float)))
    assert spread[0] > 1e-6 * spread[-1]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", CORRUPTION_KINDS)
def test_distances_rise_along_every_ladder(name: str, kind: str, ladder: dict) -> None:
    # The same scenes with and without corruption: the distance starts at zero, and what is added
    # to it comes from the corruption alone. docs/embedded.md has the distances of other scenes.
    rungs = ladder[name, kind]
    assert rungs[0] == pytest.approx(0, abs=1e-6)
    assert all(before < after for before, after in pairwise(rungs)), rungs


@pytest.fixture(scope="module")
def ladder() -> dict[tuple[str, str], list[float]]:
    extractors = {name: load_tiny(name) for name in NAMES}
    values: dict[tuple[str, str], list[float]] = {}
    clean = moments(extractors, Corruption("noise", 0))
    for kind in CORRUPTION_KINDS:
        rungs = [clean] + [moments(extractors, Corruption(kind, level)) for level in (2, 4)]
        for name in NAMES:
            values[name, kind] = [frechet_distance(clean[name], r[name]).distance for r in rungs]
    return values


def moments(extractors: dict[str, FeatureExtractor], corruption: Corruption) -> dict[str, Moments]:
    shapes = MovingShapes("test")
    videos = np.stack([corrupt_clip(shapes, i, corruption).frames for i in range(64)])
    frames = videos[:, ::5].reshape(-1, *videos.shape[2:])
    return {
        name: Moments.of(extractor(videos if extractor.kind == "video" else frames))
        for name, extractor in extractors.items()
    }


def test_order_of_frames_matters_to_tiny3d_alone(videos: np.ndarray) -> None:
    backwards = videos[:8, ::-1]
    assert np.abs(load_tiny("tiny3d")(backwards) - load_tiny("tiny3d")(videos[:8])).max() > 0.05


@pytest.mark.parametrize("name", ["tiny3d", "tiny2d"])
def test_layers_are_consistent(name: str, videos: np.ndarray) -> None:
    batch = videos[:4] if name == "tiny3d" else videos[:4, 0]
    logits = load_tiny(name, layer="logits")(batch)
    probs = load_tiny(name, layer="probs")(batch)
    assert logits.shape == probs.shape == (4, 48)
    np.testing.assert_allclose(probs.sum(1), 1, atol=1e-5)
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    expected = exponentials / exponentials.sum(1, keepdims=True)
    np.testing.assert_allclose(probs, expected, atol=1e-5)


def test_frame_classes_multiply_shape_and_colour(videos: np.ndarray) -> None:
    extractor = load_tiny("tiny2d", layer="probs")
    batch = extractor.prepare(videos[:4, 8])
    answers = extractor.network.answers(batch)
    joint = extractor.extract(batch).numpy().reshape(4, len(SHAPES), len(COLOURS))
    np.testing.assert_allclose(joint.sum(2), answers["shape"].softmax(1), atol=1e-5)
    np.testing.assert_allclose(joint.sum(1), answers["colour"].softmax(1), atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_features_do_not_depend_on_the_batch(name: str, videos: np.ndarray) -> None:
    extractor = load_tiny(name)
    batch = videos[:6] if extractor.kind == "video" else videos[:6, 0]
    whole = extractor(batch)
    parts = np.concatenate([extractor(batch[:1]), extractor(batch[1:])])
    np.testing.assert_allclose(whole, parts, atol=1e-4)


@pytest.mark.parametrize("length", [4, 16, 25])
def test_tiny3d_takes_any_length_and_size(length: int) -> None:
    extractor = load_tiny("tiny3d")
    frames = MovingShapes(size=96, num_frames=length)[0].frames[:, :, :80]
    assert extractor.prepare(frames).shape == (length, 3, 64, 64)
    assert extractor(frames[None]).shape == (1, 64)
    assert extractor.num_frames is None
    assert extractor.min_frames == 4


def test_input_is_scaled_to_minus_one_and_one() -> None:
    prepared = load_tiny("tiny2d").prepare(
        np.array([0, 255], np.uint8).repeat(768).reshape(2, 16, 16, 3)
    )
    assert torch.equal(prepared[0], -torch.ones(3, 64, 64))
    torch.testing.assert_close(prepared[1], torch.ones(3, 64, 64))


@pytest.fixture(scope="module")
def pair() -> TinyImageTextExtractor:
    return load_tiny("tinyclip")


def test_text_does_not_depend_on_its_company(pair: TinyImageTextExtractor) -> None:
    short = "a red square"
    alone = pair.encode_text([short])
    together = pair.encode_text([short, " ".join(VOCABULARY[:16])])
    np.testing.assert_allclose(alone[0], together[0], atol=1e-5)


def test_text_ignores_capitals_and_a_full_stop(pair: TinyImageTextExtractor) -> None:
    assert np.array_equal(pair.encode_text(["A red square."]), pair.encode_text(["a red square"]))


def test_word_vectors_come_with_a_mask(pair: TinyImageTextExtractor) -> None:
    words, present = pair.encode_words(["a red square", "a small red square zooms"])
    assert words.shape == (2, 5, 64)
    assert present.tolist() == [[True] * 3 + [False] * 2, [True] * 5]


@pytest.mark.parametrize(
    ("caption", "message"),
    [
        ("a red dragon", "does not know the word 'dragon'"),
        ("", "1 to 16 words"),
        ("a " * 17, "1 to 16 words"),
    ],
)
def test_text_it_cannot_read_is_refused(
    pair: TinyImageTextExtractor, caption: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        pair.encode_text([caption])


@pytest.mark.parametrize(
    ("name", "layer", "message"),
    [
        ("tiny4d", None, "no embedded network 'tiny4d'; there are tiny3d, tiny2d, tinyclip"),
        ("tinyclip", "logits", "tinyclip has no layer 'logits'; it has embedding"),
    ],
)
def test_unknown_names_are_refused(name: str, layer: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_tiny(name, layer=layer)
