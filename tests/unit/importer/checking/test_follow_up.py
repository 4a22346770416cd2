"""Survival labels at import: how long somebody was watched is checked, converted, and put together with the event."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from fedward_client.importer.checking.checked import Checked, Counts
from fedward_client.importer.mapping import Answer, Mapping
from fedward_client.importer.quarantine import Reason, Rejection
from fedward_shared.contracts.cohort import TICKS, DataContract, DataKind, FollowUp, Label, NumberColumn
from fedward_shared.contracts.survival import encode, events, times
from fedward_shared.errors import SourceDataError, UsageError
from tests.support.checks import check_rows

WATCHED = FollowUp("days", "days", 3650.0)
CONTRACT = DataContract(
    kind=DataKind.TABLE,
    label=Label("died", (("0", "alive"), ("1", "dead")), ("alive", "dead"), follow_up=WATCHED),
    columns=(NumberColumn("age", "years", 0.0, 110.0, 54.0, 9.0),),
    patient="patient",
)


def _check(time: object, died: str = "1", mapping: Mapping | None = None, column: str = "days") -> Checked:
    return check_rows(CONTRACT, {"patient": ["p1"], "age": ["50"], "died": [died], column: [time]}, mapping)


def _answer(**said: object) -> Mapping:
    return Mapping(columns=MappingProxyType({"days": Answer(**said)}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("time", "died", "days", "event"),
    [
        ("730.5", "dead", 730.5, True),
        ("730.5", "alive", 730.5, False),
        ("0", "1", 0.0, True),
        ("3650", "1", 3650.0, True),
        ("3651", "1", 3650.0, False),
        ("40000", "0", 3650.0, False),
        (" 12 ", "0", 12.0, False),
        (12, "0", 12.0, False),
    ],
)
def test_time_and_event_become_one_label(time: object, died: str, days: float, event: bool) -> None:
    checked = _check(time, died)

    assert checked.rejections == ()
    assert checked.table.columns == ["fedward_row", "age", "died", "patient"]
    labels = checked.table["died"].to_numpy()
    assert labels.dtype == np.int64
    assert events(labels).tolist() == [event]
    assert times(labels, WATCHED)[0] == pytest.approx(days, abs=WATCHED.maximum / TICKS)
    assert labels.tolist() == encode([float(str(time))], [died in {"1", "dead"}], WATCHED).tolist()


@pytest.mark.parametrize(
    ("time", "reason"),
    [
        ("", Reason.MISSING),
        (None, Reason.MISSING),
        ("-1", Reason.OUT_OF_RANGE),
        ("-0.001", Reason.OUT_OF_RANGE),
        ("two years", Reason.NOT_A_NUMBER),
        ("NaN", Reason.NOT_A_NUMBER),
        ("inf", Reason.NOT_A_NUMBER),
        ("1,5", Reason.NOT_A_NUMBER),
    ],
)
def test_who_was_watched_for_no_known_time_is_quarantined_without_the_value(time: object, reason: Reason) -> None:
    checked = _check(time)

    assert checked.table.height == 0
    assert checked.rejections == (Rejection(7, "days", reason),)
    assert str(time) in {"", "None"} or str(time) not in str(checked.rejections)
    assert checked.counts["days"] == Counts(wrong=1)


def test_a_site_may_have_another_name_another_unit_and_its_own_spellings() -> None:
    mapping = _answer(source="os_months", unit="months", missing=("-9",), values=MappingProxyType({"<1": "15"}))

    longer, unknown = (
        _check("12", mapping=mapping, column="os_months"),
        _check("-9", mapping=mapping, column="os_months"),
    )
    short = _check("<1", mapping=mapping, column="os_months")

    assert times(longer.table["died"].to_numpy(), WATCHED)[0] == pytest.approx(365.25, abs=0.01)
    assert longer.counts["days"] == Counts(valid=1, converted=1)
    assert unknown.rejections == (Rejection(7, "days", Reason.MISSING),)
    assert times(short.table["died"].to_numpy(), WATCHED)[0] == pytest.approx(15, abs=0.01)


def test_a_unit_that_is_no_time_is_refused() -> None:
    with pytest.raises(UsageError):
        _check("12", mapping=_answer(unit="mg/dL"))


def test_a_source_without_the_column_is_refused() -> None:
    with pytest.raises(SourceDataError, match="days"):
        check_rows(CONTRACT, {"patient": ["p1"], "age": ["50"], "died": ["1"]})


def test_the_event_is_checked_on_its_own() -> None:
    checked = _check("12", died="perhaps")

    assert checked.rejections == (Rejection(7, "died", Reason.NO_CLASS),)


def test_several_rows_keep_their_own_times() -> None:
    rows = {"patient": ["a", "b", "c"], "age": ["50", "60", "70"], "died": ["1", "0", "1"], "days": ["5", "", "9000"]}

    checked = check_rows(replace(CONTRACT, patient=None), {name: rows[name] for name in ("age", "died", "days")})

    assert times(checked.table["died"].to_numpy(), WATCHED) == pytest.approx([5, 3650], abs=0.01)
    assert events(checked.table["died"].to_numpy()).tolist() == [True, False]
