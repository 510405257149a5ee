"""What a metric object keeps of the videos it was given: feature rows, or their moments alone.

Axes: N feature rows, D features.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.extraction.measured_set import MeasuredSet
from pyoco_eval.statistics.files import FeatureSet
from pyoco_eval.statistics.moments import Moments


@dataclass(eq=False)
class SideState:
    """One side, as far as it was given. Merging in the order of ranks gives the same digits.

    Attributes:
        recipe: signature keys of its features; empty before the first video.
        num_videos, count: videos, and N.
        moments: mean and covariance, where rows are not kept: memory does not grow with N.
        rows: (N, D) float32 in blocks, where a metric needs them.
        rows_per_video: how many rows each video brought, where rows are kept.
        captions: of the videos, where a metric reads them.
        digest: sha256 over what was given, in its order.
    """

    recipe: dict[str, str] = field(default_factory=dict)
    num_videos: int = 0
    count: int = 0
    moments: Moments | None = None
    rows: list[np.ndarray] = field(default_factory=list)
    rows_per_video: list[int] = field(default_factory=list)
    captions: list[str | None] = field(default_factory=list)
    digest: str = ""

    def add(self, more: "MeasuredSet | SideState") -> None:
        """Take in further videos.

        Raises:
            PyocoEvalError: their features were made otherwise.
        """
        if not more.count:
            return
        self.recipe = _joined(self.recipe, more.recipe)
        self.num_videos += more.num_videos
        self.count += more.count
        if isinstance(more, SideState):
            self.rows += more.rows
        elif more.features is not None:
            self.rows.append(more.features.features)
        if more.moments is not None:
            self.moments = (
                more.moments if self.moments is None else self.moments.merge(more.moments)
            )
        self.rows_per_video += more.rows_per_video
        self.captions += more.captions
        both = f"{self.digest}{more.digest}".encode()
        self.digest = hashlib.sha256(both).hexdigest() if self.digest else more.digest

    def measured(self, name: str) -> MeasuredSet:
        """As the metrics take it."""
        features = None
        if self.rows:
            ids = tuple(f"#{number}" for number in range(self.count))
            features = FeatureSet(np.concatenate(self.rows), ids, {})
        whole = MeasuredSet(
            name=name,
            digest=self.digest,
            recipe=dict(self.recipe),
            count=self.count,
            num_videos=self.num_videos,
            moments=self.moments,
            features=features,
            rows_per_video=tuple(self.rows_per_video),
        )
        return replace(whole, captions=tuple(self.captions)) if any(self.captions) else whole

    def pack(self) -> bytes:
        """As an npz without pickles; `unpack` reads it."""
        arrays: dict[str, np.ndarray] = {}
        if self.moments is not None:
            arrays |= {"mean": self.moments.mean, "m2": self.moments.m2}
        if self.rows:
            arrays["rows"] = np.concatenate(self.rows)
        header = {
            "recipe": self.recipe,
            "num_videos": self.num_videos,
            "count": self.count,
            "rows_per_video": self.rows_per_video,
            "captions": self.captions,
            "digest": self.digest,
        }
        arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        return buffer.getvalue()

    @classmethod
    def unpack(cls, payload: bytes) -> "SideState":
        """The state that `pack` wrote. Nothing is unpickled."""
        with np.load(io.BytesIO(payload), allow_pickle=False) as arrays:
            header: dict[str, Any] = json.loads(arrays["header"].tobytes())
            state = cls(**header)
            if "mean" in arrays:
                state.moments = Moments(state.count, arrays["mean"], arrays["m2"])
            if "rows" in arrays:
                state.rows = [arrays["rows"]]
        return state


def _joined(known: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    """One recipe for both; frames of several sizes are `mixed`, as in a folder."""
    if not known:
        return dict(more)
    different = {key for key in {*known, *more} if known.get(key) != more.get(key)}
    if different - {"size"}:
        keys = ", ".join(f"{k} ({known.get(k)}, {more.get(k)})" for k in sorted(different))
        raise PyocoEvalError(f"videos whose features were made otherwise than before: {keys}")
    return dict(known) | ({"size": "mixed"} if different else {})
