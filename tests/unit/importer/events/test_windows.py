"""Columns made of events: units, spellings, windows, encounters, and what is counted as lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import polars as pl
import pytest

from fedward_client.importer.checking.check import Checker
from fedward_client.importer.events.losses import Losses
from fedward_client.importer.events.windows import WithEvents, event_columns
from fedward_client.importer.mapping import ROW_NUMBER, Answer, Mapping
from fedward_client.importer.quarantine import Reason, Rejection
from fedward_client.importer.sources.source import ROW
from fedward_shared.contracts.arrays import Pick
from fedward_shared.contracts.cohort import CategoryColumn, DataContract, DataKind, Label, NumberColumn, Timing
from fedward_shared.errors import SourceDataError, UsageError
from tests.support.events import Event, TableSource, event_source

ZERO = "2024-03-01T12:00:00"
DAY = (-24.0, 0.0)


def _number(pick: Pick = Pick.LAST, window: tuple[float, float] = DAY, unit: str = "mmol/L") -> NumberColumn:
    timing = Timing(window, codes=("loinc:2345-7", "glu"), pick=pick)
    return NumberColumn("glucose", unit, 1, 40, 6, 2, missing=("-1",), substance="glucose", timing=timing)


def _contract(*columns: NumberColumn | CategoryColumn, label: Label | None = None, stay: bool = False) -> DataContract:
    return DataContract(
        DataKind.TABLE,
        label or Label("died", (("0",), ("1",)), ("no", "yes")),
        columns,
        patient="patient",
        encounter="stay" if stay else None,
        time_zero="admitted",
    )


def _rows(*admitted: str | None, patient: str = "p") -> TableSource:
    count = len(admitted)
    table = {
        "who": [patient] * count,
        "stay": [f"s{i}" for i in range(count)],
        "admitted": admitted,
        "died": ["0"] * count,
    }
    return TableSource(pl.DataFrame(table, schema=dict.fromkeys(table, pl.String)))


def _mapping(**answers: Answer) -> Mapping:
    return Mapping(columns=MappingProxyType({"patient": Answer(source="who"), **answers}))


def _event(value: object, time: str | None = "2024-03-01T11:00:00", unit: str = "", **other: str) -> Event:
    text = value if isinstance(value, str | float) else None
    return (other.get("patient", "p"), other.get("stay"), time, other.get("code", "glu"), text, unit)


def _made(
    tmp_path: Path,
    contract: DataContract,
    events: Sequence[Event],
    rows: TableSource | None = None,
    mapping: Mapping | None = None,
) -> tuple[list[object], Losses]:
    """The first made column, and what was lost."""
    source = WithEvents(rows or _rows(ZERO), event_source(events), contract, mapping or _mapping(), tmp_path)
    name = event_columns(contract)[0]
    cells = [cell for batch in source.batches([name]) for cell in batch.table[name].to_list()]
    return cells, source.losses


def test_units_are_converted_event_by_event(tmp_path: Path) -> None:
    events = [
        _event("90", unit="mg/dL"),
        _event("5.5", "2024-03-01T10:00:00", "mmol/l"),
        _event("37", "2024-03-01T09:00:00"),
    ]
    per_mole = 18.0156

    lowest, _ = _made(tmp_path, _contract(_number(Pick.LOWEST)), events)
    given, _ = _made(tmp_path, _contract(_number(Pick.FIRST)), events, mapping=_mapping(glucose=Answer(unit="mg/dL")))

    assert lowest == [pytest.approx(90 / per_mole, rel=1e-3)]
    assert given == [pytest.approx(37 / per_mole, rel=1e-3)]


def test_an_unknown_unit_drops_the_event_and_is_counted(tmp_path: Path) -> None:
    events = [_event("5", "2024-03-01T08:00:00"), _event("90", unit="furlong"), _event("91", unit="kg")]

    cells, losses = _made(tmp_path, _contract(_number()), events)

    assert cells == [5.0]
    assert losses.counts == {("glucose", Reason.UNIT_UNKNOWN): 2}
    assert losses.told == tuple(Rejection(row, "glucose", Reason.UNIT_UNKNOWN) for row in (3, 4))


def test_what_is_no_number_or_no_time_is_counted_and_what_is_missing_is_not(tmp_path: Path) -> None:
    events = [
        _event("<5"),
        _event("many"),
        _event("8", None),
        _event("8", "soon"),
        _event(""),
        _event("-1.0"),
        _event("8", patient=""),
        _event("inf"),
    ]

    cells, losses = _made(tmp_path, _contract(_number()), events)

    assert cells == [None]
    assert losses.counts == {
        ("glucose", Reason.NOT_A_NUMBER): 3,
        ("glucose", Reason.NO_TIME): 2,
        ("glucose", Reason.NO_PATIENT): 1,
    }


def test_the_mapping_puts_numbers_in_place_of_texts_and_names_a_code_of_its_own(tmp_path: Path) -> None:
    answer = Answer(source="LAB 17", values=MappingProxyType({"<5": "4.5"}), missing=("n/a",), unit="mg/dL")

    cells, losses = _made(
        tmp_path,
        _contract(_number()),
        [_event("<5", code="LAB 17"), _event("n/a", "2024-03-01T11:30:00", code="LAB 17"), _event("9", code="other")],
        mapping=_mapping(glucose=answer),
    )

    assert cells == [4.5]
    assert not losses.counts


def test_counts_take_events_whatever_their_value_and_unit(tmp_path: Path) -> None:
    events = [_event("<5"), _event(None), _event("1e9", unit="furlong"), _event("5", None), _event("5", code="other")]

    cells, _ = _made(tmp_path, _contract(_number(Pick.COUNT)), events, _rows(ZERO, "2020-01-01", None))
    dated, _ = _made(tmp_path, _contract(_number(Pick.COUNT)), events[:3], _rows(ZERO, "2020-01-01", None))

    assert cells == [None, None, None]
    assert dated == [3.0, 0.0, None]


def test_a_label_is_not_negative_where_nobody_knows_when_its_event_was(tmp_path: Path) -> None:
    label = Label("died", (("0",), ("1",)), ("no", "yes"), codes=("death",), window=(0.0, 720.0))
    undated, then = _event(None, None, code="death"), _event(None, "2024-03-02T08:00:00", code="death")
    rows = TableSource(pl.DataFrame({"who": ["p", "q"], "admitted": [ZERO] * 2}))

    assert _made(tmp_path, _contract(label=label), [undated], rows)[0] == [None, "0"]
    assert _made(tmp_path, _contract(label=label), [_event(None, "soon", code="death")], rows)[0] == [None, "0"]
    assert _made(tmp_path, _contract(label=label), [undated, then], rows)[0] == ["1", "0"]
    assert _made(tmp_path, _contract(label=label), [undated], rows)[1].counts == {("died", Reason.NO_TIME): 1}


def test_a_label_counts_what_came_after_time_zero_in_whatever_stay(tmp_path: Path) -> None:
    label = Label("died", (("0",), ("1",)), ("no", "yes"), codes=("death",), window=(0.0, 24.0))

    def of(time: str, stay: str = "s9") -> list[object]:
        contract = _contract(label=label, stay=True)
        return _made(tmp_path, contract, [_event(None, time, code="death", stay=stay)])[0]

    assert of(ZERO) == ["0"]
    assert of("2024-03-01T12:00:00.000001") == ["1"]
    assert of("2024-03-02T12:00:00") == ["1"]
    assert of("2024-03-02T12:00:00.000001") == ["0"]
    assert of("2024-03-02") == ["1"]
    assert of("2024-03-01") == ["0"]


def test_a_number_out_of_range_is_not_used_and_is_told(tmp_path: Path) -> None:
    events = [_event("5", "2024-03-01T08:00:00"), _event("41"), _event("730", unit="mg/dL")]

    cells, losses = _made(tmp_path, _contract(_number()), events)

    assert cells == [5.0]
    assert losses.counts == {("glucose", Reason.OUT_OF_RANGE): 2}


def test_an_event_that_is_told_twice_counts_once(tmp_path: Path) -> None:
    events = [
        *(_event("5"), _event("5"), _event(" 5 "), _event("5", "2024-03-01T11:00")),
        *(_event("6"), _event("5", unit="mmol/L"), _event("5", code="loinc:2345-7"), _event("5", stay="s0")),
        _event("5", "2024-03-01T11:00:01"),
    ]

    assert _made(tmp_path, _contract(_number(Pick.COUNT)), events)[0] == [6.0]


def test_a_column_whose_events_are_all_lost_for_one_reason_is_refused(tmp_path: Path) -> None:
    events = [_event(f"{value}", unit="furlong") for value in range(11)]

    with pytest.raises(SourceDataError, match="all 11 events of 'glucose' are lost, each because it has a unit"):
        _made(tmp_path, _contract(_number()), events)
    assert _made(tmp_path, _contract(_number()), [*events, _event("5")])[0] == [5.0]
    assert _made(tmp_path, _contract(_number()), events[:10])[0] == [None]


@pytest.mark.parametrize(
    ("time", "counts"),
    [
        ("2024-02-29T11:59:59.999999", False),
        ("2024-02-29T12:00:00", True),
        ("2024-03-01T12:00:00", True),
        ("2024-03-01T12:00:00.000001", False),
        ("2024-02-29", True),
        ("2024-03-01", False),
    ],
)
def test_a_window_has_both_its_ends_and_not_a_microsecond_more(tmp_path: Path, time: str, counts: bool) -> None:
    cells, _ = _made(tmp_path, _contract(_number()), [_event("5", time)])

    assert cells == [5.0 if counts else None]


def test_of_values_at_the_same_time_the_smallest_stands(tmp_path: Path) -> None:
    events = [_event("9"), _event("5"), _event("7"), _event("1", "2024-03-01T10:00:00")]

    assert _made(tmp_path, _contract(_number(Pick.LAST)), events)[0] == [5.0]
    assert _made(tmp_path, _contract(_number(Pick.FIRST)), events[:3])[0] == [5.0]


def test_offsets_from_utc_count_and_must_be_on_both_sides(tmp_path: Path) -> None:
    contract = _contract(_number())
    aware = _rows("2024-03-01T13:00:00+01:00")

    within, losses = _made(tmp_path, contract, [_event("5", "2024-03-01T07:00:00-05:00")], aware)
    after, _ = _made(tmp_path, contract, [_event("5", "2024-03-01T07:00:01-05:00")], aware)
    events = [_event("5", "2024-03-01T07:00:00"), _event("6", "2024-03-01T07:00:00-05:00")]
    some, lost = _made(tmp_path, contract, events, aware)

    assert (within, after, some) == ([5.0], [None], [6.0])
    assert not losses.counts
    assert lost.counts == {("glucose", Reason.NO_TIME): 1}
    with pytest.raises(SourceDataError, match="the time zeros say their offset from UTC, and they do not") as failure:
        _made(tmp_path, contract, events[:1], aware)
    assert "zone = " in failure.value.hint
    with pytest.raises(SourceDataError, match="'admitted' say their offset from UTC, and others do not"):
        _made(tmp_path, contract, [], _rows(ZERO, "2024-03-01T13:00:00Z"))


def test_typed_sources_need_no_text(tmp_path: Path) -> None:
    table = pl.DataFrame(
        {
            "patient": [7],
            "encounter": [None],
            "time": pl.Series([1_709_290_800_000], dtype=pl.Int64).cast(pl.Datetime("ms")),
            "code": [5],
            "value": [6.5],
            "unit": [None],
        }
    )
    contract = _contract(NumberColumn("x", "", 0, 9, 0, 1, timing=Timing(DAY, codes=("5",))))
    rows = TableSource(pl.DataFrame({"who": [7.0], "admitted": ["2024-03-01 12:00"]}))

    (batch,) = WithEvents(rows, TableSource(table), contract, _mapping(), tmp_path).batches(["x"])

    assert batch.table["x"].to_list() == [6.5]


def test_categories_are_spelt_as_the_contract_spells_them(tmp_path: Path) -> None:
    timing = Timing(DAY, codes=("rh",), pick=Pick.HIGHEST)
    column = CategoryColumn("rhesus", ("negative", "1"), synonyms=(("neg", "negative"),), missing=("?",), timing=timing)
    answer = Answer(values=MappingProxyType({"++": "1"}))

    def of(*values: str) -> list[object]:
        events = [_event(value, code="rh") for value in values]
        return _made(tmp_path, _contract(column), events, mapping=_mapping(rhesus=answer))[0]

    assert of("neg", "?", "") == ["negative"]
    assert of(" negative ", "1.0") == ["1"]
    assert of("++", "neg") == ["1"]
    assert of("strange", "1", "odd") == ["strange"]
    assert of("?") == [None]


def test_a_label_of_events_is_one_where_there_is_one_in_its_window(tmp_path: Path) -> None:
    label = Label("back", (("0",), ("1",)), ("no", "yes"), codes=("visit",), window=(1.0, 720.0))
    rows = _rows(ZERO, "2024-02-29T12:00:00", "2024-01-01", None)

    cells, _ = _made(tmp_path, _contract(label=label), [_event(None, "2024-03-01T12:30:00", code="visit")], rows)

    assert cells == ["0", "1", "0", None]


def test_only_events_of_the_same_stay_count_where_stays_are_told_apart(tmp_path: Path) -> None:
    contract = _contract(_number(), stay=True)
    events = [_event("5", stay="s0"), _event("6", stay="s1"), _event("7", "2024-03-01T10:00:00")]

    cells, _ = _made(tmp_path, contract, events, _rows(ZERO, ZERO, ZERO))

    assert cells == [5.0, 6.0, 7.0]
    assert _made(tmp_path, contract, events[:2], _rows(ZERO, ZERO, ZERO))[0] == [5.0, 6.0, None]
    with pytest.raises(SourceDataError, match="no event names its encounter") as failure:
        _made(tmp_path, contract, [_event("7")])
    assert "encounter = " in failure.value.hint


@pytest.mark.parametrize(
    ("contract", "mapping", "told"),
    [
        (
            _contract(_number()),
            Mapping(columns=MappingProxyType({"patient": Answer(source=ROW_NUMBER)})),
            "no column says",
        ),
        (
            _contract(CategoryColumn("a", ("x",), timing=Timing(DAY, codes=("c",), pick=Pick.MEAN))),
            _mapping(),
            "a category has no mean",
        ),
        (_contract(label=Label("died", (("0",),), ("no",), codes=("c",))), _mapping(), "needs a window"),
    ],
)
def test_what_makes_no_sense_is_told(tmp_path: Path, contract: DataContract, mapping: Mapping, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        _made(tmp_path, contract, [], mapping=mapping)


def test_the_rows_keep_their_order_numbers_rejections_and_progress(tmp_path: Path) -> None:
    told = (Rejection(9, "(row)", Reason.RAGGED),)
    table = pl.DataFrame({"who": ["p", "q", "r"], "admitted": [ZERO] * 3})
    source = WithEvents(
        TableSource(table, 2, told),
        event_source([_event("5", patient="r")]),
        _contract(_number()),
        _mapping(),
        tmp_path,
    )

    batches = list(source.batches(["glucose", "who"]))

    assert [batch.table.columns for batch in batches] == [[ROW, "glucose", "who"]] * 2
    assert [batch.table.rows() for batch in batches] == [[(2, None, "p"), (3, None, "q")], [(4, 5.0, "r")]]
    assert [(batch.rejections, batch.done, batch.of) for batch in batches] == [(told, 2, 3), ((), 3, 3)]
    assert source.columns() == ("who", "admitted", "glucose")
    assert list(tmp_path.iterdir()) == []


def test_without_a_wanted_event_column_nothing_is_copied(tmp_path: Path) -> None:
    source = WithEvents(_rows(ZERO), event_source([]), _contract(_number()), _mapping(), tmp_path / "none")

    (batch,) = source.batches(["who"])

    assert batch.table["who"].to_list() == ["p"]


def test_a_failure_leaves_no_file(tmp_path: Path) -> None:
    source = WithEvents(
        _rows(ZERO), TableSource(pl.DataFrame({"patient": []})), _contract(_number()), _mapping(), tmp_path
    )

    with pytest.raises(SourceDataError, match="does not say encounter, time, code, value, unit"):
        list(source.batches(["glucose"]))

    assert list(tmp_path.iterdir()) == []


def test_the_checker_reads_made_columns_without_converting_again(tmp_path: Path) -> None:
    contract = _contract(_number(Pick.MEAN))
    mapping = _mapping(glucose=Answer(unit="mg/dL"))
    source = WithEvents(_rows(ZERO, ZERO), event_source([_event("90")]), contract, mapping, tmp_path)
    checker = Checker(contract, mapping, source.columns())

    (checked,) = [checker.check(batch) for batch in source.batches(checker.columns)]

    assert checked.rejections == ()
    assert checked.table["glucose"].to_list() == [pytest.approx(90 / 18.0156, rel=1e-3)] * 2
    assert checked.counts["glucose"].converted == 0


@pytest.mark.parametrize(("unit", "made"), [("mmol/L", None), ("mg/dL", 99 / 18.0156)])
@pytest.mark.parametrize("value", ["99", "99.0", 99.0])
def test_the_contracts_codes_that_are_numbers_are_in_the_contracts_unit(
    tmp_path: Path, unit: str, made: float | None, value: object
) -> None:
    contract = _contract(replace(_number(), maximum=1000.0, missing=("", "99", "NA")))

    cells, losses = _made(tmp_path, contract, [_event(value, unit=unit), _event("NA", unit=unit)])

    assert cells == [pytest.approx(made, rel=1e-3) if made else None]
    assert (_made(tmp_path, contract, [_event(value, unit=unit)], mapping=_mapping(glucose=Answer(missing=("99",)))))[
        0
    ] == [None]
    assert not losses.counts


def test_a_mean_that_is_a_code_is_no_code(tmp_path: Path) -> None:
    contract = _contract(replace(_number(Pick.MEAN), missing=("6",)))
    source = WithEvents(_rows(ZERO), event_source([_event("5"), _event("7")]), contract, _mapping(), tmp_path)
    checker = Checker(contract, _mapping(), source.columns())

    tables = [checker.check(batch).table for batch in source.batches(checker.columns)]

    assert pl.concat(tables)["glucose"].to_list() == [6.0]


@pytest.mark.parametrize("code", ["2.5", "2,5"])
@pytest.mark.parametrize("value", ["2,5", "2,50"])
def test_codes_of_a_mapping_have_a_point_or_the_sites_sign(tmp_path: Path, code: str, value: str) -> None:
    answers = MappingProxyType({"patient": Answer(source="who"), "glucose": Answer(missing=(code,))})
    mapping = Mapping(columns=answers, decimal=",")

    assert _made(tmp_path, _contract(_number()), [_event(value)], mapping=mapping)[0] == [None]
    assert _made(tmp_path, _contract(_number()), [_event("3,5")], mapping=mapping)[0] == [3.5]


@pytest.mark.parametrize("value", ["30", "30.0", 30.0])
def test_a_number_that_the_mapping_replaces_is_known_however_it_is_written(tmp_path: Path, value: object) -> None:
    mapping = _mapping(glucose=Answer(values={"30": "2.5"}))

    assert _made(tmp_path, _contract(_number()), [_event(value)], mapping=mapping)[0] == [2.5]


@pytest.mark.parametrize(("row", "event"), [("1001", "1001.0"), ("1001.00", "1001"), ("Jos\u00e9", "Jose\u0301")])
def test_events_find_their_patient_however_a_source_writes_the_name(tmp_path: Path, row: str, event: str) -> None:
    cells, _ = _made(tmp_path, _contract(_number()), [_event("5", patient=event)], _rows(ZERO, patient=row))

    assert cells == [5.0]
