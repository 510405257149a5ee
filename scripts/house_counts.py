"""Count what makes the package easy or hard to read and to change.

    python scripts/house_counts.py [--list] [--no-run] [--root FOLDER] [--commit COMMIT]

Long functions, wide functions, long files, public names without a docstring, circles of imports,
and what one warm `fvd` on the embedded networks runs through. `--list` names what is counted,
`--commit` counts the files that a commit touched, such as one that adds a metric.
"""

import argparse
import ast
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "pyoco_eval"

LONGEST_FUNCTION = 40
MOST_PARAMETERS = 6
LONGEST_FILE = 250

WRITTEN_BY_SCRIPTS = ("docs/conventions.md", "docs/options.md", "tests/cli/help.txt")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Counted:
    """What is counted under one title, by name."""

    title: str
    names: list[str] = field(default_factory=list)


def parsed(root: Path) -> dict[str, tuple[Path, ast.Module]]:
    """Every module by its full name, with its syntax tree."""
    found = {}
    for path in sorted((root / PACKAGE).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = path, ast.parse(path.read_text(encoding="utf-8"))
    return found


def functions(tree: ast.AST, name: str = "") -> Iterator[tuple[str, Function]]:
    """Functions and methods, also those within functions, by qualified name."""
    for node in ast.iter_child_nodes(tree):
        own = f"{name}.{node.name}" if isinstance(node, Function | ast.ClassDef) else name
        if isinstance(node, Function):
            yield own.removeprefix("."), node
        yield from functions(node, own)


def num_parameters(function: Function) -> int:
    """Parameters that a caller may give: `self` and `cls` are none."""
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args]
    own = sum(argument.arg in ("self", "cls") for argument in named[:1])
    rest = sum(more is not None for more in (arguments.vararg, arguments.kwarg))
    return len(named) - own + len(arguments.kwonlyargs) + rest


def public(tree: ast.AST, name: str = "") -> Iterator[tuple[str, Function | ast.ClassDef]]:
    """Classes, functions and methods without an underscore, and whatever they lie in likewise."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
            continue
        own = f"{name}.{node.name}".removeprefix(".")
        yield own, node
        if isinstance(node, ast.ClassDef):
            yield from public(node, own)


def bases_of(class_: ast.ClassDef) -> set[str]:
    """Names of the classes it is made of, without modules and parameters."""
    found = set()
    for base in class_.bases:
        plain = base.value if isinstance(base, ast.Subscript) else base
        found.add(ast.unparse(plain).rpartition(".")[2])
    return found


def is_bare(name: str, node: Function | ast.ClassDef, classes: Mapping[str, ast.ClassDef]) -> bool:
    """Whether one must look for what it does: neither it nor what it overrides here says so."""
    decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
    if ast.get_docstring(node) is not None or "overload" in decorators:
        return False
    owner, _, method = name.rpartition(".")
    if not owner:
        return True
    waiting, seen = bases_of(classes[owner.rpartition(".")[2]]), set()
    while waiting:
        base = waiting.pop()
        if base in seen or base not in classes:
            continue
        seen.add(base)
        waiting |= bases_of(classes[base])
        same = (n for n in classes[base].body if isinstance(n, Function) and n.name == method)
        if any(ast.get_docstring(one) is not None for one in same):
            return False
    return True


def imported(module: str, tree: ast.Module, known: Mapping[str, Any]) -> set[str]:
    """Modules of the package that one imports: within functions and for types alone as well."""
    found = set()
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            of = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in known else node.module for name in of]
        found |= {name for name in names if name in known and name != module}
    return found


def circles(imports: Mapping[str, set[str]]) -> list[list[str]]:
    """Sets of modules each of which reaches every other one (Tarjan, 1972)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        order[module] = lowest[module] = len(order)
        stack.append(module)
        for other in sorted(imports[module]):
            if other not in order:
                visit(other)
                lowest[module] = min(lowest[module], lowest[other])
            elif other in stack:
                lowest[module] = min(lowest[module], order[other])
        if lowest[module] == order[module]:
            members = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(members) > 1:
                found.append(sorted(members))

    for module in sorted(imports):
        if module not in order:
            visit(module)
    return found


def read(root: Path) -> list[Counted]:
    """What can be counted without running anything."""
    long, wide = (
        Counted(f"functions over {LONGEST_FUNCTION} lines"),
        Counted(f"functions of more than {MOST_PARAMETERS} parameters"),
    )
    files = Counted(f"files over {LONGEST_FILE} lines")
    bare = Counted("public names without a docstring of their own or of what they override")
    modules = parsed(root)
    classes = {
        node.name: node
        for _, tree in modules.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    for path, tree in modules.values():
        place = path.relative_to(root).as_posix()
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > LONGEST_FILE:
            files.names.append(f"{place} ({lines})")
        for name, function in functions(tree):
            assert function.end_lineno is not None
            length = function.end_lineno - function.lineno + 1
            if length > LONGEST_FUNCTION:
                long.names.append(f"{place}:{function.lineno} {name} ({length})")
            if (count := num_parameters(function)) > MOST_PARAMETERS:
                wide.names.append(f"{place}:{function.lineno} {name} ({count})")
        bare.names += [
            f"{place}:{node.lineno} {name}"
            for name, node in public(tree)
            if is_bare(name, node, classes)
        ]
    imports = {name: imported(name, tree, modules) for name, (_, tree) in modules.items()}
    around = Counted("circles of imports", [", ".join(circle) for circle in circles(imports)])
    return [long, wide, files, bare, around]


def run(root: Path) -> list[Counted]:
    """What a warm `fvd` on the embedded networks runs through, in all its threads."""
    sys.path.insert(0, str(root))
    import pyoco_eval
    from pyoco_eval.shapes.dataset import MovingShapes

    shapes = MovingShapes("val")
    clips = [shapes[index].frames for index in range(80)]
    options = {"profile": "embedded", "device": "cpu", "workers": 2}
    pyoco_eval.fvd(clips[:70], clips[10:], **options)
    seen: set[CodeType] = set()

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call":
            seen.add(frame.f_code)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        pyoco_eval.fvd(clips[:70], clips[10:], **options)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    own = sorted(
        (Path(code.co_filename).relative_to(root).as_posix(), code.co_qualname)
        for code in seen
        if Path(code.co_filename).is_relative_to(root / PACKAGE)
    )
    names = [(place, name) for place, name in own if not name.endswith(">")]
    held = {(place, name.rpartition(".")[0]) for place, name in names if "." in name}
    classes = {(place, name) for place, name in held if not name.endswith("<locals>")}
    title = "run by a warm embedded fvd"
    return [
        Counted(f"files {title}", sorted({place for place, _ in own})),
        Counted(f"functions {title}", [f"{place} {name}" for place, name in names]),
        Counted(f"classes {title}", [f"{place} {name}" for place, name in sorted(classes)]),
    ]


def touched(commit: str, root: Path) -> list[Counted]:
    """The files of a commit, tests and documents included; those that scripts write apart."""
    command = ["git", "-C", str(root), "show", "--name-only", "--format=", commit]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    files = text.split()
    made = [name for name in files if name.startswith(WRITTEN_BY_SCRIPTS)]
    return [
        Counted(f"files touched by {commit}", [name for name in files if name not in made]),
        Counted(f"files written by scripts for {commit}", made),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--list", action="store_true", help="name what is counted")
    parser.add_argument("--no-run", action="store_true", help="count without running anything")
    parser.add_argument("--root", type=Path, default=ROOT, help="of the checkout to count in")
    parser.add_argument("--commit", action="append", default=[], help="count the files it touched")
    arguments = parser.parse_args()
    root = arguments.root.resolve()
    found = [counted for commit in arguments.commit for counted in touched(commit, root)]
    if not found:
        found = read(root) + ([] if arguments.no_run else run(root))
    for counted in found:
        print(f"{len(counted.names):5}  {counted.title}")
        if arguments.list:
            print("".join(f"         {name}\n" for name in counted.names), end="")


if __name__ == "__main__":
    main()
