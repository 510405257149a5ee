"""Damaged and hostile JSON and YAML: one kind of error, at once."""

import pytest

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.parsing import parse_json
from pyoco_eval.protocol.loader import load_protocol
from pyoco_eval.training.config_file import load_config
from pyoco_eval.yaml_text import YamlTextError, parse_yaml

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join(10 * [f'*a{n - 1}'])}]\n" for n in range(1, 10)
)
HOSTILE = {
    "aliases that stand for 10 billion values": BOMB,
    "deep flow": "a: " + 5000 * "[" + 5000 * "]",
    "deep blocks": "".join(" " * n + f"k{n}:\n" for n in range(2000)),
    "itself": "a: &a [*a]",
    "a list as a key": "? [1, 2]\n: 3",
    "a date that is none": "a: 2020-13-45",
    "a number that is none": "a: !!int 'x'",
    "an object": "a: !!python/object/apply:os.system ['true']",
    "control characters": "a: \x01",
    "an unknown alias": "a: *nothing",
    "no end": "a: [1, 2",
    "binary": "a: !!binary 'x'",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_yaml_is_an_error(text: str, tmp_path) -> None:
    with pytest.raises(YamlTextError):
        parse_yaml(text)
    path = tmp_path / "x.yaml"
    path.write_text(text)
    for read in (load_protocol, load_config):
        with pytest.raises(PyocoEvalError, match=r"x\.yaml"):
            read(path)


def test_aliases_within_reason_are_taken() -> None:
    found = parse_yaml("a: &a [1, 2]\nb: [*a, *a]\nc: &c {x: *a}\nd: *c")
    assert found == {"a": [1, 2], "b": [[1, 2], [1, 2]], "c": {"x": [1, 2]}, "d": {"x": [1, 2]}}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (100_000 * "[", "nested too deeply"),
        ('{"a": 1, "a": 2}', "'a' is given twice"),
        ("[NaN]", "NaN is no number"),
        ("[-Infinity]", "-Infinity is no number"),
        ("9" * 5000, "limit"),
        ("{", "Expecting"),
        (b"\xff", "decode"),
    ],
)
def test_hostile_json_is_a_value_error(text, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_json(text)


def test_numbers_that_python_writes_can_be_allowed() -> None:
    assert parse_json("[Infinity, 1]", nan=True) == [float("inf"), 1]
