"""Make FFmpeg believe in another processor: PyAV's own libavutil, asked through ctypes.

libswscale chooses its kernels by these flags when a conversion is set up, so a new
`VideoReformatter` inside the block takes those that such a processor would take.

Reference: libavutil/cpu.h.
"""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import av

LEVELS: Final = {
    "portable": 0,
    "SSE2": 0x1 | 0x2 | 0x8 | 0x10,
    "SSSE3": 0x1 | 0x2 | 0x8 | 0x10 | 0x40 | 0x80,
    "AVX": 0x1 | 0x2 | 0x8 | 0x10 | 0x40 | 0x80 | 0x100 | 0x200 | 0x4000,
    "AVX2": 0x1 | 0x2 | 0x8 | 0x10 | 0x40 | 0x80 | 0x100 | 0x200 | 0x4000 | 0x8000,
}
"""What processors of several generations can do; `portable` is plain C."""


@contextmanager
def forced_cpu_flags(flags: int) -> Iterator[None]:
    """Raises OSError where PyAV's libavutil cannot be found."""
    library = ctypes.CDLL(str(_libavutil()))
    own = library.av_get_cpu_flags()
    library.av_force_cpu_flags(flags)
    try:
        yield
    finally:
        library.av_force_cpu_flags(own)


def _libavutil() -> Path:
    """PyAV's, of those that this process has loaded, as Linux tells it; decord has one too."""
    if sys.platform != "linux":
        raise OSError("libavutil is looked for on Linux only")
    suffix = f".so.{av.library_versions['libavutil'][0]}"
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        path = line.split(maxsplit=5)[-1]
        if "libavutil" in path and suffix in path:
            return Path(path)
    raise OSError("PyAV has no libavutil of its own")
