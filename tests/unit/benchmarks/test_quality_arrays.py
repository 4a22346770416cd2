"""The cases of pictures and signals, over made-up files in the published sets' own layout."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.quality_arrays import ARRAYS
from benchmarks.quality_cases import Case
from benchmarks.quality_decisions import balanced_accuracy, macro_f1, most_likely
from benchmarks.quality_files import changed, held_out_patients
from fedward_client.vault.training.dataset import open_data_set
from fedward_shared.evaluation.scored import Scored
from fedward_shared.manifest.resolve import load_draft
from fedward_simulations.grid.bench import Bench
from fedward_simulations.grid.bench import studies_of as published
from fedward_simulations.grid.cell import Cell

_CASES = {case.name: case for case in ARRAYS}


def _films(data: Path) -> None:
    rng, arrays = np.random.default_rng(0), {}
    for part, count in (("train", 40), ("val", 8), ("test", 16)):
        arrays[f"{part}_images"] = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        arrays[f"{part}_labels"] = (np.arange(count) % 2).astype(np.uint8)[:, None]
    (data / "pneumoniamnist").mkdir()
    np.savez(data / "pneumoniamnist" / "pneumoniamnist_rebuilt.npz", allow_pickle=False, **arrays)


def _cells(data: Path) -> None:
    rng = np.random.default_rng(0)
    (data / "bccd_cells").mkdir()
    np.savez(
        data / "bccd_cells" / "bccd_cells_28.npz",
        images=rng.integers(0, 256, (96, 28, 28, 3), dtype=np.uint8),
        labels=(np.arange(96) % 3).astype(np.uint8),
        image_id=np.array([f"smear{row // 3:02d}" for row in range(96)]),
    )


def _electrocardiograms(data: Path) -> None:
    (data / "ptbxl").mkdir()
    signals = np.random.default_rng(0).integers(-900, 900, (32, 1000, 12)).astype(np.int16)
    np.savez(data / "ptbxl" / "ptbxl_100hz_int16.npz", signals_uV=signals, ecg_id=np.arange(32) + 1)
    about = {
        "ecg_id": np.arange(32) + 1,
        "patient_id": [f"{row // 2 + 7}.0" for row in range(32)],
        "site": [f"{row // 16}.0" for row in range(32)],
        "super": ["NORM" if row // 2 % 2 else "MI|STTC" for row in range(32)],
    }
    pl.DataFrame(about).write_csv(data / "ptbxl" / "ptbxl_meta.csv")


def _beats(data: Path) -> None:
    (data / "mitbih500").mkdir()
    signals = np.random.default_rng(0).normal(size=(80, 3600)).astype(np.float32)
    np.savez(data / "mitbih500" / "mitbih500_360hz.npz", X=signals, y=(np.arange(80) % 5).astype(np.uint8))


_WRITERS = {"pneumonia": _films, "bccd": _cells, "ptbxl": _electrocardiograms, "mitbih": _beats}


@pytest.mark.parametrize("name", _WRITERS)
def test_a_case_imports_every_row_once_and_no_patient_trains_and_judges(name: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    _WRITERS[name](data)
    case = _CASES[name]
    folders = case.imports(data, tmp_path / "work", 0)
    assert folders is not None
    study = load_draft(case.variants(inf)[0].study.encode())
    assert tuple(folders) == study.site_names
    opened = [open_data_set(folder, study.data) for folder in folders.values()]
    rows = sum(len(one.train.labels) + len(one.test.labels) for one in opened)
    assert rows == {"pneumonia": 64, "bccd": 96, "ptbxl": 32, "mitbih": 80}[name]
    judged = sum(len(one.test.labels) for one in opened)
    assert judged == 16 if name == "pneumonia" else 0.15 * rows < judged < 0.4 * rows
    tables = pl.concat([pl.read_csv(tmp_path / "work" / site / "labels.csv") for site in folders])
    assert tables.group_by("unit").agg(pl.col("split").n_unique())["split"].max() == 1


@pytest.mark.parametrize("case", ARRAYS, ids=lambda case: case.name)
def test_every_study_of_a_case_can_be_published_over_one_contract(case: Case, tmp_path: Path) -> None:
    contracts = set()
    for epsilon in case.epsilons:
        for variant in case.variants(epsilon):
            study = load_draft(variant.study.encode())
            folders = dict.fromkeys(study.site_names, tmp_path)
            assert published(Bench.of(variant.study.encode(), folders), Cell("federated", epsilon=epsilon))
            contracts.add(repr(study.data))
    assert len(contracts) == 1


@pytest.mark.parametrize("case", ARRAYS, ids=lambda case: case.name)
def test_a_case_without_its_data_says_so(case: Case, tmp_path: Path) -> None:
    assert case.imports(tmp_path, tmp_path / "work", 0) is None


def test_another_seed_deals_films_to_other_hospitals_and_keeps_the_test_films(tmp_path: Path) -> None:
    _films(tmp_path)
    case, sizes, judged = _CASES["pneumonia"], [], []
    study = load_draft(case.variants(inf)[0].study.encode())
    for seed in (0, 1):
        folders = case.imports(tmp_path, tmp_path / f"work{seed}", seed)
        assert folders is not None
        parts = [open_data_set(folder, study.data) for folder in folders.values()]
        sizes.append([len(part.train.labels) for part in parts])
        judged.append(sum(len(part.test.labels) for part in parts))
    assert sizes[0] != sizes[1]
    assert judged == [16, 16]


def test_a_patient_with_rows_of_two_strata_is_held_out_with_all_of_them() -> None:
    units = [str(row % 20) for row in range(60)]
    held = held_out_patients(units, [str(row % 3) for row in range(60)], 0)
    by_unit = {unit: {bool(held[row]) for row in range(60) if units[row] == unit} for unit in units}
    assert all(len(sides) == 1 for sides in by_unit.values())
    assert sum(True in sides for sides in by_unit.values()) == 5


def test_a_study_is_changed_in_the_named_table_only() -> None:
    before = "[training]\nlearning_rate = 1.0\n\n[sites.a]\nsize = 3\n"
    assert changed(before, "sites", "a", size=4) == before.replace("3", "4")
    assert "momentum = 0.9" in changed(before, "training", momentum=0.9)


def test_decisions_against_counts_by_hand() -> None:
    def run(labels: Sequence[int], said: Sequence[int]) -> dict[str, Scored]:
        return {"a": Scored(np.array(labels), np.eye(3)[list(said)], np.arange(len(labels)))}

    told = run([0, 0, 0, 0, 1, 1, 2], [0, 0, 0, 1, 1, 2, 2])
    assert balanced_accuracy(told) == pytest.approx((3 / 4 + 1 / 2 + 1) / 3)
    assert macro_f1(told) == pytest.approx((6 / 7 + 1 / 2 + 2 / 3) / 3)
    assert most_likely(told) == pytest.approx(5 / 7)
    assert np.isnan(balanced_accuracy(run([0, 1], [0, 1])))
