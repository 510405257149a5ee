"""Noise maps on disk, one file for each video, so that a killed run goes on where it stopped.

Axes: T frames, c, h, w of the model's space.

A file is an npz of `maps` float32 (T, c, h, w), `cosines` float64 (T, T) and `header`, a JSON text.
It is used again only for a video of the same id, content, prompt and recipe. Several processes may
write to one folder.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from pyoco_eval.atomic import atomic_path
from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.parsing import DAMAGED_ARRAYS, parse_json
from pyoco_eval.probe.correlation import frame_cosines


@dataclass(frozen=True)
class InvertedVideo:
    """What is known of one video whose frames were inverted.

    Attributes:
        id, digest: of the video and its content.
        frames: which frames of it.
        size: (width, height) of its frames as stored.
        looped: it was too short and was repeated.
        prompt: what the model was told of it.
        mean, std, kurtosis: of the numbers in its noise maps: 0, 1 and 3 for Gaussian noise.
        alignment: mean cosine similarity of a noise map with the frame it comes from.
        timed: its frame rate varies, and its stored times chose the frames.
    """

    id: str
    digest: str
    frames: tuple[int, ...]
    size: tuple[int, int]
    looped: bool
    prompt: str | None
    mean: float
    std: float
    kurtosis: float
    alignment: float
    timed: bool = False


_FACTS = TypeAdapter(InvertedVideo)


def describe_maps(maps: np.ndarray, encoded: np.ndarray) -> dict[str, float]:
    """`mean`, `std`, `kurtosis` and `alignment` of `InvertedVideo`.

    Args:
        maps: float64 (T, c, h, w) noise maps.
        encoded: (T, c, h, w) what was inverted.
    """
    centred = maps - maps.mean()
    variance = float((centred**2).mean())
    rows, images = maps.reshape(len(maps), -1), encoded.reshape(len(maps), -1)
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(images, axis=1)
    cosines = (rows * images).sum(1) / np.where(lengths > 0, lengths, 1)
    return {
        "mean": float(maps.mean()),
        "std": variance**0.5,
        "kurtosis": float((centred**4).mean()) / max(variance**2, 1e-300),
        "alignment": float(cosines.mean()),
    }


class NoiseStore:
    """The noise maps of one source of videos under one recipe.

    Attributes:
        folder: where the files lie; its name tells recipes apart.
    """

    def __init__(self, folder: Path, recipe: Mapping[str, str]) -> None:
        """Nothing is read or written yet.

        Args:
            folder: of all recipes.
            recipe: what decides about the value of a noise map.
        """
        self._recipe = dict(recipe)
        text = json.dumps(self._recipe, sort_keys=True)
        self.folder = folder / hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:12]

    def find(
        self, index: int, video_id: str, digest: str, prompt: str | None
    ) -> InvertedVideo | None:
        """What is known of this very video, if its maps are here; a damaged file counts as none."""
        try:
            facts = self.facts(index)
        except PyocoEvalError:
            return None
        found = (facts.id, facts.digest, facts.prompt)
        return facts if found == (video_id, digest, prompt) else None

    def write(self, index: int, facts: InvertedVideo, maps: np.ndarray) -> None:
        """Keep the maps (T, c, h, w) of one video."""
        header = json.dumps({"recipe": self._recipe, "facts": asdict(facts)})
        with atomic_path(self._path(index)) as partial, partial.open("wb") as file:
            np.savez(
                file,
                maps=maps.astype(np.float32),
                cosines=frame_cosines(maps),
                header=np.array(header),
            )

    def maps(self, index: int) -> np.ndarray:
        """float32 (T, c, h, w)."""
        return self._read(index, "maps")

    def cosines(self, index: int) -> np.ndarray:
        """float64 (T, T), of the maps before they were rounded to float32."""
        return self._read(index, "cosines")

    def facts(self, index: int) -> InvertedVideo:
        """Raises PyocoEvalError if there is no whole file of this recipe."""
        try:
            header = parse_json(str(self._read(index, "header")), nan=True)
            if header["recipe"] != self._recipe:
                raise PyocoEvalError(f"{self._path(index)}: was made by another recipe")
            return _FACTS.validate_python(header["facts"])
        except (KeyError, TypeError, ValueError) as error:
            raise PyocoEvalError(f"{self._path(index)}: is damaged ({error})") from error

    def _path(self, index: int) -> Path:
        return self.folder / f"{index:08d}.npz"

    def _read(self, index: int, name: str) -> np.ndarray:
        path = self._path(index)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                return np.asarray(stored[name])
        except DAMAGED_ARRAYS as error:
            raise PyocoEvalError(
                f"{path}: cannot be read ({error}); remove it and start the command again"
            ) from error
