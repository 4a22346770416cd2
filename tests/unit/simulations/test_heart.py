"""The four hospitals' table: its documented quirks are mended in the open, its split is the one fixed beforehand."""

import csv
import hashlib
from collections import Counter
from pathlib import Path

from fedward_simulations.scenarios.heart import HOSPITALS, is_test, patients, study_text, write_hospitals


def test_row_304_is_the_first_of_hungary() -> None:
    sizes = Counter(patient.site for patient in patients())
    assert sizes == {"cleveland": 303, "hungary": 294, "switzerland": 123, "va": 200}
    assert next(patient.site for patient in patients() if patient.row == 304) == "hungary"


def test_the_split_is_a_keyed_function_of_hospital_and_row() -> None:
    for patient in patients():
        last_byte = hashlib.sha256(f"{patient.site}:{patient.row}".encode()).digest()[-1]
        assert (patient.split == "test") == (last_byte % 4 == 0)
        assert is_test(patient.site, patient.row) == (patient.split == "test")


def test_the_split_stays_what_it_was_when_the_results_were_written() -> None:
    held_out = Counter(patient.site for patient in patients() if patient.split == "test")
    assert held_out == {"cleveland": 67, "hungary": 66, "switzerland": 21, "va": 48}


def test_every_hospital_gets_a_file_of_its_own_patients_only(tmp_path: Path) -> None:
    paths = write_hospitals(tmp_path)
    assert list(paths) == list(HOSPITALS)
    for site, path in paths.items():
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert rows
        assert all(row["patient_id"].startswith(f"{site}-") for row in rows)
        assert len({row["patient_id"] for row in rows}) == len(rows)
        assert {row["split"] for row in rows} == {"train", "test"}


def test_raw_values_reach_the_files_unchanged(tmp_path: Path) -> None:
    with write_hospitals(tmp_path)["switzerland"].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["chol"] for row in rows} == {"0"}, "the study declares 0 as missing; the files keep what was recorded"


def test_the_study_names_every_hospital() -> None:
    text = study_text()
    assert all(f"[sites.{site}]" in text for site in HOSPITALS)
