"""Patients on both sides of the split are counted, however many there are and in whatever pieces they come."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from fedward_client.importer.straddling import Sides
from fedward_shared.contracts.cohort import DataContract, Holdout
from fedward_shared.manifest.parse import load
from tests.support.samples import TWO_SITES

CONTRACT = load(TWO_SITES.encode()).data


def count(contract: DataContract, rows: list[tuple[str, str]], scratch: Path, piece: int, waiting: int) -> int:
    scratch.mkdir()
    sides = Sides(contract, scratch, waiting)
    for start in range(0, len(rows), piece):
        patients, split = zip(*rows[start : start + piece], strict=True)
        sides.add(pl.DataFrame({"patient_id": patients, "split": split}))
    return sides.straddling()


@pytest.mark.parametrize("waiting", [1, 50, 10_000])
def test_each_patient_on_both_sides_counts_once(tmp_path: Path, waiting: int) -> None:
    chance = random.Random(0)
    rows = [(f"p{chance.randrange(300)}", chance.choice(["train", "train", "test"])) for _ in range(1000)]
    expected = {name for name, side in rows if side == "train"} & {name for name, side in rows if side == "test"}

    assert count(CONTRACT, rows, tmp_path / "a", 7, waiting) == len(expected) > 50
    assert count(CONTRACT, rows, tmp_path / "b", 1000, waiting) == len(expected)


def test_without_patients_or_a_split_made_beforehand_nobody_straddles(tmp_path: Path) -> None:
    rows = [("p", "train"), ("p", "test")]

    assert count(CONTRACT, rows, tmp_path / "a", 1, 1) == 1
    assert count(replace(CONTRACT, patient=None), rows, tmp_path / "b", 1, 1) == 0
    assert count(replace(CONTRACT, split=None, holdout=Holdout(0.5, "k")), rows, tmp_path / "c", 1, 1) == 0


def test_no_row_is_no_patient(tmp_path: Path) -> None:
    assert Sides(CONTRACT, tmp_path).straddling() == 0
