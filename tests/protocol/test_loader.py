"""Files are found, resolved and identified; what is no protocol is refused with every reason."""

import json
from pathlib import Path
from typing import Any

import pytest

from pyoco_eval.errors import UsageError
from pyoco_eval.protocol.difference import differences
from pyoco_eval.protocol.loader import ProtocolError, content_hash, load_protocol, read_yaml


def test_names_paths_and_near_misses(tmp_path: Path, write: Any) -> None:
    assert load_protocol("msrvtt").protocol.name == "msrvtt"
    path = write("shapes-uncond")
    assert load_protocol(path).path == path
    with pytest.raises(UsageError, match="Did you mean ucf101-uncond"):
        load_protocol("ucf101-unkond")
    with pytest.raises(UsageError, match="no such protocol file"):
        load_protocol(tmp_path / "none.yaml")


def test_a_protocol_extends_another_and_changes_one_key(tmp_path: Path) -> None:
    path = tmp_path / "half.yaml"
    path.write_text(
        "extends: ucf101-uncond\nname: half\nwithout: [scores.is]\n"
        "scores: {fvd: {reference: {select: first(1024)}}}\n"
    )
    found, base = load_protocol(path), load_protocol("ucf101-uncond")
    assert [file.stem for file in found.bases] == ["ucf101-uncond"]
    changed = {entry.key for entry in differences(base.protocol, found.protocol)}
    dropped = {key for key in changed if key.startswith(("scores.is.", "published."))}
    assert changed - dropped == {"name", "scores.fvd.reference.select"}
    assert any(key.startswith("scores.is.") for key in dropped)
    published = [row for row in found.protocol.published if "is" in row.values]
    assert published == [], "the published numbers of a dropped score go with it"


def test_the_hash_is_of_the_resolved_content(tmp_path: Path, write: Any) -> None:
    whole = load_protocol(write("ucf101-zeroshot"))
    part = tmp_path / "part" / "mine.yaml"
    part.parent.mkdir()
    part.write_text("extends: ucf101-zeroshot\nname: mine\n")
    assert load_protocol(part).sha256 == whole.sha256
    assert whole.sha256 != load_protocol("ucf101-zeroshot").sha256
    text = json.dumps(whole.protocol.model_dump(mode="json"))
    again = type(whole.protocol).model_validate_json(text)
    assert content_hash(again) == whole.sha256


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2\n", "'a' is given twice"),
        ("a: {b: 1, b: 2}\n", "'b' is given twice"),
        ("a: [", "while parsing"),
        ("- a\n", "holds a list"),
        ("extends: mine\n", "goes round in a circle"),
        ("extends: nothing\n", "no protocol 'nothing'"),
        ("extends: 3\n", "no name of a protocol"),
        ("extends: ucf101-uncond\nwithout: [scores.fid]\n", "scores.fid is not in"),
        ("without: [a]\n", "there is no extends"),
        ("extends: ucf101-uncond\nname: yours\n", "the file is called mine.yaml"),
    ],
)
def test_what_is_no_protocol_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ProtocolError) as caught:
        load_protocol(path)
    assert said in str(caught.value)


def test_yaml_cannot_build_objects(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("a: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(ProtocolError):
        read_yaml(path)
