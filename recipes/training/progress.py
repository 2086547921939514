"""Progress of long work: a bar on a terminal, or else a line now and then."""

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from framegate.media.visible import visible as _plain

_SECONDS_BETWEEN_LINES = 15.0


class WorkProgress:
    """Show the progress of some work on stderr.

    Args:
        title: what is being done, a word or two.
        total: how many units it has.
        visible: False on processes that should stay silent.

    Example:
        >>> with WorkProgress("extract", total=300) as progress:
        ...     progress.update(12, "3 failures")
    """

    def __init__(self, title: str, *, total: int, visible: bool = True):
        self.title = _plain(title)
        self.total = total
        self.visible = visible
        self._watched = visible and sys.stderr.isatty()
        self._next_line = time.monotonic() + _SECONDS_BETWEEN_LINES
        self._bar = Progress(
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=Console(stderr=True),
            disable=not self._watched,
        )
        self._task: TaskID = self._bar.add_task(self.title, total=total, note="")

    def __enter__(self) -> "WorkProgress":
        self._bar.start()
        return self

    def grow(self, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` units are finished, where the total was not known from the beginning."""
        self.total = total
        if self._watched:
            self._bar.update(self._task, total=total)
        self.update(done)

    def update(self, done: int, note: str = "") -> None:
        """Show that ``done`` units are finished, with ``note`` at the end of the line."""
        note = _plain(note)
        if self._watched:
            self._bar.update(self._task, completed=done, note=note)
        elif self.visible and (time.monotonic() >= self._next_line or done == self.total):
            self._next_line = time.monotonic() + _SECONDS_BETWEEN_LINES
            sys.stderr.write(f"{self.title}: {done}/{self.total} {note}".rstrip() + "\n")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()
