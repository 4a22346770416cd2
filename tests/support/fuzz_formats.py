"""Honest small files of every format that the importer reads, and what reads each."""

from __future__ import annotations

import gzip
import io
import json
import random
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

from fedward_client.importer.arrays.registry import decode, read_numpy
from fedward_client.importer.mapping import Option, SourceTerms
from fedward_client.importer.quarantine import Rejection
from fedward_client.importer.sources.registry import open_events, open_source
from fedward_client.importer.sources.source import ROW, Source
from fedward_shared.contracts.arrays import Image, Signal, Volume
from tests.support.mutations import mutated, mutated_gzip, mutated_png, mutated_zip
from tests.support.record_files import dicom, nifti, picture, record, series

__all__ = ["FORMATS", "Format"]

LARGEST = 50_000_000
IMAGE = Image("file", 1, 16, 16, window=(100, 200))
PLAIN = replace(IMAGE, window=None, channels=3)
VOLUME = Volume("file", 4, 8, 8, spacing=(2, 1, 1), window=(0, 500))
SIGNAL = Signal("file", ("I", "V1"), rate=250, seconds=3)
RNG = np.random.default_rng(9)
GREY = RNG.integers(0, 256, (24, 20), np.uint8)
COLOURS = RNG.integers(0, 256, (24, 20, 3), np.uint8)
VOXELS = RNG.integers(-500, 500, (6, 9, 8)).astype(np.int16)
WAVES = RNG.normal(size=(200, 4)).cumsum(axis=0) * 0.05

Mutate = Callable[[bytes, Sequence[bytes], random.Random], bytes]


@dataclass(frozen=True)
class Format:
    """`seeds` are honest sets of files, {name: content}; `read` reads the set in a folder and says what came of it."""

    seeds: tuple[dict[str, bytes], ...]
    read: Callable[[Path], str]
    mutate: Mutate = mutated

    def write(self, folder: Path, rng: random.Random) -> None:
        """A set of files, one of them damaged."""
        seed = rng.choice(self.seeds)
        chosen = rng.choice(list(seed))
        others = [other[chosen] for other in self.seeds if chosen in other]
        for name, content in seed.items():
            (folder / name).write_bytes(self.mutate(content, others, rng) if name == chosen else content)


def _array(form: Image | Volume | Signal, name: str = "file") -> Callable[[Path], str]:
    def read(folder: Path) -> str:
        return _checked(decode(folder / name if name else folder, form, largest=LARGEST), form.shape)

    return read


def _checked(found: NDArray[np.float32], shape: tuple[int, ...]) -> str:
    if found.shape != shape or found.dtype != np.float32 or not np.isfinite(found).all():
        raise AssertionError("a decoder returned what it may not")
    return "array"


def _numpy(folder: Path) -> str:
    return _checked(read_numpy(folder / "file.npy", (6, 9, 8), largest=LARGEST), (6, 9, 8))


def _rows(kind: str, name: str = "file", *, events: bool = False, **options: Option) -> Callable[[Path], str]:
    def read(folder: Path) -> str:
        terms = SourceTerms(kind, Path(name) if name else None, options)
        return _drained(open_events(terms, folder) if events else open_source(terms, folder))

    return read


def _drained(source: Source) -> str:
    names = [name for name in source.columns() if name][:50]
    rows = rejected = 0
    for batch in source.batches(names):
        if set(batch.table.columns) != {ROW, *names} or not all(
            isinstance(each, Rejection) for each in batch.rejections
        ):
            raise AssertionError("a source gave what it may not")
        rows += batch.table.height
        rejected += len(batch.rejections)
    return f"rows {bool(rows)} rejections {bool(rejected)}"


def _files(*contents: bytes) -> tuple[dict[str, bytes], ...]:
    return tuple({"file": content} for content in contents)


def _folder(make: Callable[[Path], object]) -> dict[str, bytes]:
    """The files that something writes."""
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder))
        return {path.name: path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}


TABLE = pl.DataFrame(
    {
        "patient": [f"p{number}" for number in range(40)],
        "age": [40 + number / 2 for number in range(40)],
        "note": ["a, b", None, 'says "x"', "ä\nö"] * 10,
        "seen": [f"2024-01-{1 + number % 28:02}" for number in range(40)],
    }
)
LONG = TABLE.select("patient", pl.col("seen").alias("time"), code=pl.lit("loinc:2345-7"), value=pl.col("age"))
CSV = TABLE.write_csv().encode()


def _excel() -> bytes:
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    if sheet is None:
        raise AssertionError("a new workbook has a sheet")
    sheet.append(TABLE.columns)
    for row in TABLE.rows():
        sheet.append(row)
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def _parquet(compression: Literal["zstd", "snappy", "uncompressed"], row_group_size: int | None = None) -> bytes:
    written = io.BytesIO()
    typed = TABLE.with_columns(pl.col("seen").str.to_date())
    typed.write_parquet(written, compression=compression, row_group_size=row_group_size)
    return written.getvalue()


def _sqlite(folder: Path) -> None:
    with sqlite3.connect(folder / "file") as database:
        database.execute("CREATE TABLE t (patient TEXT, age REAL, note TEXT, seen TEXT)")
        database.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", TABLE.rows())
    database.close()


def _resources() -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for number in range(6):
        subject = {"reference": f"Patient/p{number}"}
        code = {"coding": [{"system": "http://loinc.org", "code": "2345-7"}]}
        found += [
            {"resourceType": "Patient", "id": f"p{number}", "gender": "female", "birthDate": "1950-02-03"},
            {
                "resourceType": "Observation",
                "id": f"o{number}",
                "status": "final",
                "subject": subject,
                "code": code,
                "effectiveDateTime": "2024-02-03T10:00:00Z",
                "valueQuantity": {"value": 5.4 + number, "unit": "mmol/L", "code": "mmol/L"},
            },
            {"resourceType": "Condition", "id": f"c{number}", "subject": subject, "code": code},
        ]
    return found


BUNDLE = json.dumps(
    {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": resource} for resource in _resources()],
    }
).encode()
LINES = "\n".join(map(json.dumps, _resources())).encode()
SERIES = {"StudyDate": "20240102", "PatientAge": "055Y", "Modality": "CT"}

RECORDS: dict[str, Format] = {
    "png": Format(
        _files(
            picture(GREY, "PNG"),
            picture(GREY.astype(np.uint16) * 9, "PNG"),
            picture(COLOURS, "PNG"),
            picture(GREY > 99, "PNG"),
        ),
        _array(PLAIN),
        mutated_png,
    ),
    "jpeg": Format(_files(picture(GREY, "JPEG"), picture(COLOURS, "JPEG", progressive=True)), _array(PLAIN)),
    "tiff": Format(
        _files(
            picture(GREY, "TIFF"),
            picture(GREY.astype(np.uint16), "TIFF", compression="tiff_lzw"),
            picture(COLOURS, "TIFF", compression="jpeg"),
            picture(GREY.astype(np.float32), "TIFF", compression="tiff_adobe_deflate"),
            picture(GREY > 99, "TIFF", compression="group4"),
        ),
        _array(IMAGE),
    ),
    "dicom": Format(
        _files(
            dicom(GREY, ExplicitVRLittleEndian),
            dicom(VOXELS[0], ImplicitVRLittleEndian, RescaleSlope="2", RescaleIntercept="-9"),
            dicom(COLOURS, DeflatedExplicitVRLittleEndian),
        ),
        _array(IMAGE),
    ),
    "packed dicom": Format(
        _files(
            dicom(VOXELS[0], RLELossless),
            dicom(GREY.astype(np.uint16), JPEG2000Lossless),
            dicom(GREY, JPEGBaseline8Bit),
            dicom(COLOURS, RLELossless),
        ),
        _array(PLAIN),
    ),
    "dicom series": Format((_folder(lambda folder: series(folder / "s", VOXELS)),), _array(VOLUME, "")),
    "nifti": Format(_files(nifti(VOXELS, np.eye(4)), nifti(VOXELS.astype(">f4"), np.eye(4))), _array(VOLUME)),
    "nii.gz": Format(_files(nifti(VOXELS, np.eye(4), packed=True)), _array(VOLUME), mutated_gzip),
    "wfdb": Format(
        tuple(
            _folder(lambda folder, form=form: record(folder, "file", WAVES, form=form, leads=("I", "II", "V1", "V2")))  # type: ignore[misc]
            for form in ("16", "212", "80")
        ),
        _array(SIGNAL, "file.hea"),
    ),
    "npy": Format(
        tuple(
            _folder(lambda folder, kind=kind: np.save(folder / "file.npy", VOXELS.astype(kind)))  # type: ignore[misc]
            for kind in ("f4", "i2", ">f8")
        ),
        _numpy,
    ),
}
TABLES: dict[str, Format] = {
    "csv": Format(_files(CSV, CSV.replace(b"\n", b"\r\n")), _rows("csv")),
    "csv in UTF-16": Format(_files(CSV.decode().encode("utf-16")), _rows("csv", encoding="utf-16")),
    "csv.gz": Format(({"file.csv.gz": gzip.compress(CSV, mtime=0)},), _rows("csv", "file.csv.gz"), mutated_gzip),
    "tsv": Format(_files(TABLE.write_csv(separator="\t").encode()), _rows("csv", separator="tab")),
    "excel": Format(_files(_excel()), _rows("excel"), mutated_zip),
    "parquet": Format(
        _files(_parquet("zstd"), _parquet("uncompressed"), _parquet("snappy", 10)),
        _rows("parquet"),
    ),
    "sqlite": Format((_folder(_sqlite),), _rows("sql", "", url="sqlite:///file", table="t")),
    "fhir": Format(({"file.json": BUNDLE},), _rows("fhir", "file.json")),
    "fhir events": Format(({"file.ndjson": LINES},), _rows("fhir", "file.ndjson", events=True)),
    "long": Format(_files(LONG.write_csv().encode()), _rows("csv", events=True)),
    "dicom headers": Format(
        _files(dicom(GREY, ExplicitVRLittleEndian, **SERIES), dicom(GREY, DeflatedExplicitVRLittleEndian, **SERIES)),
        _rows("dicom", "."),
    ),
}
FORMATS = {"records": RECORDS, "tables": TABLES}
