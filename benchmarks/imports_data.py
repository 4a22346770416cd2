"""Real medical data sets as imports of `benchmarks.imports`: found below `--data`, never copied into the project.

Sets that come as arrays are first written as the files that a hospital would have; that takes no part in the figures.
"""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.imports_cases import Case
from benchmarks.imports_studies import CINC, ELECTROCARDIOGRAMS, FILMS, dialogues, tcga

__all__ = ["data_cases"]

_HEART = Path(__file__).parents[1] / "docs" / "examples" / "heart"
_LABELLED = 'files = "files"\n\n[source]\ntype = "csv"\npath = "labels.csv"\n'
_CSV = '[source]\ntype = "csv"\npath = "{}"\n'
_LEADS = ("I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6")
_FOLLOWED_UP = ("pid", "age_at_index", "E", "T")


def data_cases(data: Path | None) -> list[Case]:
    """The sets of which `data` has a folder."""
    if data is None:
        return []
    found = [*_heart(), *_tables(data), _films(), _electrocardiograms()]
    return [case for case in found if case.name]


def _heart() -> list[Case]:
    contract = (_HEART / "study.toml").read_text(encoding="utf-8")
    contract = contract[contract.index("[data]") : contract.index("[sites.")]
    names = {"cleveland": "Cleveland", "hungary": "Hungary", "switzerland": "Switzerland", "va": "VA Long Beach"}
    return [
        Case(
            f"UCI heart, {hospital}",
            lambda data, _scratch: _there(data, "heart_disease_4site"),
            contract,
            (_HEART / f"{site}.toml").read_text(encoding="utf-8"),
        )
        for site, hospital in names.items()
    ]


def _there(data: Path | None, name: str) -> Path | None:
    return data / name if data is not None and (data / name).is_dir() else None


def _tables(data: Path) -> list[Case]:
    cases = [
        Case(
            "CinC 2012",
            lambda data, _scratch: _there(data, "cinc2012"),
            CINC,
            _CSV.format("PhysionetChallenge2012-set-a.csv.gz"),
            bare="cinc",
            repeats=5,
        )
    ]
    cancer = _there(data, "tcga_brca")
    if cancer:
        states = [name for name in _header(cancer / "brca.csv") if name not in _FOLLOWED_UP]
        cases.append(Case("TCGA-BRCA", lambda _d, _s: cancer, tcga(states), _CSV.format("brca.csv"), "tcga", 5))
    talk = _there(data, "mts_dialog")
    if talk:
        file = "MTS-Dialog-TrainingSet.csv"
        headers = sorted(pl.read_csv(talk / file)["section_header"].unique())
        cases.append(Case("MTS-Dialog", lambda _d, _s: talk, dialogues(headers), _CSV.format(file)))
    return cases


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return next(csv.reader(file))


def _films() -> Case:
    return Case("PneumoniaMNIST (PNG)", _write_films, FILMS, _LABELLED, bare="films")


def _write_films(data: Path | None, scratch: Path) -> Path | None:
    from PIL import Image

    source = _there(data, "pneumoniamnist")
    if source is None:
        return None
    folder = _fresh(scratch / "films")
    arrays = np.load(source / "pneumoniamnist_rebuilt.npz")
    rows = []
    for part in ("train", "val", "test"):
        for number, (film, label) in enumerate(zip(arrays[f"{part}_images"], arrays[f"{part}_labels"], strict=True)):
            name = f"{part}-{number:05d}"
            Image.fromarray(film).save(folder / "files" / f"{name}.png")
            rows.append((name, int(label[0]), f"{name}.png"))
    pl.DataFrame(rows, schema=["film", "finding", "file"], orient="row").write_csv(folder / "labels.csv")
    return folder


def _electrocardiograms() -> Case:
    return Case("PTB-XL (WFDB)", _write_electrocardiograms, ELECTROCARDIOGRAMS, _LABELLED, bare="electrocardiograms")


def _write_electrocardiograms(data: Path | None, scratch: Path) -> Path | None:
    import wfdb

    source = _there(data, "ptbxl")
    if source is None:
        return None
    folder = _fresh(scratch / "ecg")
    arrays = np.load(source / "ptbxl_100hz_int16.npz")
    about = {int(row["ecg_id"]): row for row in pl.read_csv(source / "ptbxl_meta.csv").iter_rows(named=True)}
    rows = []
    for number, signal in zip(arrays["ecg_id"], arrays["signals_uV"], strict=True):
        name = f"ecg{int(number):05d}"
        wfdb.wrsamp(
            name, fs=100, units=["mV"] * 12, sig_name=list(_LEADS), fmt=["16"] * 12, d_signal=signal,
            adc_gain=[1000.0] * 12, baseline=[0] * 12, write_dir=str(folder / "files"),
        )  # fmt: skip
        row = about[int(number)]
        rows.append((str(row["patient_id"]), int(row["super"] == "NORM"), name))
    pl.DataFrame(rows, schema=["patient_id", "normal", "file"], orient="row").write_csv(folder / "labels.csv")
    return folder


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "files").mkdir(parents=True)
    return folder
