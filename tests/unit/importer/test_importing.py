"""Importing: what is written, that it is whole or not there, and that the same source is the same version."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from fedward_client.imported import read_record
from fedward_client.importer import inbox as inbox_module
from fedward_client.importer import table as table_module
from fedward_client.importer.checking.people import held_out
from fedward_client.importer.importing import import_here
from fedward_client.importer.mapping import ROW_NUMBER, Answer, Mapping, SourceTerms
from fedward_client.importer.order import ImportOrder, Limits
from fedward_client.importer.report import ImportReport
from fedward_shared.contracts.cohort import HELD_OUT, Holdout
from fedward_shared.errors import LockedError, SourceDataError, StudyFileError, UsageError
from fedward_shared.files import FolderLock
from fedward_shared.manifest.contract import contract_digest
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.resolve import published
from tests.support.samples import TWO_SITES

STUDY = TWO_SITES.encode()
HEADER = "patient_id,split,age,chest_pain,disease,remark\n"
GOOD = HEADER + "".join(
    f"p{row},{'test' if row % 4 == 0 else 'train'},{20 + row % 60},{row % 4 + 1},{row % 2},free text\n"
    for row in range(100)
)
SECRET = "Zebra-Patient-4711"
LIMITS = Limits()


def import_file(
    file: Path,
    inbox: Path,
    study: bytes = STUDY,
    *,
    at: float = 1.0,
    limits: Limits = LIMITS,
    max_rejected: float = 0.2,
) -> ImportReport:
    """Imports a file that has the contract's own names."""
    limits = replace(limits, max_rejected=max_rejected)
    order = replace(ImportOrder.of_file(file, study, "heart"), limits=limits)
    return import_here(order, inbox, clock=lambda: at)


def nothing_in(inbox: Path) -> bool:
    """Whether an inbox holds no import, whole or half."""
    return [str(path.relative_to(inbox)) for path in sorted(inbox.rglob("*"))] in (
        [],
        [".importing"],
        [".importing", ".importing/lock"],
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "cohort.csv"
    path.write_text(GOOD)
    return path


def test_an_import_is_a_folder_with_data_and_a_record(source: Path, tmp_path: Path) -> None:
    report = import_file(source, tmp_path / "inbox", at=1_700_000_000.0)

    contract = load(STUDY).data
    assert report.folder == tmp_path / "inbox" / "heart" / str(report.version)
    content = (report.folder / "table-00000.parquet").read_bytes()
    digest = hashlib.sha256(content)
    assert report.version == hashlib.sha256(digest.digest() + contract_digest(contract)).hexdigest()
    assert json.loads((report.folder / "import.json").read_text()) == {
        "data_set": "heart",
        "version": report.version,
        "contract_digest": contract_digest(contract).hex(),
        "imported_at": 1_700_000_000.0,
        "rows_accepted": 100,
        "rows_rejected": 0,
        "source_name": "cohort.csv",
        "files": [["table-00000.parquet", digest.hexdigest()]],
    }
    table = pl.read_parquet(report.folder / "table-00000.parquet")
    assert table.columns == ["age", "chest_pain", "disease", "split", "patient_id"]
    assert table.height == 100
    assert table.row(5) == (25.0, "2", 1, "train", "p5")
    assert all(path.stat().st_mode & 0o077 == 0 for path in [report.folder, *report.folder.iterdir()])


def test_the_same_file_is_the_same_version_and_becomes_the_latest_again(source: Path, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    first = import_file(source, inbox, at=1.0)
    second = import_file(source, inbox, at=2.0)

    assert first.version == second.version
    assert [path.name for path in (inbox / "heart").iterdir()] == [first.version]
    assert json.loads((inbox / "heart" / str(first.version) / "import.json").read_text())["imported_at"] == 2.0
    assert list((inbox / ".importing").iterdir()) == [inbox / ".importing" / "lock"]


def test_order_line_ends_and_other_columns_of_the_source(source: Path, tmp_path: Path) -> None:
    first = import_file(source, tmp_path / "one")
    rows = [list(reversed(row[:5])) for row in csv.reader(io.StringIO(GOOD))]
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=";", lineterminator="\r\n").writerows(rows)
    source.write_text("\ufeff" + text.getvalue(), newline="")

    second = import_file(source, tmp_path / "two")

    assert first.version == second.version


def test_a_published_study_has_the_same_contract(source: Path, tmp_path: Path) -> None:
    draft = import_file(source, tmp_path / "inbox")

    assert import_file(source, tmp_path / "inbox", published(STUDY)).version == draft.version


def test_another_contract_is_another_version(source: Path, tmp_path: Path) -> None:
    first = import_file(source, tmp_path / "inbox")
    other = STUDY.replace(b"centre = 54", b"centre = 50")

    assert import_file(source, tmp_path / "inbox", other).version != first.version


def test_rejected_rows_are_listed_by_number_and_reason_never_by_value(source: Path, tmp_path: Path) -> None:
    source.write_text(GOOD + f"{SECRET},train,999,9,0,{SECRET}\n{SECRET},train,50,1\n")

    report = import_file(source, tmp_path / "inbox")

    assert (report.accepted, report.rejected) == (100, 2)
    assert report.reasons == {
        ("age", "is outside its range"): 1,
        ("chest_pain", "is not one of the allowed values"): 1,
        ("(row)", "has another number of cells than the header"): 1,
    }
    assert report.examples["(row)", "has another number of cells than the header"] == (103,)
    assert report.folder is not None
    quarantine = (report.folder / "quarantine.csv").read_text()
    assert "102,age,is outside its range" in quarantine
    assert all(SECRET not in path.read_text(errors="replace") for path in report.folder.glob("[!t]*"))
    assert "999" not in quarantine


def test_too_many_rejected_rows_fail_and_leave_nothing(source: Path, tmp_path: Path) -> None:
    source.write_text(GOOD + f"{SECRET},train,999,1,0,x\n" * 30)

    with pytest.raises(SourceDataError) as failure:
        import_file(source, tmp_path / "inbox")

    assert "30 of 130 rows" in failure.value.message
    assert "age is outside its range: 30 rows, such as row 102, 103" in failure.value.message
    assert SECRET not in failure.value.diagnostics()
    assert nothing_in(tmp_path / "inbox")
    assert import_file(source, tmp_path / "inbox", max_rejected=0.25).rejected == 30


def test_a_dry_run_reports_and_writes_nothing(source: Path, tmp_path: Path) -> None:
    order = replace(ImportOrder.of_file(source, STUDY, "heart"), dry_run=True)

    report = import_here(order, tmp_path / "inbox")

    assert (report.accepted, report.version, report.folder) == (100, None, None)
    assert not (tmp_path / "inbox").exists()


def test_patients_on_both_sides_of_the_split_are_counted(source: Path, tmp_path: Path) -> None:
    source.write_text(GOOD + "p1,test,30,1,0,x\np2,test,30,1,0,x\np3,train,30,1,0,x\n")

    assert import_file(source, tmp_path / "inbox").straddling == 2


@pytest.mark.parametrize("content", [HEADER, HEADER + "\n\n"])
def test_a_table_without_rows_is_told(source: Path, tmp_path: Path, content: str) -> None:
    source.write_text(content)

    with pytest.raises(SourceDataError, match="no rows"):
        import_file(source, tmp_path / "inbox")


@pytest.mark.parametrize("name", ["", "Heart", "../heart", "heart/2", ".importing", "a" * 64, "heart\n"])
def test_a_data_set_has_a_plain_name(source: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a data set"):
        import_here(ImportOrder.of_file(source, STUDY, name), tmp_path / "inbox")
    assert not (tmp_path / "inbox").exists()


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_the_rejected_share_is_a_share(source: Path, tmp_path: Path, share: float) -> None:
    with pytest.raises(UsageError, match="from 0 to 1"):
        import_file(source, tmp_path / "inbox", max_rejected=share)


def test_a_study_with_mistakes_is_told(source: Path, tmp_path: Path) -> None:
    with pytest.raises(StudyFileError):
        import_file(source, tmp_path / "inbox", STUDY.replace(b"scale = 9", b"scale = 0"))


@pytest.mark.parametrize("step", ["write_record", "sync_folder", "record_of"])
def test_a_failure_while_writing_leaves_nothing_or_all(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(inbox_module, step, full)
    with pytest.raises(OSError, match="No space"):
        import_file(source, tmp_path / "inbox")
    monkeypatch.undo()

    assert [path.name for path in (tmp_path / "inbox" / ".importing").iterdir()] == ["lock"]
    for folder in (tmp_path / "inbox").glob("heart/*"):
        assert sorted(path.name for path in folder.iterdir()) == [
            "import.json",
            "quarantine.csv",
            "table-00000.parquet",
        ]


def test_one_import_at_a_time(source: Path, tmp_path: Path) -> None:
    staging = tmp_path / "inbox" / ".importing"
    staging.mkdir(parents=True)

    with FolderLock(staging), pytest.raises(LockedError):
        import_file(source, tmp_path / "inbox")


@pytest.mark.processes
@pytest.mark.parametrize(("rows", "ready"), [(1, "True"), (700_000, "any(home.rglob('table-00000.parquet'))")])
def test_killed_in_mid_import_nothing_is_left_for_the_vault(tmp_path: Path, rows: int, ready: str) -> None:
    """At once, or after the first part was written."""
    source, inbox = tmp_path / "cohort.csv", tmp_path / "inbox"
    source.write_text(HEADER + "".join(f"p{row},train,50,1,0,x\n" for row in range(rows)))

    assert run_and_kill(source, inbox, f"when = lambda *_: {ready} and os.kill(os.getpid(), signal.SIGKILL)")

    assert list(inbox.glob("heart/*")) == []
    assert any((inbox / ".importing").glob("*/quarantine.csv"))


@pytest.mark.processes
def test_killed_while_writing_the_next_import_cleans_up(source: Path, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"

    assert run_and_kill(source, inbox, "inbox.record_of = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)")

    assert [path.name for path in inbox.iterdir()] == [".importing"]
    left = [path for path in (inbox / ".importing").iterdir() if path.is_dir()]
    assert len(left) == 1

    report = import_file(source, inbox)

    assert not left[0].exists()
    assert report.folder is not None
    assert report.folder.is_dir()


def run_and_kill(source: Path, inbox: Path, trap: str) -> bool:
    """Imports in a process that kills itself where `trap` says; whether it did."""
    study = source.with_name("study.toml")
    study.write_bytes(STUDY)
    code = (
        "import os, signal, sys; from pathlib import Path; from fedward_client.importer import inbox, importing;"
        "from fedward_client.importer.order import ImportOrder; when = lambda done, of: None;"
        f"{trap};"
        "source, study, home = map(Path, sys.argv[1:]);"
        "importing.import_here(ImportOrder.of_file(source, study.read_bytes(), 'heart'), home, progress=when)"
    )
    arguments = [sys.executable, "-c", code, str(source), str(study), str(inbox)]
    return subprocess.run(arguments, check=False, timeout=120).returncode == -signal.SIGKILL


def test_what_a_patient_has_twice_counts_once_and_is_told(source: Path, tmp_path: Path) -> None:
    source.write_text(GOOD + "p1,train,21,2,1,x\np1,train,22,2,1,x\nq,train,21,2,1,x\np1,train, 21.0 ,2.0,1,again\n")

    report = import_file(source, tmp_path / "inbox")

    assert (report.accepted, report.rejected, report.duplicates, report.reasons) == (102, 0, 2, {})
    assert report.folder is not None
    told = (report.folder / "quarantine.csv").read_text().splitlines()
    assert told == [
        "row,column,reason",
        "102,(row),is the same record of the same patient again",
        "105,(row),is the same record of the same patient again",
    ]


def test_where_each_row_is_a_patient_nothing_is_a_duplicate(source: Path, tmp_path: Path) -> None:
    source.write_text("split,age,chest_pain,disease\n" + "train,50,1,0\n" * 30)
    mapping = Mapping(SourceTerms("csv", source), columns={"patient_id": Answer(source=ROW_NUMBER)})

    report = import_here(ImportOrder(STUDY, mapping, tmp_path, "heart"), tmp_path / "inbox")

    assert (report.accepted, report.duplicates) == (30, 0)
    assert report.folder is not None
    patients = pl.read_parquet(report.folder / "table-00000.parquet")["patient_id"]
    assert patients.to_list() == [str(row) for row in range(1, 31)]


@pytest.mark.parametrize("kind", ["csv", "headless", "parquet", "excel"])
def test_where_each_row_is_a_patient_the_format_changes_no_name(tmp_path: Path, kind: str) -> None:
    names = ["split", "age", "chest_pain", "disease"]
    table = pl.DataFrame([["train", 40 + row, 1, row % 2] for row in range(5)], schema=names, orient="row")
    terms = SourceTerms("csv" if kind == "headless" else kind, tmp_path / "source")
    if kind == "headless":
        terms = replace(terms, options={"header": tuple(names)})
        table.write_csv(tmp_path / "source", include_header=False)
    elif kind == "csv":
        table.write_csv(tmp_path / "source")
    elif kind == "parquet":
        table.write_parquet(tmp_path / "source")
    else:
        book = openpyxl.Workbook()
        for cells in (["Export of the ward"], names, *table.rows()):
            book.worksheets[0].append(cells)
        book.save(tmp_path / "source.xlsx")
        terms = SourceTerms(kind, tmp_path / "source.xlsx", {"header_row": 2})
    mapping = Mapping(terms, columns={"patient_id": Answer(source=ROW_NUMBER)})

    report = import_here(ImportOrder(STUDY, mapping, tmp_path, "heart"), tmp_path / "inbox")

    assert report.folder is not None
    assert pl.read_parquet(report.folder / "table-00000.parquet")["patient_id"].to_list() == ["1", "2", "3", "4", "5"]


HELD = b"""
[data.holdout]
share = 0.5
key = "k"

[sites.north]
"""


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_patient_is_on_one_side_however_a_source_writes_the_name(tmp_path: Path, kind: str) -> None:
    study = STUDY.replace(b'split = "split"\n', b"").replace(b"[sites.north]", HELD, 1)
    table = pl.DataFrame(
        [[float(row), 40, 1, 0] for row in range(1001, 1041)],
        schema=["patient_id", "age", "chest_pain", "disease"],
        orient="row",
    )
    if kind == "csv":
        table.write_csv(tmp_path / "source")
    else:
        table.write_parquet(tmp_path / "source")

    order = ImportOrder(study, Mapping(SourceTerms(kind, tmp_path / "source")), tmp_path, "heart")
    report = import_here(order, tmp_path / "inbox")

    assert report.folder is not None
    found = pl.read_parquet(report.folder / "table-00000.parquet")
    names = [str(name) for name in range(1001, 1041)]
    assert found["patient_id"].to_list() == names
    assert found[HELD_OUT].to_list() == held_out(pl.Series(names), Holdout(0.5, "k")).to_list()


INCLUDE = b"""
[[data.include]]
column = "age"
range = [30, 60]

[sites.north]
"""


def test_who_is_outside_the_cohort_is_counted_and_is_no_error(source: Path, tmp_path: Path) -> None:
    study = STUDY.replace(b"[sites.north]", INCLUDE)

    report = import_file(source, tmp_path / "inbox", study, max_rejected=0)

    assert (report.accepted, report.excluded, report.rejected) == (61, 39, 0)
    assert report.counts["age"].valid == 61

    source.write_text(HEADER + "p,train,80,1,0,x\n")
    with pytest.raises(SourceDataError, match="leave out all 1 rows"):
        import_file(source, tmp_path / "inbox", study)


def test_a_table_has_parts_of_the_declared_size(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = import_file(source, tmp_path / "whole")
    monkeypatch.setattr(table_module, "TABLE_ROWS", 40)

    report = import_file(source, tmp_path / "parts")

    assert whole.folder is not None
    assert report.folder is not None
    names = [name for name, _ in read_record(report.folder).files]
    assert names == ["table-00000.parquet", "table-00001.parquet", "table-00002.parquet"]
    parts = [pl.read_parquet(report.folder / name) for name in names]
    assert [part.height for part in parts] == [40, 40, 20]
    assert pl.concat(parts).equals(pl.read_parquet(whole.folder / "table-00000.parquet"))


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(records=99), "more than 99 rows"),
        (Limits(output_bytes=100), "would take more than 100 bytes"),
    ],
)
def test_an_import_has_limits(source: Path, tmp_path: Path, limits: Limits, message: str) -> None:
    with pytest.raises(SourceDataError, match=message):
        import_file(source, tmp_path / "inbox", limits=limits)

    assert nothing_in(tmp_path / "inbox")


def test_progress_is_told_and_ends_with_the_whole(source: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    import_here(
        ImportOrder.of_file(source, STUDY, "heart"), tmp_path / "inbox", progress=lambda *pair: told.append(pair)
    )

    assert told[-1] == (source.stat().st_size, source.stat().st_size)


def test_nothing_to_import_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing says what to import"):
        import_here(ImportOrder(STUDY, Mapping(), tmp_path, "heart"), tmp_path / "inbox")
