"""Importing arrays: from files, texts and events to shards; what cannot be read is listed, and the rest goes on."""

from __future__ import annotations

from collections.abc import Mapping as Table
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

from fedward_client.imported import read_record
from fedward_client.importer.arrays.registry import encode_text
from fedward_client.importer.importing import import_here
from fedward_client.importer.mapping import Answer, Mapping, SourceTerms
from fedward_client.importer.order import ImportOrder, Limits
from fedward_client.importer.report import ImportReport
from fedward_shared.contracts.arrays import Text
from fedward_shared.errors import SourceDataError, UsageError
from tests.support.samples import TWO_SITES

LABEL = """
[data.label]
column = "disease"
classes = [["0"], ["1"]]
names = ["no disease", "disease"]

"""


def study(data: str) -> bytes:
    """A study whose [data] is this, beside the label `disease`."""
    head, rest = TWO_SITES.split("[data]\n")
    model = head.replace('name = "logistic"\nseed', 'name = "mlp"\nseed').replace(
        "[model.options]", "[model.options]\nhidden = [4]"
    )
    return (model + "[data]\n" + data + LABEL + "[sites.north]\n" + rest.split("[sites.north]\n")[1]).encode()


ARRAYS = study('kind = "tensor"\nshape = [2, 3]\npatient = "id"\nsplit = "split"\n')
NOTES = study('kind = "tensor"\npatient = "id"\n[data.text]\ncolumn = "note"\nbuckets = 64\n')
PICTURES = study(
    'kind = "tensor"\npatient = "id"\n[data.image]\nfile = "scan"\nchannels = 1\nheight = 2\nwidth = 2\nscale = 1\n'
)
COURSES = study(
    'kind = "tensor"\npatient = "id"\ntime_zero = "admitted"\n[data.series]\nwindow = [0, 4]\nstep = 1\n'
    '[data.series.channels.pulse]\nunit = "bpm"\nrange = [20, 250]\ncentre = 80\nscale = 10\n'
)


def shards(report: ImportReport) -> dict[str, NDArray[np.generic]]:
    assert report.folder is not None
    parts = [load_file(report.folder / name) for name, _ in read_record(report.folder).files]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def run(
    tmp_path: Path, manifest: bytes, mapping: Mapping, *, max_rejected: float = 0.2, file_bytes: int = 1 << 20
) -> ImportReport:
    table = SourceTerms("csv", Path("rows.csv"))
    order = ImportOrder(
        manifest,
        replace(mapping, source=table),
        tmp_path,
        "arrays",
        Limits(max_rejected=max_rejected, file_bytes=file_bytes),
    )
    return import_here(order, tmp_path / "inbox")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six .npy files, one with another shape and one that is none, and a table that names them."""
    (tmp_path / "files").mkdir()
    for number in range(4):
        np.save(tmp_path / "files" / f"{number}.npy", np.full((2, 3), number, np.float32))
    np.save(tmp_path / "files" / "wide.npy", np.zeros((3, 3), np.float32))
    (tmp_path / "files" / "text.npy").write_text("not an array")
    rows = ["0.npy,a,train,0", "1.npy,b,test,1", "text.npy,c,train,0", "wide.npy,c,train,0", "9.npy,c,train,0"]
    rows += ["../rows.csv,c,train,0", "2.npy,a,train,1", "3.npy,d,train,1", "3.npy,d,train,x"]
    (tmp_path / "rows.csv").write_text("\n".join(["file,id,split,disease", *rows, ""]))
    return tmp_path


def test_arrays_become_shards_and_what_cannot_be_read_is_listed(folder: Path) -> None:
    report = run(folder, ARRAYS, Mapping(files=Path("files")), max_rejected=0.6)

    found = shards(report)
    assert found["x"].shape == (4, 2, 3)
    assert found["x"][:, 0, 0].tolist() == [0, 1, 2, 3]
    assert found["y"].tolist() == [0, 1, 1, 1]
    assert found["unit"].tolist() == [0, 1, 0, 2]
    assert found["split"].tolist() == [0, 1, 0, 0]
    assert (report.accepted, report.rejected) == (4, 5)
    assert report.folder is not None
    assert sorted((report.folder / "quarantine.csv").read_text().splitlines()[1:]) == [
        "10,disease,is none of the classes",
        "4,file,cannot be read as what it claims to be",
        '5,file,"has another shape, lead or orientation than the study needs"',
        "6,file,names no file in the folder",
        "7,file,leads out of the folder",
    ]


def test_too_many_unreadable_files_fail_and_leave_nothing(folder: Path) -> None:
    with pytest.raises(SourceDataError, match="5 of 9 rows do not fit"):
        run(folder, ARRAYS, Mapping(files=Path("files")))

    assert list((folder / "inbox").glob("arrays/*")) == []


def test_a_file_larger_than_the_limit_is_not_opened(folder: Path) -> None:
    with pytest.raises(SourceDataError, match="is larger than the limit: 6 rows"):
        run(folder, ARRAYS, Mapping(files=Path("files")), file_bytes=10)


def test_a_dry_run_opens_every_file_and_keeps_none(folder: Path) -> None:
    mapping = Mapping(SourceTerms("csv", Path("rows.csv")), files=Path("files"))
    order = ImportOrder(ARRAYS, mapping, folder, "arrays", Limits(max_rejected=0.6), dry_run=True)

    report = import_here(order, folder / "inbox")

    assert (report.accepted, report.rejected, report.folder) == (4, 5, None)
    assert not (folder / "inbox").exists()


def test_the_same_array_of_one_patient_counts_once(folder: Path) -> None:
    np.save(folder / "files" / "copy.npy", np.full((2, 3), 1, np.float64))
    rows = ["1.npy,a,train,0", "copy.npy,a,train,0", "copy.npy,b,train,0", "copy.npy,a,train,1"]
    (folder / "rows.csv").write_text("\n".join(["file,id,split,disease", *rows, ""]))

    report = run(folder, ARRAYS, Mapping(files=Path("files")))

    assert (report.accepted, report.duplicates, report.rejected) == (3, 1, 0)
    assert shards(report)["unit"].tolist() == [0, 1, 0]


def test_pictures_are_found_by_the_sites_own_column(tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "films").mkdir()
    for number in range(3):
        Image.new("L", (4, 4), 85 * number).save(tmp_path / "films" / f"{number}.png")
    rows = [f"films/{number}.png,p{number},{number % 2}" for number in range(3)]
    (tmp_path / "rows.csv").write_text("\n".join(["path,id,disease", *rows, ""]))

    report = run(tmp_path, PICTURES, Mapping(columns={"scan": Answer(source="path")}))

    assert shards(report)["x"][:, 0, 0, 0].tolist() == [-0.5, pytest.approx(1 / 3 - 0.5), pytest.approx(2 / 3 - 0.5)]


def test_texts_are_hashed(tmp_path: Path) -> None:
    notes = {"p1": "Chest pain, since 2 days.", "p2": "no complaints"}
    table = pl.DataFrame({"id": list(notes), "note": list(notes.values()), "disease": [1, 0]})
    table.write_csv(tmp_path / "rows.csv")

    report = run(tmp_path, NOTES, Mapping())

    expected = np.stack([encode_text(note, Text("note", buckets=64)) for note in notes.values()])
    assert np.array_equal(shards(report)["x"], expected)
    assert "Chest" not in (report.folder or tmp_path).joinpath("quarantine.csv").read_text()


@pytest.fixture
def stays(tmp_path: Path) -> Path:
    """Two patients' stays, and their pulses in long form, one of them before time zero and one not a pulse."""
    (tmp_path / "rows.csv").write_text(
        "id,admitted,disease\na,2026-01-31T10:00,0\nb,2026-02-01T10:00,1\nc,not a time,1\n"
    )
    (tmp_path / "events.csv").write_text(
        "patient,time,code,value,unit\n"
        "a,2026-01-31T09:00,pulse,60,\n"
        "a,2026-01-31T10:30,pulse,90,bpm\n"
        "b,2026-02-01T12:00,pulse,100,\n"
        "b,2026-02-01T12:30,pulse,9999,\n"
        "a,2026-01-31T11:00,mood,1,\n"
    )
    return tmp_path


def test_events_become_series(stays: Path) -> None:
    events = SourceTerms("csv", Path("events.csv"))

    report = run(stays, COURSES, Mapping(events=events), max_rejected=0.5)

    x = shards(report)["x"]
    assert x.shape == (2, 4, 2)
    assert x[0].tolist() == [[1, 1], [1, 0], [1, 0], [1, 0]]
    assert x[1].tolist() == [[0, 0], [0, 0], [2, 1], [2, 0]]
    assert report.reasons == {("admitted", "is no date and time"): 1}
    assert report.lost_events == {("pulse", "is outside its range"): 1}
    assert report.folder is not None
    assert "5,pulse (events),is outside its range" in (report.folder / "quarantine.csv").read_text()
    assert not (report.folder / "scratch").exists()


def test_events_become_columns(stays: Path) -> None:
    manifest = study(
        'kind = "table"\npatient = "id"\ntime_zero = "admitted"\n[data.columns.pulse]\ntype = "number"\nunit = "bpm"\n'
        'range = [20, 250]\ncentre = 80\nscale = 10\ncodes = ["pulse"]\nwindow = [0, 4]\npick = "first"\n'
    )

    report = run(stays, manifest, Mapping(events=SourceTerms("csv", Path("events.csv"))), max_rejected=0.5)

    assert report.folder is not None
    table = pl.read_parquet(report.folder / "table-00000.parquet")
    assert table.rows() == [(90.0, 0, "a"), (100.0, 1, "b")]


def test_events_that_nobody_names_are_asked_for(stays: Path) -> None:
    with pytest.raises(UsageError, match="needs events"):
        run(stays, COURSES, Mapping())


def test_an_empty_mapping_of_files_is_the_mappings_own_folder(folder: Path) -> None:
    names: Table[str, str] = {"0.npy": "a", "1.npy": "b"}
    for name in names:
        (folder / "files" / name).rename(folder / name)
    (folder / "rows.csv").write_text(
        "file,id,split,disease\n" + "".join(f"{name},{who},train,0\n" for name, who in names.items())
    )

    assert run(folder, ARRAYS, Mapping()).accepted == 2
