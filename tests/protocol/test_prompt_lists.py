"""Our own prompts cover every class in new words; published lists are recognised by hash."""

import csv
import json
from pathlib import Path

import pytest

from pyoco_eval.datasets.class_lists import class_names
from pyoco_eval.errors import UsageError
from pyoco_eval.features.tiny.extractor import load_tiny
from pyoco_eval.protocol.prompts import (
    PromptList,
    identify,
    own_list,
    prompt_hash,
    read_prompts,
    shipped_lists,
    spaced,
)
from pyoco_eval.resources import resource_folder
from pyoco_eval.shapes.captions import parse_caption

UCF = class_names("ucf101")
COLUMNS = {
    "pyoco_via_consisti2v": "pyoco-consisti2v",
    "pyoco_via_cmd": "pyoco-cmd",
    "snapvideo_variant": "snap-video",
}


@pytest.fixture
def published(shared_data: Path) -> list[dict[str, str]]:
    path = shared_data / "prompts" / "ucf101_prompts_by_class.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_own_prompts_are_one_distinct_sentence_for_each_class() -> None:
    prompts = own_list("ucf101", UCF).prompts
    assert len(UCF) == len(prompts) == 101
    assert list(prompts) == list(UCF)
    sentences = [sentence for (sentence,) in prompts.values()]
    assert len(set(sentences)) == 101
    assert all(s[0].isupper() and s.endswith(".") and len(s.split()) >= 7 for s in sentences)
    assert shipped_lists() == ["shapes", "ucf101"]


def test_class_names_are_those_of_the_published_list(shared_data: Path) -> None:
    lines = (shared_data / "ucf101" / "classInd.txt").read_text().splitlines()
    assert [line.split()[1] for line in lines if line.strip()] == list(UCF)


def test_prompts_of_shapes_say_their_class_in_words_the_network_knows() -> None:
    prompts = own_list("shapes", class_names("shapes")).prompts
    for name, (caption,) in prompts.items():
        attributes = parse_caption(caption)
        assert f"{attributes.shape}-{attributes.motion}" == name
    captions = [caption for (caption,) in prompts.values()]
    assert len(load_tiny("tinyclip").encode(captions)) == len(captions) == 48


def test_class_names_become_words() -> None:
    assert spaced("ApplyEyeMakeup") == "Apply Eye Makeup"
    assert spaced("YoYo") == "Yo Yo"
    assert own_list("class-names", UCF).prompt("TaiChi", 7) == "Tai Chi"


@pytest.mark.parametrize("column", COLUMNS)
def test_a_published_list_is_recognised(
    column: str, published: list[dict[str, str]], tmp_path: Path
) -> None:
    path = tmp_path / "list.json"
    prompts = {row["class"]: row[column].split(" | ") for row in published}
    path.write_text(json.dumps(prompts))
    found = identify(read_prompts(path, UCF))
    assert (found.nearest, found.is_published) == (COLUMNS[column], True)
    assert COLUMNS[column] in found.sentences()[0]
    recorded = json.loads((resource_folder("prompts") / "published.json").read_text())
    (entry,) = [entry for entry in recorded["lists"] if entry["name"] == COLUMNS[column]]
    assert entry["sha256"] == read_prompts(path, UCF).sha256


def test_our_own_sentences_are_in_no_published_list() -> None:
    recorded = json.loads((resource_folder("prompts") / "published.json").read_text())
    known = {h for entry in recorded["lists"] for hs in entry["prompts"].values() for h in hs}
    ours = [p.rstrip(".") for ps in own_list("ucf101", UCF).prompts.values() for p in ps]
    assert not known & {prompt_hash(prompt) for prompt in ours}
    assert identify(own_list("ucf101", UCF)).sentences() == [
        "the prompts are no published list that is known"
    ]


def test_classes_that_differ_from_the_nearest_list_are_named(
    published: list[dict[str, str]], tmp_path: Path
) -> None:
    prompts = {row["class"]: row["snapvideo_variant"].split(" | ") for row in published}
    prompts["Archery"] = ["something else"]
    prompts["YoYo"] = [*prompts["YoYo"], "one more"]
    path = tmp_path / "list.json"
    path.write_text(json.dumps(prompts))
    found = identify(read_prompts(path, UCF))
    assert found.nearest == "snap-video"
    assert [(d.class_name, d.kind) for d in found.differences] == [
        ("Archery", "another prompt"),
        ("YoYo", "2 prompts, published 1"),
    ]
    assert "99 of 101 classes alike" in found.sentences()[0]


def test_every_format_gives_the_same_list(tmp_path: Path) -> None:
    expected = own_list("ucf101", UCF).prompts
    rows = [(name, prompts[0]) for name, prompts in expected.items()]
    for suffix, delimiter in ((".csv", ","), (".tsv", "\t")):
        with (tmp_path / f"p{suffix}").open("w", newline="") as file:
            writer = csv.writer(file, delimiter=delimiter)
            writer.writerows([("Class", "Prompt"), *((spaced(n).lower(), p) for n, p in rows)])
    (tmp_path / "p.json").write_text(json.dumps(dict(rows)))
    (tmp_path / "p.txt").write_text("".join(f"{prompt}\n" for _, prompt in rows))
    for suffix in (".csv", ".tsv", ".json", ".txt"):
        assert read_prompts(tmp_path / f"p{suffix}", UCF).prompts == expected


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("p.txt", "one line\n", "has 1 lines for 101 classes"),
        ("p.csv", "a,b\n1,2\n", "needs the columns class and prompt"),
        ("p.json", '{"Flying": "x"}', "'Flying' is no class"),
        ("p.json", '{"Archery": [1]}', "is a int, no text"),
        ("p.json", "[1]", "expected a JSON object"),
        ("p.json", "{", "Expecting"),
        ("p.md", "x", "write .csv, .tsv, .json or .txt"),
        ("p.csv", "class,prompt\nArchery,\n", "Archery has no prompt"),
    ],
)
def test_a_file_that_is_no_list_is_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_prompts(path, UCF)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_several_prompts_of_a_class_take_turns() -> None:
    prompts = PromptList("x", {"a": ("one", "two")})
    assert [prompts.prompt("a", number) for number in range(3)] == ["one", "two", "one"]
