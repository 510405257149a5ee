"""Manifests: which videos they list, what they say of them, and how they are refused."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pyoco_eval.errors import UsageError, VideoError
from pyoco_eval.videos.listing.attach import attach_captions
from pyoco_eval.videos.source import open_source


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("b.npy", "a.npy", "deep/c.npy"):
        path = tmp_path / "clips" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        np.save(path, rng.integers(0, 256, (2, 4, 6, 3), np.uint8))
    return tmp_path / "clips"


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def described(source):
    return [(video.id, video.caption, video.label) for video in source]


THREE = [
    ("a.npy", "a dog, running", "3"),
    ("b.npy", 'the "best" cat', None),
    ("deep/c.npy", "café ☕", "x"),
]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "m.csv",
            'File, seed,Caption,label\r\nb.npy,1,"the ""best"" cat",\r\n\r\n'
            './deep//c.npy,2,café ☕,x\r\na.npy,3,"a dog, running",3\r\n',
        ),
        (
            "m.tsv",
            'prompt\tclass\tpath\n"the ""best"" cat"\t\tb.npy\ncafé ☕\tx\tdeep/c.npy\n'
            "a dog, running\t3\tdeep/../a.npy",
        ),
        (
            "m.jsonl",
            '{"video": "b.npy", "text": "the \\"best\\" cat", "other": [1]}\n\n'
            '{"filename": "deep/c.npy", "caption": "café ☕", "label": "x", "class": "other"}\n'
            '{"id": "a.npy", "label": 3, "caption": "a dog, running"}\n',
        ),
    ],
)
def test_the_listed_files_with_their_texts_in_order_of_id(folder, name, text, encoding):
    source = open_source(write(folder / name, text, encoding))
    assert described(source) == THREE
    assert [video.index for video in source] == [0, 1, 2]
    assert source.name == name
    assert source.digest() == open_source(folder).digest()


def test_a_manifest_is_the_set_and_lies_elsewhere(folder, tmp_path):
    np.save(tmp_path / "own.npy", np.zeros((1, 2, 2, 3), np.uint8))
    text = f"file\n{folder / 'a.npy'}\n{tmp_path / 'own.npy'}\n"
    (tmp_path / "lists").mkdir()
    manifest = write(tmp_path / "lists" / "m.csv", text + "../clips/b.npy\n")
    inside = write(tmp_path / "m.csv", text)
    assert [v.id for v in open_source(inside)] == ["clips/a.npy", "own.npy"]
    root = tmp_path.as_posix()
    assert [v.id for v in open_source(manifest)] == [
        f"{root}/clips/a.npy", f"{root}/clips/b.npy", f"{root}/own.npy"
    ]  # fmt: skip


def test_items_of_array_files_and_folders_of_frames(tmp_path):
    clips = np.random.default_rng(0).integers(0, 256, (12, 2, 4, 4, 3), np.uint8)
    np.savez(tmp_path / "many.npz", clips)
    (tmp_path / "frames").mkdir()
    for number in (10, 2):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(tmp_path / "frames" / f"{number}.png")
    rows = "file,label\nmany.npz#10,ten\nframes,f\nmany.npz#2,two\n"
    source = open_source(write(tmp_path / "m.csv", rows))
    assert described(source) == [
        ("frames", None, "f"), ("many.npz#2", None, "two"), ("many.npz#10", None, "ten")
    ]  # fmt: skip
    assert source[0].read([0, 1])[:, 0, 0, 0].tolist() == [2, 10]
    assert np.array_equal(source[2].read([0, 1]), clips[10])
    whole = open_source(write(tmp_path / "m.csv", "file,label\nmany.npz,all\n"))
    assert [v.id for v in whole] == [f"many.npz#{i}" for i in range(12)]
    assert {v.label for v in whole} == {"all"}
    (beyond,) = open_source(write(tmp_path / "m.csv", "file\nmany.npz#12\n"))
    with pytest.raises(VideoError, match=r"many.npz#12: is not there: many.npz holds 12 videos"):
        beyond.count_frames()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("m.csv", "", r"m\.csv is empty"),
        ("m.csv", "\n \n", r"m\.csv is empty"),
        ("m.csv", "file,caption\n", "has a header but no rows"),
        ("m.csv", "name,caption\na,b\n", r"line 1: no column names the videos; .*: name, caption"),
        ("m.csv", "file,file\na,b\n", "line 1: has two columns called file"),
        ("m.csv", "file,caption\na.npy,x\nb.npy,a dog, running\n", "line 3: has 3 cells, .* 2"),
        ("m.csv", 'file,caption\na.npy,"x\ny"\nb.npy\n', "line 4: has 1 cells, the header 2"),
        ("m.csv", 'file,caption\na.npy,"open\n', "line 2: unexpected end of data"),
        ("m.tsv", 'file\tcaption\na.npy\t"big" dog\n', "line 2: .*expected after"),
        ("m.csv", "file,caption\n,x\n", "line 2: names no video"),
        ("m.csv", "file\na.npy\0\n", "line 2: its file holds a NUL"),
        ("m.csv", "file\na.npy\n./a.npy\n", r"1 videos are listed twice:\n  a.npy: lines 2, 3"),
        ("m.csv", "file\nm.csv\n", r"line 2: m\.csv: is no video"),
        ("m.csv", "file\ndeep\n", "line 2: deep: is a folder without frames"),
        ("m.csv", "file\nx.npy\na.npy\nx.gif\n", r"2 rows .*\n  line 2: x\.npy: no .*\n  line 4"),
        ("m.csv", "file\n" + "x.mp4\n" * 30, r"30 rows cannot be used(.*\n){21}  and 10 more"),
        ("m.csv", "file\nx.npz#3\n", r"line 2: x\.npz#3: no such file"),
        ("m.csv", "file\n" + "n" * 9999, "line 2: n+: File name too long"),
        ("m.jsonl", '{"file": "a.npy"}\n{"file": \n', "line 2: is not JSON"),
        ("m.jsonl", "[" * 99999, "line 1: is not JSON: it is nested too deeply"),
        ("m.jsonl", '["a.npy"]', "line 1: is no JSON object"),
        ("m.jsonl", '{"caption": "x"}', "line 1: names no video"),
        ("m.jsonl", '{"file": ["a.npy"]}', "line 1: its file is a list; give one text"),
        ("m.jsonl", '{"file": "a.npy", "label": true}', "line 1: its label is a bool"),
        ("m.jsonl", '{"file": "a.npy", "caption": "\\ud800"}', "line 1: its caption holds half"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(folder, name, text, message):
    with pytest.raises(UsageError, match=message):
        open_source(write(folder / name, text))


def test_another_encoding_is_named_with_its_line(folder):
    manifest = write(folder / "m.csv", "file,caption\na.npy,cafe\nb.npy,café\n", "latin-1")
    with pytest.raises(UsageError, match=r"m\.csv, line 3: is not UTF-8"):
        open_source(manifest)


@pytest.mark.parametrize(
    "names",
    [
        ("a.npy", "b.npy", "deep/c.npy"),
        ("a.npy", "./b.npy", "c.npy"),
        ("a", "b", "c"),
        ("elsewhere/a.npy", "{folder}/b.npy", "elsewhere/c"),
    ],
)
def test_captions_find_their_videos(folder, tmp_path, names):
    rows = [f"{name},about {number}" for number, name in enumerate(names)]
    text = "file,caption\n" + "\n".join(row.format(folder=folder) for row in rows)
    source = attach_captions(open_source(folder), write(tmp_path / "texts.csv", text))
    assert [video.id for video in source] == ["a.npy", "b.npy", "deep/c.npy"]
    assert [video.caption for video in source] == [row.partition(",")[2] for row in rows]
    assert source.digest() == open_source(folder).digest()
    assert source.name == "clips"


def test_captions_by_id_for_arrays_in_memory(tmp_path):
    source = open_source(np.zeros((2, 1, 2, 2, 3), np.uint8))
    texts = write(tmp_path / "t.csv", "id,caption,label\narray#1,one,7\narray#0,nought,\n")
    assert described(attach_captions(source, texts)) == [
        ("array#0", "nought", None), ("array#1", "one", "7")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,caption\na.npy,x\nd.npy,y\n", r"1 row .*\n  line 3: d\.npy: names no video"),
        ("file,caption\na.npy,x\n", r"2 of 3 videos have no row:\n  b\.npy\n  deep/c\.npy"),
        ("file,caption\na.npy,x\na,y\n", r"line 3: a: names a\.npy, as line 2 does"),
        ("file,label\na.npy,x\n", r"line 2: a\.npy: has no caption \(columns caption"),
        ("file,caption\na.npy,\n", r"line 2: a\.npy: has no caption"),
    ],
)
def test_captions_that_do_not_fit_are_refused(folder, tmp_path, text, message):
    texts = write(tmp_path / "texts.csv", text)
    with pytest.raises(UsageError, match=r"(?s)--captions .*" + message):
        attach_captions(open_source(folder), texts)


def test_ambiguous_names_and_missing_files_of_captions(folder, tmp_path):
    np.save(folder / "deep" / "a.npy", np.zeros((1, 2, 2, 3), np.uint8))
    texts = write(tmp_path / "texts.csv", "file,caption\nelsewhere/a.npy,x\n")
    with pytest.raises(UsageError, match=r"could be a\.npy, deep/a\.npy; write the whole id"):
        attach_captions(open_source(folder), texts)
    with pytest.raises(UsageError, match=r"--captions .*nowhere\.csv: no such file"):
        attach_captions(open_source(folder), tmp_path / "nowhere.csv")
    with pytest.raises(UsageError, match=r"a\.npy is no manifest"):
        attach_captions(open_source(folder), folder / "a.npy")


@pytest.mark.parametrize("file_format", ["npz", "png"])
def test_what_the_shapes_command_writes(tmp_path, file_format):
    from pyoco_eval.cli.shapes import command

    arguments = ["--out", str(tmp_path), "--num", "3", "--size", "8", "--num-frames", "2"]
    done = CliRunner().invoke(command, [*arguments, "--format", file_format])
    assert done.exit_code == 0
    lines = [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text().splitlines()]
    source = open_source(tmp_path / "manifest.jsonl")
    assert described(source) == [(x["id"], x["caption"], str(x["label"])) for x in lines]
    assert described(attach_captions(open_source(tmp_path), tmp_path / "manifest.jsonl")) == (
        described(source)
    )
