"""Draws docs/images/cascade_shapes.png: what each stage of a cascade makes of the one before.

    pyoco-eval train-cascade shapes-cascade
    pyoco-eval sample --ckpt runs/shapes-cascade/cascade.yaml --prompts captions.txt --out samples/
    python scripts/cascade_picture.py samples/ docs/images/cascade_shapes.png --rows 0 3

For each sample: the base model's frames where they stand in time, the frames filled in between
them, and the same frames enlarged. Every pixel is shown as a square.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pyoco_eval.parsing import parse_json
from pyoco_eval.videos.source import open_source

CELL, GAP, MARGIN, LINE = 128, 4, 12, 22
INK, PAPER = (40, 40, 44), (250, 250, 250)


def stages_of(folder: Path) -> dict[str, Path]:
    """Name of a stage -> its folder, in order."""
    hidden = sorted((folder / ".stages").iterdir(), key=lambda path: len(frames_of(path, 0)))
    return {**{path.name: path for path in hidden}, "last": folder}


def frames_of(folder: Path, index: int) -> np.ndarray:
    video = open_source(next(folder.glob(f"{index:06d}.*")))[0]
    return video.read(range(video.count_frames()))


def tile(frame: np.ndarray) -> Image.Image:
    times = CELL // max(frame.shape[:2])
    return Image.fromarray(frame.repeat(times, 0).repeat(times, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("samples", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=[0])
    parser.add_argument("--columns", type=int, default=11)
    options = parser.parse_args()
    stages = stages_of(options.samples)
    manifest = (options.samples / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    band = LINE + len(stages) * (CELL + GAP) + MARGIN
    size = (
        2 * MARGIN + options.columns * (CELL + GAP) - GAP,
        2 * MARGIN + len(options.rows) * band - MARGIN,
    )
    picture = Image.new("RGB", size, PAPER)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(15)
    for row, index in enumerate(options.rows):
        top = MARGIN + row * band
        caption = str(parse_json(manifest[index]).get("caption", f"sample {index}"))
        draw.text((MARGIN, top), caption, INK, font)
        length = len(frames_of(stages["last"], index))
        for line, folder in enumerate(stages.values()):
            frames = frames_of(folder, index)
            step = (length - 1) // (len(frames) - 1)
            for column in range(0, options.columns, step):
                place = MARGIN + column * (CELL + GAP), top + LINE + line * (CELL + GAP)
                picture.paste(tile(frames[column // step]), place)
    picture.save(options.out, optimize=True)


if __name__ == "__main__":
    main()
