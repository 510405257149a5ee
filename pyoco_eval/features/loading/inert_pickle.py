"""Reads the pickle stream of a TorchScript archive as plain data. Nothing in it is ever run.

`pickletools.genops` only splits a stream into opcodes. The interpreter below knows the opcodes that
`torch.jit.save` writes and builds records of what a real unpickler would import or call, so a
hostile stream can at worst be refused.

References: pytorch `torch/csrc/jit/serialization/pickler.cpp` (which opcodes are written).
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

T = TypeVar("T")


class InertPickleError(ValueError):
    """A stream that is malformed or holds something that it has no need for."""


@dataclass(frozen=True)
class Global:
    """The name of a class or function, not looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True)
class Call:
    """A call, written down instead of made."""

    function: Global
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Persistent:
    """A reference to data outside the stream."""

    identity: tuple[Any, ...]


@dataclass(eq=False)
class Instance:
    """An object of a class that is never created."""

    type: Global
    attributes: dict[str, Any] = field(default_factory=dict)


def read_inert_pickle(stream: bytes, allowed: Callable[[Global], bool]) -> object:
    """The object that `stream` describes, made of builtins and the records of this module.

    Args:
        stream: a pickle of protocol 2.
        allowed: which names of classes and functions may occur.

    Raises:
        InertPickleError: an opcode or name that is not allowed, or a malformed stream.
    """
    machine = _Machine(allowed)
    try:
        for opcode, argument, position in pickletools.genops(stream):
            if opcode.name not in _STEPS:
                raise InertPickleError(f"opcode {opcode.name} at byte {position} is not allowed")
            _STEPS[opcode.name](machine, argument)
        return machine.pop()
    except InertPickleError:
        raise
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise InertPickleError(f"malformed pickle: {error!r}") from error


class _Mark:
    """Where the arguments of a later opcode begin."""


class _Machine:
    """The stack and the memo of the pickle protocol."""

    def __init__(self, allowed: Callable[[Global], bool]) -> None:
        self.allowed = allowed
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def push(self, value: object) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        return _expect(self.stack.pop(), object)

    def pop_as(self, kind: type[T]) -> T:
        value: T = _expect(self.stack.pop(), kind)
        return value

    def pop_count(self, count: int) -> list[Any]:
        return [self.pop() for _ in range(count)][::-1]

    def pop_to_mark(self) -> list[Any]:
        values: list[Any] = []
        while not isinstance(self.stack[-1], _Mark):
            values.append(self.stack.pop())
        self.stack.pop()
        return values[::-1]

    def top(self, kind: type[T]) -> T:
        value: T = _expect(self.stack[-1], kind)
        return value

    def remember(self, index: int) -> None:
        self.memo[index] = self.top(object)

    def recall(self, index: int) -> None:
        self.push(self.memo[index])

    def push_global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        found = Global(module, name)
        if not self.allowed(found):
            raise InertPickleError(f"the name {str(found)!r} is not allowed")
        self.push(found)

    def extend(self, values: list[Any]) -> None:
        self.top(list).extend(values)

    def set_items(self, flat: list[Any]) -> None:
        items = self.top(dict)
        for key, value in zip(flat[::2], flat[1::2], strict=True):
            items[_expect(key, (str, int, float))] = value

    def new_object(self) -> None:
        arguments, kind = self.pop_as(tuple), self.pop_as(Global)
        if arguments:
            raise InertPickleError(f"an object of {kind} with constructor arguments")
        self.push(Instance(kind))

    def build(self) -> None:
        state = self.pop()
        target = self.top(Instance)
        if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
            raise InertPickleError(f"the state of {target.type} is not a dict of attributes")
        target.attributes.update(state)

    def reduce(self) -> None:
        arguments, function = self.pop_as(tuple), self.pop_as(Global)
        self.push(Call(function, arguments))


def _expect(value: Any, kind: Any) -> Any:
    if isinstance(value, _Mark) or not isinstance(value, kind):
        raise InertPickleError(f"malformed pickle: {type(value).__name__} is out of place")
    return value


_STEPS: Final[dict[str, Callable[[_Machine, Any], None]]] = {
    "PROTO": lambda _machine, _: None,
    "STOP": lambda _machine, _: None,
    "MARK": lambda machine, _: machine.push(_Mark()),
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    **dict.fromkeys(
        ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE"), _Machine.push
    ),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), _Machine.remember),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), _Machine.recall),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.pop_to_mark())),
    "TUPLE1": lambda machine, _: machine.push(tuple(machine.pop_count(1))),
    "TUPLE2": lambda machine, _: machine.push(tuple(machine.pop_count(2))),
    "TUPLE3": lambda machine, _: machine.push(tuple(machine.pop_count(3))),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "APPEND": lambda machine, _: machine.extend(machine.pop_count(1)),
    "APPENDS": lambda machine, _: machine.extend(machine.pop_to_mark()),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "SETITEM": lambda machine, _: machine.set_items(machine.pop_count(2)),
    "SETITEMS": lambda machine, _: machine.set_items(machine.pop_to_mark()),
    "GLOBAL": _Machine.push_global,
    "NEWOBJ": lambda machine, _: machine.new_object(),
    "BUILD": lambda machine, _: machine.build(),
    "REDUCE": lambda machine, _: machine.reduce(),
    "BINPERSID": lambda machine, _: machine.push(Persistent(machine.pop_as(tuple))),
}
