"""A source file as a weapon: what is no honest table leaves nothing in the inbox, and its values are never repeated."""

from __future__ import annotations

import gzip
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from fedward_client.importer.importing import import_here
from fedward_client.importer.order import ImportOrder, Limits
from fedward_client.importer.report import ImportReport
from fedward_shared.errors import FedwardError, SourceDataError, UsageError
from tests.support.samples import TWO_SITES

STUDY = TWO_SITES.encode()
HEADER = b"patient_id,split,age,chest_pain,disease\n"
SECRET = "Zebra-4711"

CORPUS = {
    "nothing": b"",
    "only a header": HEADER,
    "binary": bytes(range(256)) * 100,
    "a gzip file": gzip.compress(HEADER + b"p,train,50,1,0\n" * 1000),
    "a pickle": pickle.dumps({"patient_id": [1], "split": ["train"]}),
    "a Parquet header": b"PAR1" + HEADER + b"p,train,50,1,0\n",
    "UTF-16": (HEADER + b"p,train,50,1,0\n").decode().encode("utf-16"),
    "zero bytes": HEADER + b"\0" * 10_000,
    "zero bytes in cells": HEADER + b"p\0,train,5\0" + b"0,1,0\n",
    "no line ends": b"a" * 5_000_000,
    "one endless row": HEADER + b"p," * 1_000_000,
    "one endless cell": HEADER + b"p,train," + b"5" * 1_000_000 + b",1,0\n",
    "an open quote": HEADER + b'"p,train,50,1,0\n' * 10_000,
    "quotes in quotes": HEADER + b'"p"q,train,50,1,0\n',
    "a header of many columns": b"x," * 700_000 + HEADER,
    "the header twice": HEADER.strip() + b"," + HEADER + b"p,train,50,1,0,p,train,50,1,0\n",
    "formulas": HEADER + b"=cmd|' /C calc'!A0,train,=1+1,@SUM(1),+1\n" * 10,
    "huge numbers": HEADER + b"p,train,1e999999,1,0\n" + b"q,train," + b"9" * 60_000 + b",1,0\n",
    "not numbers": HEADER + b"p,train,nan,1,0\nq,train,inf,1,0\nr,train,-inf,1,0\n",
    "invisible names": HEADER + "p\u202e,train,50,1,0\n\u200b,train,50,1,0\n".encode(),
}


def import_file(file: Path, inbox: Path, limits: Limits | None = None) -> ImportReport:
    return import_here(replace(ImportOrder.of_file(file, STUDY, "heart"), limits=limits or Limits()), inbox)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("content", CORPUS.values(), ids=CORPUS.keys())
def test_a_hostile_file_is_told_and_leaves_nothing(tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "source.csv"
    source.write_bytes(content)

    with pytest.raises(SourceDataError) as failure:
        import_file(source, tmp_path / "inbox")

    assert len(failure.value.diagnostics()) < 5_000
    assert list((tmp_path / "inbox").glob("heart/*")) == []
    assert [path.name for path in (tmp_path / "inbox").rglob("*")] == [".importing", "lock"]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom", "/dev/null", "/proc/self/mem", "/"])
def test_what_is_no_file_is_told(tmp_path: Path, device: str) -> None:
    with pytest.raises((SourceDataError, UsageError)):
        import_file(Path(device), tmp_path / "inbox")


def test_a_flood_of_wrong_rows_ends_early(tmp_path: Path) -> None:
    source = tmp_path / "source.csv"
    source.write_bytes(HEADER + b"p,train,999,1,0\n" * 2000)

    with pytest.raises(SourceDataError, match="more than 1000 cells"):
        import_file(source, tmp_path / "inbox", Limits(rejections=1000, max_rejected=1.0))


@pytest.mark.parametrize("column", range(5))
def test_no_message_repeats_a_value(tmp_path: Path, column: int) -> None:
    source = tmp_path / "source.csv"
    cells = ["p", "train", "50", "1", "0"]
    cells[column] = f"{SECRET}\0"
    source.write_text(HEADER.decode() + ",".join(cells) + "\n")

    with pytest.raises(FedwardError) as failure:
        import_file(source, tmp_path / "inbox")

    assert SECRET not in failure.value.diagnostics()
    assert SECRET not in repr(failure.value)


def test_a_link_in_the_inbox_cannot_lead_the_importer_elsewhere(tmp_path: Path) -> None:
    source, elsewhere, inbox = tmp_path / "source.csv", tmp_path / "elsewhere", tmp_path / "inbox"
    source.write_bytes(HEADER + b"p,train,50,1,0\n")
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("data")
    (inbox / ".importing").mkdir(parents=True)
    (inbox / ".importing" / "left").symlink_to(elsewhere)

    import_file(source, inbox)

    assert (elsewhere / "precious").read_text() == "data"
