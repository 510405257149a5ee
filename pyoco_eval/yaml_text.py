"""YAML as people write it: strictly read, with every problem named by its line.

A key given twice is an error, of which plain YAML keeps the last. `1e-4` is a number, as in YAML
1.2. Nothing but plain values is built, and not more of them than a file of its size can mean.
"""

import datetime
import re
from collections.abc import Hashable, Iterator, Mapping
from typing import Any, Final

import yaml

MAX_VALUES: Final = 200_000
"""Values of a whole file, aliases counted as often as they are used."""

_FLOAT = re.compile(
    r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)|[-+]?[0-9]+\.[0-9]*"
    r"|[-+]?\.[0-9]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)


class YamlTextError(ValueError):
    """Text that is not such YAML; the message has the line, where there is one."""


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice, and knows `1e-4`."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be a word or a number", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))


def parse_yaml(text: str) -> Any:
    """Plain values of a YAML text.

    Raises:
        YamlTextError: it is no YAML, has a key twice, or holds more than a config can mean.
    """
    try:
        content = yaml.load(text, _Loader)  # noqa: S506  (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise YamlTextError(_in_words(error)) from error
    except yaml.YAMLError as error:
        reason = str(error).replace('in "<unicode string>", ', "")
        raise YamlTextError(" ".join(reason.split())) from error
    except RecursionError as error:
        raise YamlTextError("is nested too deeply") from error
    except ValueError as error:  # a date or a number that is none
        raise YamlTextError(f"has a value that is none: {error}") from error
    _count(content, [0], ())
    return content


def lines_of(text: str) -> dict[tuple[str, ...], int]:
    """Dotted place of every key and item of a valid text -> its line, from 1."""
    return dict(_lines(yaml.compose(text, _Loader), ()))


def _in_words(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    where = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
    what = ", ".join(filter(None, (error.context, error.problem)))
    return where + " ".join(what.split())


def _count(value: Any, total: list[int], above: tuple[int, ...]) -> None:
    total[0] += 1
    if id(value) in above:
        raise YamlTextError("an alias stands inside of what it names")
    if total[0] > MAX_VALUES:
        raise YamlTextError(f"means more than {MAX_VALUES:,} values")
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        for item in inner:
            _count(item, total, (*above, id(value)))
    elif isinstance(value, bytes | set | datetime.date):
        raise YamlTextError(f"has a {type(value).__name__}, where plain values are meant")


def _lines(node: yaml.Node | None, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*place, str(key.value))
            yield inner, key.start_mark.line + 1
            yield from _lines(value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            inner = (*place, str(number))
            yield inner, item.start_mark.line + 1
            yield from _lines(item, inner)


def with_line(problem: str, lines: Mapping[tuple[str, ...], int]) -> str:
    """A problem that begins with a dotted key, and the line of that key, where it has one."""
    place = problem.partition(":")[0].split(".")
    for length in range(len(place), 0, -1):
        if (line := lines.get(tuple(place[:length]))) is not None:
            return f"{problem} (line {line})"
    return problem
