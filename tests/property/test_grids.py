"""Columns and series made of events equal what plain Python makes of them, whatever the order and the batches."""

from __future__ import annotations

import math
import os
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fedward_client.importer.events import matching, runs
from fedward_client.importer.events.grids import grids
from fedward_client.importer.events.windows import WithEvents
from fedward_client.importer.mapping import Mapping
from fedward_client.importer.sources.source import ROW
from fedward_shared.contracts.arrays import Channel, Pick, Series
from fedward_shared.contracts.cohort import CategoryColumn, DataContract, DataKind, Label, NumberColumn, Timing
from tests.support.events import Event, TableSource, event_source

EXAMPLES = 600 if os.environ.get("FEDWARD_LONG") else 60
LABEL = Label("died", (("0",), ("1",)), ("no", "yes"))
WORDS = ("low", "normal", "high")

picks = st.sampled_from(list(Pick))
quarters = st.integers(-40, 40).map(lambda n: n / 4)
"""Hours that fall on, before and after the ends of steps and windows."""


@dataclass(frozen=True)
class Row:
    patient: str
    encounter: str
    zero: float | None


people = st.sampled_from(["a", "b", "c", "d"])
stays = st.sampled_from(["1", "2"])
rows = st.lists(st.builds(Row, people, stays, st.none() | quarters), max_size=12)
events = st.lists(
    st.tuples(
        people | st.none(),
        stays | st.none(),
        quarters | st.none(),
        st.sampled_from(["k", "na", "x"]),
        st.integers(-12, 12).map(float) | st.sampled_from(["", "NaN", "high", "nan"]),
        st.just(""),
    ),
    max_size=60,
)
windows = st.tuples(quarters, quarters).map(lambda pair: (min(pair), max(pair)))


def _iso(hours: float | str | None) -> str | None:
    """Hours after the start of 2024 as a date and time."""
    if not isinstance(hours, float):
        return None
    return (datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%S")


def _contract(columns: tuple[NumberColumn | CategoryColumn, ...], *, encounter: bool, dated: bool) -> DataContract:
    return DataContract(
        DataKind.TABLE,
        LABEL,
        columns,
        patient="patient",
        encounter="stay" if encounter else None,
        time_zero="admitted" if dated else None,
    )


def _number(value: object) -> float | None:
    return value if isinstance(value, float) else None


def _reduced(found: Sequence[tuple[float, float]], pick: Pick) -> float:
    """What stands for (time, value) pairs; NaN for none."""
    if pick is Pick.COUNT:
        return len(found)
    if pick is Pick.ANY:
        return float(bool(found))
    if not found:
        return math.nan
    values = sorted(value for _, value in found)
    if pick is Pick.LAST:
        return min(value for time, value in found if time == max(found)[0])
    if pick is Pick.FIRST:
        return min(value for time, value in found if time == min(found)[0])
    if pick is Pick.LOWEST:
        return values[0]
    if pick is Pick.HIGHEST:
        return values[-1]
    return math.fsum(values) / len(values) if pick is Pick.MEAN else statistics.median(values)


def _of(
    row: Row, history: Sequence[Event], codes: set[str], *, encounter: bool, dated: bool
) -> Iterator[tuple[float, object]]:
    """Hours after the row's time zero, and value, of each event that is the row's."""
    zero = row.zero if dated else 0.0
    for patient, stay, time, code, value, _ in history:
        if patient == row.patient and code in codes and time is not None and zero is not None:
            if not encounter or stay == row.encounter:
                assert isinstance(time, float)
                yield time - zero, value


def _sources(
    table: Sequence[Row], history: Sequence[Event], batch_rows: int, *, dated: bool
) -> tuple[TableSource, TableSource]:
    cohort = pl.DataFrame(
        {
            "patient": [row.patient for row in table],
            "stay": [row.encounter for row in table],
            "admitted": [_iso(row.zero) for row in table],
            "number": [f"{index}" for index in range(len(table))],
        },
        schema=dict.fromkeys(("patient", "stay", "admitted", "number"), pl.String),
    )
    told = [(*event[:2], _iso(event[2]) if dated else event[2], *event[3:]) for event in history]
    return TableSource(cohort, batch_rows), event_source(told, batch_rows)


@contextmanager
def _small(limit: int) -> Iterator[Path]:
    """Runs, ranges and pieces so small that a few rows make many of them."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "_RUN_ROWS", limit)
        patch.setattr(matching, "_TOGETHER", limit)
        yield Path(folder)


def _windows(
    table: Sequence[Row], history: Sequence[Event], contract: DataContract, batch_rows: int = 1000, limit: int = 10**6
) -> pl.DataFrame:
    cohort, told = _sources(table, history, batch_rows, dated=contract.time_zero is not None)
    names = [column.name for column in contract.columns]
    with _small(limit) as folder:
        source = WithEvents(cohort, told, contract, Mapping(), folder)
        batches = [batch.table for batch in source.batches(["number", *names])]
        assert not list(folder.iterdir())
    return pl.concat(batches)


def _x(
    table: Sequence[Row],
    history: Sequence[Event],
    form: Series,
    contract: DataContract,
    batch_rows: int = 1000,
    limit: int = 10**6,
) -> NDArray[np.float32]:
    dated = contract.time_zero is not None
    cohort, told = _sources(table, history, batch_rows, dated=dated)
    tables = [batch.table for batch in cohort.batches(cohort.columns())]
    tables = [
        part.with_columns(pl.col("admitted").str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", time_zone="UTC"))
        for part in tables
    ]
    with _small(limit) as folder:
        made = list(grids(tables, told, form, mapping=Mapping(), contract=contract, scratch=folder))
        assert not list(folder.iterdir())
    assert pl.concat([piece.table for piece in made])["number"].to_list() == [f"{i}" for i in range(len(table))]
    return np.concatenate([piece.x for piece in made])


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    rows, events, st.lists(st.tuples(picks, windows), min_size=1, max_size=4), st.booleans(), st.booleans(), st.data()
)
def test_columns_equal_a_plain_reference(
    table: list[Row],
    history: list[Event],
    wanted: list[tuple[Pick, tuple[float, float]]],
    encounter: bool,
    dated: bool,
    data: st.DataObject,
) -> None:
    codes = ("k", "na")
    columns = tuple(
        NumberColumn(f"c{i}", "1", -9, 9, 0, 1, missing=("7",), timing=Timing(window, codes=codes, pick=pick))
        for i, (pick, window) in enumerate(wanted)
    )
    contract = _contract(columns, encounter=encounter, dated=dated)
    if encounter and history and not any(event[1] for event in history if event[3] in codes):
        history = []

    made = _windows(table, history, contract, data.draw(st.integers(1, 7)), data.draw(st.integers(1, 9)))

    assert made["number"].to_list() == [f"{i}" for i in range(len(table))]
    for column, (pick, window) in zip(columns, wanted, strict=True):
        for row, cell in zip(table, made[column.name].to_list(), strict=True):
            found = []
            for after, value in _of(row, history, set(codes), encounter=encounter, dated=dated):
                if window[0] <= after <= window[1]:
                    number = _number(value)
                    if pick in (Pick.COUNT, Pick.ANY):
                        found.append((after, 0.0))
                    elif number is not None and number != 7:
                        found.append((after, number))
            expected = _reduced(found, pick)
            if dated and row.zero is None:
                expected = math.nan
            assert (cell is None) == math.isnan(expected)
            assert cell is None or cell == expected


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    rows,
    events,
    st.lists(picks, min_size=1, max_size=3),
    st.sampled_from([0.5, 1.0, 3.0]),
    st.integers(1, 5),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.data(),
)
def test_grids_equal_a_plain_reference(
    table: list[Row],
    history: list[Event],
    wanted: list[Pick],
    step: float,
    steps: int,
    masks: bool,
    deltas: bool,
    hold: bool,
    data: st.DataObject,
) -> None:
    start = data.draw(quarters)
    dated = data.draw(st.booleans())
    names = ("k", "na", "y")[: len(wanted)]
    form = Series(
        (start, start + steps * step),
        step,
        tuple(
            Channel(name, "1", -9, 9, 1.0, 2.0, ("x",) if name == "y" else (), pick=pick)
            for name, pick in zip(names, wanted, strict=True)
        ),
        masks,
        deltas,
        hold,
    )

    x = _x(
        table,
        history,
        form,
        _contract((), encounter=False, dated=dated),
        data.draw(st.integers(1, 7)),
        data.draw(st.integers(1, 9)),
    )

    assert x.shape == (len(table), *form.shape)
    assert x.dtype == np.float32
    for row, got in zip(table, x, strict=True):
        expected = np.zeros(form.shape)
        for place, channel in enumerate(form.channels):
            held, last = math.nan, -1
            mine = list(_of(row, history, {channel.name, *channel.codes}, encounter=False, dated=dated))
            for at in range(steps):
                found = []
                for after, value in mine:
                    number = _number(value)
                    if start + at * step <= after < start + (at + 1) * step:
                        if channel.pick in (Pick.COUNT, Pick.ANY):
                            found.append((after, 0.0))
                        elif number is not None and -9 <= number <= 9:
                            found.append((after, number))
                chosen = _reduced(found, channel.pick)
                if dated and row.zero is None:
                    chosen = math.nan
                if found:
                    last = at
                held = chosen if not math.isnan(chosen) else held if hold else math.nan
                expected[at, place] = 0 if math.isnan(held) else (held - 1.0) / 2.0
                if masks:
                    expected[at, len(wanted) + place] = bool(found)
                if deltas:
                    expected[at, len(wanted) * (1 + masks) + place] = at - last if last >= 0 else at
        np.testing.assert_allclose(got, expected, rtol=1e-6)


FORM = Series(
    (-2.0, 6.0),
    0.5,
    (Channel("k", "1", -9, 9, 1, 2, ("na",), pick=Pick.MEAN), Channel("x", "1", -9, 9, 1, 2)),
    deltas=True,
)
COLUMNS: tuple[NumberColumn | CategoryColumn, ...] = (
    *(
        NumberColumn(f"{pick}", "1", -9, 9, 0, 1, timing=Timing((-2.0, 6.0), codes=("k", "na"), pick=pick))
        for pick in Pick
    ),
    CategoryColumn("word", WORDS, timing=Timing((-2.0, 6.0), codes=("k", "na"), pick=Pick.LAST)),
)
CONTRACT = _contract(COLUMNS, encounter=False, dated=True)
fractions = st.floats(-9, 9, allow_subnormal=False)
histories = st.lists(
    st.tuples(
        people,
        stays,
        quarters,
        st.sampled_from(["k", "na", "x"]),
        fractions | st.sampled_from(["high", "strange"]),
        st.just(""),
    ),
    max_size=40,
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(rows, histories, st.randoms(use_true_random=False), st.integers(1, 7), st.integers(1, 9))
def test_order_batches_and_memory_never_change_a_byte(
    table: list[Row], history: list[Event], shuffle: object, batch_rows: int, limit: int
) -> None:
    mixed = list(history)
    shuffle.shuffle(mixed)  # type: ignore[attr-defined]

    assert _windows(table, history, CONTRACT).equals(_windows(table, mixed, CONTRACT, batch_rows, limit))
    assert _x(table, history, FORM, CONTRACT).tobytes() == _x(table, mixed, FORM, CONTRACT, batch_rows, limit).tobytes()


@settings(max_examples=EXAMPLES, deadline=None)
@given(rows, histories, histories, st.sampled_from([-2.0, 6.0]))
def test_nothing_outside_the_window_is_ever_read(
    table: list[Row], history: list[Event], more: list[Event], end: float
) -> None:
    """Not a microsecond outside: the same patients' events at other times, other people's, and those without time."""
    zeros: dict[str, list[float]] = {}
    for row in table:
        if row.zero is not None:
            zeros.setdefault(row.patient, []).append(row.zero)
    noise: list[Event] = []
    for patient, stay, _, code, value, unit in more:
        assert patient is not None
        edge = min(zeros.get(patient, [0.0])) - 2.25 if end < 0 else max(zeros.get(patient, [0.0])) + 6.25
        noise += [
            (patient, stay, edge, code, value, unit),
            ("nobody", stay, 0.0, code, value, unit),
            (patient, stay, None, code, value, unit),
        ]

    assert _windows(table, history, CONTRACT).equals(_windows(table, noise + history, CONTRACT))
    assert _x(table, history, FORM, CONTRACT).tobytes() == _x(table, history + noise, FORM, CONTRACT).tobytes()
