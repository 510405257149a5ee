"""A contact sheet shows the frames it should, where it should."""

import numpy as np

from pyoco_eval.videos.contact_sheet import contact_sheet


def numbered(num_frames: int, height: int = 96, width: int = 10) -> np.ndarray:
    """Frame t is of grey level t."""
    levels = np.arange(num_frames, dtype=np.uint8)[:, None, None, None]
    return np.broadcast_to(levels, (num_frames, height, width, 3)).copy()


def pixels(videos: list[np.ndarray], *texts: str, **options: int) -> np.ndarray:
    return np.asarray(contact_sheet(videos, texts, **options))


def test_rows_are_videos_and_columns_frames_at_even_distances() -> None:
    sheet = pixels([numbered(15), numbered(15) + 100], num_frames=8, least_side=1)
    assert sheet.shape == (4 + 2 * 100, 4 + 8 * 14, 3)
    centres = sheet[[52, 152]][:, 9::14, 0]
    assert centres[0].tolist() == [0, 2, 4, 6, 8, 10, 12, 14]
    assert centres[1].tolist() == [100 + level for level in range(0, 15, 2)]


def test_short_videos_show_each_frame_once() -> None:
    assert pixels([numbered(3)], least_side=1).shape == (104, 4 + 3 * 14, 3)


def test_pictures_stand_side_by_side() -> None:
    assert pixels([numbered(1)] * 5, least_side=1, columns=3).shape == (204, 4 + 3 * 14, 3)


def test_small_frames_are_enlarged_by_whole_pixels_and_large_ones_reduced() -> None:
    small = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8)
    sheet = pixels([small], least_side=90)
    assert np.array_equal(sheet[4:100, 4:100], small[0].repeat(3, 0).repeat(3, 1))
    assert pixels([numbered(1, 768, 1024)], most_side=256).shape == (8 + 192, 8 + 256, 3)


def test_texts_are_whole_and_stand_above_their_row() -> None:
    black = np.zeros((4, 96, 96, 3), np.uint8)
    text = "a caption that is much too long for one line of a sheet " * 4
    lines = 4  # of 66 letters, 400 pixels of 6 each
    sheet = pixels([black, black], "a größe \u4e2d", text)
    assert sheet.shape == (4 + 2 * (100 + 13 * lines), 404, 3)
    assert (sheet[4 + 13 * lines : 100 + 13 * lines, 4:100] == 0).all()
    second = sheet[104 + 13 * lines :]
    for line in range(lines):
        assert second[13 * line : 13 * (line + 1)].max() > 150


def test_letters_the_font_lacks_do_not_become_boxes() -> None:
    black = np.zeros((8, 64, 64, 3), np.uint8)
    assert np.array_equal(pixels([black], "größe\n\u4e2d"), pixels([black], "gro?e ?"))
