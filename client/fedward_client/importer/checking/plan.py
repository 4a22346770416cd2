"""Which columns of a source a contract needs, and under which of the site's names they are found."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from types import MappingProxyType

from fedward_client.importer.events.made import event_columns
from fedward_client.importer.mapping import ROW_NUMBER, Answer
from fedward_client.importer.mapping import Mapping as SiteMapping
from fedward_client.importer.sources.columns import like_values, positions
from fedward_shared.contracts.arrays import Series, Text
from fedward_shared.contracts.cohort import DataContract, DataKind, NumberColumn
from fedward_shared.errors import SourceDataError, UsageError

__all__ = [
    "ARRAY_FILE",
    "Plan",
    "Reading",
    "array_column",
    "check_answers",
    "contract_names",
    "make_plan",
    "watched_column",
]

ARRAY_FILE = "file"
"""The contract's name for the column of .npy files where a contract of kind "tensor" declares no form."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One column to read: the contract's name for it, the source's ("" where the row's number stands in), the answer.

    `made` columns were made of events: they hold the contract's words already.
    """

    name: str
    source: str
    answer: Answer = field(default_factory=Answer)
    made: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What is read. `inputs` and `rules` run parallel to the contract's; a rule on an input has None.

    `times` are the columns that say when something was, by the contract's name; time zero is apart.
    """

    inputs: tuple[Reading, ...]
    label: Reading
    follow_up: Reading | None
    rules: tuple[Reading | None, ...]
    times: Mapping[str, Reading]
    time_zero: Reading | None
    patient: Reading | None
    encounter: Reading | None
    split: Reading | None
    array: Reading | None

    def readings(self) -> Iterator[Reading]:
        """All of them."""
        people = (self.patient, self.encounter, self.split, self.time_zero, self.array)
        found = chain(self.inputs, (self.label, self.follow_up), self.rules, self.times.values(), people)
        return (reading for reading in found if reading is not None)

    @property
    def columns(self) -> tuple[str, ...]:
        """The source's columns to ask for, each once."""
        return tuple(dict.fromkeys(reading.source for reading in self.readings() if reading.source))


def array_column(contract: DataContract) -> str | None:
    """The contract's name of the column that leads to each record's array; None for tables and series."""
    if contract.kind is DataKind.TABLE or isinstance(contract.form, Series):
        return None
    if contract.form is None:
        return ARRAY_FILE
    return contract.form.column if isinstance(contract.form, Text) else contract.form.file


def watched_column(contract: DataContract) -> str:
    """The contract's name of the column that says how long a patient was watched; "" without survival."""
    return contract.label.follow_up.column if contract.label.follow_up else ""


def contract_names(contract: DataContract) -> tuple[str, ...]:
    """Every name that a mapping may answer for: columns of all kinds, and the channels of a series."""
    names = [column.name for column in contract.columns]
    names += [column.timing.time for column in contract.columns if column.timing]
    names += [contract.label.column, watched_column(contract), contract.label.time]
    names += [rule.column for rule in contract.include]
    channels = contract.form.channels if isinstance(contract.form, Series) else ()
    names += [channel.name for channel in channels]
    people = (contract.patient, contract.encounter, contract.split, contract.time_zero, array_column(contract))
    return tuple(dict.fromkeys(name for name in (*names, *people) if name))


def make_plan(contract: DataContract, mapping: SiteMapping, columns: Sequence[str]) -> Plan:
    """Where everything is.

    Args:
        contract: what is needed.
        mapping: where the site has it.
        columns: the names of the source's columns.

    Raises:
        UsageError: the mapping answers for what the contract has not, or in a way that means nothing.
        SourceDataError: a column is not there.
    """
    check_answers(contract, mapping)
    made = event_columns(contract)

    def read(name: str | None) -> Reading | None:
        if not name:
            return None
        if name in made:
            return Reading(name, name, made=True)
        answer = mapping.answer(name)
        return Reading(name, "" if answer.source == ROW_NUMBER else answer.source or name, answer)

    inputs = {column.name: reading for column in contract.columns if (reading := read(column.name))}
    times = [column.timing.time for column in contract.columns if column.timing and not column.timing.codes]
    label = read(contract.label.column)
    if label is None:
        raise UsageError("the contract names no label column")
    plan = Plan(
        inputs=tuple(inputs.values()),
        label=label,
        follow_up=read(watched_column(contract)),
        rules=tuple(None if rule.column in inputs else read(rule.column) for rule in contract.include),
        times=MappingProxyType({name: found for name in (*times, contract.label.time) if (found := read(name))}),
        time_zero=read(contract.time_zero),
        patient=read(contract.patient),
        encounter=read(contract.encounter),
        split=None if contract.holdout else read(contract.split),
        array=read(array_column(contract)),
    )
    _check_found(plan, columns)
    return plan


def _check_found(plan: Plan, columns: Sequence[str]) -> None:
    for reading in plan.readings():
        if reading.source in columns or not reading.source:
            continue
        if reading.source != reading.name:
            near = [] if like_values(columns) else difflib.get_close_matches(reading.source, columns, n=1)
            raise SourceDataError(
                f"the mapping says that {reading.name!r} is {reading.source!r}, and the source has no such column",
                hint=f"Is it {near[0]!r}?" if near else "Correct [columns] in the mapping.",
            )
    positions(columns, plan.columns, "the source")


def check_answers(contract: DataContract, mapping: SiteMapping) -> None:
    """Whether every answer of a mapping is to a question that the contract asks.

    Raises:
        UsageError: one is not.
    """
    names = contract_names(contract)
    dated = _dated(contract)
    spelt = {column.name for column in contract.columns} | {contract.label.column, contract.split}
    spelt |= {rule.column for rule in contract.include}
    measured = {column.name for column in contract.columns if isinstance(column, NumberColumn)}
    measured |= {watched_column(contract)} - {""}
    if isinstance(contract.form, Series):
        measured |= {channel.name for channel in contract.form.channels}
    for name, answer in mapping.columns.items():
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            offered = f"Did you mean {near[0]!r}?" if near else f"The contract's columns: {', '.join(names)}."
            raise UsageError(f"the mapping answers for {name!r}, which the contract does not have", hint=offered)
        if answer.unit and name not in measured:
            raise UsageError(f"the mapping gives {name!r} a unit, but it is no measured number")
        if answer.form and name not in dated:
            raise UsageError(
                f"the mapping gives {name!r} a form of dates, but it is no column of dates and times",
                hint=f"There are: {', '.join(sorted(dated))}." if dated else "Only rows without events can have one.",
            )
        if answer.values and name not in spelt | measured:
            raise UsageError(f"the mapping replaces values of {name!r}, which has no list of values")
        if answer.source == ROW_NUMBER and name != contract.patient:
            raise UsageError(f"only the patient can be {ROW_NUMBER!r}, not {name!r}")


def _dated(contract: DataContract) -> frozenset[str]:
    """The columns of dates and times; none where events are matched to them, which must be ISO 8601."""
    if not contract.time_zero or isinstance(contract.form, Series) or event_columns(contract):
        return frozenset()
    times = {column.timing.time for column in contract.columns if column.timing}
    return frozenset({contract.time_zero, contract.label.time, *times} - {""})
