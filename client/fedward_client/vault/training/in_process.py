"""Training in this process: for simulations and tests."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from fedward_client.vault.training.trainer import Order
from fedward_shared.errors import TrainingError

if TYPE_CHECKING:
    from fedward_client.vault.training.session import Session
    from fedward_shared.privacy.randomness.noise import RandomSource

__all__ = ["InlineTrainer"]


class InlineTrainer:
    """Trains in this process. For simulations and tests: no process boundary around the data, no cancelling midway.

    Args:
        source_factory: makes the randomness for an instruction's digest.
    """

    def __init__(self, source_factory: Callable[[bytes], RandomSource]) -> None:
        self._source_factory = source_factory
        self._session: Session | None = None
        self._busy = threading.Lock()

    def run(self, order: Order, cancelled: Callable[[], bool]) -> list[memoryview]:
        """The reply's payload ([] for CONCLUDE).

        Raises:
            FedwardError: it failed.
        """
        from fedward_client.vault.training.session import Session

        with self._busy:
            if cancelled():
                raise TrainingError("the order was cancelled")
            self._session = self._session or Session(self._source_factory)
            return self._session.run(order)

    def close(self) -> None:
        """Forgets the open studies."""
        self._session = None
