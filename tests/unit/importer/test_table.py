"""Importing a table: what is written, that it is whole or not there, and that the same file is the same version."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from fedward_client.importer import inbox as inbox_module
from fedward_client.importer.table import import_table
from fedward_shared.errors import LockedError, SourceDataError, StudyFileError, UsageError
from fedward_shared.files import FolderLock
from fedward_shared.manifest.contract import contract_digest
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.resolve import published
from fedward_shared.manifest.template import template
from tests.support.samples import TWO_SITES

STUDY = TWO_SITES.encode()
HEADER = "patient_id,split,age,chest_pain,disease,remark\n"
GOOD = HEADER + "".join(
    f"p{row},{'test' if row % 4 == 0 else 'train'},{20 + row % 60},{row % 4 + 1},{row % 2},free text\n"
    for row in range(100)
)
SECRET = "Zebra-Patient-4711"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "cohort.csv"
    path.write_text(GOOD)
    return path


def test_an_import_is_a_folder_with_data_and_a_record(source: Path, tmp_path: Path) -> None:
    report = import_table(source, STUDY, "heart", tmp_path / "inbox", clock=lambda: 1_700_000_000.0)

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
    first = import_table(source, STUDY, "heart", inbox, clock=lambda: 1.0)
    second = import_table(source, STUDY, "heart", inbox, clock=lambda: 2.0)

    assert first.version == second.version
    assert [path.name for path in (inbox / "heart").iterdir()] == [first.version]
    assert json.loads((inbox / "heart" / str(first.version) / "import.json").read_text())["imported_at"] == 2.0
    assert list((inbox / ".importing").iterdir()) == [inbox / ".importing" / "lock"]


def test_order_line_ends_and_other_columns_of_the_source(source: Path, tmp_path: Path) -> None:
    first = import_table(source, STUDY, "heart", tmp_path / "one")
    rows = [list(reversed(row[:5])) for row in csv.reader(io.StringIO(GOOD))]
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=";", lineterminator="\r\n").writerows(rows)
    source.write_text("\ufeff" + text.getvalue(), newline="")

    second = import_table(source, STUDY, "heart", tmp_path / "two", separator=";")

    assert first.version == second.version


def test_a_published_study_has_the_same_contract(source: Path, tmp_path: Path) -> None:
    draft = import_table(source, STUDY, "heart", tmp_path / "inbox")

    assert import_table(source, published(STUDY), "heart", tmp_path / "inbox").version == draft.version


def test_another_contract_is_another_version(source: Path, tmp_path: Path) -> None:
    first = import_table(source, STUDY, "heart", tmp_path / "inbox")
    other = STUDY.replace(b"centre = 54", b"centre = 50")

    assert import_table(source, other, "heart", tmp_path / "inbox").version != first.version


def test_rejected_rows_are_listed_by_number_and_reason_never_by_value(source: Path, tmp_path: Path) -> None:
    source.write_text(GOOD + f"{SECRET},train,999,9,0,{SECRET}\n{SECRET},train,50,1\n")

    report = import_table(source, STUDY, "heart", tmp_path / "inbox")

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
        import_table(source, STUDY, "heart", tmp_path / "inbox")

    assert "30 of 130 rows" in failure.value.message
    assert "age is outside its range: 30 rows, such as row 102, 103" in failure.value.message
    assert SECRET not in failure.value.diagnostics()
    assert not (tmp_path / "inbox").exists()
    assert import_table(source, STUDY, "heart", tmp_path / "inbox", max_rejected=0.25).rejected == 30


def test_a_dry_run_reports_and_writes_nothing(source: Path, tmp_path: Path) -> None:
    report = import_table(source, STUDY, "heart", tmp_path / "inbox", dry_run=True)

    assert (report.accepted, report.version, report.folder) == (100, None, None)
    assert not (tmp_path / "inbox").exists()


def test_patients_on_both_sides_of_the_split_are_counted(source: Path, tmp_path: Path) -> None:
    source.write_text(GOOD + "p1,test,30,1,0,x\np2,test,30,1,0,x\np3,train,30,1,0,x\n")

    assert import_table(source, STUDY, "heart", tmp_path / "inbox").straddling == 2


@pytest.mark.parametrize("content", [HEADER, HEADER + "\n\n"])
def test_a_table_without_rows_is_told(source: Path, tmp_path: Path, content: str) -> None:
    source.write_text(content)

    with pytest.raises(SourceDataError, match="no rows"):
        import_table(source, STUDY, "heart", tmp_path / "inbox")


@pytest.mark.parametrize("name", ["", "Heart", "../heart", "heart/2", ".importing", "a" * 64, "heart\n"])
def test_a_data_set_has_a_plain_name(source: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a data set"):
        import_table(source, STUDY, name, tmp_path / "inbox")


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_the_rejected_share_is_a_share(source: Path, tmp_path: Path, share: float) -> None:
    with pytest.raises(UsageError, match="from 0 to 1"):
        import_table(source, STUDY, "heart", tmp_path / "inbox", max_rejected=share)


def test_a_study_of_tensors_needs_another_importer(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be imported from a CSV file"):
        import_table(source, template("images").encode(), "heart", tmp_path / "inbox")


def test_a_study_with_mistakes_is_told(source: Path, tmp_path: Path) -> None:
    with pytest.raises(StudyFileError):
        import_table(source, STUDY.replace(b"scale = 9", b"scale = 0"), "heart", tmp_path / "inbox")


@pytest.mark.parametrize("step", ["write_record", "sync_folder", "record_of"])
def test_a_failure_while_writing_leaves_nothing_or_all(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(inbox_module, step, full)
    with pytest.raises(OSError, match="No space"):
        import_table(source, STUDY, "heart", tmp_path / "inbox")
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
        import_table(source, STUDY, "heart", tmp_path / "inbox")


@pytest.mark.processes
@pytest.mark.parametrize("rows", [0, 1, 70_000])
def test_killed_in_mid_import_nothing_is_left_for_the_vault(tmp_path: Path, rows: int) -> None:
    pipe, study, inbox = tmp_path / "pipe", tmp_path / "study.toml", tmp_path / "inbox"
    study.write_bytes(STUDY)
    os.mkfifo(pipe)
    code = (
        "import sys; from pathlib import Path; from fedward_client.importer.table import import_table;"
        "pipe, study, inbox = map(Path, sys.argv[1:]); import_table(pipe, study.read_bytes(), 'heart', inbox)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(pipe), str(study), str(inbox)])
    with pipe.open("w") as writer:
        writer.write(HEADER)
        for row in range(rows):
            writer.write(f"p{row},train,50,1,0,x\n")
        writer.flush()
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=60) == -signal.SIGKILL

    assert list(inbox.glob("heart/*")) == []


@pytest.mark.processes
def test_killed_while_writing_the_next_import_cleans_up(source: Path, tmp_path: Path) -> None:
    study, inbox = tmp_path / "study.toml", tmp_path / "inbox"
    study.write_bytes(STUDY)
    code = (
        "import os, signal, sys; from pathlib import Path; from fedward_client.importer import inbox, table;"
        "inbox.record_of = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL);"
        "source, study, home = map(Path, sys.argv[1:]); table.import_table(source, study.read_bytes(), 'heart', home)"
    )
    process = subprocess.run([sys.executable, "-c", code, str(source), str(study), str(inbox)], check=False, timeout=60)

    assert process.returncode == -signal.SIGKILL
    assert [path.name for path in inbox.iterdir()] == [".importing"]
    left = [path for path in (inbox / ".importing").iterdir() if path.is_dir()]
    assert len(left) == 1

    report = import_table(source, STUDY, "heart", inbox)

    assert not left[0].exists()
    assert report.folder is not None
    assert report.folder.is_dir()
