"""Times rivals in turn, so that a busy machine slows all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping


def median_seconds(
    rivals: Mapping[str, Callable[[], object]],
    *,
    repetitions: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median time of each rival, over rounds in which every one runs once.

    `clock` is wall time unless `time.process_time` is given: seconds of processors, which a busy
    machine does not stretch. Those compare rivals of one thread only, since waiting threads spin.
    """
    for run in rivals.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(repetitions):
        for name, run in rivals.items():
            start = clock()
            run()
            times[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def print_table(seconds: Mapping[str, float], *, ours: str, items: int, unit: str) -> None:
    """One line per rival: milliseconds per item, and how many times ours that is."""
    for name, value in seconds.items():
        ratio = value / seconds[ours]
        print(f"{name:34s} {1e3 * value / items:9.1f} ms/{unit}   x{ratio:.2f}")
