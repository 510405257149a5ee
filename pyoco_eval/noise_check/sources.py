"""From a target to samples of its noise: a function, a file, a pipeline, a prior.

Axes: B samples, T frames, C channels, H, W.
"""

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.noise_check.files import is_file, read_noise
from pyoco_eval.priors import KINDS, NoisePrior, parse_prior
from pyoco_eval.seeding import torch_generator

Drawing = Callable[[tuple[int, ...], torch.Generator], Any]
"""From a shape (B, T, C, H, W) and a generator to noise."""

ROWS: Final = 4
"""Samples of one call."""


@dataclass(frozen=True)
class Shape:
    """Of the samples that a target is asked for.

    Attributes:
        num_frames, channels, size: T, C, and H = W.
        num_samples: B in all; None for as many as make 65,536 values of each frame.
    """

    num_frames: int = 16
    channels: int = 4
    size: int = 32
    num_samples: int | None = None

    def __post_init__(self) -> None:
        for name in ("num_frames", "channels", "size"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} {getattr(self, name)}: must be 1 or more")
        if self.num_samples is not None and self.num_samples < 1:
            raise UsageError(f"num_samples {self.num_samples}: must be 1 or more")

    @property
    def calls(self) -> int:
        """How often a function is asked for `ROWS` samples, or fewer in the last call."""
        return -(-self.rows // ROWS)

    @property
    def rows(self) -> int:
        """B."""
        values = self.channels * self.size**2
        return self.num_samples or max(2, -(-65_536 // values))


@dataclass(frozen=True)
class NoiseSource:
    """Samples to look at.

    Attributes:
        name: of the target, for people.
        samples: iterates (T, C, H, W) arrays, anew each time.
        notes: what else is worth saying.
    """

    name: str
    samples: Callable[[], Iterator[np.ndarray]]
    notes: tuple[str, ...] = ()


def open_source(
    target: Any, shape: Shape, *, layout: str = "btchw", key: str | None = None, seed: int = 0
) -> NoiseSource:
    """What `target` draws or holds.

    Args:
        target: `python:module:function`, a `.npy`, `.npz` or `.safetensors` file,
            `diffusers:PATH-OR-ID`, or the spec of a prior; or, from Python, a callable
            (shape, generator), a tensor or array, a prior, or a pipeline of diffusers.
        shape: what functions and priors are asked for.
        layout: of tensors: `btchw` or `bcthw`.
        key: of the tensor in a file with several.
        seed: of the generators.

    Raises:
        UsageError: a target or tensor that cannot be used.
        MissingError: a file, module or package is not there.
        PyocoEvalError: a function that fails or returns something else than asked.
    """
    if isinstance(target, NoisePrior):
        return _of_prior(target, shape, seed)
    if isinstance(target, (np.ndarray, torch.Tensor)):
        return _of_tensor("tensor", _array(target), layout)
    if hasattr(target, "prepare_latents"):
        from pyoco_eval.noise_check.pipelines import latents_of

        name = type(target).__name__
        return _of_function(name, latents_of(target), shape, seed)
    if callable(target):
        return _of_function(getattr(target, "__name__", "function"), target, shape, seed)
    text = str(target)
    if text.startswith("python:"):
        return _of_function(text, _imported(text), shape, seed)
    if text.startswith("diffusers:"):
        from pyoco_eval.noise_check.pipelines import latents_of, open_pipeline

        return _of_function(text, latents_of(open_pipeline(text)), shape, seed)
    if is_file(text):
        return _of_tensor(text, read_noise(Path(text), key), layout)
    if text.partition(":")[0] in KINDS:
        return _of_prior(parse_prior(text), shape, seed)
    raise UsageError(
        f"{text}: write python:module:function, a .npy, .npz or .safetensors file, "
        "diffusers:PATH-OR-ID, or a prior such as mixed:alpha=1"
    )


def _of_prior(prior: NoisePrior, shape: Shape, seed: int) -> NoiseSource:
    size = (shape.channels, shape.size, shape.size)

    def samples() -> Iterator[np.ndarray]:
        for number in range(shape.rows):
            generator = torch_generator("prior-check", seed, number)
            yield prior.sample(size, shape.num_frames, [generator])[0].numpy()

    return NoiseSource(prior.spec, samples)


def _of_tensor(name: str, array: np.ndarray, layout: str) -> NoiseSource:
    if layout not in ("btchw", "bcthw"):
        raise UsageError(f"layout {layout}: btchw or bcthw")
    if array.ndim == 4:
        array = array[None]
    if array.ndim != 5 or not array.size:
        raise UsageError(f"{name}: shape {array.shape} is no noise of videos, (B, T, C, H, W)")
    if not np.issubdtype(array.dtype, np.floating):
        raise UsageError(f"{name}: {array.dtype} values; noise has floating-point ones")
    if layout == "bcthw":
        array = array.transpose(0, 2, 1, 3, 4)
    return NoiseSource(name, lambda: iter(array))


def _of_function(name: str, function: Drawing, shape: Shape, seed: int) -> NoiseSource:
    size = (shape.num_frames, shape.channels, shape.size, shape.size)

    def draw(number: int) -> np.ndarray:
        wanted = (min(ROWS, shape.rows - ROWS * number), *size)
        generator = torch_generator("prior-check", seed, number)
        try:
            found = _array(function(wanted, generator))
        except PyocoEvalError:
            raise
        except Exception as error:  # whatever someone's function says
            reason = f"{type(error).__name__}: {error}"
            raise PyocoEvalError(f"{name}: fails for shape {wanted}: {reason}") from error
        if found.shape != wanted:
            raise PyocoEvalError(
                f"{name}: returns shape {found.shape} where (B, T, C, H, W) = {wanted} was asked"
            )
        if not np.issubdtype(found.dtype, np.floating):
            raise PyocoEvalError(f"{name}: returns {found.dtype} values; noise has floating ones")
        return found

    def samples() -> Iterator[np.ndarray]:
        for number in range(shape.calls):
            yield from draw(number)

    same = np.array_equal(draw(0), draw(0))
    notes = () if same else ("it does not draw from the generator it is given: no seed repeats it",)
    return NoiseSource(name, samples, notes)


def _array(values: Any) -> np.ndarray:
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        return np.asarray(values.float() if values.is_floating_point() else values)
    return np.asarray(values)


def _imported(spec: str) -> Drawing:
    """The function that `python:module:function` names; the working directory counts, last."""
    module_name, _, name = spec.removeprefix("python:").partition(":")
    if not module_name or not name:
        raise UsageError(f"{spec}: write python:module:function")
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.append(here)
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise MissingError(f"{spec}: {module_name} cannot be imported: {error}") from error
    finally:
        if added:
            sys.path.remove(here)
    function: Any = getattr(module, name, None)
    if not callable(function):
        raise UsageError(f"{spec}: {module_name} has no function {name}")
    _check_signature(function, spec)
    return function  # type: ignore[no-any-return]


def _check_signature(function: Callable[..., Any], spec: str) -> None:
    try:
        inspect.signature(function).bind((1,), None)
    except TypeError as error:
        raise UsageError(
            f"{spec}: is called with (shape, generator), which it does not take: {error}"
        ) from error
    except ValueError:  # built in: no signature to look at
        return
