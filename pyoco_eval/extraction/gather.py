"""What one process found in its share of the videos, and how process 0 gets all of it."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from pyoco_eval.extraction.decode_pass import Pass
from pyoco_eval.peers import Processes
from pyoco_eval.statistics.moments import Moments


@dataclass(frozen=True, eq=False)
class ShareFeatures:
    """The rows of one network, or else their moments.

    Attributes:
        moments: mean and covariance, if rows were not kept.
        rows: (N, D) float32.
        rows_per_video: how many rows each video brought, in order.
        ids: one per row.
    """

    moments: Moments | None = None
    rows: np.ndarray | None = None
    rows_per_video: tuple[int, ...] = ()
    ids: tuple[str, ...] = ()

    @classmethod
    def join(cls, pieces: Sequence["ShareFeatures"]) -> "ShareFeatures":
        """The pieces of consecutive shares put together in order."""
        if len(pieces) == 1:
            return pieces[0]
        rows = [piece.rows for piece in pieces if piece.rows is not None]
        if rows:
            return cls(
                rows=np.concatenate(rows),
                rows_per_video=tuple(n for piece in pieces for n in piece.rows_per_video),
                ids=tuple(name for piece in pieces for name in piece.ids),
            )
        moments = [piece.moments for piece in pieces if piece.moments is not None]
        whole = moments[0]
        for more in moments[1:]:
            whole = whole.merge(more)
        return cls(moments=whole)


@dataclass(frozen=True, eq=False)
class Share:
    """The pass of one process over its share, and a piece per request unless it failed."""

    found: Pass
    pieces: tuple[ShareFeatures, ...]

    def of_process(self, rank: int) -> "Share":
        """With the process in front of every id: videos in memory are numbered alike in each."""

        def own(facts: Mapping[str, str]) -> dict[str, str]:
            return {f"{rank}/{name}": fact for name, fact in facts.items()}

        found = replace(
            self.found,
            skipped=own(self.found.skipped),
            failures=own(self.found.failures),
            digests=own(self.found.digests),
        )
        pieces = (
            replace(piece, ids=tuple(f"{rank}/{name}" for name in piece.ids))
            for piece in self.pieces
        )
        return Share(found, tuple(pieces))

    def pack(self) -> bytes:
        """As an npz without pickles."""
        header: dict[str, Any] = {
            "found": asdict(self.found) | {"sizes": sorted(self.found.sizes)},
            "pieces": [],
        }
        arrays: dict[str, np.ndarray] = {}
        for place, piece in enumerate(self.pieces):
            if piece.moments is None:
                assert piece.rows is not None
                arrays[f"{place}.rows"] = piece.rows
                header["pieces"].append({"per_video": piece.rows_per_video, "ids": piece.ids})
            else:
                arrays[f"{place}.mean"] = piece.moments.mean
                arrays[f"{place}.m2"] = piece.moments.m2
                header["pieces"].append({"count": piece.moments.count})
        arrays["header"] = np.frombuffer(json.dumps(header).encode("ascii"), np.uint8)
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        return buffer.getvalue()

    @classmethod
    def unpack(cls, payload: bytes) -> "Share":
        """The part that `pack` wrote. Nothing is unpickled."""
        with np.load(io.BytesIO(payload), allow_pickle=False) as arrays:
            header = json.loads(arrays["header"].tobytes())
            pieces = tuple(
                _piece(arrays, place, facts) for place, facts in enumerate(header["pieces"])
            )
        found = Pass(**{field.name: header["found"][field.name] for field in fields(Pass)})
        found.sizes = {(width, height) for width, height in found.sizes}
        return cls(found, pieces)


def gather_shares(part: Share, group: Processes, *, everywhere: bool) -> list[Share]:
    """The parts of all processes in order: on process 0, or on all; elsewhere an empty list."""
    if group.size == 1:
        return [part]
    payloads = group.gather(part.pack())
    if everywhere:
        payloads = _divide(group.broadcast(None if payloads is None else _unite(payloads)))
    return [Share.unpack(payload) for payload in payloads or ()]


def _piece(arrays: Mapping[str, np.ndarray], place: int, facts: Mapping[str, Any]) -> ShareFeatures:
    if "count" in facts:
        moments = Moments(facts["count"], arrays[f"{place}.mean"], arrays[f"{place}.m2"])
        return ShareFeatures(moments=moments)
    per_video, ids = tuple(facts["per_video"]), tuple(facts["ids"])
    return ShareFeatures(rows=arrays[f"{place}.rows"], rows_per_video=per_video, ids=ids)


def _unite(payloads: Sequence[bytes]) -> bytes:
    """Several payloads as one, each behind its length."""
    return b"".join(len(payload).to_bytes(8, "big") + payload for payload in payloads)


def _divide(united: bytes) -> list[bytes]:
    payloads, start = [], 0
    while start < len(united):
        begin = start + 8
        start = begin + int.from_bytes(united[start:begin], "big")
        payloads.append(united[begin:start])
    return payloads
