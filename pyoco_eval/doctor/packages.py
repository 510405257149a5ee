"""Installed packages: those that are needed, those that enable more, and those in the way."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Final

import pyoco_eval
from pyoco_eval.doctor.finding import Finding
from pyoco_eval.version import __version__

SECTION: Final = "packages"
_NAME: Final = "pyoco-eval"


@dataclass(frozen=True)
class Optional:
    """A package that is not needed.

    Attributes:
        distribution: its name for pip.
        module: its name for import.
        enables: what it makes possible.
        command: how to get it.
    """

    distribution: str
    module: str
    enables: str
    command: str


OPTIONAL: Final = (
    Optional("open_clip_torch", "open_clip", "CLIP-FID", "pip install 'pyoco-eval[clip]'"),
    Optional("torchvision", "torchvision", "CLIP-FID", "pip install 'pyoco-eval[clip]'"),
    Optional("decord", "decord", "--decoder decord", "pip install 'pyoco-eval[decord]'"),
    Optional(
        "fsspec", "fsspec", "videos in stores and archives", "pip install 'pyoco-eval[remote]'"
    ),
)


def examine_packages() -> list[Finding]:
    """Without imports, from what the installed packages say of themselves."""
    return [_own(), *_required(), *map(_optional, OPTIONAL), *_torchvision(), *_in_the_way()]


def satisfies(version: str, specifiers: str) -> bool:
    """Whether a version fits `<20,>=17.1`; only the release numbers are compared."""
    for part in filter(None, (part.strip() for part in specifiers.split(","))):
        match = re.fullmatch(r"(>=|<=|==|!=|~=|<|>)\s*([\w.*+!-]+)", part)
        if match is None or match[2].endswith("*"):
            continue
        have, bound = _aligned(version, match[2])
        if not _COMPARISONS[match[1]](have, bound):
            return False
    return True


_COMPARISONS: Final[dict[str, Callable[[Sequence[int], Sequence[int]], bool]]] = {
    ">=": lambda have, bound: tuple(have) >= tuple(bound),
    "<=": lambda have, bound: tuple(have) <= tuple(bound),
    "==": lambda have, bound: tuple(have) == tuple(bound),
    "!=": lambda have, bound: tuple(have) != tuple(bound),
    "~=": lambda have, bound: tuple(have) >= tuple(bound),
    "<": lambda have, bound: tuple(have) < tuple(bound),
    ">": lambda have, bound: tuple(have) > tuple(bound),
}


def _aligned(*versions: str) -> list[list[int]]:
    """Release numbers, padded with zeros to the same length."""
    numbers = [[int(part) for part in re.findall(r"\d+", _release(text))] for text in versions]
    longest = max(map(len, numbers))
    return [found + [0] * (longest - len(found)) for found in numbers]


def _release(version: str) -> str:
    found = re.match(r"\d+(\.\d+)*", version)
    return found[0] if found else "0"


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _own() -> Finding:
    """The package itself: one version, and the one that is imported."""
    home = Path(pyoco_eval.__file__).parent
    found = {str(d.locate_file("")): d.version for d in metadata.distributions(name=_NAME)}
    if len(found) > 1:
        places = ", ".join(f"{version} in {place}" for place, version in found.items())
        text = f"installed {len(found)} times: {places}; imported from {home}"
        return Finding(
            SECTION, _NAME, "problem", text, f"pip uninstall {_NAME}, until none is left"
        )
    if found and __version__ not in found.values():
        text = (
            f"{__version__} is imported from {home}, but {', '.join(found.values())} is installed"
        )
        remedy = "start from another folder, or install this one: pip install ."
        return Finding(SECTION, _NAME, "problem", text, remedy)
    return Finding(SECTION, _NAME, "ok", f"{__version__} at {home}")


def _required() -> list[Finding]:
    """Dependencies that are missing or of a version that does not fit."""
    wrong = []
    for name, specifiers in _requirements(_NAME):
        version = _version(name)
        if version is None or not satisfies(version, specifiers):
            text = "not installed" if version is None else f"{version}, needed {specifiers}"
            remedy = f"pip install '{name}{specifiers}'"
            wrong.append(Finding(SECTION, name, "problem", text, remedy, required=True))
    return wrong or [Finding(SECTION, "dependencies", "ok", "all there, in versions that fit")]


def _requirements(distribution: str) -> list[tuple[str, str]]:
    """Name and version specifiers of what a distribution always needs."""
    try:
        lines = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return []
    found = []
    for line in lines:
        requirement, _, marker = line.partition(";")
        match = re.match(r"([A-Za-z0-9._-]+)(\[[^]]*\])?\s*\(?([^)]*)", requirement)
        if match is not None and not marker:
            found.append((match[1], match[3].strip()))
    return found


def _optional(package: Optional) -> Finding:
    version = _version(package.distribution)
    if version is None or util.find_spec(package.module) is None:
        text = f"not installed; needed for {package.enables}"
        return Finding(SECTION, package.distribution, "note", text, package.command)
    return Finding(SECTION, package.distribution, "ok", f"{version}: {package.enables}")


def _torchvision() -> list[Finding]:
    """Whether torchvision belongs to the torch that is installed."""
    spec, torch = util.find_spec("torchvision"), _version("torch")
    if spec is None or not spec.submodule_search_locations or torch is None:
        return []
    for name, specifiers in _requirements("torchvision"):
        if name == "torch" and not satisfies(torch, specifiers):
            text = f"torchvision {_version('torchvision')} needs torch{specifiers}, found {torch}"
            remedy = "pip install --upgrade torch torchvision"
            return [Finding(SECTION, "torchvision build", "problem", text, remedy)]
    built = _built_for(Path(spec.submodule_search_locations[0]) / "version.py")
    torch_built = _local(torch)
    if built.startswith("cu") and torch_built == "cpu":
        text = f"torchvision is built for CUDA ({built}) beside a CPU torch: works here, since CLIP"
        text += " needs no compiled part of it; `import torchvision` elsewhere may fail"
        return [Finding(SECTION, "torchvision build", "note", text)]
    return []


def _built_for(version_file: Path) -> str:
    try:
        text = version_file.read_text(encoding="utf-8")
    except OSError:
        return ""
    found = re.search(r"__version__ = ['\"]([^'\"]+)", text)
    return _local(found[1]) if found else ""


def _local(version: str) -> str:
    return version.partition("+")[2]


def _in_the_way() -> list[Finding]:
    """Packages that users take for ours or believe to be needed."""
    found = []
    if _version("pyoco") is not None:
        text = "another project that happens to be called alike; pyoco-eval has no use for it"
        found.append(Finding(SECTION, "pyoco", "note", text, "pip uninstall pyoco, if unintended"))
    if _version("scipy") is None:
        text = "not installed and not needed: no matrix square root is computed"
        found.append(Finding(SECTION, "SciPy", "ok", text))
    return found
