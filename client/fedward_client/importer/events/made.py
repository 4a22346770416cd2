"""Which of a contract's columns are made of events."""

from __future__ import annotations

from fedward_shared.contracts.cohort import DataContract

__all__ = ["event_columns"]


def event_columns(contract: DataContract) -> tuple[str, ...]:
    """The contract's names of what is made of events: columns with `timing.codes`, and a label with `codes`."""
    names = [column.name for column in contract.columns if column.timing is not None and column.timing.codes]
    return (*names, contract.label.column) if contract.label.codes else tuple(names)
