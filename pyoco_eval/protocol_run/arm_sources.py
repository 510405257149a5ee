"""What the user gives for each arm: a checkpoint, a generator, samples, or nothing at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.protocol.arms import columns_of
from pyoco_eval.protocol.schema import Protocol

Kind = Literal["ckpt", "generator", "samples", "train"]


@dataclass(frozen=True)
class ArmSource:
    """Where the videos of an arm come from.

    Attributes:
        values: paths or specs: one, or one for each repeat; empty for `train`.
    """

    kind: Kind
    values: tuple[str, ...] = ()

    def value(self, repeat: int) -> str:
        """The one of a repeat."""
        return self.values[repeat if len(self.values) > 1 else 0]

    def texts(self) -> list[str]:
        """As the user gave it."""
        return [f"--{self.kind} {value}" for value in self.values] or ["trained here"]


@dataclass(frozen=True)
class Given:
    """The arms of a run in the order of the protocol.

    Attributes:
        sources: arm -> where its videos come from; arms that are only trained from, too.
        left_out: arms of the protocol that are not in this run.
    """

    sources: dict[str, ArmSource]
    left_out: tuple[str, ...] = ()

    def scored(self, protocol: Protocol) -> list[str]:
        """Arms with a row in the table."""
        return [name for name in self.sources if columns_of(protocol, name)]

    @property
    def trains(self) -> bool:
        """Whether any arm is trained by the run."""
        return any(source.kind == "train" for source in self.sources.values())


def assign(
    protocol: Protocol,
    num_repeats: int,
    *,
    ckpt: Sequence[str] = (),
    samples: Sequence[str] = (),
    generator: Sequence[str] = (),
    arms: Sequence[str] = (),
    train: bool = False,
) -> Given:
    """Give every arm its source.

    Args:
        num_repeats: of this run.
        ckpt, samples, generator: `ARM=VALUE`, or `VALUE` where the protocol has one arm only that
            is not optional.
        arms: names of the arms to run, empty for all.
        train: train arms that are given nothing; arms of embedded protocols always are.

    Raises:
        UsageError: an unknown arm, an arm given twice, or another number of values than needed.
        MissingError: an arm that is given nothing and is not to be trained.
    """
    found: dict[str, ArmSource] = {}
    for kind, texts in (("ckpt", ckpt), ("samples", samples), ("generator", generator)):
        for name, values in _by_arm(protocol, kind, texts).items():
            if name in found:
                raise UsageError(f"--{kind}: arm {name} has --{found[name].kind} already")
            found[name] = ArmSource(kind, tuple(values))  # type: ignore[arg-type]
    unknown = [name for name in arms if name not in protocol.arms]
    if unknown:
        raise UsageError(
            f"--arms: no arm {', '.join(unknown)}; there are {', '.join(protocol.arms)}"
        )
    wanted = [name for name in protocol.arms if columns_of(protocol, name)]
    if arms:
        wanted = [name for name in wanted if name in arms]
    else:  # optional arms that are given may be all there is to the run
        extra = [name for name in wanted if protocol.arms[name].optional and name in found]
        usual = [name for name in wanted if not protocol.arms[name].optional]
        only_extra = extra and not any(name in found for name in usual)
        wanted = extra if only_extra else [n for n in wanted if n in usual or n in extra]
    may_train = protocol.training is not None and (train or protocol.profile == "embedded")
    sources: dict[str, ArmSource] = {}
    lacking = []
    for name in wanted:
        if name not in found and not may_train:
            lacking.append(name)
            continue
        for needed in _line_of(protocol, name) if name not in found else [name]:
            sources[needed] = found.get(needed, ArmSource("train"))
    if lacking:
        raise MissingError(_nothing_given(protocol, lacking))
    for name in found:
        if name not in sources:
            sources[name] = found[name]
    for name, source in sources.items():
        _check_number(protocol, name, source, num_repeats)
    ordered = {name: sources[name] for name in protocol.arms if name in sources}
    left = [
        name
        for name, arm in protocol.arms.items()
        if columns_of(protocol, name) and name not in ordered and not arm.optional
    ]
    return Given(ordered, tuple(left))


def _by_arm(protocol: Protocol, kind: str, texts: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text in texts:
        name, mark, value = text.partition("=")
        if not (mark and name in protocol.arms):
            usual = [arm for arm, rule in protocol.arms.items() if not rule.optional]
            if len(usual) != 1:
                raise UsageError(
                    f"--{kind} {text}: {protocol.name} has several arms; write ARM=VALUE with one "
                    f"of {', '.join(protocol.arms)}"
                )
            name, value = usual[0], text
        if not value:
            raise UsageError(f"--{kind} {text}: says nothing after the =")
        found.setdefault(name, []).append(value)
    return found


def _line_of(protocol: Protocol, name: str) -> list[str]:
    """An arm after all it is trained from."""
    before = protocol.arms[name].init_from
    return [name] if before is None else [*_line_of(protocol, before), name]


def _check_number(protocol: Protocol, name: str, source: ArmSource, repeats: int) -> None:
    given = len(source.values)
    if source.kind == "train" or (given == 1 and repeats == 1):
        return
    if protocol.repeats.of == "samples":
        if source.kind != "samples" and given > 1:
            raise UsageError(f"--{source.kind}: arm {name} is one model; {given} are given")
        allowed = {1, repeats}
    else:
        allowed = {repeats} if columns_of(protocol, name) else {1}
    if given not in allowed:
        what = "folders" if source.kind == "samples" else "models"
        raise UsageError(
            f"--{source.kind}: {given} {what} for arm {name}; this run has {repeats} repeats "
            f"of the {protocol.repeats.of}. Give {' or '.join(map(str, sorted(allowed)))}, or "
            "another number of --repeats, which marks the result as reduced"
        )


def _nothing_given(protocol: Protocol, lacking: Sequence[str]) -> str:
    several = sum(not arm.optional for arm in protocol.arms.values()) > 1
    value = f"{lacking[0]}=PATH" if several else "PATH"
    lines = [
        f"{protocol.name}: no model is given"
        + (f" for {len(lacking)} arms ({', '.join(lacking)})" if several else "")
        + "; give each"
    ]
    lines.append(f"  --ckpt {value}       a model folder or training run")
    spec = value.replace("PATH", "SPEC")
    lines.append(f"  --generator {spec}  diffusers:PATH-OR-ID or python:module:callable")
    lines.append(f"  --samples {value}    a folder of videos that are made already")
    if several:
        lines.append("or choose arms with --arms A,B")
    if protocol.training is not None:
        lines.append("or train what is not given with --train (days of a GPU for real datasets)")
    return "\n".join(lines)
