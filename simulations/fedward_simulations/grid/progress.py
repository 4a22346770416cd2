"""Shows how far a grid is: a bar where somebody watches, else a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fedward_simulations.grid.running import State

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

__all__ = ["Display", "remaining", "shown", "spell"]

_LINE_SECONDS = 30.0
_MINUTE = 60
_HOUR = 3600


def spell(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 2 * _MINUTE:
        return f"{max(1, round(seconds))} s"
    if seconds < 2 * _HOUR:
        return f"{round(seconds / _MINUTE)} min"
    return f"{seconds / _HOUR:.1f} h"


def remaining(state: State) -> str:
    """The end of a progress line: how long it will take, as far as is known."""
    parts = [f"{state.failed} failed"] if state.failed else []
    if state.seconds_left is not None and state.remaining:
        parts.append(f"about {spell(state.seconds_left)} left")
    return ", ".join(parts)


class Display:
    """Keeps the last state, and shows each.

    Args:
        progress: the bar; None: lines through `say`.
        say: prints a line.
        monotonic: seconds, from anywhere.
    """

    def __init__(
        self, progress: Progress | None, say: Callable[[str], None], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._progress = progress
        self._say = say
        self._now = monotonic
        self._said = monotonic()
        self._bar = progress.add_task("cells", total=None) if progress else None
        self.state: State | None = None

    def show(self, state: State) -> None:
        """Takes the newest state."""
        self.state = state
        if self._progress is not None and self._bar is not None:
            running = "; ".join(state.running[:2]) or "cells"
            more = f" and {len(state.running) - 2} more" if len(state.running) > 2 else ""  # noqa: PLR2004  # two shown
            self._progress.update(
                self._bar,
                total=state.total,
                completed=state.finished + state.failed,
                description=f"{running}{more}",
                left=remaining(state),
            )
        elif self._now() - self._said >= _LINE_SECONDS:
            self._said = self._now()
            self._say(", ".join(filter(None, (f"{state.finished} of {state.total} cells", remaining(state)))))


@contextmanager
def shown(console: Console, say: Callable[[str], None]) -> Iterator[Display]:
    """A display for the length of a run; the bar goes away at its end."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    if not console.is_terminal:
        yield Display(None, say)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield Display(progress, say)
