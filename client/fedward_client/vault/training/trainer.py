"""What the vault asks of whoever trains: one order at a time, and the reply's payload."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fedward_shared.contracts.round import Task

__all__ = ["Order", "Trainer"]


@dataclass(frozen=True, slots=True)
class Order:
    """One instruction that was admitted, with all that its execution needs.

    `manifest` is the study's published file, `data_folder` the import it runs on, `digest` the instruction's,
    `payload` the weights as they travel; `reports` is the site's folder for reports (one folder a study is made in it);
    `backbones` is the folder with weights of frozen backbones (None: there are none).
    """

    manifest: bytes
    site: str
    data_folder: Path
    task: Task
    round: int
    attempt: int
    digest: bytes
    payload: memoryview
    reports: Path
    backbones: Path | None = None


class Trainer(Protocol):
    """Executes orders, one at a time."""

    def run(self, order: Order, cancelled: Callable[[], bool]) -> list[memoryview]:
        """The reply's payload ([] for CONCLUDE).

        Raises:
            TrainingError: it failed, or `cancelled` turned true.
        """
        ...

    def close(self) -> None:
        """Ends whatever was started."""
        ...
