"""Series of events: their layout, what is dropped, and the order in which pieces come."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fedward_client.importer.checking.checked import AWARE
from fedward_client.importer.events import grids as grids_module
from fedward_client.importer.events.grids import Gridded, grids
from fedward_client.importer.mapping import Mapping
from fedward_client.importer.quarantine import Reason
from fedward_client.importer.sources.source import ROW
from fedward_shared.contracts.arrays import Channel, Pick, Series
from fedward_shared.contracts.cohort import DataContract, DataKind, Label
from fedward_shared.errors import SourceDataError
from tests.support.events import Event, event_source

CONTRACT = DataContract(DataKind.TENSOR, Label("died", (("0",), ("1",)), ("no", "yes")), patient="patient")
PULSE = Channel("pulse", "bpm", 20, 300, 80, 20, codes=("loinc:8867-4",))
FORM = Series((0.0, 4.0), 1.0, (PULSE,), deltas=True)


def _table(*patients: str, start: int = 2) -> pl.DataFrame:
    numbers = pl.Series(range(start, start + len(patients)), dtype=pl.UInt64)
    return pl.DataFrame({ROW: numbers, "patient": pl.Series(patients, dtype=pl.String), "label": [1] * len(patients)})


def _dated(*patients: str, aware: bool) -> pl.DataFrame:
    """Rows whose time zero is 10 o'clock, as checking leaves them."""
    zero = pl.lit("2024-03-01T10:00:00").str.to_datetime(time_unit="us", time_zone="UTC")
    return _table(*patients).with_columns(zero.alias("zero"), pl.lit(aware).alias(AWARE))


def _grids(
    folder: Path,
    tables: list[pl.DataFrame],
    events: list[Event],
    form: Series = FORM,
    contract: DataContract = CONTRACT,
) -> list[Gridded]:
    source = event_source(events)
    return list(grids(tables, source, form, mapping=Mapping(), contract=contract, scratch=folder))


def _pulse(hours: float, value: float, patient: str = "p", unit: str = "") -> Event:
    return (patient, None, hours, "pulse", value, unit)


def test_values_then_masks_then_deltas(tmp_path: Path) -> None:
    (piece,) = _grids(tmp_path, [_table("p")], [_pulse(1, 100), _pulse(1.5, 120), _pulse(4, 60), _pulse(-0.5, 60)])

    assert piece.table.equals(_table("p"))
    assert piece.x.dtype == np.float32
    assert piece.x[0].tolist() == [[0, 0, 0], [2, 1, 0], [2, 0, 1], [2, 0, 2]]


def test_without_hold_a_step_without_an_event_is_zero(tmp_path: Path) -> None:
    form = Series((0.0, 3.0), 1.0, (PULSE,), masks=False, hold=False)

    (piece,) = _grids(tmp_path, [_table("p")], [_pulse(1, 100)], form)

    assert piece.x[0].tolist() == [[0], [1], [0]]


def test_a_count_is_never_missing(tmp_path: Path) -> None:
    form = Series((0.0, 2.0), 1.0, (Channel("pulse", "bpm", 20, 300, 1, 2, pick=Pick.COUNT),))

    (piece,) = _grids(tmp_path, [_table("p")], [_pulse(1, 9999), _pulse(1, 1)], form)

    assert piece.x[0].tolist() == [[-0.5, 0], [0.5, 1]]


def test_events_out_of_range_are_dropped_and_counted_once(tmp_path: Path) -> None:
    events = [_pulse(0, 500), _pulse(0, 90), _pulse(0, 19.9, "q"), _pulse(0, 80, unit="mmHg")]

    pieces = _grids(tmp_path, [_table("p"), _table("p", start=3)], events)

    assert [piece.x[0, 0, 0] for piece in pieces] == [0.5, 0.5]
    assert pieces[0].losses.counts == {("pulse", Reason.OUT_OF_RANGE): 2, ("pulse", Reason.UNIT_UNKNOWN): 1}
    assert sorted(rejection.row for rejection in pieces[0].losses.told) == [2, 4, 5]
    assert not pieces[1].losses.counts


def test_pieces_are_bounded_and_keep_the_order_of_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grids_module, "_MOST_CELLS", 2 * 4 * 3)
    patients = [f"p{i}" for i in range(9)]
    tables = [_table(*patients[:5]), _table(), _table(*patients[5:], start=7)]

    pieces = _grids(tmp_path, tables, [_pulse(0, 80 + 20 * i, f"p{i}") for i in range(9)])

    assert [len(piece.x) for piece in pieces] == [2, 2, 1, 0, 2, 2]
    assert pl.concat([piece.table for piece in pieces])["patient"].to_list() == patients
    assert np.concatenate([piece.x[:, 0, 0] for piece in pieces]).tolist() == list(range(9))
    assert list(tmp_path.iterdir()) == []


def test_steps_of_a_third_of_an_hour_are_exact(tmp_path: Path) -> None:
    form = Series((0.0, 1.0), 1 / 3, (PULSE,), masks=True, hold=False)

    (piece,) = _grids(tmp_path, [_table("p")], [_pulse(1 / 3, 100), _pulse(2 / 3, 120), _pulse(1, 140)], form)

    assert piece.x[0].tolist() == [[0, 0], [1, 1], [2, 1]]


def test_times_are_hours_after_the_time_zero_of_the_row(tmp_path: Path) -> None:
    contract = DataContract(CONTRACT.kind, CONTRACT.label, patient="patient", time_zero="zero")
    events: list[Event] = [("p", None, "2024-03-01 12:59:59", "loinc:8867-4", "100", None)]

    (piece,) = _grids(tmp_path, [_dated("p", aware=False)], events, contract=contract)

    assert piece.x[0, :, 1].tolist() == [0, 0, 1, 0]


@pytest.mark.parametrize(("aware", "offset"), [(True, ""), (False, "Z")])
def test_events_and_time_zeros_must_agree_in_saying_their_offset(tmp_path: Path, aware: bool, offset: str) -> None:
    contract = DataContract(CONTRACT.kind, CONTRACT.label, patient="patient", time_zero="zero")
    unlike: Event = ("p", None, f"2024-03-01T12:59:59{offset}", "pulse", "100", None)
    like: Event = ("p", None, f"2024-03-01T10:30:00{'' if offset else 'Z'}", "pulse", "100", None)

    (piece,) = _grids(tmp_path, [_dated("p", aware=aware)], [unlike, like], contract=contract)

    assert piece.x[0, :, 1].tolist() == [1, 0, 0, 0]
    assert piece.losses.counts == {("pulse", Reason.NO_TIME): 1}
    with pytest.raises(SourceDataError, match="no time of 'pulse' can be put before or after") as failure:
        _grids(tmp_path, [_dated("p", aware=aware)], [unlike], contract=contract)
    assert "zone = " in failure.value.hint
    with pytest.raises(SourceDataError, match="'zero' say their offset from UTC, and others do not"):
        _grids(tmp_path, [_dated("p", aware=True), _dated("q", aware=False)], [like], contract=contract)


def test_a_date_counts_at_the_end_of_its_day(tmp_path: Path) -> None:
    contract = DataContract(CONTRACT.kind, CONTRACT.label, patient="patient", time_zero="zero")
    form = Series((-24.0, 24.0), 24.0, (PULSE,))
    events: list[Event] = [
        ("p", None, "2024-03-01", "pulse", "100", None),
        ("q", None, "2024-02-29", "pulse", "90", None),
    ]

    (piece,) = _grids(tmp_path, [_dated("p", "q", aware=False)], events, form, contract)

    assert piece.x[:, :, 1].tolist() == [[0, 1], [1, 0]]


def test_a_single_patient_with_absurdly_many_events_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedward_client.importer.events.matching._MOST_OF_ONE", 3)

    with pytest.raises(SourceDataError, match="more than 3 rows belong to the same patient"):
        _grids(tmp_path, [_table("p")], [_pulse(0, 80)] * 4)

    assert list(tmp_path.iterdir()) == []
