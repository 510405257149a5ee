"""PyTorch, NumPy and the graphics processors: what computes the scores."""

import os
import warnings
from pathlib import Path
from typing import Any, Final

from pyoco_eval.doctor.finding import Finding
from pyoco_eval.doctor.machine import GIB, group_limits, usable_cores

SECTION: Final = "computing"
_DRIVER: Final = Path("/proc/driver/nvidia/version")


def examine_libraries() -> list[Finding]:
    """A library that cannot be imported is a problem; without it nothing is scored."""
    try:
        import numpy as np
    except ImportError as error:
        return [_broken("NumPy", "numpy", error)]
    found = [Finding(SECTION, "NumPy", "ok", f"{np.__version__}, {_blas(np)}")]
    try:
        import torch
    except (ImportError, OSError) as error:
        return [*found, _broken("PyTorch", "torch", error)]
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA"
    capability = torch.backends.cpu.get_cpu_capability()
    return [
        *found,
        Finding(SECTION, "PyTorch", "ok", f"{torch.__version__} ({build}), kernels {capability}"),
        _bf16(),
        _threads(torch.get_num_threads(), usable_cores(group_limits())),
        *_graphics(torch),
        _embedded_networks(),
    ]


def _broken(name: str, package: str, error: Exception) -> Finding:
    return Finding(
        SECTION,
        name,
        "problem",
        f"cannot be imported: {error}",
        f"pip install --force-reinstall {package}",
        required=True,
    )


def _blas(numpy: Any) -> str:
    blas = numpy.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})
    return f"BLAS {blas.get('name', 'unknown')} {blas.get('version', '')}".rstrip()


def _bf16() -> Finding:
    """How networks compute under `--precision bf16` on the processor."""
    import torch

    from pyoco_eval.devices import EMULATED, arithmetic

    limit = os.environ.get("ONEDNN_MAX_CPU_ISA")
    limited = f" (ONEDNN_MAX_CPU_ISA={limit})" if limit else ""
    if arithmetic("bf16", torch.device("cpu")) != EMULATED:
        return Finding(SECTION, "bf16", "ok", f"multiplied by the processor{limited}")
    text = (
        f"this processor has no instructions for it{limited}: --precision bf16 works, without its "
        f"speed, and is signed {EMULATED}"
    )
    remedy = "use --precision fp32, or --device cuda where there is one"
    return Finding(SECTION, "bf16", "note", text, remedy)


def _threads(threads: int, cores: int) -> Finding:
    text = f"{threads} on {cores} usable cores"
    named = os.environ.get("OMP_NUM_THREADS")
    if named:
        text += f" (OMP_NUM_THREADS={named})"
    if threads > cores:
        return Finding(
            SECTION,
            "threads",
            "note",
            f"{text}: more than can run",
            f"export OMP_NUM_THREADS={cores}",
        )
    if threads < cores:
        remedy = "unset OMP_NUM_THREADS" if named else f"export OMP_NUM_THREADS={cores}"
        return Finding(SECTION, "threads", "note", f"{text}: some stay idle", remedy)
    return Finding(SECTION, "threads", "ok", text)


def _graphics(torch: Any) -> list[Finding]:
    driver = _driver(_DRIVER)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        available = torch.cuda.is_available()
    if available:
        found = [
            _card(torch.cuda.get_device_properties(index), index, driver)
            for index in range(torch.cuda.device_count())
        ]
        return [*found, *_cudnn(), _tf32()]
    if torch.backends.mps.is_available():
        return [Finding(SECTION, "GPU mps", "ok", "Apple; use it with --device mps")]
    if driver:
        text = f"an NVIDIA driver ({driver}) is here, and this PyTorch does not use it"
        text += "".join(f"; {str(warning.message).splitlines()[0]}" for warning in said[:1])
        remedy = "install a CUDA build of torch that fits the driver"
        return [Finding(SECTION, "GPU", "note", text, remedy)]
    return [Finding(SECTION, "GPU", "ok", "none; networks run on the processor")]


def _card(properties: Any, index: int, driver: str) -> Finding:
    text = (
        f"{properties.name}, {properties.total_memory / GIB:.0f} GiB, "
        f"compute capability {properties.major}.{properties.minor}"
    )
    return Finding(
        SECTION, f"GPU cuda:{index}", "ok", text + (f", driver {driver}" if driver else "")
    )


def _cudnn() -> list[Finding]:
    from pyoco_eval.devices import conv3d_fault

    fault = conv3d_fault()
    remedy = "use --precision fp32 for I3D and C3D, or pip install 'nvidia-cudnn-cu12>=9.15'"
    return [Finding(SECTION, "cuDNN", "problem", fault, remedy)] if fault else []


def _tf32() -> Finding:
    """Kinds of products that a program's own networks round; ours are told in each case."""
    from pyoco_eval.products import rounded_products

    rounded = rounded_products()
    words = {"conv": "convolutions", "matmul": "matrix products"}
    told = " and ".join(words[name] for name in rounded) or "no products"
    text = (
        f"this process rounds factors of {told}, as PyTorch is set; never in scores and the probe; "
        "in sampling with --tf32, in training with hardware.tf32"
    )
    return Finding(SECTION, "TF32", "ok", text)


def _driver(path: Path) -> str:
    """`550.54.15` of the line `NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  ...`."""
    try:
        words = path.read_text(encoding="ascii", errors="replace").splitlines()[0].split()
    except (OSError, IndexError):
        return ""
    return next((word for word in words if word.count(".") and word[0].isdecimal()), "")


def _embedded_networks() -> Finding:
    from pyoco_eval.errors import PyocoEvalError
    from pyoco_eval.features.catalogue import EMBEDDED
    from pyoco_eval.features.tiny.extractor import load_tiny

    remedy = "pip install --force-reinstall --no-deps pyoco-eval"
    try:
        altered = [name for name in EMBEDDED if not load_tiny(name).spec.weights.published]
    except PyocoEvalError as error:
        return Finding(SECTION, "embedded networks", "problem", str(error), remedy, required=True)
    if altered:
        text = f"other weights than those shipped: {', '.join(altered)}"
        return Finding(SECTION, "embedded networks", "problem", text, remedy, required=True)
    return Finding(SECTION, "embedded networks", "ok", ", ".join(EMBEDDED))
