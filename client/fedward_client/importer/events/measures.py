"""What a study makes of events: for each column of events, the label, or each channel of a series, one measure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fedward_client.importer.events.clock import microseconds
from fedward_client.importer.events.picking import COUNTING
from fedward_client.importer.mapping import ROW_NUMBER, Mapping
from fedward_shared.contracts.arrays import Pick, Series
from fedward_shared.contracts.cohort import CategoryColumn, DataContract, NumberColumn
from fedward_shared.errors import UsageError
from fedward_shared.manifest.contract import canonical

__all__ = ["Measure", "Whose", "channels", "measures", "whose"]


@dataclass(frozen=True, slots=True)
class Measure:
    """Events with one of `codes`, between `window` microseconds (ends included) after time zero, reduced by `pick`.

    `unit` and `substance` are the contract's, `given` is the unit of events that name none. `limits` are what an event
    may be at all (channels); a column's range is checked on its picked value. `words` are a category's values, in the
    order in which they rank; `spellings` lead from other ways to write one, `missing` says "not measured".
    """

    name: str
    codes: tuple[str, ...]
    pick: Pick
    window: tuple[int, int]
    unit: str = ""
    substance: str = ""
    given: str = ""
    limits: tuple[float, float] | None = None
    words: tuple[str, ...] | None = None
    spellings: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def counted(self) -> bool:
        """Whether events count whatever their value is."""
        return self.pick in COUNTING


@dataclass(frozen=True, slots=True)
class Whose:
    """The source's columns that say whose a row is, and when: patient, encounter and time zero, or None."""

    patient: str
    encounter: str | None
    time_zero: str | None


def whose(contract: DataContract, mapping: Mapping) -> Whose:
    """How events find the rows they belong to.

    Raises:
        UsageError: the contract or the mapping has no patient.
    """
    if contract.patient is None or mapping.answer(contract.patient).source == ROW_NUMBER:
        raise UsageError(
            "events belong to patients, but no column says whose a row is",
            hint="The contract must declare patient, and the mapping must not answer it with (row).",
        )

    def here(name: str) -> str:
        return mapping.answer(name).source or name

    return Whose(
        here(contract.patient),
        here(contract.encounter) if contract.encounter else None,
        here(contract.time_zero) if contract.time_zero else None,
    )


def measures(contract: DataContract, mapping: Mapping, names: Iterable[str]) -> tuple[Measure, ...]:
    """One measure for each of the contract's columns in `names` that events make, the label with codes among them."""
    wanted = set(names)
    found = [_column(column, mapping) for column in contract.columns if column.name in wanted]
    label = contract.label
    if label.column in wanted and label.codes:
        if label.window is None:
            raise UsageError("a label made of events needs a window", hint="Add window = [0, hours] to [data.label].")
        window = (microseconds(label.window[0]), microseconds(label.window[1]))
        found.append(
            Measure(label.column, _codes(label.column, label.codes, mapping), Pick.ANY, window, words=("0", "1"))
        )
    return tuple(found)


def channels(form: Series, mapping: Mapping) -> tuple[Measure, ...]:
    """One measure for each channel of a series; its window is the grid's, without the end."""
    start, step = microseconds(form.window[0]), microseconds(form.step)
    window = (start, start + step * form.steps - 1)
    return tuple(
        Measure(
            name=channel.name,
            codes=_codes(channel.name, (channel.name, *channel.codes), mapping),
            pick=channel.pick,
            window=window,
            unit=channel.unit,
            substance=channel.substance,
            given=mapping.answer(channel.name).unit,
            limits=(channel.minimum, channel.maximum),
            missing=mapping.answer(channel.name).missing,
        )
        for channel in form.channels
    )


def _codes(name: str, codes: tuple[str, ...], mapping: Mapping) -> tuple[str, ...]:
    """The contract's codes and, where the mapping gives one as `source`, the site's own."""
    return tuple(dict.fromkeys((*codes, *filter(None, (mapping.answer(name).source,)))))


def _column(column: NumberColumn | CategoryColumn, mapping: Mapping) -> Measure:
    timing, answer = column.timing, mapping.answer(column.name)
    if timing is None or not timing.codes:
        raise UsageError(f"{column.name} is not made of events")
    window = (microseconds(timing.window[0]), microseconds(timing.window[1]))
    codes, missing = _codes(column.name, timing.codes, mapping), (*column.missing, *answer.missing)
    if isinstance(column, NumberColumn):
        return Measure(
            column.name, codes, timing.pick, window, column.unit, column.substance, answer.unit, missing=missing
        )
    if timing.pick in {Pick.MEAN, Pick.MEDIAN}:
        raise UsageError(f"{column.name}: a category has no {timing.pick}", hint='Use pick = "last", or another.')
    spellings = {canonical(value): value for value in column.values}
    spellings |= {canonical(there): here for there, here in column.synonyms}
    spellings |= {canonical(there): spellings.get(canonical(here), here) for there, here in answer.values.items()}
    return Measure(
        column.name,
        codes,
        timing.pick,
        window,
        words=column.values,
        spellings=tuple(spellings.items()),
        missing=tuple(map(canonical, missing)),
    )
