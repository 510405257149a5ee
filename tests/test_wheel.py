"""The built wheel works alone: in a fresh environment, from any folder, with its resources."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_carries_code_weights_and_resources(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "pyoco_eval/py.typed" in names
    assert "pyoco_eval/features/i3d/published_tensors.tsv" in names
    assert sum(name.startswith("pyoco_eval/features/tiny/embedded/") for name in names) >= 3
    for name in ("page.html.jinja", "sheet.html.jinja", "report.css", "report.js"):
        assert f"pyoco_eval/report/templates/{name}" in names
    for name in ("expected.json", "clip.mp4", "clip-av1.mkv", "clip.gif"):
        assert f"pyoco_eval/selftest/{name}" in names
    resources = ("configs", "prompts", "protocols", "reference_stats")
    for path in (path for name in resources for path in (ROOT / name).rglob("*")):
        if path.is_file():
            relative = path.relative_to(ROOT).as_posix()
            assert f"pyoco_eval/_resources/{relative}" in names
    assert not any(name.startswith(("tests/", "scripts/", "benchmarks/")) for name in names)


def test_the_package_index_can_show_it(wheel: Path) -> None:
    check = [sys.executable, "-m", "twine", "check", "--strict", str(wheel)]
    checked = subprocess.run(check, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.slow
def test_it_scores_offline_in_a_fresh_environment(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "env"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    install = ["-m", "pip", "install", "-q", "-c", str(ROOT / "constraints.txt"), str(wheel)]
    subprocess.run([python, *install], check=True, capture_output=True)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYOCO"))}
    clean |= {"HOME": str(tmp_path), "PYOCO_EVAL_OFFLINE": "1"}

    def run(*arguments: str) -> str:
        finished = subprocess.run(
            [home / "bin" / "pyoco-eval", *arguments],
            cwd=tmp_path,
            env=clean,
            capture_output=True,
            text=True,
        )
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    run("shapes", "--num", "70", "--num-frames", "8", "--out", "clips")
    shown = run("fvd", "--profile", "embedded", "--samples", "clips", "--num-frames", "8",
                "--reference", "clips")  # fmt: skip
    assert "label:embedded" in shown
