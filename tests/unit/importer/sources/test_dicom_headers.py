"""A DICOM folder as rows: the declared tags and nothing else, a file or a series a row."""

from __future__ import annotations

import os
from pathlib import Path
from types import MappingProxyType

import numpy as np
import polars as pl
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian

from fedward_client.importer.mapping import SourceTerms
from fedward_client.importer.quarantine import Reason
from fedward_client.importer.sources.dicom_headers import DicomHeaders
from fedward_client.importer.sources.registry import open_source
from fedward_client.importer.sources.source import ROW
from fedward_shared.errors import SourceDataError, UsageError
from tests.support.record_files import dicom, series

PIXELS = np.zeros((4, 4), np.uint16)


def rows(source: DicomHeaders, *columns: str) -> pl.DataFrame:
    return pl.concat([batch.table for batch in source.batches(columns or source.columns())])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two patients; the second one's file is deflated."""
    (tmp_path / "a").mkdir()
    first = {
        "PatientID": "p1",
        "StudyDate": "20240229",
        "StudyTime": "131415.5",
        "PatientAge": "018M",
        "Modality": "CT",
    }
    second = {"PatientID": "p2", "StudyDate": "20240301", "PatientAge": "071Y", "ImageType": ["A", "B"]}
    (tmp_path / "a" / "1.dcm").write_bytes(dicom(PIXELS, ImplicitVRLittleEndian, **first))
    (tmp_path / "a" / "2").write_bytes(dicom(PIXELS, DeflatedExplicitVRLittleEndian, **second))
    return tmp_path


def test_each_file_is_a_row(folder: Path) -> None:
    table = rows(DicomHeaders(folder), "file", "PatientID", "StudyDateTime", "PatientAge", "Modality")

    assert table.rows() == [
        (1, "a/1.dcm", "p1", "2024-02-29T13:14:15.5", "1.5", "CT"),
        (2, "a/2", "p2", "2024-03-01T00:00:00", "71", None),
    ]
    assert table.schema[ROW] == pl.UInt64


def test_declared_tags_are_the_columns(folder: Path) -> None:
    terms = SourceTerms("dicom", Path(), MappingProxyType({"tags": ("ImageType", "StudyDate", "Rows")}))

    source = open_source(terms, folder)

    assert source.columns() == ("file", "ImageType", "StudyDate", "Rows")
    (batch,) = source.batches(source.columns())
    assert batch.table.rows()[1] == (2, "a/2", "A\\B", "2024-03-01", "4")
    assert (batch.done, batch.of) == (2, 2)


@pytest.mark.parametrize("tag", ["PatientName", "ReferringPhysicianName", "PixelData", "RequestAttributesSequence"])
def test_names_sequences_and_pixels_are_never_read(folder: Path, tag: str) -> None:
    with pytest.raises(UsageError, match="is not read"):
        DicomHeaders(folder, tags=[tag])


@pytest.mark.parametrize("tag", ["PatientsID", "file", "", "XDateTime", "00100010"])
def test_tags_that_are_none(folder: Path, tag: str) -> None:
    with pytest.raises(UsageError, match="has no tag"):
        DicomHeaders(folder, tags=[tag])


def test_a_column_that_is_not_declared(folder: Path) -> None:
    with pytest.raises(SourceDataError, match="PatientWeight"):
        rows(DicomHeaders(folder), "PatientWeight")


def test_a_row_for_each_series(tmp_path: Path) -> None:
    for patient in ("p1", "p2"):
        series(tmp_path / patient / "ct", np.zeros((3, 4, 4), np.int16), PatientID=patient)

    table = rows(DicomHeaders(tmp_path, rows="series"), "file", "PatientID")

    assert table.rows() == [(1, "p1/ct", "p1"), (4, "p2/ct", "p2")]


def test_what_is_no_dicom_file_is_told_by_its_number(folder: Path) -> None:
    (folder / "a" / "0.txt").write_text("a note")
    os.mkfifo(folder / "a" / "1.z")
    (folder / "a" / "3").symlink_to("1.dcm")

    (batch,) = DicomHeaders(folder).batches(("file",))

    assert batch.table[ROW].to_list() == [2, 4]
    told = [(rejection.row, rejection.column, rejection.reason) for rejection in batch.rejections]
    assert told == [(1, "(row)", Reason.UNREADABLE), (3, "(row)", Reason.NO_FILE), (5, "(row)", Reason.NO_FILE)]


@pytest.mark.filterwarnings("ignore:The value for the data element:UserWarning")
def test_long_headers_are_read_to_the_tag(tmp_path: Path) -> None:
    content = dicom(PIXELS, ImageComments="x" * 900, StudyID="7", PatientComments="y" * 9000, ViewPosition="AP")
    longer = dicom(PIXELS, ImageComments="x" * 900, StudyID="7", PatientComments="y" * 900_000, ViewPosition="AP")
    (tmp_path / "1").write_bytes(content)
    (tmp_path / "2").write_bytes(longer)

    table = rows(DicomHeaders(tmp_path, tags=["ViewPosition", "StudyID"]))

    assert table.rows() == [(1, "1", "AP", "7"), (2, "2", "AP", "7")]


@pytest.mark.parametrize("content", [b"", b"x" * 1000])
def test_a_folder_without_dicom_files(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "1.dcm").write_bytes(content)

    with pytest.raises(SourceDataError, match="no DICOM file"):
        rows(DicomHeaders(tmp_path))


def test_what_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder"):
        DicomHeaders(tmp_path / "nothing")


def test_folders_in_their_order(tmp_path: Path) -> None:
    for name in ("b/2", "a/z/1", "a/2", "c"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(dicom(PIXELS))

    assert rows(DicomHeaders(tmp_path), "file")["file"].to_list() == ["c", "a/2", "a/z/1", "b/2"]


def test_folders_that_lie_too_deep(tmp_path: Path) -> None:
    tmp_path.joinpath(*["d"] * 120).mkdir(parents=True)

    with pytest.raises(SourceDataError, match="more than 100 deep"):
        rows(DicomHeaders(tmp_path))


def test_rows_are_instances_or_series(folder: Path) -> None:
    with pytest.raises(UsageError, match="'instance' or 'series'"):
        DicomHeaders(folder, rows="study")
