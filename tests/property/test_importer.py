"""Arbitrary cells and files: whatever gets in is within the contract, whatever does not is told without its value."""

from __future__ import annotations

import csv
import math
import os
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from fedward_client.importer.rows import check_rows, source_columns
from fedward_client.importer.source import Batch, read_batches
from fedward_client.importer.table import import_table
from fedward_client.vault.training.encoding import encode_table
from fedward_shared.contracts.cohort import CategoryColumn, NumberColumn
from fedward_shared.errors import FedwardError
from fedward_shared.manifest.contract import canonical
from fedward_shared.manifest.parse import load
from tests.support.samples import TWO_SITES

EXAMPLES = 1000 if os.environ.get("FEDWARD_LONG") else 100
STUDY = TWO_SITES.encode()
CONTRACT = load(STUDY).data
NAMES = source_columns(CONTRACT)

cells = st.one_of(
    st.sampled_from(
        ["", " ", "NaN", "1", "2.0", "4", "0", "1.0", "50", "18", "110", "train", "test", "p1", "=1", "\0"]
    ),
    st.text(max_size=12),
    st.floats().map(repr),
    st.integers().map(str),
)
rows = st.lists(st.lists(cells, min_size=len(NAMES), max_size=len(NAMES)), max_size=20)


@settings(max_examples=EXAMPLES, deadline=None)
@given(table=rows)
def test_whatever_gets_in_is_within_the_contract(table: list[list[str]]) -> None:
    columns = [[row[index] for row in table] for index in range(len(NAMES))]

    checked = check_rows(Batch(list(range(2, 2 + len(table))), columns, [], 0), CONTRACT)

    rejected = {rejection.row for rejection in checked.rejections}
    assert checked.table.height + len(rejected) == len(table)
    for column in CONTRACT.columns:
        known = checked.table[column.name].drop_nulls().to_list()
        if isinstance(column, NumberColumn):
            assert all(math.isfinite(value) and column.minimum <= value <= column.maximum for value in known)
        else:
            assert set(known) <= set(column.values)
    assert set(checked.table["disease"].to_list()) <= {0, 1}
    assert set(checked.table["split"].to_list()) <= {"train", "test"}
    assert all(name and name.isprintable() for name in checked.table["patient_id"].to_list())
    assert np.isfinite(encode_table(checked.table, CONTRACT)).all()


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=st.text(max_size=12))
def test_polars_compares_categories_as_the_contract_does(text: str) -> None:
    category = CONTRACT.columns[1]
    assert isinstance(category, CategoryColumn)
    fine = {"age": "50", "chest_pain": text, "disease": "0", "split": "train", "patient_id": "p"}

    checked = check_rows(Batch([2], [[fine[name]] for name in NAMES], [], 0), CONTRACT)

    compared = canonical(text)
    assert (not checked.rejections) == (compared in category.values or compared in category.missing)


@settings(max_examples=EXAMPLES, deadline=None)
@given(table=rows, separator=st.sampled_from([",", ";", "\t", "|"]), ends=st.sampled_from(["\n", "\r\n"]))
def test_what_csv_writes_is_read_back_as_it_was(table: list[list[str]], separator: str, ends: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "source.csv"
        with path.open("w", encoding="utf-8", newline="", errors="surrogatepass") as file:
            csv.writer(file, delimiter=separator, lineterminator=ends, quoting=csv.QUOTE_ALL).writerows([NAMES, *table])

        batches = list(read_batches(path, NAMES, separator))

    read = [list(row) for batch in batches for row in zip(*batch.cells, strict=True)]
    assert read == table


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
            report = import_table(path, STUDY, "heart", inbox, max_rejected=1.0)
        except FedwardError:
            assert list(inbox.glob("heart/*")) == []
            return

        assert report.folder is not None
        assert pl.read_parquet(report.folder / "table-00000.parquet").height == report.accepted > 0


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

        versions = {
            import_table(path, STUDY, "heart", Path(folder) / name, max_rejected=1.0).version for name in ("one", "two")
        }

    assert len(versions) == 1
