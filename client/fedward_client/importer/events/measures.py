"""What a study makes of events: for each column of events, the label, or each channel of a series, one measure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from fedward_client.importer.checking.answers import given_numbers, missing_codes, value_meanings
from fedward_client.importer.checking.plan import Reading
from fedward_client.importer.events.clock import microseconds
from fedward_client.importer.events.picking import COUNTING
from fedward_client.importer.mapping import ROW_NUMBER
from fedward_client.importer.mapping import Mapping as SiteMapping
from fedward_shared.contracts.arrays import Channel, Pick, Series
from fedward_shared.contracts.cohort import CategoryColumn, DataContract, NumberColumn, Timing
from fedward_shared.errors import UsageError

__all__ = ["Measure", "Whose", "channels", "measures", "whose"]


@dataclass(frozen=True, slots=True)
class Measure:
    """Events with one of `codes`, between `window` microseconds (ends included) after time zero, reduced by `pick`.

    A number has the contract's `unit` and `substance`, and the unit `here` of events that name none; `given` puts
    numbers in that unit in place of texts, `missing` says "not measured", and `missing_in_unit` does where an event
    has the contract's unit. `limits` are what an event may be at all.

    An `outcome` is what is predicted: its events count whichever stay they belong to.

    A category has `words`, its values in the order in which they rank, and `meanings`: from each spelling to the rank,
    or to their count for "not measured".
    """

    name: str
    codes: tuple[str, ...]
    pick: Pick
    window: tuple[int, int]
    unit: str = ""
    substance: str = ""
    here: str = ""
    given: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    missing: frozenset[str] = frozenset()
    missing_in_unit: frozenset[str] = frozenset()
    limits: tuple[float, float] | None = None
    words: tuple[str, ...] | None = None
    meanings: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    outcome: bool = False

    @property
    def counted(self) -> bool:
        """Whether events count whatever their value is."""
        return self.pick in COUNTING


@dataclass(frozen=True, slots=True)
class Whose:
    """The columns of rows that say whose a row is, and when: patient, encounter and time zero, or None."""

    patient: str
    encounter: str | None
    time_zero: str | None

    @property
    def names(self) -> tuple[str, ...]:
        """Those that there are."""
        return tuple(filter(None, (self.patient, self.encounter, self.time_zero)))


def whose(contract: DataContract, mapping: SiteMapping) -> Whose:
    """How events find the rows of a source that they belong to.

    Raises:
        UsageError: the contract or the mapping has no patient.
    """
    if contract.patient is None or mapping.answer(contract.patient).source == ROW_NUMBER:
        raise UsageError(
            "events belong to patients, but no column says whose a row is",
            hint="The contract must declare patient, and the mapping must not answer it with (row).",
        )

    def there(name: str) -> str:
        return mapping.answer(name).source or name

    return Whose(
        there(contract.patient),
        there(contract.encounter) if contract.encounter else None,
        there(contract.time_zero) if contract.time_zero else None,
    )


def measures(contract: DataContract, mapping: SiteMapping, names: Iterable[str]) -> tuple[Measure, ...]:
    """One measure for each of the contract's columns in `names` that events make, the label with codes among them.

    A label's window begins after time zero.

    Raises:
        UsageError: an answer of the mapping means nothing, or a pick fits no category.
    """
    wanted = set(names)
    timed = [(column, column.timing) for column in contract.columns if column.timing and column.name in wanted]
    found = [_column(column, timing, mapping) for column, timing in timed if timing.codes]
    label = contract.label
    if label.column in wanted and label.codes:
        if label.window is None:
            raise UsageError("a label made of events needs a window", hint="Add window = [0, hours] to [data.label].")
        codes = _codes(label.column, label.codes, mapping)
        start, end = _micros(label.window)
        window = (max(start, 1), end)
        found.append(Measure(label.column, codes, Pick.ANY, window, words=("0", "1"), outcome=True))
    return tuple(found)


def channels(form: Series, mapping: SiteMapping) -> tuple[Measure, ...]:
    """One measure for each channel of a series; its window is the grid's, without the end.

    Raises:
        UsageError: an answer of the mapping means nothing.
    """
    start = microseconds(form.window[0])
    window = (start, start + microseconds(form.step) * form.steps - 1)
    return tuple(_channel(channel, window, mapping) for channel in form.channels)


def _channel(channel: Channel, window: tuple[int, int], mapping: SiteMapping) -> Measure:
    answer = mapping.answer(channel.name)
    limits = (channel.minimum, channel.maximum)
    column = NumberColumn(channel.name, channel.unit, *limits, channel.centre, channel.scale)
    reading = Reading(channel.name, channel.name, answer)
    return Measure(
        channel.name,
        _codes(channel.name, (channel.name, *channel.codes), mapping),
        channel.pick,
        window,
        unit=channel.unit,
        substance=channel.substance,
        here=answer.unit,
        given=given_numbers(column, reading),
        missing=missing_codes(("",), reading),
        limits=limits,
    )


def _column(column: NumberColumn | CategoryColumn, timing: Timing, mapping: SiteMapping) -> Measure:
    answer = mapping.answer(column.name)
    reading = Reading(column.name, column.name, answer)
    codes, window = _codes(column.name, timing.codes, mapping), _micros(timing.window)
    if isinstance(column, NumberColumn):
        return Measure(
            column.name,
            codes,
            timing.pick,
            window,
            unit=column.unit,
            substance=column.substance,
            here=answer.unit,
            given=given_numbers(column, reading),
            missing=missing_codes(("", *column.missing), reading, converted=True),
            missing_in_unit=missing_codes(column.missing, reading),
            limits=(column.minimum, column.maximum),
        )
    if timing.pick in {Pick.MEAN, Pick.MEDIAN}:
        raise UsageError(f"{column.name}: a category has no {timing.pick}", hint='Use pick = "last", or another.')
    meanings = {"": len(column.values), **value_meanings(column, reading)}
    return Measure(column.name, codes, timing.pick, window, words=column.values, meanings=meanings)


def _codes(name: str, codes: tuple[str, ...], mapping: SiteMapping) -> tuple[str, ...]:
    """The contract's codes and, where the mapping gives one as `source`, the site's own."""
    return tuple(dict.fromkeys((*codes, *filter(None, (mapping.answer(name).source,)))))


def _micros(window: tuple[float, float]) -> tuple[int, int]:
    return (microseconds(window[0]), microseconds(window[1]))
