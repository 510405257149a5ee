"""Results and records made by hand for the report's tests, with hostile text where text is free."""

import hashlib
import json
from pathlib import Path

from pyoco_eval.metrics.signature import Signature
from pyoco_eval.records.record import Record, ScoreRecord, SourceRecord
from pyoco_eval.records.results import (
    Arm,
    ClassScore,
    Column,
    Curve,
    CurvePoint,
    GalleryEntry,
    OpenPoint,
    ProtocolRecord,
    PublishedRow,
    PublishedValue,
    Results,
    ScoreEntry,
)
from pyoco_eval.shapes.dataset import MovingShapes
from pyoco_eval.videos.write import write_video

HOSTILE = (
    '</script><script>alert("x")</script><img src=x onerror=alert(1)>',
    "\"' onmouseover='alert(2)' x=\"",
    "\u202eright to left\u202c and \u0000\u0007 controls",
    r"50% of $x_1^2$ & {braces} # ~ \input{/etc/passwd}",
    "a | pipe, a `code` and [a](javascript:alert(3))\nin two lines",
)
RECIPE = {
    "net": "i3d-k400-logits@fa7df956",
    "conv": "tf-fvd",
    "n": "2048/2048",
    "clip": "16f-s1-first",
    "ref": "ucf101@1f3c0000",
    "cov": "n-1",
    "ci": "halves100-95%-seed0",
    "v": "0.1.0",
}
PROTOCOL = {"clip": {"num_frames": 16, "select": "first"}, "repeats": 3, "prompts": None}
PROTOCOL_HASH = hashlib.sha256(json.dumps(PROTOCOL, sort_keys=True).encode()).hexdigest()
COLUMNS = [
    Column(key="is", metric="is", title="IS", higher_is_better=True, convention="tgan2"),
    Column(key="fvd", metric="fvd", title="FVD", higher_is_better=False, convention="tf-fvd"),
]


def signature(**changes: str) -> str:
    return str(Signature.of(RECIPE | changes))


def entry(
    key: str, value: float, *, interval: tuple[float, float] | None = None, std: float | None = None
) -> ScoreEntry:
    return ScoreEntry(
        key=key,
        metric=key,
        value=value,
        std=std,
        spread_of=None if std is None else "splits",
        interval=interval,
        signature=signature(conv="tgan2") if key == "is" else signature(),
        num_samples=2048,
        num_reference=2048,
    )


def published() -> list[PublishedRow]:
    """Rows of Table 4 of Ge et al. (2023)."""
    source = "Ge et al. 2023, arXiv:2305.10474, Table 4"
    numbers = {
        "MoCoGAN-HD": {"is": (32.36, None), "fvd": (838, None)},
        "VDM": {"is": (57.00, 0.62)},
        "PYoCo (253M)": {"is": (60.01, 0.51), "fvd": (310, 13)},
    }
    return [
        PublishedRow(
            method=method,
            values={key: PublishedValue(value=v, std=s) for key, (v, s) in values.items()},
            source=source,
            is_paper=method.startswith("PYoCo"),
        )
        for method, values in numbers.items()
    ]


def arm(title: str = "ours", **changes: object) -> Arm:
    scores = [entry("is", 58.123, std=0.4), entry("fvd", 301.456, interval=(280.0, 299.0))]
    return Arm.model_validate(
        {"key": title, "title": title, "num_videos": 2048, "scores": scores} | changes
    )


def results(*arms: Arm, **changes: object) -> Results:
    protocol = ProtocolRecord(
        name="ucf101-uncond",
        version=1,
        sha256=PROTOCOL_HASH,
        title="Unconditional UCF-101",
        cites="Ge et al. 2023, Table 4",
        recipe=PROTOCOL,
        open_points=[OpenPoint(question="Which frames?", choice="the first 16")],
    )
    content: dict[str, object] = {
        "version": "0.1.0",
        "created": "2026-01-02T03:04:05+00:00",
        "protocol": protocol,
        "comparable": True,
        "columns": COLUMNS,
        "arms": list(arms) or [arm()],
        "published": published(),
    }
    return Results.model_validate(content | changes)


def record(value: float, digest: str, *, interval: tuple[float, float] | None = None) -> Record:
    score = ScoreRecord(
        metric="fvd",
        value=value,
        interval=interval,
        signature=signature(),
        recipe=RECIPE,
        num_samples=2048,
        num_reference=2048,
    )
    samples = SourceRecord(name="gen", digest=digest, num_videos=2048)
    return Record(version="0.1.0", scores=[score], samples=samples)


def shapes(folder: Path, num: int = 4) -> list[GalleryEntry]:
    """Clips of moving shapes written to `folder`, with hostile captions in turn."""
    clips = MovingShapes("test", 64, 16, 8)
    found = []
    for index in range(num):
        write_video(folder / f"clip-{index}.mp4", clips[index].frames, 8)
        found.append(
            GalleryEntry(
                file=f"clip-{index}.mp4",
                video=f"clip-{index}.mp4",
                role=("nearest", "farthest", "random")[index % 3],
                caption=HOSTILE[index % len(HOSTILE)],
                class_name=HOSTILE[0],
                distance=0.5 * index,
                neighbour=f"clip-{num - 1}.mp4",
                neighbour_file=f"clip-{num - 1}.mp4",
            )
        )
    return found


def hostile_results(folder: Path) -> Results:
    """Everything a report shows, hostile wherever text is free, with clips in `folder`."""
    classes = [
        ClassScore(label=i, name=text, num_videos=4, values={"accuracy": i / 5})
        for i, text in enumerate(HOSTILE)
    ]
    curve = Curve(
        key="fvd",
        points=[CurvePoint(num_rows=n, mean=300 + 1000 / n, std=3.0) for n in (64, 128, 256)],
        limit=300.0,
        slope=1000.0,
        standard_error=1.5,
        signature=signature(),
    )
    own = arm(
        HOSTILE[0],
        class_scores=classes,
        curves=[curve],
        gallery=shapes(folder),
        skipped={HOSTILE[1]: HOSTILE[3]},
        warnings=list(HOSTILE),
        parameters={"alpha": 0.5},
    )
    other = arm(HOSTILE[1], parameters={"alpha": "inf"})
    rows = [
        PublishedRow(
            method=text,
            values={"fvd": PublishedValue(value=400.0)},
            source=text,
            note=text,
            parameters={"alpha": 1.0},
        )
        for text in HOSTILE
    ]
    return results(
        own,
        other,
        published=rows,
        deviations=list(HOSTILE),
        figure={"x": "alpha", "columns": ["fvd"], "title": HOSTILE[0]},
        environment={HOSTILE[2]: HOSTILE[0]},
        warnings=[HOSTILE[4]],
    )
