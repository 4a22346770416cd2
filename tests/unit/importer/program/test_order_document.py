"""An order is the same after its journey; an answer is believed only where it has the right form."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from fedward_client.importer.checking.checked import Counts
from fedward_client.importer.mapping import Answer, Mapping, SourceTerms
from fedward_client.importer.order import ImportOrder, Limits
from fedward_client.importer.program.order_document import order_from, order_to, written_from, written_to
from fedward_client.importer.report import ImportReport, Written
from fedward_shared.errors import ImporterError

ORDER = ImportOrder(
    manifest=b"[study]\nname = \xff",
    mapping=Mapping(
        source=SourceTerms("csv", Path("a.csv"), {"separator": ";", "header": ("a", "b"), "quotes": False, "n": 1.5}),
        events=SourceTerms("sql", None, {"url": "sqlite:///x.db"}),
        files=Path("images"),
        decimal=",",
        columns={"sex": Answer("GESCHL", "", ("9",), {"1": "Male"}), "age": Answer(unit="years")},
    ),
    folder=Path("/data"),
    data_set="heart",
    limits=Limits(seconds=5.0, memory_bytes=7, max_rejected=0.5),
    dry_run=True,
)
WRITTEN = Written(
    files=("table-00000.parquet", "table-00001.parquet"),
    report=ImportReport(
        accepted=5,
        rejected=4,
        reasons={("age", "is no number"): 3, ("sex", "is missing"): 1},
        examples={("age", "is no number"): (2, 3, 4), ("sex", "is missing"): (9,)},
        straddling=1,
        excluded=2,
        duplicates=3,
        counts={"age": Counts(1, 2, 3, 4, 5)},
        lost_events={("lactate", "is no date and time"): 7},
    ),
    source_name="a.csv",
)


@pytest.mark.parametrize("order", [ORDER, ImportOrder(b"", Mapping(), Path("/"), "x")])
def test_an_order_arrives_as_it_was(order: ImportOrder) -> None:
    assert order_from(json.loads(json.dumps(order_to(order)))) == order


def test_an_answer_arrives_as_it_was() -> None:
    assert written_from(json.loads(json.dumps(written_to(WRITTEN)))) == WRITTEN


def _altered(**changes: object) -> dict[str, Any]:
    return {**copy.deepcopy(written_to(WRITTEN)), **changes}


@pytest.mark.parametrize(
    "answer",
    [
        {},
        _altered(numbers=[1, 2, 3, 4]),
        _altered(numbers=[-1, 0, 0, 0, 0]),
        _altered(numbers=[True, 0, 0, 0, 0]),
        _altered(numbers=[1.5, 0, 0, 0, 0]),
        _altered(files="table-00000.parquet"),
        _altered(files=["../table-00000.parquet"]),
        _altered(files=["/etc/passwd"]),
        _altered(files=["import.json"]),
        _altered(files=[3]),
        _altered(files=["table-00000.parquet"] * 2),
        _altered(reasons=[["age", "is no number", 3]]),
        _altered(reasons=[["x" * 2000, "is no number", 3, []]]),
        _altered(reasons=[["age", "is no number", 3, ["first"]]]),
        _altered(counts={"age": ["many"]}),
        _altered(counts=[1]),
        _altered(lost_events=[[1, 2, 3]]),
        _altered(source_name=None),
    ],
)
def test_an_answer_of_another_form_is_not_believed(answer: dict[str, Any]) -> None:
    with pytest.raises(ImporterError):
        written_from(answer)


def test_no_name_in_an_answer_moves_a_terminal() -> None:
    found = written_from(_altered(reasons=[["a\x1b[2J", "b\n", 1, []]], source_name="\x07"))

    assert found.report.reasons == {("a?[2J", "b?"): 1}
    assert found.source_name == "?"
