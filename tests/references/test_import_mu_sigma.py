"""mu and sigma of another tool as a reference, with a toy network in place of the real ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from toys import MeanColour, flat_videos

import pyoco_eval
from pyoco_eval.cli.reference import command
from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.extraction import networks
from pyoco_eval.extraction.options import Options
from pyoco_eval.references.files import find_references, verify
from pyoco_eval.references.import_mu_sigma import import_reference
from pyoco_eval.videos.clip_rule import ClipRule

IMAGE_NETWORKS = ("inception", "clip", "tiny2d", "tinyclip")


@pytest.fixture(autouse=True)
def toy_networks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def load(self: networks.Network, options: object) -> MeanColour:
        kind = "image" if self.extractor in IMAGE_NETWORKS else "video"
        return MeanColour(kind, self.extractor, self.layer, self.resize, self.scaling)

    monkeypatch.setattr(networks.Network, "load", load)
    monkeypatch.setenv("PYOCO_EVAL_CACHE", str(tmp_path / "cache"))


def colours(videos: list[np.ndarray]) -> np.ndarray:
    """The features of flat videos: one row per frame of the first four."""
    return np.concatenate([video[:4, 0, 0] for video in videos]).astype(float)


@pytest.fixture
def stats(tmp_path: Path) -> Path:
    """What pytorch-fid would store of 80 frames: np.cov, N - 1."""
    rows = colours(flat_videos(20, seed=1))
    path = tmp_path / "fid_stats.npz"
    np.savez(path, mu=rows.mean(axis=0), sigma=np.cov(rows, rowvar=False))
    return path


def run(*words: str | Path) -> Any:
    return CliRunner().invoke(command, [str(word) for word in words], catch_exceptions=False)


def test_an_import_scores_like_the_videos_and_says_what_it_is(stats: Path) -> None:
    result = run("import", stats, "--name", "theirs", "--convention", "pytorch-fid",
                 "--num-rows", "80", "--num-frames", "4")  # fmt: skip
    assert "imported: " in result.stdout
    assert "conv:pytorch-fid" in result.stdout
    videos = flat_videos(20)
    score = pyoco_eval.fid(videos, "theirs", convention="pytorch-fid", num_frames=4)
    direct = pyoco_eval.fid(videos, flat_videos(20, seed=1), convention="pytorch-fid", num_frames=4)
    assert score.value == pytest.approx(direct.value, rel=1e-9)
    assert score.num_reference == 80
    assert score.extras["num_reference_videos"] == 20
    name, _, label = str(score.signature.get("ref")).partition("@")
    assert name == "theirs"
    assert label.endswith("-imported")
    assert score.signature.get("size") == "8x8/unknown"
    assert score.signature.get("dec") == "array/unknown"
    assert any("imported from another tool" in warning for warning in score.warnings)


def test_the_divisor_is_that_of_the_tool(tmp_path: Path) -> None:
    """StyleGAN-V divides by N, on both sides."""
    rows = np.stack([video[:4].reshape(-1, 3).mean(0) for video in flat_videos(20, seed=1)])
    path = tmp_path / "fvd.npz"
    np.savez(path, mu=rows.mean(axis=0), sigma=np.cov(rows, rowvar=False, ddof=0))
    clip = Options(clip=ClipRule(num_frames=4))
    import_reference(path, "theirs", rule="stylegan-v", num_rows=20, options=clip)
    videos = flat_videos(20)
    score = pyoco_eval.fvd(videos, "theirs", convention="stylegan-v", num_frames=4)
    direct = pyoco_eval.fvd(videos, flat_videos(20, seed=1), convention="stylegan-v", num_frames=4)
    assert score.value == pytest.approx(direct.value, rel=1e-6)


def test_a_bare_file_is_not_taken_for_a_reference(stats: Path) -> None:
    with pytest.raises(UsageError, match="pyoco-eval reference import"):
        pyoco_eval.fid(flat_videos(20), str(stats), convention="pytorch-fid", num_frames=4)


def test_the_stated_recipe_binds(stats: Path) -> None:
    clip = Options(clip=ClipRule(num_frames=4))
    import_reference(stats, "theirs", rule="pytorch-fid", num_rows=80, options=clip)
    for changed in ({"convention": "clean"}, {"num_frames": 3}, {"frames": "first"}):
        choices: dict[str, Any] = {"convention": "pytorch-fid", "num_frames": 4} | changed
        with pytest.raises(PyocoEvalError, match="reference theirs"):
            pyoco_eval.fid(flat_videos(20), "theirs", **choices)


def test_an_import_is_listed_and_verified(stats: Path) -> None:
    import_reference(stats, "theirs", rule="pytorch-fid", num_rows=80, num_videos=80)
    (file,) = find_references("theirs")
    assert file.summary()["imported"]
    assert file.summary()["num_videos"] == 80
    assert file.header["imported"]["file"] == "fid_stats.npz"
    assert str(stats.parent) not in str(dict(file.header))
    assert verify(file).problem == ""
    assert "imported" in run("list").stdout


def test_nothing_is_replaced_unasked(stats: Path) -> None:
    path = import_reference(stats, "theirs", rule="pytorch-fid", num_rows=80)
    before = path.read_bytes()
    with pytest.raises(UsageError, match="--force"):
        import_reference(stats, "theirs", rule="pytorch-fid", num_rows=96)
    assert path.read_bytes() == before
    import_reference(stats, "theirs", rule="pytorch-fid", num_rows=96, force=True)
    assert find_references("theirs")[0].summary()["num_rows"] == 96


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": "ucf101"}, "--name ucf101 is that of UCF-101"),
        ({"name": "../up"}, r"'\.\./up'"),
        ({"rule": "clean-kid"}, "kid is not computed from mean"),
        ({"rule": "pytorch-fidd"}, "Did you mean pytorch-fid"),
        ({"num_rows": 1}, "two rows or more"),
        ({"num_rows": 81}, r"no multiple of the 16 frames.*--num-videos"),
        ({"file": Path("nothing.npz")}, "no such file"),
    ],
)
def test_arguments_that_cannot_be_meant(changed: dict[str, Any], message: str, stats: Path) -> None:
    arguments: dict[str, Any] = {"file": stats, "name": "theirs", "rule": "pytorch-fid"}
    arguments |= {"num_rows": 80} | changed
    with pytest.raises(UsageError, match=message):
        import_reference(**arguments)


def test_statistics_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "wide.npz"
    np.savez(path, mu=np.zeros(5), sigma=np.eye(5))
    with pytest.raises(UsageError, match="mu has 5 numbers, and pool3 of inception"):
        import_reference(path, "theirs", rule="pytorch-fid", num_rows=80)
