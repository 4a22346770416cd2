"""From a source to a `Profile`: the same reading and checking as an import, with sketches in place of files."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedward_client.importer.checking.answers import watched_number
from fedward_client.importer.checking.check import Checker
from fedward_client.importer.checking.checked import Checked, Counts
from fedward_client.importer.checking.plan import Reading, make_plan
from fedward_client.importer.events.windows import WithEvents
from fedward_client.importer.importing import open_rows
from fedward_client.importer.order import ImportOrder
from fedward_client.importer.preflight.absence import absent_columns, without
from fedward_client.importer.preflight.array_sketch import ARRAYS, array_facts, lost_events
from fedward_client.importer.preflight.category_sketch import CategorySketch
from fedward_client.importer.preflight.cohort_sketch import CohortSketch
from fedward_client.importer.preflight.id_sketch import IdSketch
from fedward_client.importer.preflight.number_sketch import NumberSketch
from fedward_client.importer.preflight.profile import LabelFacts, NumberFacts, Profile, Quarantined
from fedward_client.importer.preflight.raw_cells import raw_numbers, texts
from fedward_client.importer.preflight.separation import columns_of, composites, separations, weight_of
from fedward_client.importer.preflight.sketches import RowSample
from fedward_client.importer.preflight.time_sketch import TimeSketch
from fedward_client.importer.quarantine import Reason, Rejection
from fedward_client.importer.sources.source import ROW, Batch, rows_before
from fedward_shared.contracts.cohort import DataContract, DataKind, NumberColumn
from fedward_shared.contracts.survival import classes, times
from fedward_shared.manifest.parse import load

if TYPE_CHECKING:
    import polars as pl

    from fedward_client.importer.mapping import Mapping as SiteMapping

__all__ = ["Profiler", "Progress", "profile_source"]

Progress = Callable[[int, int], None]

_SAMPLE_ROWS = 10_000
_SAMPLE_CELLS = 4_000_000
_FEWEST_ROWS = 1000
_LISTED = 1000
"""Lines of the quarantine list that are kept; an import writes all of them to quarantine.csv."""
_SPELT = frozenset({Reason.NOT_ALLOWED, Reason.NO_CLASS, Reason.NO_SPLIT})
_SPLIT = ("train", "test")


class Profiler:
    """Takes checked batches and keeps what a profile needs; memory does not grow with the source."""

    def __init__(self, contract: DataContract, mapping: SiteMapping, columns: Sequence[str]) -> None:
        plan = make_plan(contract, mapping, columns)
        rows = max(_FEWEST_ROWS, min(_SAMPLE_ROWS, _SAMPLE_CELLS // max(1, len(contract.columns))))
        self._contract = contract
        self._columns = tuple(columns)
        self._plan = plan
        self._sources = {reading.name: reading.source for reading in plan.readings()}
        pairs = list(zip(contract.columns, plan.inputs, strict=True))
        self._numbers = {
            column.name: NumberSketch(column, reading.answer, "." if reading.made else mapping.decimal, rows)
            for column, reading in pairs
            if isinstance(column, NumberColumn)
        }
        self._categories = {
            column.name: CategorySketch(column.name, reading.source, column.values)
            for column, reading in pairs
            if not isinstance(column, NumberColumn)
        }
        self._watched = _watched_sketch(contract, plan.follow_up, mapping.decimal, rows)
        self._label = CategorySketch(contract.label.column, plan.label.source, contract.label.names)
        self._split = CategorySketch(plan.split.name, plan.split.source, _SPLIT) if plan.split else None
        self._cohort = CohortSketch(contract)
        times = (plan.time_zero, *plan.times.values()) if contract.time_zero else ()
        named = plan.patient is not None and plan.patient.source
        self._ids = IdSketch() if named else None
        self._times = [TimeSketch(reading) for reading in times if reading and not reading.made]
        self._sample = RowSample(rows)
        self._counts: dict[str, Counts] = defaultdict(Counts)
        self._reasons: Counter[tuple[str, str]] = Counter()
        self._quarantine: list[Quarantined] = []

    def add(self, batch: Batch, checked: Checked) -> None:
        """Takes one batch and what the checks made of it."""
        self._cohort.add(batch.table.height + len({one.row for one in batch.rejections}), checked)
        for name, counts in checked.counts.items():
            self._counts[name] = self._counts[name] + counts
        self._note(checked.rejections)
        self._add_numbers(batch, checked)
        if self._ids and self._plan.patient:
            self._ids.add(texts(batch.table, self._plan.patient.source))
        for sketch in self._times:
            sketch.add(batch.table[sketch.source])
        self._add_categories(batch, checked)
        self._sample.add(checked.table.select(columns_of(self._contract)))

    def profile(self) -> Profile:
        """What was found so far."""
        sample = self._sample.table()
        cohort = self._cohort.facts(sample)
        label = self._label.facts(self._counts[self._contract.label.column])
        weight = weight_of(cohort.patients, cohort.accepted)
        full = sample is not None and sample.height > 0
        return Profile(
            columns=self._columns,
            cohort=cohort,
            numbers=tuple(self._number_facts(name, sketch, sample) for name, sketch in self._numbers.items()),
            follow_up=self._follow_up_facts(sample),
            categories=tuple(sketch.facts(self._counts[name]) for name, sketch in self._categories.items()),
            label=LabelFacts(
                label,
                separations(sample, self._contract, weight) if sample is not None and full else (),
                composites(sample, self._contract, weight) if sample is not None and full else (),
            ),
            split=self._split.facts(Counts()) if self._split else None,
            reasons=tuple((column, reason, count) for (column, reason), count in self._reasons.most_common()),
            quarantine=tuple(self._quarantine),
            like_ids=self._ids.alike() if self._ids else 0,
            times=tuple(sketch.facts() for sketch in self._times),
        )

    def _follow_up_facts(self, sample: pl.DataFrame | None) -> NumberFacts | None:
        watched = self._contract.label.follow_up
        if watched is None or self._watched is None:
            return None
        known = np.empty(0) if sample is None else times(sample[self._contract.label.column].to_numpy(), watched)
        wrong = (self._reasons[watched.column, str(Reason.NOT_A_NUMBER)], 0)
        return self._watched.facts(self._counts[watched.column], wrong, known)

    def _number_facts(self, name: str, sketch: NumberSketch, sample: pl.DataFrame | None) -> NumberFacts:
        accepted = np.empty(0) if sample is None else _floats(sample[name])
        wrong = (self._reasons[name, str(Reason.NOT_A_NUMBER)], self._reasons[name, str(Reason.OUT_OF_RANGE)])
        return sketch.facts(self._counts[name], wrong, accepted)

    def _note(self, rejections: Sequence[Rejection]) -> None:
        self._reasons.update((one.column, str(one.reason)) for one in rejections)
        for one in rejections[: _LISTED - len(self._quarantine)]:
            self._quarantine.append(Quarantined(one.row, one.column, str(one.reason)))

    def _add_numbers(self, batch: Batch, checked: Checked) -> None:
        for sketch in self._numbers.values():
            sketch.thousands.add(batch.table, sketch.cells)
        raw = raw_numbers(batch.table, [sketch.cells for sketch in self._numbers.values()])
        odd = _rows_by_column(checked.rejections, frozenset({Reason.NOT_A_NUMBER}))
        for (name, sketch), values in zip(self._numbers.items(), raw, strict=True):
            cells = texts(_rows(batch.table, odd[name]), sketch.cells.column) if name in odd else None
            sketch.add(values, cells, _floats(checked.table[name]))
        if self._watched and self._plan.follow_up and self._contract.label.follow_up:
            sketch, name = self._watched, self._plan.follow_up.name
            sketch.thousands.add(batch.table, sketch.cells)
            cells = texts(_rows(batch.table, odd[name]), sketch.cells.column) if name in odd else None
            known = times(checked.table[self._contract.label.column].to_numpy(), self._contract.label.follow_up)
            sketch.add(raw_numbers(batch.table, [sketch.cells])[0], cells, known)

    def _add_categories(self, batch: Batch, checked: Checked) -> None:
        odd = _rows_by_column(checked.rejections, _SPELT)
        for name, sketch in self._categories.items():
            sketch.add(self._odd_cells(batch, name, odd), _tally(checked.table[name], sketch.values))
        name = self._contract.label.column
        labels = classes(checked.table[name].to_numpy(), self._contract.label)
        self._label.add(
            self._odd_cells(batch, name, odd), np.bincount(labels, minlength=len(self._label.values)).tolist()
        )
        if self._split and self._plan.split:
            name = self._plan.split.name
            self._split.add(self._odd_cells(batch, name, odd), _tally(checked.table[name], _SPLIT))

    def _odd_cells(self, batch: Batch, name: str, odd: Mapping[str, list[int]]) -> pl.DataFrame | None:
        """The unknown texts of a column and, hashed, whose they are (a row's own where there is no patient column)."""
        if name not in odd:
            return None
        import polars as pl

        rows = _rows(batch.table, odd[name])
        who = self._plan.patient.source if self._plan.patient and self._plan.patient.source else ROW
        return pl.DataFrame({"text": texts(rows, self._sources[name]), "patient": texts(rows, who).hash()})


def profile_source(order: ImportOrder, scratch: Path, progress: Progress = lambda _done, _of: None) -> Profile:
    """Reads the whole source as an import would, and measures it; nothing is written but scratch files.

    A contract column that the source does not have is named in `absent`; the rest is measured without it, unless it is
    the label, the patient or another column that every row needs.

    Raises:
        StudyFileError: the study file has mistakes.
        SourceDataError: the source cannot be read.
        UsageError: the mapping does not fit the contract.
    """
    contract = load(order.manifest).data
    source = open_rows(order, contract, scratch)
    columns = source.columns()
    absent = absent_columns(contract, order.mapping, columns)
    kept = without(contract, order.mapping, absent)
    if kept is None:
        return Profile(columns=columns, absent=absent)
    contract, mapping = kept
    checker = Checker(contract, mapping, columns, rows_before(source))
    profiler = Profiler(contract, mapping, columns)
    records = RowSample(ARRAYS) if contract.kind is DataKind.TENSOR else None
    for batch in source.batches(checker.columns):
        checked = checker.check(batch)
        profiler.add(batch, checked)
        if records:
            records.add(checked.table)
        progress(batch.done, batch.of)
    lost = lost_events(source.losses) if isinstance(source, WithEvents) else ()
    profile = replace(profiler.profile(), absent=absent, lost=lost)
    table = records.table() if records else None
    if table is None or not table.height:
        return profile
    arrays = array_facts(table, contract, replace(order, mapping=mapping), scratch)
    return replace(
        profile,
        arrays=arrays.facts,
        quarantine=(*profile.quarantine, *arrays.quarantine)[:_LISTED],
        lost=(*lost, *arrays.lost),
    )


def _watched_sketch(contract: DataContract, reading: Reading | None, decimal: str, rows: int) -> NumberSketch | None:
    watched = contract.label.follow_up
    if watched is None or reading is None:
        return None
    return NumberSketch(replace(watched_number(watched), maximum=watched.maximum), reading.answer, decimal, rows)


def _floats(series: pl.Series) -> NDArray[np.float64]:
    return series.drop_nulls().to_numpy().astype(np.float64)


def _rows(table: pl.DataFrame, numbers: Sequence[int]) -> pl.DataFrame:
    """The rows of a batch with these numbers."""
    import polars as pl

    return table.filter(pl.col(ROW).is_in(numbers))


def _rows_by_column(rejections: Sequence[Rejection], reasons: frozenset[Reason]) -> Mapping[str, list[int]]:
    """Row numbers by the column that was wrong for one of these reasons."""
    found: dict[str, list[int]] = {}
    for one in rejections:
        if one.reason in reasons:
            found.setdefault(one.column, []).append(one.row)
    return found


def _tally(cells: pl.Series, values: Sequence[str]) -> list[int]:
    """How often each value occurs."""
    counts = dict(cells.value_counts().iter_rows())
    return [counts.get(value, 0) for value in values]
