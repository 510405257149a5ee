"""Small folders of samples, as `pyoco-eval sample` writes them and as others do."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pyoco_eval.report.grid.sample_folder import SampleFolder, open_sample_folder
from pyoco_eval.videos.content_digest import content_digest
from pyoco_eval.videos.write import write_video

SIDE, FRAMES = 8, 8

HOSTILE = (
    "a word and another " * 15 + "the end of 300",
    "w" * 300,
    "‏שלום עולם‏ \u202eturned\u202c and مرحبا",
    "a dog 🐕‍🦺 in the café, 日本語",
    '<script>alert(1)</script><img src=x onerror=alert(2)> & "quotes" {{ 7 * 7 }}',
    "two\nlines\tand \x1b[31mred\x07",
)


def frames_of(number: int, *, side: int = SIDE, num: int = FRAMES) -> np.ndarray:
    """(num, side, side, 3) uint8: noise that the number alone decides."""
    rng = np.random.default_rng(number)
    return rng.integers(0, 256, (num, side, side, 3)).astype(np.uint8)


def write_folder(
    folder: Path,
    captions: Sequence[str | None],
    *,
    seed: int = 100,
    content: int = 0,
    recipe: dict[str, str] | None = None,
    side: int = SIDE,
) -> Path:
    """Samples with a manifest and a recipe.

    Args:
        content: of the videos; another one gives others.
    """
    rows = []
    for index, caption in enumerate(captions):
        path = folder / f"{index:06d}.npz"
        write_video(path, frames_of(content + index, side=side), 8)
        row = {"id": path.name, "index": index}
        row |= {} if caption is None else {"caption": caption}
        rows.append(row | {"seed": seed + index, "sha256": content_digest(path)})
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "manifest.jsonl").write_text(text, encoding="utf-8")
    stated = {"format": "pyoco-eval samples 1", "recipe": recipe or {}, "code": {"version": "x"}}
    (folder / "recipe.json").write_text(json.dumps(stated))
    return folder


def opened(**folders: Path) -> list[SampleFolder]:
    return [open_sample_folder(name, str(place)) for name, place in folders.items()]
