"""What pydantic finds wrong with a file, in words for the person who wrote it."""

import dataclasses
import difflib
import json
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Final, Union

from pydantic import BaseModel, ValidationError

_MISSING: Final = ("missing", "missing_argument")
_UNKNOWN: Final = ("extra_forbidden", "unexpected_keyword_argument")
_TEMPLATES: Final[Mapping[str, str]] = {
    "literal_error": "use {expected}",
    "enum": "use {expected}",
    "string_too_short": "may not be empty",
    "string_type": "must be text; put it into quotes",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "write true or false",
    "bool_parsing": "write true or false",
    "none_required": "must be null",
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "dict_type": "must have keys of its own, indented below it",
    "model_type": "must have keys of its own, indented below it",
    "model_attributes_type": "must have keys of its own, indented below it",
    "dataclass_type": "must have keys of its own, indented below it",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "too_short": "may not be empty",
    "union_tag_invalid": "kind: use {expected_tags}",
    "union_tag_not_found": "needs the key kind",
}


def in_words(
    error: ValidationError, model: Any, *, patterns: Mapping[str, str] | None = None
) -> list[str]:
    """Every problem as `dotted.key: sentence`, each key once.

    Args:
        model: the pydantic model or dataclass that was asked for, whose keys are suggested.
        patterns: regular expression -> what it asks for, in words.
    """
    found: dict[str, str] = {}
    for item in error.errors():
        kind = str(item["type"])
        place = _place(item["loc"], item, model)
        key = ".".join(place) or "the file"
        if key in found:
            found[key] = f"{key}: has a value of another kind (found {_shown(item['input'])})"
        else:
            found[key] = f"{key}: {_sentence(kind, place, item, model, patterns or {})}"
    return list(found.values())


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?`, or all there are where nothing is near."""
    names = list(known)
    near = difflib.get_close_matches(word, names, 1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known are {', '.join(names)}" if names else ""


def _sentence(
    kind: str,
    place: Sequence[str],
    item: Mapping[str, Any],
    model: Any,
    patterns: Mapping[str, str],
) -> str:
    if kind in _MISSING:
        return "is required and not there"
    if kind in _UNKNOWN:
        return f"no such key{nearest(place[-1], keys_at(model, place[:-1]))}"
    context = dict(item.get("ctx", {}))
    if kind == "string_pattern_mismatch":
        text = patterns.get(context["pattern"], f"must match {context['pattern']}")
    elif kind in _TEMPLATES:
        text = _TEMPLATES[kind].format(**context)
    else:
        text = str(item["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return f"{text} (found {_shown(item['input'])})"


def _place(loc: Sequence[str | int], item: Mapping[str, Any], model: Any) -> list[str]:
    """The keys of the file alone: pydantic names members of unions between them."""
    place: list[str] = []
    kinds = [model]
    for number, part in enumerate(loc):
        inner = [found for kind in kinds for found in _inside(kind, part)]
        last = number == len(loc) - 1
        if inner or (last and str(item["type"]) in (*_MISSING, *_UNKNOWN)):
            place.append(str(part))
            kinds = inner
    return place


def keys_at(model: Any, place: Sequence[str | int]) -> list[str]:
    """Keys that a file may have at a place, of all members of a union."""
    kinds = [model]
    for part in place:
        kinds = [found for kind in kinds for found in _inside(kind, part)]
    return list(dict.fromkeys(name for kind in kinds for name in _fields(kind)))


def _fields(kind: Any) -> dict[str, Any]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {name: field.annotation for name, field in kind.model_fields.items()}
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return {field.name: hints[field.name] for field in dataclasses.fields(kind)}
    return {}


def _inside(kind: Any, part: str | int) -> Iterator[Any]:
    """What stands behind a key or a number of a kind, members of unions one by one."""
    for member in _members(kind):
        fields, origin = _fields(member), typing.get_origin(member)
        if fields:
            if part in fields:
                yield from _members(fields[str(part)])
        elif origin in (dict, Mapping) or (
            isinstance(origin, type) and issubclass(origin, Mapping)
        ):
            yield from _members(typing.get_args(member)[1])
        elif origin in (list, tuple) and isinstance(part, int):
            yield from _members(typing.get_args(member)[0])


def _members(kind: Any) -> Iterator[Any]:
    origin = typing.get_origin(kind)
    if origin is Annotated:
        yield from _members(typing.get_args(kind)[0])
    elif origin in (Union, UnionType):
        for member in typing.get_args(kind):
            yield from _members(member)
    else:
        yield kind


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}…"
