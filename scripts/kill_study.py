"""Commands that write are killed at random and started again: is all as if nothing had happened?

Every command that writes runs twice undisturbed. Then it is started, killed by SIGKILL, once or
several times in a row, and started a last time. Its files must then be those of the undisturbed
run, no more and no fewer, byte by byte; of records, pages and logs all but times. Half of the
kills come after a random share of the time the command takes, half just before a random one of its
writes (a file opened, renamed or removed, a folder made), which finds what lasts only a moment.

All are forked from one process that has loaded the package, so that a start costs no import.

    python scripts/kill_study.py --kills 500
    python scripts/kill_study.py --only sample --only train --kills 40 --seed 3
"""

import argparse
import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from kill_commands import COMMANDS, Command, make_inputs, server_of
from kill_compare import contents, differences

WRITES: Final = frozenset({"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link"})
LONGEST: Final = 300.0
"""Seconds after which a start hangs."""


@dataclass(frozen=True)
class Undisturbed:
    """What a command leaves, how long it takes, and how often it writes."""

    files: dict[str, object]
    seconds: float
    writes: int


class Study:
    """Starts commands in `folder`; `seed` decides when each dies."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.inputs, self.trial = folder / "inputs", folder / "trial"
        self.told, self.log = folder / "told.json", folder / "log.txt"
        self.seed = seed
        self.kills: Counter[str] = Counter()
        self.trials: Counter[str] = Counter()
        self.faults: list[str] = []
        assert wait(fork(lambda: make_inputs(self.inputs), self.log)) == 0, self.log.read_text()
        server = server_of(self.inputs / "served")
        self.server = fork(server.serve_forever, folder / "server.txt")
        server.server_close()
        self.environment = {
            "PYOCO_EVAL_WEIGHTS_MIRROR": f"http://127.0.0.1:{server.server_address[1]}",
            "PYOCO_EVAL_CACHE": str(self.trial / "cache"),
            "TORCHINDUCTOR_CACHE_DIR": str(folder / "torch"),  # made by whoever imports it first
            "TMPDIR": str(self.trial / "tmp"),
            "PYOCO_EVAL_OFFLINE": "0",
        }

    def close(self) -> None:
        os.kill(self.server, signal.SIGKILL)
        os.waitpid(self.server, 0)

    def start(self, command: Command, dies_at: int | None = None) -> int:
        """The process of a new start; it kills itself before write `dies_at`."""

        def run() -> None:
            os.chdir(self.trial)
            os.environ.update(self.environment)
            tempfile.tempdir = None
            sys.path.insert(0, str(self.inputs))
            sys.argv[1:] = [word.format(inputs=self.inputs) for word in command.words]
            count = count_writes(self.trial, dies_at)
            from pyoco_eval.cli.main import main

            try:
                main()
            finally:
                told = {"writes": count(), "modules": sorted(sys.modules)}
                self.told.write_text(json.dumps(told), encoding="utf-8")

        return fork(run, self.log)

    def fresh(self, command: Command) -> None:
        shutil.rmtree(self.trial, ignore_errors=True)
        (self.trial / "tmp").mkdir(parents=True)
        for name in command.beside:
            shutil.copytree(self.inputs / name, self.trial / name)

    def undisturbed(self, command: Command) -> Undisturbed:
        """Two runs, of which the first tells what to load before the others are forked.

        Raises:
            RuntimeError: it fails, or two runs differ, so that nothing could be compared.
        """
        found: list[Undisturbed] = []
        for _ in range(2):
            self.fresh(command)
            started = time.perf_counter()
            if code := wait(self.start(command)):
                raise RuntimeError(f"{command.name} ends with {code}: {self.log.read_text()}")
            seconds = time.perf_counter() - started
            told = json.loads(self.told.read_text(encoding="utf-8"))
            load(told["modules"])
            found.append(Undisturbed(contents(self.trial), seconds, told["writes"]))
        if different := differences(found[0].files, found[1].files):
            raise RuntimeError(f"{command.name}: two undisturbed runs differ: {different}")
        return found[1]

    def disturb(self, command: Command, whole: Undisturbed, number: int) -> None:
        """One trial: kills, the last start, the comparison."""
        rng = np.random.default_rng([self.seed, number])
        self.fresh(command)
        plan, done, whole_already = [], False, False
        for _ in range(rng.choice([1, 1, 1, 2, 4])):
            share, by_write = rng.random(), rng.random() < 0.5
            write = int(share * whole.writes) + 1 if by_write else None
            plan.append(f"write {write}" if write else f"{share * whole.seconds:.3f} s")
            process = self.start(command, write)
            code = wait(process) if write else wait(process, share * whole.seconds)
            self.kills[command.name] += code == -signal.SIGKILL
            if done := code != -signal.SIGKILL:
                break
            # Killed between its last write and its end, a command has done all it was asked for,
            # and may refuse to write over it as it does after any whole run.
            whole_already |= not differences(whole.files, contents(self.trial))
        if not done:
            code = wait(self.start(command), LONGEST)
        self.trials[command.name] += 1
        about = f"{command.name}, trial {number}, killed at {', '.join(plan)}"
        if code and not whole_already:
            how = "hangs" if code == -signal.SIGKILL else f"ends with {code}"
            self.tell(f"{about}: then it {how}: {self.log.read_text()[-600:]}")
        elif different := differences(whole.files, contents(self.trial)):
            self.tell(f"{about}: {different}")

    def tell(self, fault: str) -> None:
        self.faults.append(fault)
        print(fault, flush=True)


def fork(run: Callable[[], None], log: Path) -> int:
    """A child in a group of its own that runs `run` and is gone; its words go to `log`."""
    if process := os.fork():
        os.setpgid(process, process)  # by both, whoever comes first
        return process
    code = 70
    try:
        os.setpgid(0, 0)
        words = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for stream in (1, 2):
            os.dup2(words, stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        run()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def wait(process: int, seconds: float = LONGEST) -> int:
    """The exit code; the group of a process that runs for longer is killed."""
    end = time.perf_counter() + seconds
    while True:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.perf_counter() >= end:
            os.killpg(process, signal.SIGKILL)
            return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        time.sleep(0.001)


def count_writes(folder: Path, dies_at: int | None) -> Callable[[], int]:
    """From now on the writes of this process in `folder` are counted, and one is its last."""
    count = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        if event == "open":
            if not int(arguments[2]) & (os.O_WRONLY | os.O_RDWR):  # type: ignore[call-overload]
                return
        elif event not in WRITES:
            return
        name = arguments[0]
        if isinstance(name, str | os.PathLike) and (Path.cwd() / name).is_relative_to(folder):
            count += 1
            if count == dies_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    return lambda: count


def load(names: list[str]) -> None:
    """Import what a command imported, so that its next start need not."""
    for name in names:
        if name not in sys.modules and not name.startswith("toy_"):
            with suppress(Exception):  # a module that its package makes itself
                importlib.import_module(name)


def study(folder: Path, commands: list[Command], kills: int, seed: int, minutes: float) -> Study:
    """Trials of each command in turn, until each has its share of `kills` or time is up."""
    end = time.monotonic() + 60 * minutes
    made = Study(folder, seed)
    try:
        whole = {command.name: made.undisturbed(command) for command in commands}
        number = 0
        while time.monotonic() < end and made.kills.total() < kills:
            command = min(commands, key=lambda one: made.kills[one.name])
            made.disturb(command, whole[command.name], number)
            number += 1
    finally:
        made.close()
    return made


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60, help="stop after so many")
    names = [command.name for command in COMMANDS]
    parser.add_argument("--only", action="append", choices=names)
    given = parser.parse_args()
    chosen = [command for command in COMMANDS if command.name in (given.only or names)]
    with tempfile.TemporaryDirectory() as folder:
        made = study(Path(folder), chosen, given.kills, given.seed, given.minutes)
    for name in (command.name for command in chosen):
        print(f"{name:16} {made.kills[name]:4} kills in {made.trials[name]:4} trials")
    total, bad = made.kills.total(), len(made.faults)
    print(f"{total} kills in {made.trials.total()} trials, {bad} of which ended otherwise")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
