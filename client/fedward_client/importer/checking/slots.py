"""What each row must have right, in order: inputs, label, split, patient, encounter, array, times, rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from fedward_client.importer.checking import outcomes
from fedward_client.importer.checking.answers import (
    class_meanings,
    given_numbers,
    into_unit,
    missing_codes,
    rule_meanings,
    side_meanings,
    value_meanings,
    watched_number,
)
from fedward_client.importer.checking.cells import NumberCells
from fedward_client.importer.checking.checked import AWARE
from fedward_client.importer.checking.material import Material
from fedward_client.importer.checking.moments import Moment, hours_between
from fedward_client.importer.checking.outcomes import Outcome, code, unless
from fedward_client.importer.checking.people import SIDES, named
from fedward_client.importer.checking.plan import Plan, Reading
from fedward_client.importer.quarantine import Reason
from fedward_client.importer.sources.source import ROW
from fedward_shared.contracts.arrays import Series
from fedward_shared.contracts.cohort import CategoryColumn, DataContract, NumberColumn, Rule
from fedward_shared.units import Affine

__all__ = ["Slot", "Slots"]


@dataclass(frozen=True, slots=True)
class Slot:
    """One thing that a row must have right: under which of the contract's names, and what it becomes.

    `counted` ones are told in the report, column by column; `converted` ones come from another unit.
    """

    name: str
    outcome: Outcome
    counted: bool = False
    converted: bool = False


@dataclass(frozen=True, slots=True)
class _Hours:
    """Hours after time zero (null: none): the `first` and the `last` that it can be; is it `wrong`, no time at all."""

    first: pl.Expr
    last: pl.Expr
    wrong: pl.Expr


class Slots:
    """`all` of them, and in `excluded` one expression (Boolean) a rule of the cohort: it leaves the row out."""

    def __init__(
        self, contract: DataContract, plan: Plan, material: Material, decimal: str, rows_before: int = 0
    ) -> None:
        """Raises UsageError where an answer of the mapping means nothing to the contract."""
        self._rows_before = rows_before
        self._contract = contract
        self._plan = plan
        self._material = material
        self._decimal = decimal
        self._zero = self._time_zero()
        self._hours = dict(self._read_hours())
        self.excluded: list[pl.Expr] = []
        inputs = tuple(self._inputs())
        self.all = (*inputs, *self._label(), *self._people(), *self._times(), *self._rules(inputs))

    def _inputs(self) -> Iterator[Slot]:
        for column, reading in zip(self._contract.columns, self._plan.inputs, strict=True):
            timing = column.timing
            hours = self._hours[timing.time].last if timing and timing.time and not reading.made else None
            if isinstance(column, NumberColumn):
                unit = into_unit(column, reading)
                outcome = self._number(column, reading, unit, hours)
                yield Slot(column.name, outcome, counted=True, converted=not unit.same)
            else:
                yield Slot(column.name, self._category(column, reading, hours), counted=True)

    def _number(self, column: NumberColumn, reading: Reading, unit: Affine, hours: pl.Expr | None) -> Outcome:
        missing = missing_codes(column.missing, reading, converted=not unit.same)
        if reading.made:
            missing = frozenset({""})  # the events' codes are gone, and a mean may be the same number
        parsed, empty = self._material.number(NumberCells(reading.source, missing, self._decimal))
        given = given_numbers(column, reading)
        stands = self._material.given(reading.source, given, parsed, self._decimal) if given else None
        return outcomes.number(
            column,
            parsed,
            empty,
            unit=unit,
            given=stands,
            hours=hours,
        )

    def _category(self, column: CategoryColumn, reading: Reading, hours: pl.Expr | None) -> Outcome:
        meanings = value_meanings(column, reading)
        if reading.made:
            meanings = {"": len(column.values)} | meanings
        return outcomes.category(column, self._material.meaning(reading.source, meanings), hours=hours)

    def _label(self) -> Iterator[Slot]:
        label, reading = self._contract.label, self._plan.follow_up
        meaning = self._material.meaning(self._plan.label.source, class_meanings(label, self._plan.label))
        yield Slot(label.column, outcomes.label(label, meaning), counted=True)
        if label.follow_up and reading:
            column = watched_number(label.follow_up)
            unit = into_unit(column, reading)
            yield Slot(column.name, self._number(column, reading, unit, None), counted=True, converted=not unit.same)

    def _people(self) -> Iterator[Slot]:
        plan, material = self._plan, self._material
        if plan.split:
            meaning = material.meaning(plan.split.source, side_meanings(plan.split))
            value = pl.lit(pl.Series(SIDES, dtype=pl.String)).gather(meaning)
            yield Slot(plan.split.name, Outcome(value, unless(meaning.is_not_null(), Reason.NO_SPLIT)))
        if plan.patient:
            ordinal = (pl.col(ROW) - self._rows_before).cast(pl.String)
            cell = material.key(plan.patient.source) if plan.patient.source else ordinal
            yield Slot(plan.patient.name, named(cell, Reason.NO_PATIENT))
        if plan.encounter:
            yield Slot(plan.encounter.name, named(material.key(plan.encounter.source), Reason.NO_ENCOUNTER))
        if plan.array:
            cell = material.text(plan.array.source)
            absent = cell.is_in(["", *plan.array.answer.missing])
            yield Slot(plan.array.name, Outcome(cell, unless(~absent, Reason.MISSING)))

    def _time_zero(self) -> Moment | None:
        reading = self._plan.time_zero
        return (
            self._material.moment(reading.source, missing_codes((), reading), reading.answer.form) if reading else None
        )

    def _read_hours(self) -> Iterator[tuple[str, _Hours]]:
        """For each column of times: when it is, by time zero."""
        for name, reading in self._plan.times.items():
            missing = missing_codes(("",), reading)
            if self._zero is None:
                hours, absent = self._material.number(NumberCells(reading.source, missing, self._decimal))
                after = pl.when(hours.is_finite() & ~absent).then(hours)
                yield name, _Hours(after, after, ~absent & ~hours.is_finite().fill_null(value=False))
            else:
                then = self._material.moment(reading.source, missing, reading.answer.form)
                hours = hours_between(self._zero, then)
                wrong = ~then.absent & hours.is_null() & self._zero.micros.is_not_null()
                yield name, _Hours(hours, hours_between(self._zero, then, last=True), wrong)

    def _times(self) -> Iterator[Slot]:
        reading, zero = self._plan.time_zero, self._zero
        if reading and zero:
            value = zero.micros.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
            yield Slot(reading.name, Outcome(value, unless(zero.micros.is_not_null(), Reason.NO_TIME)))
            if isinstance(self._contract.form, Series):
                yield Slot(AWARE, Outcome(zero.aware, pl.lit(0, dtype=pl.UInt8)))
        for name, found in self._hours.items():
            yield Slot(name, Outcome(None, unless(~found.wrong, Reason.NO_TIME)))
        outcome = self._hours.get(self._contract.label.time)
        if outcome:
            past = (outcome.first <= 0).fill_null(value=False)
            name = reading.name if reading else "(row)"
            yield Slot(
                name, Outcome(None, pl.when(past).then(code(Reason.AFTER_OUTCOME)).otherwise(pl.lit(0, dtype=pl.UInt8)))
            )

    def _rules(self, inputs: tuple[Slot, ...]) -> Iterator[Slot]:
        known = {slot.name: slot.outcome for slot in inputs}
        for rule, reading in zip(self._contract.include, self._plan.rules, strict=True):
            if reading is None:
                self.excluded.append(outcomes.ruled_out(rule, known[rule.column]))
            elif rule.values:
                meaning = self._material.meaning(reading.source, rule_meanings(rule.values, reading))
                self.excluded.append(meaning.ne_missing(0))
            else:
                yield self._ranged(rule, reading)

    def _ranged(self, rule: Rule, reading: Reading) -> Slot:
        """A rule on a number that is no input; what is no number is told, because nobody can say who it is."""
        missing = missing_codes(("",), reading)
        parsed, empty = self._material.number(NumberCells(reading.source, missing, self._decimal))
        finite = parsed.is_finite().fill_null(value=False)
        known = Outcome(
            None, unless(empty | finite, Reason.NOT_A_NUMBER), known=pl.when(finite).then(parsed), empty=empty
        )
        self.excluded.append(outcomes.ruled_out(rule, known))
        return Slot(rule.column, known)
