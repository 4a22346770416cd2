"""Generated hospitals: the same request gives the same data, the truth is true, and each defect is what it says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fedward_client.importer.importing import import_here
from fedward_client.importer.mapping_file import load_mapping
from fedward_client.importer.order import ImportOrder
from fedward_client.vault.training.dataset import open_data_set
from fedward_shared.errors import UsageError
from fedward_shared.manifest.resolve import load_draft
from fedward_simulations.generate.admissions import rows
from fedward_simulations.generate.command import Request, generate
from fedward_simulations.generate.course import electrocardiogram, film, scan, vital_signs
from fedward_simulations.generate.defects import Defect
from fedward_simulations.generate.kinds import KINDS
from fedward_simulations.generate.people import BASELINE, WEIGHTS, Hospital, patients, true_auc


def _draw(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_has_a_study_a_mapping_and_a_truth_and_says_synthetic(kind: str, tmp_path: Path) -> None:
    generate(Request(kind, tmp_path / "out", ("north", "south"), 12, seed=3))
    study = load_draft((tmp_path / "out" / "study.toml").read_bytes())
    assert study.site_names == ("north", "south")
    assert study.title.startswith("SYNTHETIC")
    assert (tmp_path / "out" / "SYNTHETIC.txt").read_text(encoding="utf-8").startswith("SYNTHETIC")
    truth = json.loads((tmp_path / "out" / "truth.json").read_text(encoding="utf-8"))
    assert truth["synthetic"] is True
    assert truth["sites"]["south"]["patients"] == 12
    for site in study.site_names:
        content = b"".join(_files(tmp_path / "out" / site).values())
        assert b"SYNTHETIC" in content or kind in {"excel", "parquet", "nifti"}  # compressed formats


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"excel", "sql"}))  # those two write times of writing
def test_the_same_request_gives_the_same_bytes(kind: str, tmp_path: Path) -> None:
    generate(Request(kind, tmp_path / "a", ("north",), 6, seed=5))
    generate(Request(kind, tmp_path / "b", ("north",), 6, seed=5))
    generate(Request(kind, tmp_path / "c", ("north",), 6, seed=6))
    first, again, other = (_files(tmp_path / name) for name in "abc")
    skip = {name for name in first if name.endswith(".nii.gz")}  # gzip writes the time
    assert {k: v for k, v in first.items() if k not in skip} == {k: v for k, v in again.items() if k not in skip}
    assert first != other


def test_the_risk_is_the_probability_of_the_outcome() -> None:
    hospital = patients("north", 40_000, _draw())
    for low in np.arange(0.0, 1.0, 0.2):
        within = (hospital.risk >= low) & (hospital.risk < low + 0.2)
        expected, found, count = hospital.risk[within].mean(), hospital.ill[within].mean(), within.sum()
        assert abs(found - expected) < 5 * np.sqrt(0.25 / count)


def test_the_risk_follows_the_written_weights() -> None:
    hospital = patients("north", 500, _draw())
    measured = ~np.isnan(hospital.bmi) & ~np.isnan(hospital.lactate)
    logit = np.log(hospital.risk / (1 - hospital.risk))
    expected = BASELINE + 0.6 * hospital.smoker
    for name, (centre, scale, weight) in WEIGHTS.items():
        expected = expected + weight * (getattr(hospital, name) - centre) / scale
    assert np.allclose(logit[measured], expected[measured])


def test_true_auc_equals_counting_pairs() -> None:
    draw = _draw()
    risk, ill = draw.random(60), draw.random(60) < 0.4
    pairs = [(a > b) for a in risk[ill] for b in risk[~ill]]
    assert true_auc(risk, ill) == pytest.approx(np.mean(pairs))
    assert np.isnan(true_auc(risk, np.ones(60, dtype=np.bool_)))


def _export(defect: Defect | None, count: int = 600) -> tuple[Hospital, pl.DataFrame]:
    hospital = patients("north", count, _draw(1))
    return hospital, rows(hospital, frozenset({defect} if defect else ()), _draw(2))


def test_without_a_defect_the_rows_are_the_patients() -> None:
    hospital, table = _export(None)
    assert table["patient_id"].to_list() == list(hospital.names)
    assert np.array_equal(table["glucose"].to_numpy(), hospital.glucose)
    assert ((table["readmitted"] == "yes").to_numpy() == hospital.ill).all()
    assert table["readmitted_at"].null_count() == int((~hospital.ill).sum())
    assert bool((table["lactate_at"] <= table["admitted"]).all())
    assert bool((table["readmitted_at"].drop_nulls() > table.filter(hospital.ill)["admitted"]).all())


def test_wrong_units_are_glucose_in_milligrams() -> None:
    hospital, table = _export(Defect.WRONG_UNITS)
    assert np.allclose(table["glucose"].to_numpy() / hospital.glucose, 18.0156, atol=0.5)


def test_mixed_units_are_a_third_of_them() -> None:
    hospital, table = _export(Defect.MIXED_UNITS)
    share = (table["glucose"].to_numpy() > 3 * hospital.glucose).mean()
    assert share == pytest.approx(1 / 3, abs=0.08)


def test_a_swapped_label_is_every_label() -> None:
    hospital, table = _export(Defect.SWAPPED_LABEL)
    assert ((table["readmitted"] == "yes").to_numpy() == ~hospital.ill).all()


def test_a_leak_is_taken_after_admission_and_tells_the_outcome() -> None:
    hospital, table = _export(Defect.LEAK)
    assert bool((table["lactate_at"] > table["admitted"]).all())
    assert true_auc(table["lactate"].to_numpy(), hospital.ill) == 1.0


def test_records_after_the_outcome_begin_after_it() -> None:
    _, table = _export(Defect.AFTER_OUTCOME)
    late = table.filter(pl.col("admitted") > pl.col("readmitted_at")).height
    assert 0 < late < 0.2 * table.height


def test_a_shift_is_thirty_millimetres_of_mercury() -> None:
    hospital, table = _export(Defect.SHIFT)
    assert np.allclose(table["systolic"].to_numpy() - hospital.systolic, 30)


def test_duplicates_and_conflicts_are_second_rows() -> None:
    _, twice = _export(Defect.DUPLICATES)
    assert 0 < twice.height - twice.unique().height == twice.height - 600
    _, contrary = _export(Defect.CONFLICTS)
    sides = contrary.group_by("patient_id").agg(pl.col("readmitted").n_unique())
    assert (sides["readmitted"] > 1).sum() == contrary.height - 600 > 0


def test_spellings_are_others() -> None:
    _, table = _export(Defect.SPELLINGS)
    assert set(table["sex"]) == {"F", "M"}
    assert set(table["smoker"]) == {"Y", "N"}


def test_a_decimal_comma_comes_with_semicolons(tmp_path: Path) -> None:
    generate(Request("csv", tmp_path / "out", ("north",), 10, 0, ("north=decimal-comma",)))
    first = (tmp_path / "out" / "north" / "export.csv").read_text(encoding="utf-8").splitlines()[1].split(";")
    assert len(first) == 13
    assert "," in first[6]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_is_imported_whole_under_its_own_study_and_mapping(kind: str, tmp_path: Path) -> None:
    generate(Request(kind, tmp_path / "out", ("north",), 25, seed=8))
    manifest = (tmp_path / "out" / "study.toml").read_bytes()
    folder = tmp_path / "out" / "north"
    order = ImportOrder(manifest, load_mapping(folder / "mapping.toml"), folder, "set")
    report = import_here(order, tmp_path / "inbox")
    assert (report.accepted, report.rejected, report.excluded) == (25, 0, 0)
    assert report.folder is not None
    data = open_data_set(report.folder, load_draft(manifest).data)
    assert len(data.train.labels) + len(data.test.labels) == 25
    assert np.isfinite(data.train.records).all()
    assert data.train.records.std() > 0


def test_files_can_be_cut_off_and_flagged(tmp_path: Path) -> None:
    import pydicom

    generate(Request("dicom", tmp_path / "a", ("north",), 40, 0, ("north=burned-in",)))
    flags = [pydicom.dcmread(path).BurnedInAnnotation for path in (tmp_path / "a" / "north" / "files").iterdir()]
    assert 0 < flags.count("YES") < 20
    generate(Request("pictures", tmp_path / "b", ("north",), 40, 0))
    generate(Request("pictures", tmp_path / "c", ("north",), 40, 0, ("north=unreadable",)))
    whole, cut = (sum(map(len, _files(tmp_path / name / "north" / "files").values())) for name in "bc")
    assert cut < whole


def test_arrays_show_what_their_label_says() -> None:
    assert film(True, _draw(1)).mean() > film(False, _draw(1)).mean()
    assert (scan(True, _draw(1))[10:22, 10:22, 6:14] > 0).any()
    assert not (scan(False, _draw(1))[10:22, 10:22, 6:14] > 0).any()
    assert electrocardiogram(False, _draw(1)).shape == (1000, 12)
    assert electrocardiogram(True, _draw(1)).std() > 0
    ill, well = (vital_signs(state, _draw(4)) for state in (True, False))
    late = [np.mean([v for h, name, v in found if name == "heart_rate" and h > 30]) for found in (ill, well)]
    assert late[0] > late[1]


@pytest.mark.parametrize(
    ("request_", "part"),
    [
        (Request("tarot", Path("x"), ("north",), 5, 0), "kind"),
        (Request("csv", Path("x"), ("North",), 5, 0), "--sites"),
        (Request("csv", Path("x"), ("a", "a"), 5, 0), "--sites"),
        (Request("csv", Path("x"), (), 5, 0), "--sites"),
        (Request("csv", Path("x"), ("north",), 5, 0, ("south=leak",)), "south"),
        (Request("csv", Path("x"), ("north",), 5, 0, ("north=gremlins",)), "gremlins"),
        (Request("csv", Path("x"), ("north",), 5, 0, ("north=burned-in",)), "cannot have"),
        (Request("csv", Path("x"), ("north",), 0, 0), "patient"),
    ],
)
def test_what_cannot_be_generated_is_said(request_: Request, part: str, tmp_path: Path) -> None:
    wrong = Request(request_.kind, tmp_path / "out", request_.sites, request_.patients, request_.seed, request_.defects)
    with pytest.raises(UsageError) as raised:
        generate(wrong)
    assert part in raised.value.diagnostics()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious", encoding="utf-8")
    with pytest.raises(UsageError, match="not empty"):
        generate(Request("csv", tmp_path, ("north",), 5, 0))
