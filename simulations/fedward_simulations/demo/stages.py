"""Progress of the demo: one line a stage with its seconds, and a bar for what takes long."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

__all__ = ["Stages"]


class Stages:
    """Tells what is being done. `seconds` holds what each stage took."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.seconds: dict[str, float] = {}

    def say(self, text: str) -> None:
        """A line that stays."""
        self.console.print(text, highlight=False)

    @contextmanager
    def stage(self, name: str, what: str) -> Iterator[Bar]:
        """Shows `what` while it lasts, and then a line with the time it took."""
        begun = time.perf_counter()
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        terminal = self.console.is_terminal
        if not terminal:
            self.say(f"… {what}")
        with Progress(
            *columns, TimeElapsedColumn(), console=self.console, transient=True, disable=not terminal
        ) as progress:
            yield Bar(progress, what)
        self.seconds[name] = time.perf_counter() - begun
        self.say(f"[green]✓[/] {what}  [dim]{self.seconds[name]:.1f} s[/]")


class Bar:
    """How far a stage is."""

    def __init__(self, progress: Progress, what: str) -> None:
        self._progress = progress
        self._what = what
        self._task = progress.add_task(what, total=None)

    def at(self, done: int, total: int, detail: str = "") -> None:
        """`done` of `total`, doing `detail`."""
        description = f"{self._what}: {detail}" if detail else self._what
        self._progress.update(self._task, completed=done, total=total, description=description)
