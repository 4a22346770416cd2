"""Times: what is read as one, which values lie in their window, and records that would predict the past."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import polars as pl
import pytest

from fedward_client.importer.checking.checked import Checked, Counts
from fedward_client.importer.checking.moments import Moment, hours_between, last_microsecond, read_moments
from fedward_client.importer.mapping import Answer, Mapping
from fedward_client.importer.quarantine import Reason, Rejection
from fedward_shared.contracts.cohort import (
    CategoryColumn,
    DataContract,
    DataKind,
    Label,
    NumberColumn,
    Rule,
    Timing,
)
from tests.support.checks import check_rows

WINDOW = Timing(window=(-24.0, 0.0), time="taken")
GLUCOSE = NumberColumn("glucose", "mg/dL", 20.0, 600.0, 100.0, 30.0, missing=("",), timing=WINDOW)
STATE = CategoryColumn("state", ("calm", "upset"), missing=("",), timing=WINDOW)
CONTRACT = DataContract(
    kind=DataKind.TABLE,
    label=Label("died", (("0",), ("1",)), ("no", "yes"), time="death"),
    columns=(GLUCOSE, STATE),
    patient="patient",
    time_zero="admitted",
)
FINE = {
    "glucose": "90",
    "state": "calm",
    "taken": "2026-01-31T12:00",
    "died": "1",
    "death": "2026-02-03",
    "patient": "p",
    "admitted": "2026-01-31T14:00",
}


def _check(contract: DataContract = CONTRACT, **cells: object) -> Checked:
    return check_rows(contract, {name: [cell] for name, cell in (FINE | cells).items()})


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _naive(text: str) -> datetime:
    """As a database without time zones has it."""
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("cell", "when", "aware"),
    [
        ("2026-01-31", _utc("2026-01-31"), False),
        ("2026-01-31T14:05", _utc("2026-01-31T14:05"), False),
        ("2026-01-31 14:05:09", _utc("2026-01-31T14:05:09"), False),
        (" 2026-01-31t14:05:09.5 ", _utc("2026-01-31T14:05:09.500"), False),
        ("2026-01-31T14:05:09,123456789", _utc("2026-01-31T14:05:09.123456"), False),
        ("2026-01-31Z", _utc("2026-01-31"), True),
        ("2026-01-31T14:05Z", _utc("2026-01-31T14:05"), True),
        ("2026-01-31T14:05z", _utc("2026-01-31T14:05"), True),
        ("2026-01-31T14:05+02:00", _utc("2026-01-31T12:05"), True),
        ("2026-01-31T14:05-0130", _utc("2026-01-31T15:35"), True),
        ("0001-01-01", _utc("0001-01-01"), False),
        ("9999-12-31T23:59:59.999999", _utc("9999-12-31T23:59:59.999999"), False),
        (date(2026, 1, 31), _utc("2026-01-31"), False),
        (_naive("2026-01-31T14:05"), _utc("2026-01-31T14:05"), False),
        (datetime(2026, 1, 31, 14, 5, tzinfo=timezone(timedelta(hours=2))), _utc("2026-01-31T12:05"), True),
    ],
)
def test_dates_and_times_are_read_as_written(cell: object, when: datetime, aware: bool) -> None:
    found = read_moments(pl.Series([cell]), frozenset())

    micros = (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert found.row(0)[:3] == (micros, aware, False)


@pytest.mark.parametrize(
    "cell",
    [
        "2026-02-30",
        "2026-13-01",
        "31.01.2026",
        "01/31/2026",
        "20260131",
        "2026-01-31T24:00",
        "2026-01-31T14:60",
        "2026-01-31T14:05:60",
        "2026-01-31T14",
        "2026-01-31T14:05+25:00",
        "2026-01-31T14:05+02",
        "2026-01-31+02:00",
        "yesterday",
        "46053",
        "2026-01-31T14:05 CET",
        "٢٠٢٦-٠١-٣١",
    ],
)
def test_whatever_else_is_no_time_and_rejects_the_row(cell: str) -> None:
    assert _check(admitted=cell).rejections == (Rejection(7, "admitted", Reason.NO_TIME),)
    assert _check(taken=cell).rejections == (Rejection(7, "taken", Reason.NO_TIME),)
    assert _check(death=cell).rejections == (Rejection(7, "death", Reason.NO_TIME),)


def test_time_zero_must_be_there_and_leaves_as_a_moment_in_utc() -> None:
    assert _check(admitted="").rejections == (Rejection(7, "admitted", Reason.NO_TIME),)
    assert _check(admitted=None).rejections == (Rejection(7, "admitted", Reason.NO_TIME),)

    table = _check().table

    assert table.schema["admitted"] == pl.Datetime("us", "UTC")
    assert table["admitted"].to_list() == [_utc("2026-01-31T14:00")]


@pytest.mark.parametrize(
    ("taken", "inside"),
    [
        ("2026-01-31T14:00", True),
        ("2026-01-30T14:00", True),
        ("2026-01-31T14:00:00.000001", False),
        ("2026-01-30T13:59:59.999999", False),
        ("2026-01-30", True),
        ("2026-01-31", False),
        ("", False),
    ],
)
def test_a_value_taken_outside_its_window_is_missing_and_counted(taken: str, inside: bool) -> None:
    checked = _check(taken=taken)

    assert checked.rejections == ()
    assert checked.table["glucose"].to_list() == [90.0 if inside else None]
    assert checked.table["state"].to_list() == ["calm" if inside else None]
    counts = Counts(valid=1) if inside else Counts(missing=1, outside_window=1)
    assert (checked.counts["glucose"], checked.counts["state"]) == (counts, counts)


def test_a_day_is_over_before_it_counts_but_an_outcome_may_be_at_its_start() -> None:
    days = pl.Series(["2026-01-31", "2026-01-31Z", "2026-01-31T00:00"])
    ends = read_moments(days, frozenset()).select(pl.from_epoch(last_microsecond(), time_unit="us")).to_series()

    assert [str(end) for end in ends] == [
        "2026-01-31 23:59:59.999999",
        "2026-02-01 11:59:59.999999",
        "2026-01-31 00:00:00",
    ]
    assert _check(taken=date(2026, 1, 31)).table["glucose"].to_list() == [None]
    assert _check(taken=date(2026, 1, 30)).table["glucose"].to_list() == [90.0]
    assert [one.reason for one in _check(death=date(2026, 1, 31)).rejections] == [Reason.AFTER_OUTCOME]


def test_what_was_missing_anyway_is_not_counted_as_outside() -> None:
    checked = _check(taken="2026-02-01", glucose="", state="")

    assert checked.counts["glucose"] == checked.counts["state"] == Counts(missing=1)


def test_a_value_outside_its_window_cannot_be_out_of_range() -> None:
    assert _check(taken="2026-02-01", glucose="9999").rejections == ()


def test_a_required_value_outside_its_window_rejects_the_row() -> None:
    contract = replace(CONTRACT, columns=(replace(GLUCOSE, required=True), STATE))

    assert _check(contract, taken="2026-02-01").rejections == (Rejection(7, "glucose", Reason.MISSING),)


def test_offsets_are_reckoned_with() -> None:
    def glucose(taken: str) -> list[float | None]:
        return _check(admitted="2026-01-31T14:00+02:00", death="", taken=taken).table["glucose"].to_list()

    assert glucose("2026-01-31T12:00Z") == [90.0]
    assert glucose("2026-01-31T12:00:01Z") == [None]


def test_a_time_with_an_offset_cannot_be_compared_with_one_without() -> None:
    checked = _check(taken="2026-01-31T12:00Z")

    assert checked.rejections == (Rejection(7, "taken", Reason.NO_TIME),)


def test_rows_may_differ_in_how_they_write_times() -> None:
    columns = {name: [cell] * 2 for name, cell in FINE.items()} | {
        "taken": ["2026-01-31T12:00Z", "2026-01-30"],
        "admitted": ["2026-01-31T14:00+00:00", "2026-01-31 14:00"],
        "death": ["", ""],
    }

    assert check_rows(CONTRACT, columns).table["glucose"].to_list() == [90.0, 90.0]


@pytest.mark.parametrize(
    ("death", "reasons"),
    [
        ("2026-01-31T14:00:00.000001", []),
        ("2026-01-31T14:00", [Rejection(7, "admitted", Reason.AFTER_OUTCOME)]),
        ("2026-01-31", [Rejection(7, "admitted", Reason.AFTER_OUTCOME)]),
        ("", []),
        (None, []),
    ],
)
def test_a_record_must_lie_before_its_outcome(death: str | None, reasons: list[Rejection]) -> None:
    assert list(_check(death=death).rejections) == reasons


def test_a_sites_spelling_of_no_time_is_none() -> None:
    mapping = Mapping(columns={"death": Answer(missing=("9999-12-31", "alive"))})
    columns = {name: [cell] * 2 for name, cell in FINE.items()} | {"death": ["alive", "9999-12-31"]}

    assert check_rows(CONTRACT, columns, mapping).rejections == ()


def test_typed_times_are_what_their_texts_are() -> None:
    checked = _check(admitted=_naive("2026-01-31T14:00"), taken=_naive("2026-01-30T14:00"), death=date(2026, 2, 3))

    assert checked.table["glucose"].to_list() == [90.0]
    assert _check(admitted=_naive("2026-01-31T14:00"), death=date(2026, 1, 31)).rejections == (
        Rejection(7, "admitted", Reason.AFTER_OUTCOME),
    )


def test_without_a_time_zero_times_are_hours() -> None:
    contract = replace(CONTRACT, time_zero=None)

    assert _check(contract, taken="-24", death="").table["glucose"].to_list() == [90.0]
    assert _check(contract, taken="0.01", death="").table["glucose"].to_list() == [None]
    assert _check(contract, taken=-3, death=5.5).table["glucose"].to_list() == [90.0]
    assert _check(contract, taken="noon", death="").rejections == (Rejection(7, "taken", Reason.NO_TIME),)
    assert _check(contract, taken="-1", death="0").rejections == (Rejection(7, "(row)", Reason.AFTER_OUTCOME),)


def test_hours_are_reckoned_over_days_and_years() -> None:
    found = [read_moments(pl.Series([time]), frozenset()) for time in ("2024-02-28", "2025-03-01 06:00")]
    parts = [part.select(pl.all().name.suffix(name)) for part, name in zip(found, "ab", strict=True)]
    table = pl.concat(parts, how="horizontal")
    names = ("micros", "aware", "absent", "micros")
    start, end = (Moment(*(pl.col(f"{name}{which}") for name in names)) for which in "ab")

    assert table.select(hours_between(start, end)).item() == 367 * 24 + 6


def test_a_rule_does_not_see_a_value_outside_its_window() -> None:
    contract = replace(CONTRACT, include=(Rule("glucose", 0.0, 600.0),))

    assert _check(contract).excluded == 0
    assert _check(contract, taken="2026-02-01").excluded == 1
