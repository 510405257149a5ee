"""Finished videos answer requests by manifest, number or prompt; what is missing is listed."""

import json
from pathlib import Path

import numpy as np
import pytest

from pyoco_eval.errors import UsageError
from pyoco_eval.generation.folder import MissingSamplesError, open_folder
from pyoco_eval.generation.request import Request, make_requests
from pyoco_eval.videos.write import write_video

PROMPTS = ["A red cat, asleep", "two dogs"]


def fill(folder: Path, names: list[str]) -> Path:
    """Video n has grey level n."""
    for level, name in enumerate(names):
        frames = np.full((2, 8, 8, 3), level, np.uint8)
        write_video(folder / name, frames)
    return folder


def levels(folder: Path, requests: list[Request]) -> tuple[str, list[int]]:
    found = open_folder(folder, requests)
    assert [video.caption for video in found.videos] == [request.prompt for request in requests]
    return found.scheme, [int(video.read([0])[0, 0, 0, 0]) for video in found.videos]


@pytest.mark.parametrize(
    ("scheme", "names"),
    [
        ("number", ["0.npz", "1.npz", "2.npz", "3.npz"]),
        ("number", ["video_000.npz", "video_001.npz", "video_002.npz", "video_003.npz"]),
        ("number", ["1.npz", "2.npz", "3.npz", "4.npz"]),
        ("number", ["000000", "000001", "000002", "000003"]),
        (
            "prompt",
            ["A red cat, asleep-0.npz", "two dogs-0.npz", "A red cat, asleep-1.npz",
             "two dogs-1.npz"],
        ),
        ("prompt", ["a-red-cat-asleep-1.npz", "two-dogs.npz", "a-red-cat-asleep-2.npz",
                    "two-dogs-2.npz"]),
        ("prompt", ["a_red_cat_asleep/0000.npz", "two_dogs/0000.npz", "a_red_cat_asleep/0001.npz",
                    "two_dogs/0001.npz"]),
    ],
)  # fmt: skip
def test_usual_names(tmp_path: Path, scheme: str, names: list[str]) -> None:
    requests = make_requests(4, prompts=PROMPTS)
    assert levels(fill(tmp_path, names), requests) == (scheme, [0, 1, 2, 3])


def test_a_manifest_tells_by_caption_in_order(tmp_path: Path) -> None:
    fill(tmp_path, ["d.npz", "b.npz", "c.npz", "a.npz"])
    captions = {"a": PROMPTS[0], "b": PROMPTS[1], "c": PROMPTS[0], "d": PROMPTS[1]}
    lines = [json.dumps({"id": f"{n}.npz", "caption": text}) for n, text in captions.items()]
    (tmp_path / "manifest.jsonl").write_text("\n".join(lines))
    requests = make_requests(4, prompts=PROMPTS)
    assert levels(tmp_path, requests) == ("manifest", [3, 1, 2, 0])
    assert levels(tmp_path / "manifest.jsonl", requests) == ("manifest", [3, 1, 2, 0])


def test_a_manifest_tells_by_label_where_nothing_is_said(tmp_path: Path) -> None:
    fill(tmp_path, ["a.npz", "b.npz"])
    (tmp_path / "manifest.csv").write_text("file,label\na.npz,1\nb.npz,0\n")
    assert levels(tmp_path, make_requests(2, labels=[0, 1])) == ("manifest", [1, 0])


def test_what_write_samples_wrote_answers_its_requests(tmp_path: Path) -> None:
    from test_write_samples import Noise

    from pyoco_eval.generation.write import write_samples

    requests = make_requests(5, prompts=PROMPTS)
    write_samples(Noise(), requests, tmp_path, file_format="npz")
    found = open_folder(tmp_path, requests)
    assert [video.id for video in found.videos] == [f"{i:06d}.npz" for i in range(5)]
    assert [video.index for video in found.source()] == list(range(5))


def test_everything_missing_is_listed_and_what_is_too_much_is_told(tmp_path: Path) -> None:
    fill(tmp_path, ["A red cat, asleep-0.npz", "two dogs-0.npz", "three birds-0.npz"])
    requests = make_requests(60, prompts=PROMPTS)
    with pytest.raises(MissingSamplesError) as caught:
        open_folder(tmp_path, requests)
    assert [request.index for request in caught.value.missing] == list(range(2, 60))
    message = str(caught.value)
    assert "58 of 60 requested videos are not there (files are told by prompt)" in message
    assert "request 2: A red cat, asleep" in message
    assert "and 38 more" in message
    assert "1 videos answer no request, such as three birds-0.npz" in message
    assert caught.value.exit_code == 3


def test_more_than_asked_for_is_no_error(tmp_path: Path) -> None:
    fill(tmp_path, ["0.npz", "1.npz", "2.npz"])
    found = open_folder(tmp_path, make_requests(2))
    assert (len(found.videos), found.unused) == (2, ("2.npz",))


def test_names_that_could_be_two_prompts_are_not_guessed(tmp_path: Path) -> None:
    fill(tmp_path, ["a-cat.npz"])
    requests = make_requests(2, prompts=["a cat", "A cat!"])
    with pytest.raises(MissingSamplesError, match=r"2 of 2 requested .* told neither by"):
        open_folder(tmp_path, requests)


def test_a_folder_without_videos(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no videos in"):
        open_folder(tmp_path, make_requests(1))
