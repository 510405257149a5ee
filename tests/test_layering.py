"""Imports go one way, files stay short, and light modules stay light."""

import ast
import re
import subprocess
import sys
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "pyoco_eval"

RANKS = {
    "visible": -1,
    "errors": 0, "parsing": 0, "seeding": 0, "version": 0, "progress": 0,
    "launching": 0, "peers": 0.5,
    "atomic": 1, "catalogue": 1, "locks": 1.5, "provenance": 1, "resources": 1, "processes": 1,
    "yaml_text": 1, "validation": 1,
    "weights": 2, "priors": 2, "devices": 2, "products": 2, "shapes": 2,
    "statistics": 3, "videos": 3, "diffusion": 3,
    "datasets": 4, "features": 4, "metrics": 4,
    "records": 4.5, "report": 5, "models": 5,
    "extraction": 5, "filtering": 5.5, "scoring": 5.5, "references": 6, "training": 6,
    "evaluation": 6.5,
    "api": 7, "in_loop": 7, "doctor": 7, "generation": 7,
    "selftest": 8, "probe": 8, "noise_check": 8, "protocol": 8, "protocol_run": 8.5,
    "cli": 9,
    "__main__": 10,
}  # fmt: skip
EVALUATION = (
    "statistics", "metrics", "extraction", "filtering", "scoring", "references", "evaluation",
    "records", "report", "selftest", "doctor", "api",
    "in_loop",
)  # fmt: skip
GENERATION = ("priors", "diffusion", "models", "training", "generation")
"""The halves meet in `videos/`, `protocol/`, `protocol_run/`, `probe/` and `cli/` alone."""
OPENS_PICTURES = ("Image.open", "PIL.Image.open", "imread", "plt.imread", "image.imread")
WITHOUT_TORCH = ("statistics", "metrics", "records", "report", "weights", "cli")


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def part(path: Path) -> str:
    """The folder or top-level module a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Full names of every module a file imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_lower_ranks_or_its_own_folder(path: Path) -> None:
    own = part(path)
    if own == "__init__":
        return
    for name in imported(path):
        if not name.startswith("pyoco_eval."):
            continue
        other = name.split(".")[1]
        assert other in RANKS, f"{name} has no rank"
        assert other == own or RANKS[other] < RANKS[own], (
            f"{own} (rank {RANKS[own]}) imports {name}"
        )


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_the_two_halves_do_not_import_each_other(path: Path) -> None:
    others = {name.split(".")[1] for name in imported(path) if name.startswith("pyoco_eval.")}
    if part(path) in GENERATION:
        assert not others & set(EVALUATION)
    if part(path) in EVALUATION:
        assert not others & set(GENERATION)


@pytest.mark.parametrize(
    "path", [p for p in modules() if part(p) in WITHOUT_TORCH], ids=lambda p: p.stem
)
def test_numpy_halves_never_import_torch(path: Path) -> None:
    assert not any(name.split(".")[0] == "torch" for name in imported(path))


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_stay_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_no_file_imports_one_that_leads_back_to_it() -> None:
    """Imports inside functions and of types alone count: a reader follows them all the same."""
    files = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path
             for path in modules()}  # fmt: skip
    files = {name.removesuffix(".__init__"): path for name, path in files.items()}
    sorter = TopologicalSorter[str]()
    for name, path in files.items():
        others = {_file_of(other, files) for other in imported(path)}
        sorter.add(name, *(others - {name, "pyoco_eval", ""}))
    try:
        sorter.prepare()
    except CycleError as error:
        pytest.fail(f"a circle of files: {' <- '.join(error.args[1])}")


def _file_of(name: str, files: Mapping[str, Path]) -> str:
    """The module that an imported name is, or is in; empty for those of other packages."""
    while name and name not in files:
        name = name.rpartition(".")[0]
    return name


def test_help_and_the_public_face_load_no_heavy_module() -> None:
    code = (
        "import sys, pyoco_eval; from pyoco_eval.cli.main import cli; dir(pyoco_eval)\n"
        "for name in ('fvd', 'evaluate', 'features', 'inspect', 'weights', 'shapes', 'sample'):\n"
        "    cli.get_command(None, name)\n"
        "heavy = ('torch', 'av', 'PIL', 'numpy', 'pydantic', 'rich')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_pillow_opens_nothing_but_named_formats() -> None:
    """Left alone it runs Ghostscript for an EPS file whatever its name; see `open_picture`."""
    root = PACKAGE.parent
    loose = []
    for folder in (PACKAGE, root / "scripts", root / "tests", root / "benchmarks"):
        for path in folder.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call) or ast.unparse(node.func) not in OPENS_PICTURES:
                    continue
                if all(keyword.arg != "formats" for keyword in node.keywords):
                    loose.append(f"{path.relative_to(root)}:{node.lineno}")
    assert loose == []


PRINTS = ("print", "click.echo", "click.secho", "echo", "secho", "Console", "rich.print", "pprint")
PRINTS_HERE = ("cli/terminal.py", "cli/safe_console.py", "__main__.py")


def test_one_place_prints() -> None:
    """What reaches a terminal goes through `cli/terminal.py`, where nothing foreign can act."""
    loose = []
    for path in modules():
        if path.relative_to(PACKAGE).as_posix() in PRINTS_HERE:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            where = f"{path.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Attribute):
                name = ast.unparse(node)
                if re.fullmatch(r"sys\.(std(out|err)|__std\w+)\.(write|writelines|buffer)", name):
                    loose.append(f"{where}: {name}")
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            bar = called.endswith(("Progress", "Live", "Status")) and called.startswith(
                ("Progress", "Rich", "Live", "Status", "rich.")
            )
            if called in PRINTS or called.endswith(("excepthook", "print_exc", "tqdm", "trange")):
                loose.append(f"{where}: {called}")
            elif bar and all(keyword.arg != "console" for keyword in node.keywords):
                loose.append(f"{where}: {called} without a console of ours")
    assert loose == []


def test_test_files_have_names_of_their_own() -> None:
    """pytest imports them by name alone."""
    names = [path.name for path in (PACKAGE.parent / "tests").rglob("test_*.py")]
    assert sorted(set(names)) == sorted(names)
