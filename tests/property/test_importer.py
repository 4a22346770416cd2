"""Arbitrary cells and files: whatever gets in is within the contract, whatever does not is told without its value."""

from __future__ import annotations

import math
import os
import re
import tempfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedward_client.imported import read_record
from fedward_client.importer.checking.cells import parse_number, text
from fedward_client.importer.checking.check import Checker
from fedward_client.importer.checking.checked import Checked, Counts
from fedward_client.importer.checking.moments import read_moments
from fedward_client.importer.importing import import_here
from fedward_client.importer.mapping import Answer, Mapping
from fedward_client.importer.order import ImportOrder
from fedward_client.importer.quarantine import Reason
from fedward_client.importer.sources.source import Batch
from fedward_client.vault.training.encoding import encode_table
from fedward_shared.contracts.cohort import (
    HELD_OUT,
    CategoryColumn,
    DataContract,
    DataKind,
    Holdout,
    Label,
    NumberColumn,
    Outside,
    Rule,
    Timing,
)
from fedward_shared.errors import FedwardError
from fedward_shared.manifest.contract import BLANKS, canonical
from fedward_shared.manifest.parse import load
from fedward_shared.units import conversion
from tests.support.checks import batch_of, check_rows
from tests.support.samples import TWO_SITES

EXAMPLES = 1000 if os.environ.get("FEDWARD_LONG") else 100
STUDY = TWO_SITES.encode()
NAMES = ("patient_id", "split", "age", "chest_pain", "disease")

# A contract and a mapping with one of everything.
GLUCOSE = NumberColumn(
    "glucose",
    "mg/dL",
    20.0,
    600.0,
    100.0,
    30.0,
    missing=("", "-1"),
    substance="glucose",
    timing=Timing((-24.0, 0.0), time="taken"),
)
AGE = NumberColumn("age", "years", 18.0, 110.0, 54.0, 9.0, missing=("", "NaN"), outside=Outside.MISSING)
PAIN = CategoryColumn("pain", ("1", "2", "some"), missing=("",), synonyms=(("one", "1"),))
CONTRACT = DataContract(
    kind=DataKind.TABLE,
    label=Label("disease", (("0",), ("1", "yes")), ("no", "yes"), time="onset"),
    columns=(GLUCOSE, AGE, PAIN),
    patient="patient",
    encounter="stay",
    time_zero="admitted",
    holdout=Holdout(0.5, "key"),
    include=(Rule("age", 20.0, 100.0), Rule("ward", values=("a", "1")), Rule("bmi", 10.0, 50.0)),
)
MAPPING = Mapping(
    columns={
        "glucose": Answer(source="GLUC", unit="mmol/L", missing=("n",), values={"<2": "30"}),
        "pain": Answer(values={"x": "some", "2": "1"}),
    },
)
SOURCES = {
    "GLUC": ["5", "5.5 ", "-1", "n", "<2", "900"],
    "taken": ["2026-01-01", "2026-01-01T12:00", "2026-01-01T12:00Z", "2025-01-01"],
    "age": ["50", "18", "19.9", "NaN", "300", "1e3"],
    "pain": ["1", "2.0", "one", "some", "x", " 1 "],
    "disease": ["0", "1.0", "yes"],
    "onset": ["2026-03-01", "2025-01-01"],
    "patient": ["p1", "p2", "3"],
    "stay": ["s"],
    "admitted": ["2026-01-01", "2026-01-01T18:00", "2026-01-02T00:00+01:00"],
    "ward": ["a", "1.0", "b"],
    "bmi": ["25", "60"],
}
ODD = ["", " ", "NaN", "1", "2.0", "0", "=1", "\0", "inf", "1e999", "Zebra-4711", "\u202e"]

cells = st.one_of(st.sampled_from(ODD), st.text(max_size=12), st.floats().map(repr), st.integers().map(str))


def _row(odd: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, str]]:
    """Rows whose cells are mostly plausible."""
    return st.fixed_dictionaries(
        {name: st.one_of(*[st.sampled_from(usual)] * 3, odd) for name, usual in SOURCES.items()}
    )


tables = st.lists(_row(cells), max_size=20)


def _batch(rows: list[dict[str, str]], first: int = 2) -> Batch:
    if rows:
        return batch_of({name: [row[name] for row in rows] for name in SOURCES}, first)
    return Batch(batch_of({name: ["x"] for name in SOURCES}, first).table.head(0))


def _check(rows: list[dict[str, str]]) -> Checked:
    return Checker(CONTRACT, MAPPING, list(SOURCES)).check(_batch(rows))


@settings(max_examples=EXAMPLES, deadline=None)
@given(rows=tables)
def test_whatever_gets_in_is_within_the_contract(rows: list[dict[str, str]]) -> None:
    checked = _check(rows)

    rejected = {rejection.row for rejection in checked.rejections}
    assert checked.table.height + len(rejected) + checked.excluded == len(rows)
    for column in CONTRACT.columns:
        known = checked.table[column.name].drop_nulls().to_list()
        if isinstance(column, NumberColumn):
            assert all(math.isfinite(value) and column.minimum <= value <= column.maximum for value in known)
        else:
            assert set(known) <= set(column.values)
    assert all(age is not None and 20 <= age <= 100 for age in checked.table["age"].to_list())
    assert set(checked.table["disease"].to_list()) <= {0, 1}
    assert set(checked.table[HELD_OUT].to_list()) <= {"train", "test"}
    assert all(name and name == name.strip() for name in checked.table["patient"].to_list())
    assert np.isfinite(encode_table(checked.table, CONTRACT)).all()


@settings(max_examples=EXAMPLES, deadline=None)
@given(rows=tables)
def test_every_cell_of_the_cohort_is_valid_missing_or_wrong(rows: list[dict[str, str]]) -> None:
    checked = _check(rows)

    told = {*SOURCES, "glucose", "(row)"}
    assert all(one.column in told and isinstance(one.reason, Reason) for one in checked.rejections)
    for counts in checked.counts.values():
        assert counts.valid + counts.missing + counts.wrong == len(rows) - checked.excluded
        assert counts.outside_window + counts.beyond_range <= counts.missing
        assert counts.converted <= counts.valid


@settings(max_examples=EXAMPLES // 3, deadline=None)
@given(rows=tables, cuts=st.lists(st.integers(0, 20), max_size=4))
def test_how_rows_come_in_batches_changes_nothing(rows: list[dict[str, str]], cuts: list[int]) -> None:
    whole = _check(rows)
    edges = sorted({0, len(rows), *(cut for cut in cuts if cut < len(rows))})
    checker = Checker(CONTRACT, MAPPING, list(SOURCES))

    parts = [
        checker.check(_batch(rows[start:stop], first=2 + start))
        for start, stop in zip([0, *edges], [*edges, len(rows)], strict=True)
    ]

    assert pl.concat([part.table for part in parts]).equals(whole.table)
    assert [one for part in parts for one in part.rejections] == list(whole.rejections)
    assert sum(part.excluded for part in parts) == whole.excluded
    for name, counts in whole.counts.items():
        assert sum((part.counts[name] for part in parts), Counts()) == counts


def _contract(column: NumberColumn | CategoryColumn) -> DataContract:
    return DataContract(DataKind.TABLE, Label("y", (("0",), ("1",)), ("no", "yes")), (column,))


def _values(column: NumberColumn | CategoryColumn, cells: list[object], mapping: Mapping | None = None) -> list[object]:
    """What each cell becomes: its value, or the reason to reject it."""
    checked = check_rows(_contract(column), {column.name: cells, "y": ["0"] * len(cells)}, mapping, first=0)
    reasons = {rejection.row: rejection.reason for rejection in checked.rejections}
    kept = iter(checked.table[column.name].to_list())
    return [reasons[row] if row in reasons else next(kept) for row in range(len(cells))]


PLAIN = NumberColumn("n", "", -1e300, 1e300, 0.0, 1.0, missing=("", "-7", "NaN"))


@settings(max_examples=EXAMPLES, deadline=None)
@given(numbers=st.lists(st.one_of(st.none(), st.floats(), st.sampled_from([-7.0, 0.0, -0.0])), min_size=1))
def test_typed_numbers_are_what_their_texts_are(numbers: list[float | None]) -> None:
    texts: list[object] = ["" if one is None else "NaN" if math.isnan(one) else repr(one) for one in numbers]
    typed = pl.Series("n", numbers, dtype=pl.Float64)

    assert _values(PLAIN, list(typed)) == _values(PLAIN, texts)


@settings(max_examples=EXAMPLES, deadline=None)
@given(numbers=st.lists(st.one_of(st.none(), st.integers(-(2**53), 2**53), st.just(-7)), min_size=1))
def test_whole_numbers_are_what_their_texts_are(numbers: list[int | None]) -> None:
    category = CategoryColumn("n", ("1", "2", "30"), missing=("", "-7"))
    texts: list[object] = ["" if one is None else str(one) for one in numbers]

    assert _values(PLAIN, list(numbers)) == _values(PLAIN, texts)
    for kind in (list(numbers), [one if one is None else float(one) for one in numbers]):
        assert _values(category, list(kind)) == _values(category, texts)


_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
numerals = st.text("0123456789+-.,eE infaNx_\t", max_size=8)


@settings(max_examples=EXAMPLES * 5, deadline=None)
@given(cell=st.one_of(cells, numerals))
def test_a_number_is_written_in_one_way_only(cell: str) -> None:
    plain = cell.strip(BLANKS)
    expected = float(plain) if _NUMBER.fullmatch(plain) else None
    if expected is not None and not math.isfinite(expected):
        expected = None

    assert parse_number(cell) == expected


@settings(max_examples=EXAMPLES * 5, deadline=None)
@given(cell=numerals)
def test_with_a_decimal_comma_points_and_commas_change_places(cell: str) -> None:
    swapped = cell.translate(str.maketrans(".,", ",."))

    assert parse_number(cell, ",") == (None if "." in cell else parse_number(swapped))


@settings(max_examples=EXAMPLES * 5, deadline=None)
@given(
    cell=st.text(
        st.one_of(st.sampled_from(BLANKS + "\x1c\x1f\u200b\ufeff"), st.characters(exclude_categories=["Cs"])),
        max_size=6,
    )
)
def test_polars_trims_and_compares_as_the_contract_does(cell: str) -> None:
    trimmed = pl.DataFrame({"cell": [cell]}).select(text(pl.col("cell"), pl.String())).item()
    assert trimmed == cell.strip(BLANKS)

    column = CategoryColumn("c", ("1", "2", "x"), missing=("", "?"))
    compared = canonical(cell)
    expected = compared if compared in column.values else None if compared in column.missing else Reason.NOT_ALLOWED
    assert _values(column, [cell]) == [expected]


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    numbers=st.lists(st.floats(0.001, 1000), min_size=2, max_size=10),
    unit=st.sampled_from(["mmol/L", "g/L", "umol/L", "ug/dL"]),
)
def test_conversion_keeps_the_order_and_is_that_of_the_units(numbers: list[float], unit: str) -> None:
    column = NumberColumn("n", "mg/dL", 0.0, 1e12, 0.0, 1.0, substance="glucose")
    cells: list[object] = [repr(number) for number in sorted(numbers)]
    factor = conversion(unit, "mg/dL", "glucose").factor

    values = _values(column, cells, Mapping(columns={"n": Answer(unit=unit)}))

    found = [value for value in values if isinstance(value, float)]
    assert len(found) == len(numbers)
    assert found == sorted(found)
    assert found == [number * factor for number in sorted(numbers)]


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    when=st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)),  # noqa: DTZ001 - hypothesis wants them without a zone
    minutes=st.one_of(st.none(), st.integers(-23 * 60, 23 * 60)),
    sign=st.sampled_from([" ", "T"]),
)
def test_any_time_that_python_writes_is_read(when: datetime, minutes: int | None, sign: str) -> None:
    zone = None if minutes is None else timezone(timedelta(minutes=minutes))
    written = when.replace(tzinfo=zone).isoformat(sign)

    found = read_moments(pl.Series([written, "2026-01-01"]), frozenset()).row(0)

    utc = when.replace(tzinfo=zone or UTC).astimezone(UTC)
    assert found[:3] == ((utc - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1), zone is not None, False)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    content=st.one_of(
        st.binary(max_size=200), st.binary(max_size=100).map(lambda tail: ",".join(NAMES).encode() + b"\n" + tail)
    )
)
def test_any_file_is_imported_or_told(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "source.csv"
        path.write_bytes(content)
        inbox = Path(folder) / "inbox"
        try:
            report = import_here(ImportOrder.of_file(path, STUDY, "heart", max_rejected=1.0), inbox)
        except FedwardError:
            assert list(inbox.glob("heart/*")) == []
            return

        assert report.folder is not None
        assert pl.read_parquet(report.folder / "table-00000.parquet").height == report.accepted > 0


@settings(max_examples=EXAMPLES, deadline=None)
@given(word=st.text(st.characters(categories=("Lu", "Ll")), min_size=8, max_size=12), column=st.integers(0, 4))
def test_no_message_and_no_list_repeats_a_cell(word: str, column: int) -> None:
    row = ["p", "train", "50", "1", "0"]
    row[column] = f"{word}\u200b"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "source.csv"
        path.write_text("\n".join([",".join(NAMES), ",".join(row), "q,train,50,1,0\n"]), encoding="utf-8")

        report = import_here(ImportOrder.of_file(path, STUDY, "heart", max_rejected=0.9), Path(folder) / "inbox")
        assert report.folder is not None
        assert word not in (report.folder / "quarantine.csv").read_text(encoding="utf-8")
        assert word not in repr(report)

        with pytest.raises(FedwardError) as failure:
            import_here(ImportOrder.of_file(path, STUDY, "heart", max_rejected=0.1), Path(folder) / "inbox")
        assert word not in failure.value.diagnostics()


@settings(max_examples=max(10, EXAMPLES // 10), deadline=None)
@given(
    table=st.lists(
        st.sampled_from(["p,train,50,1,0", "q,test,60,2,1", "r,train,,,1", "s,train,x,1,0"]), min_size=5, max_size=40
    )
)
def test_the_same_file_is_always_the_same_version(table: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "source.csv"
        path.write_text("\n".join(["patient_id,split,age,chest_pain,disease", "t,train,50,1,0", *table]))
        order = ImportOrder.of_file(path, STUDY, "heart", max_rejected=1.0)

        reports = [import_here(order, Path(folder) / name) for name in ("one", "two")]

        assert reports[0].version == reports[1].version
        assert read_record(reports[0].folder or Path()).files == read_record(reports[1].folder or Path()).files
        assert load(STUDY).data.patient == "patient_id"
