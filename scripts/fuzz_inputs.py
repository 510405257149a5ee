"""Mutated files of every kind the product reads: no traceback, no hang, no frame lost in silence.

One valid file of each kind is made, then changed at random: bits and bytes flipped, parts cut,
lost, doubled or exchanged, and in texts numbers and words replaced by hostile ones. Each is read
as users read it. What may happen: it reads as before, it reads and differs, or it is refused by an
error of ours. What may not: another exception, more than `--seconds`, the death of the process, or
a video with fewer frames and no word. The same seed gives the same files.

    python scripts/fuzz_inputs.py --inputs 10000
    python scripts/fuzz_inputs.py --only mp4 --inputs 500 --keep faults/
"""

import argparse
import multiprocessing
import re
import sys
import tempfile
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from fuzz_kinds import KINDS, Kind

from pyoco_eval.errors import PyocoEvalError

Mutation = Callable[[bytes, np.random.Generator], bytes]
BATCH: Final = 50
CONTEXT: Final = multiprocessing.get_context("fork")
MAY_LOSE: Final = {
    "webm-vp8": "no checksum: nearly every sequence of bits is a picture",
    "webm-vp9": "the same",
    "ts-h264": "a damaged first key frame looks like a recording that begins late",
    "mpg-mpeg2": "the same",
    "mp4": "a damaged table of times or edit list looks like a trimmed clip",
    "mp4-hevc": "the same",
}
"""Where frames may go without a word, and why nothing could tell (docs/damage.md). They are counted
in the table as `lost, known`."""


def flip_bits(content: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content)
    for place in rng.integers(0, len(content), rng.integers(1, 12)):
        changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def overwrite(content: bytes, rng: np.random.Generator) -> bytes:
    start = int(rng.integers(0, len(content)))
    filling = (b"\0", b"\xff", rng.bytes(1))[rng.integers(3)]
    length = int(rng.integers(1, 64))
    return content[:start] + (filling * length)[: len(content) - start] + content[start + length :]


def cut(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: int(rng.integers(0, len(content)))]


def lose(content: bytes, rng: np.random.Generator) -> bytes:
    start = int(rng.integers(0, len(content)))
    return content[:start] + content[start + int(rng.integers(1, 200)) :]


def double(content: bytes, rng: np.random.Generator) -> bytes:
    start = int(rng.integers(0, len(content)))
    part = content[start : start + int(rng.integers(1, 200))]
    return content[:start] + part * int(rng.integers(2, 5)) + content[start:]


def numbers(content: bytes, rng: np.random.Generator) -> bytes:
    """A 32-bit word becomes an extreme one, as sizes and counts are."""
    start = 4 * int(rng.integers(0, max(1, len(content) // 4)))
    word = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x10000)[rng.integers(6)]
    order = ("big", "little")[rng.integers(2)]
    return content[:start] + word.to_bytes(4, order) + content[start + 4 :]  # type: ignore[arg-type]


_WORDS = (
    b"NaN", b"-1", b"1e999", b"99999999999999999999", b"null", b"true", b"[]", b"{}", b'""',
    b'"\\u001b[31m"', b'"\\u202e"', b'"\\ud800"', b"0x10", b"*a",
    b"!!python/object:os.system", b"[" * 500, b'"../../etc/passwd"', b"'", b"\t",
    b"\xff\xfe", b"&a [*a,*a]",
)  # fmt: skip


def words(content: bytes, rng: np.random.Generator) -> bytes:
    """A number, word or quoted text becomes a hostile one."""
    found = list(re.finditer(rb'"[^"]*"|-?\d[\w.+-]*|\w+', content))
    if not found:
        return overwrite(content, rng)
    for _ in range(int(rng.integers(1, 4))):
        match = found[rng.integers(len(found))]
        word = _WORDS[rng.integers(len(_WORDS))]
        content = content[: match.start()] + word + content[match.end() :]
    return content


BINARY: Final[tuple[Mutation, ...]] = (flip_bits, overwrite, cut, lose, double, numbers)
TEXT: Final[tuple[Mutation, ...]] = (words, words, words, cut, lose, double, flip_bits)


def mutated(kind: Kind, content: bytes, seed: int, number: int) -> tuple[str, bytes]:
    """Input `number`: what was done to it, and its bytes."""
    rng = np.random.default_rng([seed, number])
    mutations = TEXT if kind.text else BINARY
    mutation = mutations[rng.integers(len(mutations))]
    return mutation.__name__, mutation(content, rng)


def outcome(kind: Kind, path: Path, truth: object) -> tuple[str, str]:
    """One word for the table, and details of a fault."""
    try:
        found = kind.read(path)
    except PyocoEvalError:
        return "refused", ""
    except Exception:
        return "TRACEBACK", traceback.format_exc()
    if found == truth:
        return "as before", ""
    counts = [len(frames) for frames in (found, truth) if isinstance(frames, tuple)]
    if kind.frames and counts[0] < counts[-1]:
        verdict = "lost, known" if kind.name in MAY_LOSE else "LOST FRAMES"
        return verdict, f"{counts[0]} of {counts[-1]}"
    return "differs", ""


def prepare(kind: Kind, made: Path) -> None:
    """Make the valid file, in a process of its own: threads and forks do not go together."""

    def write_and_read() -> None:
        kind.write(made)
        kind.read(made)

    process = CONTEXT.Process(target=write_and_read)
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(f"{kind.name}: no valid file could be made and read")


def work(kind: Kind, name: str, seed: int, jobs: list[int], made: Path, pipe: object) -> None:
    """In a process of its own, so that a crash or a hang ends no more than a batch."""
    content = made.read_bytes()
    truth = kind.read(made)
    with tempfile.TemporaryDirectory() as folder:
        for number in jobs:
            pipe.send(("begin", number, "", ""))  # type: ignore[attr-defined]
            mutation, changed = mutated(kind, content, seed, number)
            path = Path(folder) / name
            path.write_bytes(changed)
            result = outcome(kind, path, truth)
            pipe.send(("end", number, mutation, result))  # type: ignore[attr-defined]
    pipe.send(("done", -1, "", ""))  # type: ignore[attr-defined]


def run_batch(
    kind: Kind, made: Path, seed: int, jobs: list[int], seconds: float
) -> list[tuple[int, str, tuple[str, str]]]:
    """Results of the inputs of a batch; what follows a crash or a hang is tried anew."""
    results: list[tuple[int, str, tuple[str, str]]] = []
    while jobs:
        receiver, sender = CONTEXT.Pipe(duplex=False)
        process = CONTEXT.Process(target=work, args=(kind, made.name, seed, jobs, made, sender))
        process.start()
        sender.close()
        current, verdict = jobs[0], ""
        while True:
            try:
                if not receiver.poll(seconds + 30 * (current == jobs[0])):
                    verdict = "HANG"
                    break
                what, number, mutation, result = receiver.recv()
            except EOFError:
                verdict = "CRASH"
                break
            if what == "done":
                break
            current = number
            if what == "end":
                results.append((number, mutation, result))
        if verdict == "HANG":
            process.kill()
        process.join()
        if not verdict:
            return results
        mutation, _ = mutated(kind, made.read_bytes(), seed, current)
        results.append((current, mutation, (verdict, f"exit code {process.exitcode}")))
        jobs = jobs[jobs.index(current) + 1 :]
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=20, help="that one input may take")
    parser.add_argument("--only", action="append", choices=[kind.name for kind in KINDS])
    parser.add_argument("--keep", type=Path, help="folder for the inputs of faults")
    options = parser.parse_args()
    kinds = [kind for kind in KINDS if not options.only or kind.name in options.only]
    table: dict[str, Counter[str]] = defaultdict(Counter)
    faults = []
    with tempfile.TemporaryDirectory() as name:
        for place, kind in enumerate(kinds):
            made = Path(name) / kind.name / f"made{kind.suffix}"
            made.parent.mkdir()
            prepare(kind, made)
            count = options.inputs // len(kinds) + (place < options.inputs % len(kinds))
            for start in range(0, count, BATCH):
                jobs = list(range(start, min(start + BATCH, count)))
                for number, mutation, (verdict, detail) in run_batch(
                    kind, made, options.seed, jobs, options.seconds
                ):
                    table[kind.name][verdict] += 1
                    if verdict.isupper():
                        faults.append(f"{kind.name} #{number} ({mutation}): {verdict}\n{detail}")
                        if options.keep:
                            options.keep.mkdir(parents=True, exist_ok=True)
                            changed = mutated(kind, made.read_bytes(), options.seed, number)[1]
                            (options.keep / f"{kind.name}-{number}{kind.suffix}").write_bytes(
                                changed
                            )
            print(f"{kind.name:16s} {dict(table[kind.name])}", flush=True)
    total = sum(table.values(), Counter[str]())
    print(f"\n{total.total()} inputs, seed {options.seed}: {dict(total)}")
    if faults:
        print("\n" + "\n".join(faults[:40]))
        sys.exit(f"{len(faults)} faults")


if __name__ == "__main__":
    main()
