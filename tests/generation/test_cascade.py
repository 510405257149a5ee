"""Cascades from end to end on small models: what each stage gets, and what does not matter."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cascade_models import save_cascade, save_stages
from small_models import CAPTIONS

from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.generation.cascade.description import read_cascade
from pyoco_eval.generation.cascade.plan import plan_lines, plan_stage
from pyoco_eval.generation.cascade.run import STAGES, sample_cascade
from pyoco_eval.generation.request import GeneratorOptions, Request, make_requests
from pyoco_eval.videos.source import open_source


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_stages(tmp_path_factory.mktemp("cascade"))


def made(cascade: Path, out: Path, requests: list[Request], **options: Any) -> dict[str, Any]:
    stages = read_cascade(cascade, options.pop("until", None))
    rows = sample_cascade(stages, requests, out, GeneratorOptions(), file_format="npz", **options)
    return {str(row["id"]): row for row in rows}


def frames(folder: Path, index: int) -> np.ndarray:
    video = open_source(folder / f"{index:06d}.npz")[0]
    return video.read(range(video.count_frames()))


def test_every_stage_makes_of_the_one_before(models: Path, tmp_path: Path) -> None:
    rows = made(save_cascade(models), tmp_path, make_requests(2, prompts=CAPTIONS[:2]))
    assert list(rows) == ["000000.npz", "000001.npz"]
    base, between = (frames(tmp_path / STAGES / name, 1) for name in ("base", "between"))
    large = frames(tmp_path, 1)
    assert [v.shape for v in (base, between, large)] == [
        (4, 16, 16, 3), (10, 16, 16, 3), (10, 64, 64, 3)
    ]  # fmt: skip
    assert np.array_equal(between[::3], base)  # known frames are kept to the last bit
    assert not np.array_equal(between[1], base[0])
    recipe = json.loads((tmp_path / "recipe.json").read_text())["recipe"]
    assert recipe["fps"] == "24"
    assert recipe["from:between:every"] == "3"
    assert recipe["from:base:model"].startswith("sha256:")
    assert {path.name for path in (tmp_path / STAGES).iterdir()} == {"base", "between"}
    assert len(open_source(tmp_path)) == 2  # stages are not taken for samples


def test_a_video_depends_on_its_request_alone(models: Path, tmp_path: Path) -> None:
    cascade, requests = save_cascade(models), make_requests(3, prompts=CAPTIONS)
    made(cascade, tmp_path / "all", requests, batch_size=3)
    made(cascade, tmp_path / "one", requests[2:])
    assert np.array_equal(frames(tmp_path / "all", 2), frames(tmp_path / "one", 2))
    made(
        save_cascade(models, "parts", large={"frames_at_once": 3}), tmp_path / "parts", requests[2:]
    )
    difference = frames(tmp_path / "parts", 2).astype(int) - frames(tmp_path / "one", 2)
    assert abs(difference).max() <= 1


def test_it_goes_on_after_any_stage(models: Path, tmp_path: Path) -> None:
    cascade, requests = save_cascade(models), make_requests(2, prompts=CAPTIONS[:2])
    whole = made(cascade, tmp_path / "whole", requests)
    out = tmp_path / "broken"
    made(cascade, out, requests)
    (out / STAGES / "between" / "000001.npz").unlink()
    (out / "000001.npz").unlink()
    assert made(cascade, out, requests) == whole
    assert np.array_equal(frames(out, 1), frames(tmp_path / "whole", 1))


def test_until_a_stage(models: Path, tmp_path: Path) -> None:
    requests = make_requests(1, prompts=CAPTIONS[:1])
    cascade = save_cascade(models)
    sample_cascade(
        read_cascade(cascade, "between"), requests, tmp_path, GeneratorOptions(fps=30),
        file_format="npz",
    )  # fmt: skip
    assert frames(tmp_path, 0).shape == (10, 16, 16, 3)
    recipe = json.loads((tmp_path / "recipe.json").read_text())["recipe"]
    assert recipe["fps"] == "30"
    with pytest.raises(UsageError, match="samples of another recipe"):
        made(save_cascade(models), tmp_path, requests)


@pytest.mark.skipif(sys.platform == "win32", reason="torchrun")
def test_two_processes_make_the_same_files(models: Path, tmp_path: Path) -> None:
    cascade = save_cascade(models)
    words = ["sample", "--ckpt", str(cascade), "--num-videos", "3", "--device", "cpu", "--format"]
    words += ["npz", "--prompt", CAPTIONS[0], "--out"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for size in (1, 2):
        command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(size)]
        command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
        command += ["-m", "pyoco_eval", *words, str(tmp_path / str(size))]
        run = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr[-2000:]
    one, two = (sorted((tmp_path / size).rglob("*.npz")) for size in "12")
    assert len(one) == 9
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
    manifests = [(tmp_path / size / "manifest.jsonl").read_text() for size in "12"]
    assert manifests[0] == manifests[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"between": {"evry": 3}}, r"stages\.between\.evry: no such key; did you mean 'every'"),
        ({"between": {"every": 1}}, "at least 2"),
        ({"between": {"augmentation": 0.1}}, "does not enlarge frames"),
        ({"large": {"augmentation": 1.0}}, "is a share of noise"),
        ({"large": {"every": 3}}, "does not fill in frames"),
        ({"between": {"model": "base", "every": None}}, "makes videos from nothing"),
        ({"large": {"size": 64}}, "follows from the stage before"),
        ({"base": {"model": "between"}}, "the first stage is given none"),
        ({"base": {"every": 2}}, "the first is not"),
        ({"base": {"model": "preset:tset"}}, "is none of"),
        ({"Large": {"model": "large"}}, "use small letters"),
        ({"base": {"size": 20}, "large": {}}, None),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(models: Path, change: Any, message: str | None) -> None:
    cascade = save_cascade(models, "wrong", **change)
    if message is None:
        assert read_cascade(cascade)[-1].shape == (10, 80, 80)
        return
    with pytest.raises(UsageError, match=message):
        read_cascade(cascade)


def test_files_that_are_no_cascade(models: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has the stages base, between, large"):
        read_cascade(save_cascade(models), "sr256")
    with pytest.raises(MissingError, match="names its stages"):
        read_cascade(tmp_path)
    (tmp_path / "cascade.yaml").write_text("stages: [")
    with pytest.raises(PyocoEvalError, match=r"cascade\.yaml"):
        read_cascade(tmp_path)
    (tmp_path / "cascade.yaml").write_text("format: other\nstages: {base: {model: x}}")
    with pytest.raises(UsageError, match="format: must be"):
        read_cascade(tmp_path)
    cascade = save_cascade(models, "preset", base={"model": "preset:test", "size": 16})
    with pytest.raises(UsageError, match="has no weights; --dry-run plans it"):
        made(cascade, tmp_path / "x", make_requests(1))


def test_the_papers_cascade_is_planned() -> None:
    """Shapes of Figure 3, and parameters of §5.1, without a weight."""
    stages = read_cascade(Path("t2v-cascade.yaml"))
    assert [stage.shape for stage in stages] == [
        (16, 64, 64), (76, 64, 64), (76, 256, 256), (76, 1024, 1024),
    ]  # fmt: skip
    assert stages[1].fps == pytest.approx(24)
    plan = plan_stage(stages[0], "bf16")
    assert plan.parameters == pytest.approx(1.08e9, rel=0.01)
    assert plan.evaluations == 32
    (_, _, line) = plan_lines([plan], "bf16", 1)
    assert "16x64x64" in line


def test_parts_need_less_memory_and_as_many_operations(models: Path) -> None:
    whole = plan_stage(read_cascade(save_cascade(models, "a"))[2])
    few = plan_stage(read_cascade(save_cascade(models, "b", large={"frames_at_once": 1}))[2])
    assert few.activations < 0.6 * whole.activations
    assert few.operations == pytest.approx(whole.operations, rel=0.02)
