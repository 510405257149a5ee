"""Latents of frames, kept on disk after their first encoding.

A frame is known by its pixels and by the VAE, so that clips from other places of a video, mirrored
ones, pictures that join videos and rendered shapes are all found again, whoever encoded them; a
video that changed, another size or another VAE has other files. One file a frame: 2 c h w numbers
of 4 bytes.

Axes: N frames, H, W in pixels; c channels, h, w of latents.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from pyoco_eval.atomic import atomic_path
from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.models.latent_space import LatentSpace


class LatentCache:
    """Moments in a folder; several processes and runs may fill it together.

    Args:
        folder: made if need be; may be deleted at any time between runs.
        space: of the latents.
    """

    def __init__(self, folder: str, space: LatentSpace) -> None:
        self.folder = Path(folder)
        self._space = json.dumps(space.decisive(), sort_keys=True).encode()

    def moments(
        self, frames: torch.Tensor, encode: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        """Of each frame, float32 (N, 2, c, h, w) on the CPU.

        Args:
            frames: uint8 (N, H, W, 3) on the CPU.
            encode: gives the moments of those that are not there yet.

        Raises:
            PyocoEvalError: a file of the cache is damaged, or cannot be written.
        """
        paths = [self._path(frame) for frame in frames.numpy()]
        new: dict[Path, int] = {}
        for number, path in enumerate(paths):
            if path not in new and not path.is_file():
                new[path] = number
        if new:
            found = encode(frames[list(new.values())]).cpu().numpy()
            for path, values in zip(new, found, strict=True):
                with atomic_path(path, durable=False) as part, part.open("wb") as file:
                    np.save(file, values, allow_pickle=False)
        return torch.from_numpy(np.stack([_read(path) for path in paths]))

    def _path(self, frame: np.ndarray) -> Path:
        content = hashlib.sha256(self._space)
        content.update(str(frame.shape).encode())
        content.update(frame.tobytes())
        name = content.hexdigest()
        return self.folder / name[:2] / name[2:4] / f"{name}.npy"


def _read(path: Path) -> np.ndarray:
    try:
        found: np.ndarray = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise PyocoEvalError(f"{path}: is damaged ({error}); delete it") from error
    if found.dtype != np.float32 or found.ndim != 4 or not np.isfinite(found).all():
        raise PyocoEvalError(f"{path}: holds no latents; delete it")
    return found
