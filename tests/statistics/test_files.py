"""Features and statistics files: exact round trips, reproducible bytes, no surprises."""

import json
import os
import pickle
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.statistics.files import FeatureSet, StatisticsFile, kind_of, read_header
from pyoco_eval.statistics.moments import Moments

IDS = ("a/b.mp4", "Füße/☃ 雪.webm#3", "emoji 🎬", "undecodable \udcff", " trailing ", "")
HEADER = {"name": "snø", "recipe": {"net": "x"}, "rows_per_video": [1, 2], "none": None, "x": 0.1}


def feature_set() -> FeatureSet:
    rows = np.random.default_rng(0).normal(size=(len(IDS), 3)).astype(np.float32)
    rows[0, 0] = -0.0
    return FeatureSet(rows, IDS, HEADER)


def statistics_file() -> StatisticsFile:
    rows = np.random.default_rng(0).normal(size=(9, 4))
    return StatisticsFile(Moments.of(rows), HEADER)


def test_features_come_back_bit_for_bit(tmp_path: Path) -> None:
    path, saved = tmp_path / "new folder" / "f.npz", feature_set()
    saved.save(path)
    loaded = FeatureSet.load(path)
    assert loaded.features.dtype == np.float32
    assert loaded.features.tobytes() == saved.features.tobytes()
    assert loaded.ids == IDS
    assert loaded.header == HEADER
    assert kind_of(path) == "features"


def test_statistics_come_back_bit_for_bit(tmp_path: Path) -> None:
    path, saved = tmp_path / "s.npz", statistics_file()
    saved.save(path)
    loaded = StatisticsFile.load(path)
    assert loaded.moments.count == 9
    assert loaded.moments.mean.tobytes() == saved.moments.mean.tobytes()
    assert loaded.moments.m2.tobytes() == saved.moments.m2.tobytes()
    assert loaded.header == HEADER
    assert kind_of(path) == "statistics"


def test_no_rows_come_back(tmp_path: Path) -> None:
    path = tmp_path / "f.npz"
    FeatureSet(np.empty((0, 5), np.float32), ()).save(path)
    loaded = FeatureSet.load(path)
    assert loaded.features.shape == (0, 5)
    assert loaded.ids == ()


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "1.npz", tmp_path / "2.npz"
    for make in (feature_set, statistics_file):
        saved = make()
        saved.save(first)
        type(saved)(*list(vars(saved).values())[:-1], dict(reversed(HEADER.items()))).save(second)
        assert first.read_bytes() == second.read_bytes()


def test_numpy_reads_the_files_without_pickle(tmp_path: Path) -> None:
    feature_set().save(tmp_path / "f.npz")
    with np.load(tmp_path / "f.npz", allow_pickle=False) as stored:
        assert set(stored.files) == {"format", "header", "features", "ids", "signature"}
        header = json.loads(str(stored["header"]))
        assert len(header.pop("sha256")) == 64
        assert header == HEADER


def rewrite(path: Path, **members: np.ndarray) -> None:
    """Store other arrays under a header that stays."""
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    np.savez(path, **(arrays | members))  # type: ignore[arg-type]


def test_arrays_that_do_not_have_their_sha256_are_damaged(tmp_path: Path) -> None:
    features, statistics = tmp_path / "f.npz", tmp_path / "s.npz"
    feature_set().save(features)
    statistics_file().save(statistics)
    rewrite(features)
    rewrite(statistics)
    assert FeatureSet.load(features).ids == IDS
    assert StatisticsFile.load(statistics).moments.count == 9
    changed = feature_set().features.copy()
    changed[-1, -1] += 1
    for members in ({"features": changed}, {"ids": np.array(IDS[::-1])}):
        feature_set().save(features)
        rewrite(features, **members)
        with pytest.raises(PyocoEvalError, match=r"f\.npz: damaged .*sha256"):
            FeatureSet.load(features)
    rewrite(statistics, count=np.array(10))
    with pytest.raises(PyocoEvalError, match=r"s\.npz: damaged .*sha256"):
        StatisticsFile.load(statistics)


def test_files_of_earlier_versions_have_no_sha256_and_load(tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    statistics_file().save(path)
    rewrite(path, header=np.array(json.dumps(HEADER)), count=np.array(10))
    assert StatisticsFile.load(path).moments.count == 10
    assert "sha256" not in read_header(path)


def test_a_header_is_read_without_its_arrays(tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    statistics_file().save(path)
    assert read_header(path) == HEADER | {"sha256": read_header(path)["sha256"]}
    path.write_bytes(b"")
    with pytest.raises(PyocoEvalError, match="damaged"):
        read_header(path)


def test_ids_must_fit_the_rows() -> None:
    with pytest.raises(PyocoEvalError, match="2 ids"):
        FeatureSet(np.ones((3, 2), np.float32), ("a", "b"))
    with pytest.raises(PyocoEvalError, match="expected"):
        FeatureSet(np.ones(2, np.float32), ("a", "b"))


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        statistics_file().save(tmp_path / "s.npz")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "s.npz").stat().st_mode) == 0o640


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "f.npz"
    feature_set().save(path)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        FeatureSet(np.ones((1, 1), np.float32), ("a",), {"x": object()}).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["f.npz"]


def foreign_files(folder: Path) -> dict[str, Path]:
    """Everything that is not a features or statistics file of this package."""
    paths = {name: folder / f"{name}.npz" for name in ("empty", "text", "npy", "pickle", "zip")}
    paths["empty"].write_bytes(b"")
    paths["text"].write_text("features, ids\n")
    with paths["npy"].open("wb") as file:
        np.save(file, np.ones((3, 2)))
    paths["pickle"].write_bytes(pickle.dumps({"features": [1.0]}))
    with zipfile.ZipFile(paths["zip"], "w") as archive:
        archive.writestr("readme.txt", "no arrays")
    paths["other arrays"] = folder / "other.npz"
    np.savez(paths["other arrays"], features=np.ones((3, 2)), ids=np.array(["a", "b", "c"]))
    paths["other format"] = folder / "format.npz"
    np.savez(paths["other format"], format=np.array("someone/else/1"), features=np.ones((3, 2)))
    paths["format of objects"] = folder / "objects.npz"
    np.savez(paths["format of objects"], format=np.array([{}], dtype=object))
    paths["folder"] = folder / "folder.npz"
    paths["folder"].mkdir()
    paths["missing"] = folder / "missing.npz"
    return paths


def test_foreign_files_have_no_kind_and_do_not_load(tmp_path: Path) -> None:
    for name, path in foreign_files(tmp_path).items():
        assert kind_of(path) is None, name
        for file in (FeatureSet, StatisticsFile):
            with pytest.raises(PyocoEvalError, match=path.name):
                file.load(path)


def test_the_bare_pair_of_other_tools_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "fid_stats.npz"
    np.savez(path, mu=np.zeros(2), sigma=np.eye(2))
    assert kind_of(path) == "mu-sigma"
    with pytest.raises(PyocoEvalError, match="no item named"):
        StatisticsFile.load(path)


def test_one_kind_is_not_read_as_the_other(tmp_path: Path) -> None:
    feature_set().save(tmp_path / "f.npz")
    statistics_file().save(tmp_path / "s.npz")
    with pytest.raises(PyocoEvalError, match="not a pyoco-eval/statistics"):
        StatisticsFile.load(tmp_path / "f.npz")
    with pytest.raises(PyocoEvalError, match="not a pyoco-eval/features"):
        FeatureSet.load(tmp_path / "s.npz")


FEATURES = {
    "format": np.array("pyoco-eval/features/1"),
    "header": np.array("{}"),
    "features": np.ones((2, 3), np.float32),
    "ids": np.array(["a", "b"]),
}
STATISTICS = {
    "format": np.array("pyoco-eval/statistics/1"),
    "header": np.array("{}"),
    "count": np.array(2),
    "mean": np.zeros(3),
    "m2": np.eye(3),
}


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("features", np.ones((2, 3))),
        ("features", np.ones((3, 3), np.float32)),
        ("features", np.ones(2, np.float32)),
        ("features", np.array([[1, "x"], [2, "y"]])),
        ("features", np.array([[{}], [{}]], dtype=object)),
        ("ids", np.array([b"a", b"b"])),
        ("ids", np.array([["a"], ["b"]])),
        ("ids", np.array(["a", None], dtype=object)),
        ("header", np.array("[]")),
        ("header", np.array("{")),
        ("header", np.array({}, dtype=object)),
        ("header", None),
        ("ids", None),
    ],
)
def test_members_of_the_wrong_form_are_refused_in_features(
    tmp_path: Path, member: str, value: np.ndarray | None
) -> None:
    path = tmp_path / "f.npz"
    np.savez(path, **FEATURES)
    assert FeatureSet.load(path).ids == ("a", "b")
    members = {**FEATURES, member: value}
    np.savez(path, **{name: array for name, array in members.items() if array is not None})
    with pytest.raises(PyocoEvalError, match="damaged or incomplete"):
        FeatureSet.load(path)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("count", np.array([2, 2])),
        ("count", np.array(2.5)),
        ("count", np.array(-1)),
        ("mean", np.zeros((3, 1))),
        ("mean", np.zeros(4)),
        ("mean", np.zeros(3, np.complex128)),
        ("m2", np.ones((3, 4))),
        ("m2", np.ones(3)),
        ("m2", None),
    ],
)
def test_members_of_the_wrong_form_are_refused_in_statistics(
    tmp_path: Path, member: str, value: np.ndarray | None
) -> None:
    path = tmp_path / "s.npz"
    np.savez(path, **STATISTICS)
    assert StatisticsFile.load(path).moments.count == 2
    members = {**STATISTICS, member: value}
    np.savez(path, **{name: array for name, array in members.items() if array is not None})
    with pytest.raises(PyocoEvalError, match="damaged or incomplete"):
        StatisticsFile.load(path)


def test_a_file_cut_anywhere_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "f.npz"
    feature_set().save(path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        assert kind_of(path) is None
        with pytest.raises(PyocoEvalError, match=r"f\.npz"):
            FeatureSet.load(path)


@pytest.mark.filterwarnings("ignore:Duplicate name", "ignore:Reading `.npy`")
def test_a_changed_byte_is_noticed_or_harmless(tmp_path: Path) -> None:
    path, saved = tmp_path / "s.npz", statistics_file()
    saved.save(path)
    whole = path.read_bytes()
    for position in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        kind_of(path)
        try:
            loaded = StatisticsFile.load(path)
        except PyocoEvalError:
            continue
        assert loaded.moments.count == saved.moments.count
        assert np.array_equal(loaded.moments.mean, saved.moments.mean)
        assert np.array_equal(loaded.moments.m2, saved.moments.m2)
        assert loaded.header == saved.header
