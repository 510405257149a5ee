"""The signature: order, both forms, round trip, and sensitivity to every key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyoco_eval.errors import UsageError
from pyoco_eval.metrics.signature import KEYS, Signature, differing_keys

VALUES = st.text(
    st.characters(codec="ascii", min_codepoint=33, exclude_characters="|#"), min_size=1, max_size=20
)
SIGNATURES = st.dictionaries(st.sampled_from(list(KEYS)), VALUES, min_size=1).map(Signature.of)


@given(SIGNATURES)
def test_both_forms_read_back(signature: Signature) -> None:
    assert Signature.parse(str(signature)) == signature
    assert Signature.parse(signature.long()) == signature


@given(SIGNATURES, st.data())
def test_changing_any_key_changes_the_signature(signature: Signature, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from([key for key, _ in signature.entries]))
    other_value = data.draw(VALUES.filter(lambda value: value != signature.get(key)))
    other = Signature.of(signature.as_dict() | {key: other_value})
    assert str(other) != str(signature)
    assert differing_keys(signature, other) == {key: (signature.get(key), other_value)}


def test_keys_are_ordered_with_the_version_last() -> None:
    signature = Signature.of(dict.fromkeys(reversed(KEYS), "x"))
    assert [key for key, _ in signature.entries] == list(KEYS)
    assert signature.entries[-1][0] == "v"


def test_absent_values_are_left_out_and_reported_as_a_dash() -> None:
    with_ci = Signature.of({"n": "4", "ci": "boot", "v": "1"})
    without = Signature.of({"n": "4", "ci": None, "v": "1"})
    assert str(without) == "n:4 | v:1"
    assert differing_keys(with_ci, without) == {"ci": ("boot", "-")}
    assert differing_keys(with_ci, without, ignore=frozenset({"ci"})) == {}


@pytest.mark.parametrize("text", ["", "n", "n:", "n:1 | n:2", "v:1 | n:2", "colour:red", "n:a b"])
def test_what_is_not_a_signature_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Signature.parse(text)


def test_values_that_would_break_the_line_are_refused() -> None:
    for value in ("", "a|b", "a b", "a\nb"):
        with pytest.raises(UsageError, match="blanks"):
            Signature.of({"n": value})
