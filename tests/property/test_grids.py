"""Columns and series made of events equal what plain Python makes of them, whatever the order and the batches."""

from __future__ import annotations

import math
import os
import statistics
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
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

from fedward_client.importer.checking.checked import AWARE
from fedward_client.importer.events import matching, reading, runs
from fedward_client.importer.events.grids import grids
from fedward_client.importer.events.picking import COUNTING
from fedward_client.importer.events.windows import WithEvents
from fedward_client.importer.mapping import Mapping
from fedward_shared.contracts.arrays import Channel, Pick, Series
from fedward_shared.contracts.cohort import CategoryColumn, DataContract, DataKind, Label, NumberColumn, Timing
from tests.support.events import Event, TableSource, event_source

EXAMPLES = 250 if os.environ.get("FEDWARD_LONG") else 25
LABEL = Label("died", (("0",), ("1",)), ("no", "yes"))
WORDS = ("low", "normal", "high")

picks = st.sampled_from(list(Pick))
quarters = st.integers(-16, 16).map(lambda n: n / 4)
"""Hours that fall on, before and after the ends of steps and windows."""


@dataclass(frozen=True)
class Row:
    """A row of the cohort; `zero` in hours after the start of 2024."""

    patient: str
    encounter: str
    zero: float | None


people = st.sampled_from(["a", "b"])
stays = st.sampled_from(["1", "2"])
zeros = st.none() | st.integers(-4, 4).map(lambda n: n / 4)
rows = st.lists(st.builds(Row, people, stays, zeros), max_size=8)
events = st.lists(
    st.tuples(
        st.sampled_from(["a", "a", "b", None]),
        st.sampled_from(["1", "1", "2", None]),
        quarters | st.none(),
        st.sampled_from(["k", "k", "na", "x"]),
        st.integers(-12, 12).map(float) | st.sampled_from(["", "NaN", "high", "nan"]),
        st.just(""),
    ),
    min_size=5,
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


def _reduced(found: Sequence[tuple[float, float]], pick: Pick) -> float:
    """What stands for (time, value) pairs; NaN for none."""
    if pick in COUNTING:
        return len(found) if pick is Pick.COUNT else float(bool(found))
    values = sorted(value for _, value in found)
    simple: dict[Pick, Callable[[], float]] = {
        Pick.LAST: lambda: min(value for time, value in found if time == max(found)[0]),
        Pick.FIRST: lambda: min(value for time, value in found if time == min(found)[0]),
        Pick.LOWEST: lambda: values[0],
        Pick.HIGHEST: lambda: values[-1],
        Pick.MEAN: lambda: math.fsum(values) / len(values),
        Pick.MEDIAN: lambda: statistics.median(values),
    }
    return simple[pick]() if found else math.nan


def _of(
    row: Row, history: Sequence[Event], codes: set[str], *, encounter: bool, dated: bool
) -> Iterator[tuple[float, object]]:
    """Hours after the row's time zero, and value, of each event that is the row's."""
    zero = row.zero if dated else 0.0
    for patient, stay, time, code, value, _ in dict.fromkeys(history):
        mine = patient == row.patient and code in codes and (not encounter or stay in {None, row.encounter})
        if mine and isinstance(time, float) and zero is not None:
            yield time - zero, value


def _undated(row: Row, history: Sequence[Event], *, encounter: bool) -> bool:
    """Whether an event that could be the row's was nobody knows when."""
    return any(
        event[0] == row.patient
        and event[2] is None
        and event[3] in {"k", "na"}
        and (not encounter or event[1] in {None, row.encounter})
        for event in history
    )


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
        patch.setattr(reading, "_FEW", 10**6)  # a refusal of all is not what is compared here
        yield Path(folder)


@dataclass(frozen=True)
class Cut:
    """How the same data come and are kept: rows of a batch, and of a run, a range or a piece on disk."""

    batch: int = 1000
    limit: int = 10**6


cuts = st.builds(Cut, st.integers(1, 7), st.integers(1, 9))


def _windows(table: Sequence[Row], history: Sequence[Event], contract: DataContract, cut: Cut) -> pl.DataFrame:
    cohort, told = _sources(table, history, cut.batch, dated=contract.time_zero is not None)
    names = [column.name for column in contract.columns]
    with _small(cut.limit) as folder:
        source = WithEvents(cohort, told, contract, Mapping(), folder)
        batches = [batch.table for batch in source.batches(["number", *names])]
        assert not list(folder.iterdir())
    return pl.concat(batches)


def _x(
    table: Sequence[Row], history: Sequence[Event], form: Series, contract: DataContract, cut: Cut
) -> NDArray[np.float32]:
    cohort, told = _sources(table, history, cut.batch, dated=contract.time_zero is not None)
    zero = pl.col("admitted").str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", time_zone="UTC")
    tables = [
        batch.table.with_columns(zero, pl.lit(value=False).alias(AWARE)) for batch in cohort.batches(cohort.columns())
    ]
    with _small(cut.limit) as folder:
        made = list(grids(tables, told, form, mapping=Mapping(), contract=contract, scratch=folder))
        assert not list(folder.iterdir())
    assert pl.concat([piece.table for piece in made])["number"].to_list() == [f"{i}" for i in range(len(table))]
    return np.concatenate([piece.x for piece in made])


def _usable(
    found: Iterable[tuple[float, object]], pick: Pick, fine: Callable[[float], bool]
) -> list[tuple[float, float]]:
    """Events that count: those with a fine value, or any where events are only counted."""
    if pick in COUNTING:
        return [(after, 0.0) for after, _ in found]
    return [(after, value) for after, value in found if isinstance(value, float) and fine(value)]


wanted_columns = st.lists(
    st.builds(lambda pick, window: Timing(window, codes=("k", "na"), pick=pick), picks, windows), min_size=1, max_size=4
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(rows, events, wanted_columns, st.tuples(st.booleans(), st.booleans()), cuts)
def test_columns_equal_a_plain_reference(
    table: list[Row], history: list[Event], timings: list[Timing], asked: tuple[bool, bool], cut: Cut
) -> None:
    encounter, dated = asked
    columns = tuple(
        NumberColumn(f"c{i}", "1", -9, 9, 0, 1, missing=("7",), timing=timing) for i, timing in enumerate(timings)
    )
    contract = _contract(columns, encounter=encounter, dated=dated)
    if encounter and not any(event[1] for event in history if event[3] in {"k", "na"}):
        history = []  # which is an error of its own

    made = _windows(table, history, contract, cut)

    assert made["number"].to_list() == [f"{i}" for i in range(len(table))]
    for column, timing in zip(columns, timings, strict=True):
        for row, cell in zip(table, made[column.name].to_list(), strict=True):
            if timing.pick in COUNTING and _undated(row, history, encounter=encounter):
                assert cell in ({None} if timing.pick is Pick.COUNT else {None, 1.0})
                continue
            mine = _of(row, history, {"k", "na"}, encounter=encounter, dated=dated)
            within = [event for event in mine if timing.window[0] <= event[0] <= timing.window[1]]
            fine = _usable(within, timing.pick, lambda value: value != 7 and -9 <= value <= 9)
            expected = _reduced(fine, timing.pick)
            missing = math.isnan(expected) or (dated and row.zero is None)
            assert cell == (None if missing else expected)


NAMES = ("k", "na", "y")
forms = st.builds(
    lambda start, step, steps, chosen, flags: Series(
        (start, start + steps * step),
        step,
        tuple(
            Channel(name, "1", -9, 9, 1.0, 2.0, ("x",) if name == "y" else (), pick=pick)
            for name, pick in zip(NAMES, chosen, strict=False)
        ),
        *flags,
    ),
    quarters,
    st.sampled_from([0.5, 1.0, 3.0]),
    st.integers(1, 5),
    st.lists(picks, min_size=1, max_size=3),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(rows, events, forms, st.booleans(), cuts)
def test_grids_equal_a_plain_reference(
    table: list[Row], history: list[Event], form: Series, dated: bool, cut: Cut
) -> None:
    x = _x(table, history, form, _contract((), encounter=False, dated=dated), cut)

    assert x.shape == (len(table), *form.shape)
    assert x.dtype == np.float32
    for row, got in zip(table, x, strict=True):
        expected = np.stack(
            [
                part
                for kind in zip(
                    *(_channel(row, history, form, at, dated) for at in range(len(form.channels))), strict=True
                )
                for part in kind
            ],
            axis=1,
        )
        kinds = [True, form.masks, form.deltas]
        kept = [flag for flag in kinds for _ in form.channels]
        np.testing.assert_allclose(got, expected[:, kept], rtol=1e-6)


def _channel(
    row: Row, history: Sequence[Event], form: Series, place: int, dated: bool
) -> tuple[list[float], list[float], list[float]]:
    """A channel's values, masks and deltas, step by step."""
    channel, (start, _), step = form.channels[place], form.window, form.step
    mine = list(_of(row, history, {channel.name, *channel.codes}, encounter=False, dated=dated))
    held, last = math.nan, -1
    values, masks, deltas = [], [], []
    for at in range(form.steps):
        within = [event for event in mine if start + at * step <= event[0] < start + (at + 1) * step]
        found = _usable(within, channel.pick, lambda value: -9 <= value <= 9)
        chosen = math.nan if dated and row.zero is None else _reduced(found, channel.pick)
        last = at if found else last
        held = chosen if not math.isnan(chosen) or not form.hold else held
        values.append(0.0 if math.isnan(held) else (held - 1.0) / 2.0)
        masks.append(float(bool(found)))
        deltas.append(float(at - last if last >= 0 else at))
    return values, masks, deltas


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
@given(rows, st.data(), cuts)
def test_order_batches_and_memory_never_change_a_byte(table: list[Row], data: st.DataObject, cut: Cut) -> None:
    history = data.draw(histories)
    mixed = data.draw(st.permutations(history))

    assert _windows(table, history, CONTRACT, Cut()).equals(_windows(table, mixed, CONTRACT, cut))
    assert _x(table, history, FORM, CONTRACT, Cut()).tobytes() == _x(table, mixed, FORM, CONTRACT, cut).tobytes()


@settings(max_examples=EXAMPLES, deadline=None)
@given(rows, histories, histories, st.booleans())
def test_nothing_outside_the_window_is_ever_read(
    table: list[Row], history: list[Event], more: list[Event], later: bool
) -> None:
    """The same patients' events at other times, and other people's: not a byte changes."""
    zeros: dict[str | None, list[float]] = {}
    for row in table:
        if row.zero is not None:
            zeros.setdefault(row.patient, []).append(row.zero)
    noise: list[Event] = []
    for patient, *_, code, value, unit in more:
        known = zeros.get(patient, [0.0])
        outside = max(known) + 6.25 if later else min(known) - 2.25
        noise += [(patient, None, outside, code, value, unit), ("nobody", None, 0.0, code, value, unit)]

    assert _windows(table, history, CONTRACT, Cut()).equals(_windows(table, noise + history, CONTRACT, Cut()))
    plain, noisy = (_x(table, told, FORM, CONTRACT, Cut()) for told in (history, history + noise))
    assert plain.tobytes() == noisy.tobytes()
