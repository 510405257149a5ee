"""Interpreter, system, processor, cores and memory."""

import math
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyoco_eval.doctor.finding import Finding

SECTION: Final = "machine"
GIB: Final = 1 << 30
LEAST_MEMORY: Final = 2 * GIB
"""I3D and its decoding threads need about 1.5 GiB."""

_SPEED: Final = {
    "AVX2": ("avx2",),
    "AVX-512": ("avx512f",),
    "AVX-512 bf16": ("avx512_bf16",),
    "AMX bf16": ("amx_tile", "amx_bf16"),
    "NEON": ("asimd", "neon"),
    "Arm bf16": ("bf16",),
}
"""Instruction sets that decide the speed of the networks, and the flags that say so."""


@dataclass(frozen=True)
class Limits:
    """What a container grants: cores (may be a fraction) and bytes, None where unlimited."""

    cores: float | None
    memory: int | None


def examine_machine() -> list[Finding]:
    """Facts; the notes are about few cores and little memory."""
    limits = group_limits()
    return [
        Finding(SECTION, "Python", "ok", f"{platform.python_version()} at {sys.executable}"),
        Finding(SECTION, "system", "ok", platform.platform()),
        _processor(Path("/proc/cpuinfo")),
        _cores(limits),
        _memory(limits),
    ]


def instruction_sets(flags: frozenset[str]) -> list[str]:
    """Names of the instruction sets for speed among the flags of `/proc/cpuinfo`."""
    return [name for name, needed in _SPEED.items() if flags.intersection(needed)]


def usable_cores(limits: Limits) -> int:
    """Cores this process may use at once: the fewest that affinity, container and machine give."""
    granted = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        granted = len(os.sched_getaffinity(0))
    if limits.cores is not None:
        granted = min(granted, math.ceil(limits.cores))
    return max(1, granted)


def group_limits(
    mounted: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")
) -> Limits:
    """Limits of the control groups this process is in, version 2 or 1; the tightest counts."""
    cores: list[float] = []
    memory: list[int] = []
    for controllers, group in _groups(membership):
        for root in [mounted, *(mounted / name for name in controllers)]:
            for folder in _upwards(root, group):
                cores += _cores_of(folder)
                memory += _memory_of(folder)
    return Limits(min(cores, default=None), min(memory, default=None))


def _processor(cpuinfo: Path) -> Finding:
    model, flags = platform.processor() or platform.machine(), frozenset[str]()
    if cpuinfo.is_file():
        facts = _first_processor(cpuinfo.read_text(encoding="utf-8", errors="replace"))
        model = facts.get("model name", model)
        flags = frozenset(facts.get("flags", facts.get("Features", "")).split())
    elif sys.platform == "darwin" and (sysctl := shutil.which("sysctl")):
        asked = [sysctl, "-n", "machdep.cpu.brand_string"]
        model = subprocess.run(asked, capture_output=True, text=True).stdout.strip() or model  # noqa: S603
    known = ", ".join(instruction_sets(flags))
    return Finding(SECTION, "processor", "ok", model + (f": {known}" if known else ""))


def _first_processor(text: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _cores(limits: Limits) -> Finding:
    present, usable = os.cpu_count() or 1, usable_cores(limits)
    text = f"{usable} usable of {present}"
    if limits.cores is not None:
        text += f"; the container grants {limits.cores:g}"
    return Finding(SECTION, "cores", "ok", text)


def _memory(limits: Limits) -> Finding:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return Finding(SECTION, "memory", "note", "unknown on this system")
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    granted = min(total, limits.memory or total)
    text = f"{total / GIB:.1f} GiB"
    if granted < total:
        text += f"; the container grants {granted / GIB:.1f} GiB"
    if granted < LEAST_MEMORY:
        return Finding(
            SECTION, "memory", "note", text, "give 2 GiB or more, or score with --workers 1"
        )
    return Finding(SECTION, "memory", "ok", text)


def _groups(membership: Path) -> list[tuple[list[str], str]]:
    """Controllers and path of each group; version 2 names no controller."""
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    parts = [line.split(":", 2) for line in lines]
    return [
        ([name for name in names.split(",") if name in ("cpu", "memory")], group.lstrip("/"))
        for _, names, group in (part for part in parts if len(part) == 3)
    ]


def _upwards(root: Path, group: str) -> list[Path]:
    """The folder of a group and those above it; a container often sees only the root."""
    inner = Path(group)
    return [root / inner, *(root / part for part in inner.parents)]


def _cores_of(folder: Path) -> list[float]:
    quota, _, period = _read(folder / "cpu.max").partition(" ")
    if not period:
        quota = _read(folder / "cpu.cfs_quota_us")
        period = _read(folder / "cpu.cfs_period_us")
    if not (quota.isdecimal() and period.isdecimal()) or not int(period):
        return []
    return [int(quota) / int(period)]


def _memory_of(folder: Path) -> list[int]:
    found = [_read(folder / name) for name in ("memory.max", "memory.limit_in_bytes")]
    return [int(text) for text in found if text.isdecimal()]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
