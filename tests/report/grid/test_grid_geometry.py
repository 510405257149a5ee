"""Where cells are, in closed form; and that the picture has every pixel of its frames there."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from grid_examples import FRAMES, HOSTILE, SIDE, frames_of, opened, write_folder
from PIL import Image

from pyoco_eval.errors import UsageError
from pyoco_eval.report.grid.arrange import LAYOUTS, Place, arrange
from pyoco_eval.report.grid.fill import GridChoices
from pyoco_eval.report.grid.geometry import (
    CELL_GAP,
    FRAME_GAP,
    MARGIN,
    TEXT_GAP,
    locate,
    shown_sizes,
)
from pyoco_eval.report.grid.lettering import Lettering
from pyoco_eval.report.grid.make import make_grid
from pyoco_eval.report.grid.picture import INK, PAPER, SOFT


def located(layout: str, folders: list[str], captions: list[str], columns: int, size=(10, 6)):
    arrangement = arrange(layout, folders, captions, columns)  # type: ignore[arg-type]
    places = arrangement.places()
    lettering = Lettering()
    geometry = locate(arrangement, dict.fromkeys(places, size), dict.fromkeys(places, 3), lettering)
    return geometry, lettering


def test_strips_stand_where_the_sums_say() -> None:
    geometry, lettering = located("strips", ["a", "b"], ["x", "y", "z"], 2)
    label = max(lettering.width_of("a"), lettering.width_of("b"))
    left = MARGIN + label + CELL_GAP
    cell = 3 * 10 + 2 * FRAME_GAP
    line = max(6, lettering.line_height) + TEXT_GAP
    head = lettering.line_height + TEXT_GAP
    band = head + 2 * line
    for folder in (0, 1):
        for sample in (0, 1, 2):
            strip = geometry.strips[Place(folder, sample)]
            down = sample // 2
            assert strip.x == left + sample % 2 * (cell + CELL_GAP)
            assert strip.y == MARGIN + down * (band + CELL_GAP) + head + folder * line
            assert (strip.width, strip.height, strip.pitch) == (10, 6, 10 + FRAME_GAP)
    assert geometry.width == left + 2 * cell + CELL_GAP + MARGIN
    assert geometry.height == MARGIN + 2 * band + CELL_GAP + MARGIN - TEXT_GAP


def test_side_by_side_is_a_column_for_each_folder_under_one_caption() -> None:
    geometry, lettering = located("side-by-side", ["a", "b"], ["x", "y"], 2, (100, 50))
    head = lettering.line_height + TEXT_GAP
    cell = 3 * 100 + 2 * FRAME_GAP
    for sample in (0, 1):
        for folder in (0, 1):
            strip = geometry.strips[Place(folder, sample)]
            assert strip.x == MARGIN + folder * (cell + CELL_GAP)
            assert strip.y == MARGIN + 2 * head + sample * (head + 50 + TEXT_GAP + CELL_GAP)


def test_a_gallery_has_captions_below_and_lines_as_high_as_the_longest() -> None:
    geometry, lettering = located("gallery", ["a"], ["short", "long " * 20, "z"], 2, (20, 20))
    first, second = geometry.strips[Place(0, 0)], geometry.strips[Place(0, 2)]
    lines = max(len(box.lines) for box in geometry.texts)
    assert lines > 1
    between = 20 + TEXT_GAP + lines * lettering.line_height + TEXT_GAP + CELL_GAP
    assert second.y - first.y == between


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_text_leaves_its_cell_or_meets_another(layout: str) -> None:
    names = ["one"] if layout == "gallery" else ["one", HOSTILE[1], HOSTILE[4]]
    geometry, lettering = located(layout, names, list(HOSTILE), 3, (40, 40))
    boxes = []
    for text in geometry.texts:
        widths = [lettering.width_of(line) for line in text.lines]
        assert text.x + max(widths) <= geometry.width - MARGIN + 1
        assert text.y + len(text.lines) * lettering.line_height <= geometry.height
        right, below = text.x + max(widths), text.y + len(text.lines) * lettering.line_height
        boxes.append((text.x, text.y, right, below))
    for strip in geometry.strips.values():
        right = strip.x + (strip.count - 1) * strip.pitch + strip.width
        assert right <= geometry.width - MARGIN
        boxes.append((strip.x, strip.y, right, strip.y + strip.height))
    for number, (left, top, right, below) in enumerate(boxes):
        for other in boxes[number + 1 :]:
            apart = right <= other[0] or other[2] <= left or below <= other[1] or other[3] <= top
            assert apart, (boxes[number], other)


def test_small_frames_are_enlarged_to_96_or_to_their_neighbours_large_ones_reduced() -> None:
    one, two = Place(0, 0), Place(1, 0)
    assert shown_sizes({one: (16, 16)}, None) == {one: (96, 96)}
    assert shown_sizes({one: (20, 30)}, None) == {one: (100, 150)}
    assert shown_sizes({one: (64, 64), two: (128, 128)}, None) == {one: (128, 128), two: (128, 128)}
    assert shown_sizes({one: (1024, 576)}, None) == {one: (256, 144)}
    assert shown_sizes({one: (16, 16), two: (10, 20)}, 3) == {one: (48, 48), two: (30, 60)}


def test_a_picture_of_too_many_pixels_is_refused() -> None:
    with pytest.raises(UsageError, match=r"would have .* pixels; use a smaller --num"):
        located("strips", ["a"], ["x"] * 20, 20, (3000, 3000))


@pytest.mark.parametrize(("scale", "factor"), [(None, 12), (5, 5)])
def test_every_pixel_of_every_shown_frame_is_an_exact_square(
    tmp_path: Path, scale: int | None, factor: int
) -> None:
    folders = opened(
        one=write_folder(tmp_path / "a", ["x", "y"]),
        two=write_folder(tmp_path / "b", ["x", "y"], content=50),
    )
    made = make_grid(folders, tmp_path / "out", GridChoices(every=3, scale=scale))
    picture = np.asarray(Image.open(io.BytesIO(made.picture.read_bytes()), formats=["PNG"]))
    record = json.loads(made.record.read_text())
    assert len(record["cells"]) == made.num_cells == 4
    covered = np.zeros(picture.shape[:2], bool)
    for cell in record["cells"]:
        frames = frames_of(cell["index"] + (50 if cell["folder"] == "two" else 0))
        assert cell["frames"] == [0, 3, 6] == list(range(0, FRAMES, 3))
        x, y = cell["at"]
        for number, frame in enumerate(cell["frames"]):
            left = x + number * cell["pitch"]
            there = picture[y : y + factor * SIDE, left : left + factor * SIDE]
            expected = frames[frame].repeat(factor, axis=0).repeat(factor, axis=1)
            np.testing.assert_array_equal(there, expected)
            covered[y : y + factor * SIDE, left : left + factor * SIDE] = True
    rest = picture[~covered]
    assert (rest == PAPER).all(axis=1).mean() > 0.5
    assert (rest.max(axis=1) - rest.min(axis=1)).max() <= SOFT[2] - SOFT[0], "letters are grey"
    assert rest.min() >= min(INK)
