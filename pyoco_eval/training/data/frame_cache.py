"""All frames of a video at the size of the training, kept on disk after the first reading.

Axes: T frames, H, W; three channels RGB. Decoding a long file for one short clip costs a hundred
times more than reading the clip from here; the price is T * H * W * 3 bytes a video.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pyoco_eval.atomic import atomic_path
from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.videos.video import Video


class FrameCache:
    """Arrays in a folder, one a video; several processes may fill it together.

    Args:
        folder: made if need be; may be deleted at any time between runs.
        resize: of the frames; another rule makes other files.
    """

    def __init__(self, folder: Path, resize: str) -> None:
        self.folder = folder
        self._resize = resize

    def frames(self, video: Video, read: Callable[[], np.ndarray]) -> np.ndarray:
        """The frames of a video, uint8 (T, H, W, 3), read-only and not loaded before use.

        Args:
            video: a file that changed since has new frames.
            read: gives them if they are not there yet.

        Raises:
            PyocoEvalError: a file of the cache is damaged, or cannot be written.
        """
        path = self.folder / f"{self._key(video)}.npy"
        if not path.is_file():
            frames = read()
            with atomic_path(path, durable=False) as part, part.open("wb") as file:
                np.save(file, frames, allow_pickle=False)
        try:
            stored: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise PyocoEvalError(f"{path}: is damaged ({error}); delete it") from error
        return stored

    def _key(self, video: Video) -> str:
        parts = [self._resize, video.id, str(video.path)]
        if video.path is not None:
            status = video.path.stat()
            parts += [str(status.st_size), str(status.st_mtime_ns)]
        return hashlib.sha256("\n".join(parts).encode(errors="surrogateescape")).hexdigest()
