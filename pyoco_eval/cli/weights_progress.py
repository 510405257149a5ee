"""Bars of `pyoco-eval weights fetch` on standard error, if that is a terminal."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from pyoco_eval.cli.terminal import open_console


class FetchProgress:
    """One bar for the file being fetched and, for several files, one for all of them.

    Args:
        bar: where to draw.
        keys: what will be fetched, in order.
        sizes: bytes of each where they are known.
    """

    def __init__(self, bar: Progress, keys: Sequence[str], sizes: Sequence[int | None]) -> None:
        self._bar = bar
        self._totals = dict(zip(keys, sizes, strict=True))
        self._done = dict.fromkeys(keys, 0)
        self._all = bar.add_task(f"all {len(keys)}", total=None) if len(keys) > 1 else None

    @contextmanager
    def file(self, key: str) -> Iterator[Callable[[int, int | None], None]]:
        """The callback for the bytes of one file."""
        task = self._bar.add_task(key, total=None)

        def on_bytes(done: int, total: int | None) -> None:
            self._bar.update(task, completed=done, total=total)
            self._done[key] = done
            self._totals[key] = total or self._totals[key]
            self._update_all()

        try:
            yield on_bytes
        finally:
            self._bar.remove_task(task)
            # Nothing is left to wait for, be it that the file was here or could not be had.
            self._totals[key] = self._done[key]
            self._update_all()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the bars away while something is printed."""
        self._bar.stop()
        yield
        self._bar.start()

    def _update_all(self) -> None:
        if self._all is None:
            return
        sizes = list(self._totals.values())
        total = None if None in sizes else sum(size or 0 for size in sizes)
        self._bar.update(self._all, completed=sum(self._done.values()), total=total)


@contextmanager
def fetch_progress(keys: Sequence[str], sizes: Sequence[int | None]) -> Iterator[FetchProgress]:
    """Bars of bytes, one for each file, as they arrive; `sizes` in bytes, None where unknown."""
    console = open_console(stderr=True)
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(bar_width=None),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(
        *columns,
        console=console,
        disable=not console.is_terminal,
        transient=True,
        redirect_stdout=False,
    ) as bar:
        yield FetchProgress(bar, keys, sizes)
