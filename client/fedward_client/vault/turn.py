"""One order at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fedward_client.vault.admission import NotAdmitted
from fedward_shared.contracts.round import RefusalCode

__all__ = ["Turn"]

_WAIT_SECONDS = 0.2


class Turn:
    """Held by the order that is being worked on.

    The same order, sent again meanwhile (the link broke and came back), waits for the answer; any other is refused.
    """

    def __init__(self) -> None:
        self._holder: bytes | None = None
        self._condition = threading.Condition()

    @property
    def taken(self) -> bool:
        """Whether an order is being worked on."""
        return self._holder is not None

    @contextmanager
    def take(self, digest: bytes, cancelled: Callable[[], bool]) -> Iterator[None]:
        """Holds the turn within the block, for the instruction with this digest.

        Raises:
            NotAdmitted: BUSY, where another order holds it.
        """
        with self._condition:
            while self._holder == digest and not cancelled():
                self._condition.wait(_WAIT_SECONDS)
            if self._holder is not None:
                raise NotAdmitted(RefusalCode.BUSY)
            self._holder = digest
        try:
            yield
        finally:
            with self._condition:
                self._holder = None
                self._condition.notify_all()
