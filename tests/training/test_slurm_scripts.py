"""The batch scripts, run under stubs of SLURM that read their #SBATCH lines."""

import os
import re
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from process_runs import final, losses
from small_runs import small_tree

SCRIPTS = Path(__file__).parents[2] / "scripts" / "slurm"

STUBS = {
    "scontrol": """
echo "$@" >> "$STUBS/scontrol.log"
[ "$1" = show ] && echo 127.0.0.1
exit 0
""",
    # One node: every task is started here, each in a group of its own, and told when the step is.
    "srun": """
while [ "${1#--}" != "$1" ]; do shift; done
pids=()
for place in $(seq 0 $((SLURM_NTASKS - 1))); do
  SLURM_PROCID=$place SLURM_LOCALID=$place "$@" & pids+=($!)
done
trap 'kill -USR1 "${pids[@]}"' USR1
trap 'kill -TERM "${pids[@]}"' TERM
worst=0
for pid in "${pids[@]}"; do
  while :; do
    code=0; wait "$pid" || code=$?
    kill -0 "$pid" 2>/dev/null || break
  done
  [ "$code" -gt "$worst" ] && worst=$code
done
echo $worst >> "$STUBS/srun.log"
exit $worst
""",
    "pyoco-eval": """exec "$PYTHON" -m pyoco_eval "$@"\n""",
    "torchrun": """exec "$PYTHON" -m torch.distributed.run "$@"\n""",
}


def options(script: Path) -> dict[str, str]:
    """What sbatch reads: the #SBATCH lines before the first command."""
    found = {}
    for line in script.read_text().splitlines():
        if not line.startswith("#"):
            break
        if line.startswith("#SBATCH "):
            match = re.fullmatch(r"#SBATCH --([a-z-]+)(?:=(\S+))?", line)
            assert match, f"sbatch would refuse {line!r}"
            found[match[1]] = match[2] or ""
    return found


def submit(script: Path, folder: Path, config: Path, tasks: int) -> subprocess.Popen[str]:
    """As sbatch does on one node with a task and process count of its own."""
    stubs = folder / "stubs"
    stubs.mkdir(exist_ok=True)
    for name, text in STUBS.items():
        path = stubs / name
        path.write_text("#!/bin/bash\n" + text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    environment = os.environ | {
        "PATH": f"{stubs}:{os.environ['PATH']}",
        "STUBS": str(stubs),
        "PYTHON": sys.executable,
        "OMP_NUM_THREADS": "1",
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_NUM_NODES": "1",
        "SLURM_JOB_NODELIST": "node1",
        "SLURM_NTASKS": str(tasks),
        "SLURM_GPUS_ON_NODE": "2",
    }
    return subprocess.Popen(
        ["bash", str(script), str(config), "--set", "seed=5"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def written(folder: Path, steps: int) -> tuple[Path, Path]:
    config, out = folder / "config.yaml", folder / "run"
    tree = small_tree(out, steps=steps, log__checkpoint_every=100_000)
    config.write_text(yaml.safe_dump(tree))
    return config, out


@pytest.mark.slow
@pytest.mark.parametrize(("name", "tasks"), [("train_torchrun", 1), ("train_srun", 2)])
def test_a_job_near_its_limit_keeps_its_state_and_queues_again(
    tmp_path: Path, name: str, tasks: int
) -> None:
    script = SCRIPTS / f"{name}.sbatch"
    who, _, seconds = options(script)["signal"].partition("@")
    assert int(seconds) >= 60
    config, out = written(tmp_path, 100_000)
    job = submit(script, tmp_path, config, tasks)
    while len(losses(out)) < 2 and job.poll() is None:
        time.sleep(0.1)
    if who.startswith("B:"):
        job.send_signal(getattr(__import__("signal"), f"SIG{who.removeprefix('B:')}"))
    else:  # the steps of the job are told, and the shell is not
        step = subprocess.run(
            ["pgrep", "-P", str(job.pid), "-f", "stubs/srun"], capture_output=True, text=True
        ).stdout.split()
        os.kill(int(step[0]), getattr(__import__("signal"), f"SIG{who}"))
    output, _ = job.communicate(timeout=240)
    assert job.returncode == 0, output
    stopped = final(out).step
    assert f"stopped after step {stopped} of 100000" in output
    assert "requeue 7" in (tmp_path / "stubs" / "scontrol.log").read_text()
    assert not (out / "stop").exists()

    config, _ = written(tmp_path, stopped + 2)
    again = submit(script, tmp_path, config, tasks)
    output, _ = again.communicate(timeout=240)
    assert again.returncode == 0, output
    assert final(out).step == stopped + 2
    assert (tmp_path / "stubs" / "scontrol.log").read_text().count("requeue") == 1


@pytest.mark.parametrize("name", ["train_torchrun", "train_srun"])
def test_scripts_ask_for_what_they_rely_on(name: str) -> None:
    found = options(SCRIPTS / f"{name}.sbatch")
    assert {"signal", "requeue", "time", "nodes", "ntasks-per-node", "open-mode"} <= found.keys()
    assert found["open-mode"] == "append", "a job that queues again goes on with its log"


@pytest.mark.parametrize("name", ["train_torchrun", "train_srun"])
def test_a_job_that_fails_does_not_queue_again(tmp_path: Path, name: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("steps: none\n")
    job = submit(SCRIPTS / f"{name}.sbatch", tmp_path, config, 1)
    output, _ = job.communicate(timeout=240)
    assert job.returncode != 0
    assert "steps" in output
    log = tmp_path / "stubs" / "scontrol.log"
    assert not log.is_file() or "requeue" not in log.read_text()
