"""Noise maps as points of a plane: t-SNE of their cosine distances, as Figure 2 of the paper.

Axes: N noise maps, D numbers in each.

References: Ge et al., Preserve Your Own Correlation (2023), Figure 2; van der Maaten and Hinton,
Visualizing Data using t-SNE (2008).
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyoco_eval.atomic import atomic_path
from pyoco_eval.errors import MissingError

_PERPLEXITY = 30.0
_SMALLEST_PERPLEXITY = 3.0


@dataclass(frozen=True)
class NoiseGroup:
    """Noise maps that are drawn alike.

    Attributes:
        name: as the legend has it.
        kind: `reference`, `different`, `same`, or the name of a prior.
        maps: (N, ...) noise maps.
        sources: (N,) the video and frame of every map, or where else it comes from.
    """

    name: str
    kind: str
    maps: np.ndarray
    sources: Sequence[str]


@dataclass(frozen=True)
class Embedding:
    """Points of the plane.

    Attributes:
        positions: (N, 2).
        groups: (N,) position in `names`.
        names, kinds: of the groups, in drawing order.
        sources: (N,) where each map comes from.
        perplexity, seed: of the t-SNE.
    """

    positions: np.ndarray
    groups: np.ndarray
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    sources: tuple[str, ...]
    perplexity: float
    seed: int

    def save_csv(self, path: Path) -> None:
        """One line per point: x, y, kind, group, source."""
        with atomic_path(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["x", "y", "kind", "group", "source"])
            points = zip(self.positions, self.groups, self.sources, strict=True)
            for (x, y), group, source in points:
                described = (self.kinds[group], self.names[group], source)
                writer.writerow([f"{x:.6g}", f"{y:.6g}", *described])

    def save_npz(self, path: Path) -> None:
        """The attributes as arrays."""
        with atomic_path(path) as partial, partial.open("wb") as file:
            np.savez(
                file,
                positions=self.positions,
                groups=self.groups,
                names=np.array(self.names),
                kinds=np.array(self.kinds),
                sources=np.array(self.sources),
                perplexity=np.array(self.perplexity),
                seed=np.array(self.seed),
            )


def embed(groups: Sequence[NoiseGroup], *, seed: int = 0) -> Embedding:
    """t-SNE of the maps of all groups together.

    The distance of two maps is 1 less their cosine similarity. The perplexity is 30, or a third of
    the number of maps where these are few.

    Raises:
        MissingError: scikit-learn is not installed.
    """
    try:
        from sklearn.manifold import TSNE
    except ImportError as error:
        raise MissingError(
            f"scikit-learn cannot be imported ({error}): pip install 'pyoco-eval[probe]', or pass "
            "--no-figures"
        ) from error
    rows = np.concatenate([group.maps.reshape(len(group.maps), -1) for group in groups])
    rows = rows.astype(np.float32) / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)
    distances = (1 - rows @ rows.T).clip(0)
    np.fill_diagonal(distances, 0)
    perplexity = max(min(_PERPLEXITY, (len(rows) - 1) / 3), _SMALLEST_PERPLEXITY)
    method = TSNE(
        metric="precomputed",
        init="random",
        perplexity=perplexity,
        learning_rate="auto",
        random_state=seed,
    )
    return Embedding(
        positions=np.asarray(method.fit_transform(distances), dtype=np.float64),
        groups=np.repeat(np.arange(len(groups)), [len(group.maps) for group in groups]),
        names=tuple(group.name for group in groups),
        kinds=tuple(group.kind for group in groups),
        sources=tuple(source for group in groups for source in group.sources),
        perplexity=perplexity,
        seed=seed,
    )
