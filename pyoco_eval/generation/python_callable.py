"""Any Python function as a generator: `python:package.module:callable`.

The function takes `prompts` (a list of str, None for none) and `seeds` (a list of int below
2**32), and `labels` (a list of int or None) if it has such a parameter; it returns one video for
each, uint8 (T, H, W, 3). A seed must decide all that is random about its video. The function may
carry two attributes: `fps`, and `recipe`, a mapping of names to text that tells one version of a
model from another.
"""

import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.generation.request import Request

DEFAULT_FPS: Final = 8.0


class CallableGenerator:
    """Videos of a Python function.

    Args:
        function: as the module's text says.
        spec: how the user named it.
        fps: instead of the function's own.
    """

    def __init__(
        self, function: Callable[..., Any], spec: str, *, fps: float | None = None
    ) -> None:
        self._function = function
        own_fps: float = getattr(function, "fps", DEFAULT_FPS)
        self.fps = float(fps or own_fps)
        self.recipe: Mapping[str, str] = {
            "generator": spec,
            **_source_of(function),
            **{str(key): str(value) for key, value in getattr(function, "recipe", {}).items()},
        }
        self._takes_labels = "labels" in inspect.signature(function).parameters

    def check(self, requests: Sequence[Request]) -> None:
        """Raises UsageError for labels the function does not take."""
        if not self._takes_labels and any(request.label is not None for request in requests):
            raise UsageError(
                f"{self.recipe['generator']}: takes no labels; add a parameter of that name, or "
                "ask without"
            )

    def generate(self, requests: Sequence[Request]) -> list[np.ndarray]:
        """See `VideoGenerator`.

        Raises:
            PyocoEvalError: the function returns something else.
        """
        given: dict[str, Any] = {
            "prompts": [request.prompt for request in requests],
            "seeds": [request.seed for request in requests],
        }
        if self._takes_labels:
            given["labels"] = [request.label for request in requests]
        videos = [np.asarray(video) for video in self._function(**given)]
        for video in videos:
            if video.dtype != np.uint8:
                raise PyocoEvalError(
                    f"{self.recipe['generator']}: returns {video.dtype} videos, whose range is not "
                    "known; return uint8 of 0 to 255"
                )
        return videos


def load_callable(spec: str, *, fps: float | None = None) -> CallableGenerator:
    """Import the module that `python:package.module:callable` names, and only it.

    The working directory is searched last, so that a script there is found and hides nothing.

    Raises:
        UsageError: not such a spec, or the module has no such callable.
        MissingError: there is no such module, or it cannot be imported.
    """
    _, _, place = spec.partition(":")
    module_name, _, name = place.partition(":")
    if not module_name or not name:
        raise UsageError(f"generator {spec!r}: write python:package.module:callable")
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.append(here)
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise MissingError(
            f"generator {spec}: {module_name} cannot be imported: {error}"
        ) from error
    finally:
        if added:
            sys.path.remove(here)
    function = getattr(module, name, None)
    if not callable(function):
        raise UsageError(f"generator {spec}: {module_name} has no callable {name}")
    return CallableGenerator(function, spec, fps=fps)


def _source_of(function: Callable[..., Any]) -> dict[str, str]:
    """Hash of the file that defines the function, where there is one."""
    try:
        file = inspect.getsourcefile(inspect.unwrap(function))
    except TypeError:
        return {}
    if file is None or not Path(file).is_file():
        return {}
    return {"model": f"source-sha256:{hashlib.sha256(Path(file).read_bytes()).hexdigest()}"}
