"""What the round loop says while it works; the command shows it, and `status` reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Notice", "Notify", "Phase", "silent"]


class Phase(StrEnum):
    """What the loop is doing."""

    GATHERING = "waiting for hospitals"
    TRAINING = "training"
    FELL_SHORT = "fell short"
    ROUND_DONE = "round done"
    CONCLUDING = "delivering the final model"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing said. `round` counts from 1 (0: before the first); `text` is a sentence for people."""

    phase: Phase
    round: int
    rounds: int
    attempt: int
    text: str


Notify = Callable[[Notice], None]


def silent(_notice: Notice) -> None:
    """Says nothing."""
