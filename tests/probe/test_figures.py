"""t-SNE and figures: what belongs together lies together, and files say what they show."""

import csv
from pathlib import Path

import numpy as np
import pytest
from noise_maps import draw, measured, progressive
from PIL import Image

from pyoco_eval.probe.embedding import Embedding, NoiseGroup, embed
from pyoco_eval.probe.figures import draw_by_distance, draw_embedding, draw_frame_correlation
from pyoco_eval.probe.fit import fit_priors


@pytest.fixture(scope="module")
def embedding() -> Embedding:
    """Sixty maps without correlation, and two videos of ten frames each."""
    reference = draw(60, 1, 500)[:, 0]
    videos = draw(2, 10, 500, progressive(10, 0.9), seed=1)
    groups = [NoiseGroup("i.i.d.", "reference", reference, [f"noise#{i}" for i in range(60)])]
    for number, maps in enumerate(videos):
        sources = [f"video{number}:{frame}" for frame in range(10)]
        groups.append(NoiseGroup(f"same video ({number})", "same", maps, sources))
    return embed(groups, seed=3)


def test_frames_of_a_video_are_neighbours(embedding: Embedding) -> None:
    distances = np.linalg.norm(embedding.positions[:, None] - embedding.positions, axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = embedding.groups[distances.argmin(1)]
    for group in (1, 2):
        assert (nearest[embedding.groups == group] == group).mean() == 1


def test_the_points_are_in_the_tables(embedding: Embedding, tmp_path: Path) -> None:
    embedding.save_csv(tmp_path / "points.csv")
    embedding.save_npz(tmp_path / "points.npz")
    with (tmp_path / "points.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 80
    assert rows[60] == {
        "x": f"{embedding.positions[60, 0]:.6g}",
        "y": f"{embedding.positions[60, 1]:.6g}",
        "kind": "same",
        "group": "same video (0)",
        "source": "video0:0",
    }
    with np.load(tmp_path / "points.npz", allow_pickle=False) as stored:
        np.testing.assert_array_equal(stored["positions"], embedding.positions)
        assert stored["names"].tolist() == list(embedding.names)


def test_figures_come_in_three_formats_and_are_not_blank(
    embedding: Embedding, tmp_path: Path
) -> None:
    similarity = measured(draw(6, 5, 100, progressive(5, 0.5)))
    written = [
        *draw_embedding(embedding, tmp_path / "tsne", "Title"),
        *draw_by_distance(similarity, fit_priors(similarity), tmp_path / "curve"),
        *draw_frame_correlation(similarity, tmp_path / "matrix"),
    ]
    assert {path.suffix for path in written} == {".png", ".svg", ".pdf"}
    for path in written:
        if path.suffix == ".png":
            with Image.open(path, formats=["PNG"]) as image:
                assert len(np.unique(np.asarray(image.convert("L")))) > 20
        elif path.suffix == ".pdf":
            assert path.read_bytes().startswith(b"%PDF")
    assert "same video (1)" in (tmp_path / "tsne.svg").read_text(encoding="utf-8")
    curve = (tmp_path / "curve.svg").read_text(encoding="utf-8")
    assert "progressive" in curve
    assert "shuffled frames" in curve


def test_drawing_twice_gives_the_same_bytes(embedding: Embedding, tmp_path: Path) -> None:
    for name in ("a", "b"):
        draw_embedding(embedding, tmp_path / name, "Title")
    for suffix in ("png", "svg", "pdf"):
        first, second = (tmp_path / f"{name}.{suffix}" for name in "ab")
        assert first.read_bytes() == second.read_bytes()
