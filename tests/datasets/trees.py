"""Miniature copies of UCF-101 and MSR-VTT: a few clips and lists that name them."""

import json
from pathlib import Path

import numpy as np

from pyoco_eval.videos.write import write_video

CLASSES = ("Archery", "HandstandPushups", "YoYo")
SPELT = {"HandstandPushups": "HandStandPushups"}
TRAIN, TEST = range(8, 11), range(1, 3)


def name(label: str, group: int, clip: int = 1) -> str:
    return f"{label}/v_{SPELT.get(label, label)}_g{group:02d}_c{clip:02d}.avi"


def names(groups: range) -> list[str]:
    return [name(label, group) for label in CLASSES for group in groups]


def write_lists(folder: Path) -> None:
    """Split lists with the published line ends: one training and one test list of each number."""
    folder.mkdir(parents=True)

    def write(file: str, lines: list[str]) -> None:
        (folder / file).write_bytes("".join(f"{line}\r\n" for line in lines).encode())

    write("classInd.txt", [f"{i} {label}" for i, label in enumerate(CLASSES, 1)])
    for number in "123":
        place = {label: i for i, label in enumerate(CLASSES, 1)}
        train = [f"{entry} {place[entry.partition('/')[0]]}" for entry in names(TRAIN)]
        write(f"trainlist0{number}.txt", train)
        write(f"testlist0{number}.txt", names(TEST))


def write_clip(path: Path, seed: int, size: tuple[int, int] = (32, 24), frames: int = 16) -> None:
    """A flat clip of one random colour, as an mp4 under any suffix a reader can open."""
    width, height = size
    colour = np.random.default_rng(seed).integers(0, 256, (1, 1, 1, 3), np.uint8)
    video = np.broadcast_to(colour, (frames, height, width, 3)).copy()
    written = path.with_name(path.stem + ".tmp.mp4")
    write_video(written, video)
    written.replace(path)


def write_ucf101(root: Path, size: tuple[int, int] = (32, 24)) -> None:
    """Class folders, and the lists inside them where they are looked for."""
    for seed, entry in enumerate([*names(TRAIN), *names(TEST)]):
        path = root / entry
        path.parent.mkdir(parents=True, exist_ok=True)
        write_clip(path, seed, size)
    write_lists(root / "ucfTrainTestlist")


def annotation(numbers: range, captions: int = 2) -> str:
    sentences = [
        {"sen_id": 1000 * number + k, "video_id": f"video{number}", "caption": f"clip {number} {k}"}
        for number in reversed(numbers)
        for k in reversed(range(captions))
    ]
    sentences[0]["caption"] = "a café"
    videos = [{"id": number, "video_id": f"video{number}", "split": "test"} for number in numbers]
    return json.dumps({"info": {}, "videos": videos, "sentences": sentences})
