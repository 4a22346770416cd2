"""Pictures: chest films of children at four made-up hospitals, and blood cells of 364 smears."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality_cases import FEDERATED, Aim, Case, Variant
from benchmarks.quality_decisions import balanced_accuracy, macro_f1, most_likely
from benchmarks.quality_figures import accuracy, area, brier
from benchmarks.quality_files import (
    FILE,
    LABEL,
    Indices,
    Records,
    changed,
    held_out_patients,
    import_files,
    write_png,
)
from benchmarks.quality_studies import SPLIT, UNIT, study_text
from fedward_shared.recipes.schedules import Schedule
from fedward_simulations.partition import dirichlet_sites, even_sites

__all__ = ["BLOOD_CELLS", "CHEST_FILMS", "CHEST_FILMS_CNN"]

_SITES = ("north", "east", "south", "west")
_SIDE = 28
_FILMS = "pneumoniamnist/pneumoniamnist_rebuilt.npz"
_FILMS_SIZES = dict.fromkeys(_SITES, 1300)
_SKEW = 1.0
_CELLS = "bccd_cells/bccd_cells_28.npz"
_CELLS_SIZES = dict.fromkeys(_SITES, 68)

Tables = dict[str, Any]


def _scattering(**options: object) -> Tables:
    return {"name": "scattering", "options": options}


_FILMS_MODEL: Tables = {"name": "logistic", "backbone": _scattering(J=2, L=4, log=True, normalise="group")}
_CNN_RATE = 0.05
_CNN: Tables = {"name": "cnn", "options": {"channels": [16, 32], "hidden": 64}}
_CELLS_MODEL: Tables = {"name": "logistic"}


def _data(names: tuple[str, ...], channels: int) -> Tables:
    classes = [[str(number)] for number in range(len(names))]
    return {
        "kind": "tensor",
        "patient": UNIT,
        "split": SPLIT,
        "label": {"column": LABEL, "classes": classes, "names": list(names)},
        "image": {"file": FILE, "channels": channels, "height": _SIDE, "width": _SIDE},
    }


def _films_study(model: Tables, schedule: Schedule) -> str:
    return study_text("chest-films", model, _data(("normal", "pneumonia"), 1), _FILMS_SIZES, schedule)


@lru_cache(maxsize=8)
def _films(epsilon: float) -> tuple[Variant, ...]:
    if epsilon < inf:
        return (Variant("40 steps", _films_study(_FILMS_MODEL, Schedule(40, 1, 0.15, "sgd", 10, 15.0))),)
    return (Variant("Adam", _films_study(_FILMS_MODEL, Schedule(20, 10, 0.003, "adam", 5))),)


@lru_cache(maxsize=8)
def _films_cnn(_epsilon: float) -> tuple[Variant, ...]:
    study = _films_study(_CNN, Schedule(20, 10, 0.003, "adam", 5))
    for site in _SITES:
        study = changed(study, "sites", site, sampling_rate=_CNN_RATE, normaliser=_CNN_RATE * _FILMS_SIZES[site])
    return (Variant("Adam", study),)


@lru_cache(maxsize=8)
def _cells(epsilon: float) -> tuple[Variant, ...]:
    data = _data(("red cell", "white cell", "platelet"), 3)
    schedule = Schedule(30, 1, 0.3, "sgd", 10, 5.0) if epsilon < inf else Schedule(20, 10, 0.01, "adam", 5)
    return (Variant("declared", study_text("blood-cells", _CELLS_MODEL, data, _CELLS_SIZES, schedule)),)


def _import_films(data: Path, folder: Path, seed: int) -> Mapping[str, Path] | None:
    if not (data / _FILMS).exists():
        return None
    with np.load(data / _FILMS, allow_pickle=False) as arrays:
        pictures = np.concatenate([arrays[f"{part}_images"] for part in ("train", "val", "test")])
        labels = np.concatenate([arrays[f"{part}_labels"] for part in ("train", "val", "test")]).ravel()
        held = np.arange(len(pictures)) >= len(pictures) - len(arrays["test_images"])
    labels = labels.astype(np.int64)
    parts = dirichlet_sites(labels, len(_SITES), concentration=_SKEW, seed=seed)
    records = Records(labels.tolist(), [f"film-{row}" for row in range(len(labels))], held)
    return import_files(folder, _films(inf)[0].study, records, _by_site(parts), write_png(pictures))


def _import_cells(data: Path, folder: Path, seed: int) -> Mapping[str, Path] | None:
    if not (data / _CELLS).exists():
        return None
    with np.load(data / _CELLS, allow_pickle=False) as arrays:
        pictures, labels = arrays["images"], arrays["labels"].astype(np.int64)
        smears = arrays["image_id"]
    names = np.unique(smears)
    parts = [
        np.flatnonzero(np.isin(smears, names[chosen])) for chosen in even_sites(len(names), len(_SITES), seed=seed)
    ]
    site_of = {row: str(site) for site, rows in enumerate(parts) for row in rows.tolist()}
    units = smears.tolist()
    held = held_out_patients(units, [site_of[row] for row in range(len(units))], seed)
    records = Records(labels.tolist(), units, held)
    return import_files(folder, _cells(inf)[0].study, records, _by_site(parts), write_png(pictures))


def _by_site(parts: list[Indices]) -> dict[str, Indices]:
    return dict(zip(_SITES, parts, strict=True))


_FILMS_PROTOCOL = (
    "the official test films judge, once; official train and validation films train; five draws of four hospitals "
    "(each class spread by a Dirichlet draw, concentration 1), the median counts"
)
_FILMS_NOTES = (
    "the test films look different: by cross-validation on training films even plain pixels have an AUC of .98",
    "each film counts as a patient: the set does not tell which films are of the same child",
    "local: hospitals differ in how many are ill, which each one's own model knows, so AUC over all is high",
)

CHEST_FILMS = Case(
    name="pneumonia",
    title="Pneumonia on chest films of children, 28 x 28 (PneumoniaMNIST, rebuilt; four made-up hospitals)",
    protocol=_FILMS_PROTOCOL,
    chosen="wavelets (2 scales, 4 directions, logarithms, groups normalised within a record), rounds, rate and clip "
    "norm by cross-validation on the 5,232 training films: wavelets by five folds with films of one look in one fold, "
    "the rest by two of five random folds of the first draw; the test films were looked at once",
    imports=_import_films,
    splits=True,
    variants=_films,
    figures={"AUC": area, "accuracy": accuracy, "Brier": brier},
    aims=(Aim(0.96), Aim(0.93, epsilon=8.0)),
    notes=_FILMS_NOTES,
)

CHEST_FILMS_CNN = Case(
    name="pneumonia-cnn",
    title="The same films, a small convolutional network from scratch",
    protocol=_FILMS_PROTOCOL,
    chosen="rounds and rate by the recipe of the family; nothing was tuned",
    imports=_import_films,
    splits=True,
    variants=_films_cnn,
    figures={"AUC": area, "accuracy": accuracy, "Brier": brier},
    methods=(FEDERATED,),
    epsilons=(inf,),
    baselines=(),
    notes=_FILMS_NOTES,
)

BLOOD_CELLS = Case(
    name="bccd",
    title="Red cells, white cells and platelets, 28 x 28 in colour (BCCD; four made-up hospitals)",
    protocol="five random splits: a quarter of each hospital's smears judges, with all of their cells, the median over "
    "splits counts",
    chosen="rounds, rate and clip norm by one or two of five folds, by smear, of the first split's training cells; "
    "there wavelets averaged over the picture trained worse in as few steps than plain pixels",
    imports=_import_cells,
    splits=True,
    variants=_cells,
    figures={"balanced accuracy": balanced_accuracy, "macro-F1": macro_f1, "accuracy": most_likely},
    aims=(Aim(0.953),),
    notes=(
        "the unit of privacy is the smear, of which there are 364, and not the cell",
        "constants were chosen on cells that judge in other splits",
        "pixels and wavelets were first compared, with scikit-learn, by cross-validation on all cells",
    ),
)
