"""Events become columns of the cohort's rows: what was measured in a window around each row's time zero."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from fedward_client.importer.events.losses import NO_LOSSES, Losses
from fedward_client.importer.mapping import Mapping
from fedward_client.importer.sources.source import Batch, Source
from fedward_shared.contracts.cohort import DataContract

__all__ = ["WithEvents", "event_columns"]


def event_columns(contract: DataContract) -> tuple[str, ...]:
    """The contract's names of what is made of events: columns with `timing.codes`, and a label with `codes`."""
    names = [column.name for column in contract.columns if column.timing is not None and column.timing.codes]
    return (*names, contract.label.column) if contract.label.codes else tuple(names)


class WithEvents:
    """The rows of a source with, beside its own columns, those that the contract makes of events.

    The added columns (`event_columns`) carry the contract's names and hold the contract's words already: a number is
    Float64 in the contract's unit, a category String in its declared spelling (or, where the site has another one, as
    it stands there), a label made of codes "1" or "0". The mapping's answer for such a column was used here, so a
    checker reads it as if there were no answer: no unit to convert, no spelling to replace, only the range, the
    allowed values and whether it is required. `timing.window` was applied here, too.
    """

    def __init__(self, rows: Source, events: Source, contract: DataContract, mapping: Mapping, scratch: Path) -> None:
        self._rows = rows
        self._events = events
        self._contract = contract
        self._mapping = mapping
        self._scratch = scratch
        self.losses: Losses = NO_LOSSES
        """Events that the latest reading dropped; complete once all batches were read."""

    def columns(self) -> tuple[str, ...]:
        """The names of all columns: the source's own (but for those that events make), then `event_columns`."""
        made = event_columns(self._contract)
        return (*(name for name in self._rows.columns() if name not in made), *made)

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """The named columns of every row, in the order of the source.

        Raises:
            SourceDataError: either source is damaged or lacks a column, or the contract and the mapping do not say
                whose events they are.
        """
        raise NotImplementedError
