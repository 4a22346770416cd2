"""Leaves out of the contract what the source does not have, so that the rest can be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

from fedward_client.importer.checking.plan import contract_names
from fedward_client.importer.events.windows import event_columns
from fedward_client.importer.mapping import ROW_NUMBER, Mapping
from fedward_shared.contracts.arrays import Series
from fedward_shared.contracts.cohort import DataContract

__all__ = ["absent_columns", "without"]


def absent_columns(contract: DataContract, mapping: Mapping, columns: Sequence[str]) -> tuple[str, ...]:
    """The contract's names for what the source has no column for, under the mapping as it is."""
    channels = {channel.name for channel in contract.form.channels} if isinstance(contract.form, Series) else set()
    made = {*event_columns(contract), *channels}
    wanted = {name: mapping.answer(name).source or name for name in contract_names(contract) if name not in made}
    found = {*columns, ROW_NUMBER}
    return tuple(name for name, source in wanted.items() if source not in found)


def without(contract: DataContract, mapping: Mapping, absent: Sequence[str]) -> tuple[DataContract, Mapping] | None:
    """The contract and mapping without the absent columns; None where a record cannot be read without one of them.

    Inputs can be left out, with their times; so can the columns of rules, the split and the encounter. The label, the
    follow-up, the patient, the outcome's time, time zero and the file cannot.
    """
    gone = set(absent)
    columns = tuple(
        column
        for column in contract.columns
        if column.name not in gone and not (column.timing and column.timing.time in gone)
    )
    rest = replace(
        contract,
        columns=columns,
        include=tuple(rule for rule in contract.include if rule.column not in gone),
        split=None if contract.split in gone else contract.split,
        encounter=None if contract.encounter in gone else contract.encounter,
    )
    names = set(contract_names(rest))
    if gone & names:
        return None
    answers = {name: answer for name, answer in mapping.columns.items() if name in names}
    return rest, replace(mapping, columns=MappingProxyType(answers))
