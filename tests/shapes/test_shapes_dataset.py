"""Moving shapes: the same clip everywhere, in agreement with its caption and label."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyoco_eval.errors import UsageError
from pyoco_eval.shapes import captions, render
from pyoco_eval.shapes.captions import VOCABULARY, ShapeAttributes, parse_caption
from pyoco_eval.shapes.dataset import CLASS_NAMES, SPLITS, MovingShapes
from pyoco_eval.shapes.render import render_scene
from pyoco_eval.shapes.scene import draw_scene, pose_at

# sha256 of the frames of clips 0, 1, ... of a split, in order. A change here is a change of the
# dataset: networks trained on it and statistics made of it are then of another dataset.
GOLDEN = {
    ("train", 64): "cefdf2679ad0f2d939993eeede98f816d17ffe2014ce317f141ae2b0d8c4492c",
    ("val", 32): "ebc939523278fca1fc24bbc3802bb668072634f055fa15fe51a9af69f081ef9e",
    ("test", 128): "a4a023aa0f57fb6532d02a07931bc1c2383ec405158819ad2981d1cae43eee9d",
}


def digest(shapes: MovingShapes, count: int) -> str:
    content = hashlib.sha256()
    for index in range(count):
        content.update(shapes[index].frames.tobytes())
    return content.hexdigest()


@pytest.mark.parametrize(("split", "size"), list(GOLDEN))
def test_pixels_are_the_same_on_every_machine(split: str, size: int) -> None:
    assert digest(MovingShapes(split, size=size), 48) == GOLDEN[split, size]


def test_a_clip_depends_on_its_index_alone() -> None:
    shapes = MovingShapes("val", size=32)
    backwards = [shapes[index].frames for index in (7, 3)]
    again = MovingShapes("val", size=32)
    assert np.array_equal(again[3].frames, backwards[1])
    assert np.array_equal(again[7].frames, backwards[0])


def test_splits_seeds_and_indices_show_other_scenes() -> None:
    sets = [MovingShapes(split, size=16) for split in SPLITS] + [MovingShapes(size=16, seed=1)]
    scenes = {shapes[index].frames.tobytes() for shapes in sets for index in range(30)}
    assert len(scenes) == 30 * len(sets)


def test_frames_are_uint8_of_the_asked_size() -> None:
    frames = MovingShapes(size=32, num_frames=5)[0].frames
    assert frames.dtype == np.uint8
    assert frames.shape == (5, 32, 32, 3)


def test_motion_is_a_function_of_time_not_of_frames() -> None:
    slow, fast = MovingShapes(fps=8, num_frames=4), MovingShapes(fps=16, num_frames=9)
    for index in range(24):
        assert np.array_equal(slow[index].frames, fast[index].frames[::2][:4])


def test_a_longer_clip_begins_with_the_shorter() -> None:
    for index in range(8):
        long = MovingShapes(num_frames=40)[index].frames
        assert np.array_equal(long[:16], MovingShapes()[index].frames)


def test_another_size_shows_the_same_scene() -> None:
    for index in range(24):
        large = MovingShapes(size=64)[index].frames.astype(float)
        small = MovingShapes(size=32)[index].frames.astype(float)
        halved = large.reshape(16, 32, 2, 32, 2, 3).mean((2, 4))
        assert np.abs(halved - small).mean() < 8


def test_every_block_of_48_holds_each_class_once() -> None:
    shapes = MovingShapes("test")
    for block in (0, 5):
        labels = [shapes.label(48 * block + place) for place in range(48)]
        assert sorted(labels) == list(range(48))
    assert [shapes.label(i) for i in range(48)] != [shapes.label(48 + i) for i in range(48)]


def test_label_caption_and_attributes_agree() -> None:
    shapes = MovingShapes("train", size=8, num_frames=1)
    for index in range(200):
        clip = shapes[index]
        attributes = clip.attributes
        assert CLASS_NAMES[clip.label] == f"{attributes.shape}-{attributes.motion}"
        assert parse_caption(clip.caption) == attributes
        assert set(clip.caption.split()) <= set(VOCABULARY)


def test_something_moves_in_every_clip() -> None:
    shapes = MovingShapes("val")
    for index in range(96):
        frames = shapes[index].frames.astype(int)
        assert np.abs(frames[8] - frames[0]).max() > 20, shapes[index].caption


@pytest.mark.parametrize("motion", captions.MOTIONS)
def test_the_sprite_stays_where_it_can_be_seen(motion: str) -> None:
    times = np.linspace(0, 20, 400)
    for number in range(20):
        pose = pose_at(draw_scene(np.random.default_rng(number), "circle", motion), times)
        assert pose.radius.min() > 0.06
        for centre in (pose.x, pose.y):
            assert centre.min() >= 0
            assert centre.max() <= 1
            if motion != "slide":  # a slide wraps around
                assert (centre - pose.radius).min() > -0.06
                assert (centre + pose.radius).max() < 1.06


@pytest.mark.parametrize("shape", captions.SHAPES)
def test_no_sprite_is_cut_off(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    times = np.linspace(0, 3, 12)
    scenes = [draw_scene(np.random.default_rng(n), shape, "wobble") for n in range(12)]
    drawn = [render_scene(scene, times, 64) for scene in scenes]
    monkeypatch.setattr(render, "_REACH", 10)
    for scene, frames in zip(scenes, drawn, strict=True):
        assert np.array_equal(frames, render_scene(scene, times, 64))


def test_colour_of_a_plain_sprite_is_the_one_named() -> None:
    generator = np.random.default_rng(0)
    hues = {"red": 0, "green": 1, "blue": 2}
    found = set()
    while found != set(hues):
        scene = draw_scene(generator, "circle", "bounce")
        if scene.attributes.colour not in hues or scene.attributes.texture != "plain":
            continue
        pose = pose_at(scene, np.zeros(1))
        frame = render_scene(scene, np.zeros(1), 64)[0]
        middle = frame[int(pose.y[0] * 64), int(pose.x[0] * 64)]
        assert middle.argmax() == hues[scene.attributes.colour]
        found.add(scene.attributes.colour)


def test_speed_is_what_the_caption_says() -> None:
    periods: dict[str, list[float]] = {"slowly": [], "quickly": []}
    for number in range(40):
        scene = draw_scene(np.random.default_rng(number), "star", "spin")
        periods[scene.attributes.speed].append(scene.period)
    assert min(periods["slowly"]) > 1.5 * max(periods["quickly"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "dev"}, "split: 'dev' is none of train, val, test"),
        ({"size": 4}, "8 pixels or more, not 4"),
        ({"num_frames": 0}, "1 frame or more, not 0"),
        ({"fps": 0}, "must be positive, not 0"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        MovingShapes(**arguments)


def test_an_index_past_the_end_ends_iteration() -> None:
    shapes = MovingShapes("test")
    assert len(shapes) == 10_000
    for index in (-1, 10_000):
        with pytest.raises(IndexError, match="of 10000 in split 'test'"):
            shapes[index]


attributes = st.builds(
    ShapeAttributes,
    size=st.sampled_from(captions.SIZES),
    texture=st.sampled_from(captions.TEXTURES),
    colour=st.sampled_from(captions.COLOURS),
    shape=st.sampled_from(captions.SHAPES),
    motion=st.sampled_from(captions.MOTIONS),
    heading=st.just(""),
    speed=st.sampled_from(captions.SPEEDS),
    background_colour=st.sampled_from(captions.BACKGROUND_COLOURS),
    background=st.sampled_from(captions.BACKGROUNDS),
).flatmap(
    lambda each: st.sampled_from(captions.HEADINGS[each.motion]).map(
        lambda heading: ShapeAttributes(**(vars(each) | {"heading": heading}))
    )
)


@settings(max_examples=300, deadline=None)
@given(attributes)
def test_every_sentence_of_the_grammar_parses_back(told: ShapeAttributes) -> None:
    assert parse_caption(told.caption) == told
    assert set(told.caption.split()) <= set(VOCABULARY)


def test_the_vocabulary_has_no_word_twice() -> None:
    assert len(set(VOCABULARY)) == len(VOCABULARY)


@pytest.mark.parametrize(
    "caption",
    [
        "",
        "a cat plays the piano",
        "a small red square",
        "a small red square slides slowly over grey stripes",
        "a small red square spins left slowly over grey stripes",
        "a red small square zooms slowly over grey stripes",
        "a small red square zooms slowly over a olive gradient",
        "a small red square zooms slowly over grey stripes.",
    ],
)
def test_other_sentences_do_not_parse(caption: str) -> None:
    with pytest.raises(UsageError, match="not a moving-shapes caption"):
        parse_caption(caption)


def test_clips_of_chosen_attributes_are_found_without_rendering() -> None:
    shapes = MovingShapes("val", 8, 1)
    found = shapes.matching({"texture": ["plain"], "background": ["plain", "gradient"]})
    assert 300 < len(found) < 2000
    for index in found[:20]:
        attributes = shapes[index].attributes
        assert attributes == shapes.attributes(index)
        assert attributes.texture == "plain"
        assert attributes.background in ("plain", "gradient")
    others = sorted(set(range(200)) - set(found))
    assert all(
        shapes[i].attributes.texture != "plain"
        or shapes[i].attributes.background not in ("plain", "gradient")
        for i in others[:20]
    )


@pytest.mark.parametrize(
    ("only", "message"),
    [
        ({"texure": ["plain"]}, "'texure' is no attribute; one of size, texture"),
        ({"texture": ["plaid"]}, "texture: 'plaid' is none of plain, striped"),
    ],
)
def test_unknown_attributes_are_told(only: dict[str, list[str]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        MovingShapes("val", 8, 1).matching(only)


def test_a_clip_may_start_later() -> None:
    shapes = MovingShapes("test", 16, 12)
    assert np.array_equal(shapes.clip(3, num_frames=4, start=5).frames, shapes[3].frames[5:9])
