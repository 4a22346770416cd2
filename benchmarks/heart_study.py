"""The four hospitals' study as `benchmarks.privacy_utility` runs it: its terms, its splits, its learning rate.

What differs from the scenario's own study, declared once for every ε, split and seed, and chosen by cross-validation
on the 718 training rows of the scenario's fixed split (docs/results.md has the tables):

- numbers are divided by two standard deviations instead of one (Gelman 2008, doi:10.1002/sim.3107), so that they are
  as long as yes-or-no inputs, and the clip norm is not spent on them; centres and scales stay round clinical numbers;
- one step a round instead of two, at every patient (q = 1: the exact Gaussian mechanism), clip norm 0.5;
- no spare attempts: a simulation needs none;
- the learning rate follows ε, a public number: `declared_rate`.
"""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from math import inf, isinf
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedward_client.imported import read_record, record_of, table_name, write_record
from fedward_client.importer.importing import import_here
from fedward_client.importer.order import ImportOrder
from fedward_client.vault.training.dataset import Part, open_data_set
from fedward_client.vault.training.local_round import load_weights
from fedward_client.vault.training.reading import read_table
from fedward_shared.contracts.study import Study
from fedward_shared.evaluation.calibration import brier
from fedward_shared.evaluation.ranking import auc
from fedward_shared.evaluation.scored import Scored, pooled
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.resolve import published
from fedward_shared.models.heads.classes import probabilities
from fedward_shared.models.registry import build
from fedward_simulations.baselines import without_privacy
from fedward_simulations.grid.engine import Weights, federate
from fedward_simulations.importing import import_into
from fedward_simulations.report.compared import Run
from fedward_simulations.scenarios.heart import study_text, write_hospitals

__all__ = [
    "FIXED_SPLIT",
    "RATES",
    "ROUNDS",
    "Choice",
    "Parts",
    "best_rate",
    "choose_rate",
    "declared_rate",
    "import_hospitals",
    "manifest",
    "scores",
    "split_hospitals",
    "stratified",
    "training_parts",
]

ROUNDS = 20
RATES = (0.5, 1.0, 2.0, 4.0)
"""The learning rates that are chosen among."""
FIXED_SPLIT = -1
"""Instead of a seed: the scenario's own declared split."""
_DECLARED = ((0.5, 1.0), (3.0, 2.0), (inf, 4.0))
_CLIP_NORM = 0.5
_TEST_SHARE = 0.25
_FOLDS = 5
_TOLERANCE = 0.002

Parts = Mapping[str, Part]
"""Rows of every hospital."""


def declared_rate(epsilon: float) -> float:
    """The study's learning rate at a target ε (∞: no privacy)."""
    return next(rate for most, rate in _DECLARED if epsilon <= most)


@lru_cache(maxsize=64)
def manifest(epsilon: float, rate: float) -> bytes:
    """The published study at a target ε, or without privacy at ∞."""
    import tomlkit

    terms: dict[str, Any] = tomllib.loads(study_text(rounds=ROUNDS, target_epsilon=1.0 if isinf(epsilon) else epsilon))
    for column in terms["data"]["columns"].values():
        if column["type"] == "number":
            column["scale"] = 2 * column["scale"]
    terms["training"].update(local_steps=1, learning_rate=rate)
    terms["strategy"]["spare_attempts"] = 0
    terms["privacy"]["clip_norm"] = _CLIP_NORM
    content = tomlkit.dumps(terms).encode()
    return without_privacy(content) if isinf(epsilon) else published(content)


def import_hospitals(folder: Path) -> dict[str, Path]:
    """Imports the four hospitals' tables under the study's contract, with the scenario's split."""
    contract = manifest(inf, RATES[0])
    with tempfile.TemporaryDirectory() as workplace:
        for site, path in write_hospitals(Path(workplace)).items():
            order = ImportOrder.of_file(path, contract, site)
            import_into(folder, site, partial(import_here, order))
    return {site: folder / site for site in load(contract).site_names}


def stratified(labels: NDArray[np.int64], parts: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """A part, 0 to `parts` - 1, for each row: at random, equally many of each class in each part as far as it goes."""
    part = np.empty(len(labels), dtype=np.int64)
    taken = 0
    for value in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == value))
        part[rows] = (np.arange(len(rows)) + taken) % parts
        taken += len(rows)
    return part


def split_hospitals(folders: Mapping[str, Path], destination: Path, *, seed: int) -> dict[str, Path]:
    """The same imports with a fresh random split: a quarter of each class of each hospital is for testing."""
    import polars as pl

    contract = load(manifest(inf, RATES[0])).data
    made = {}
    for number, (site, folder) in enumerate(folders.items()):
        table = pl.concat(read_table(folder / name, digest) for name, digest in read_record(folder).files)
        labels = table[contract.label.column].cast(pl.Int64).to_numpy()
        test = stratified(labels, round(1 / _TEST_SHARE), np.random.default_rng([seed, number])) == 0
        made[site] = destination / site
        made[site].mkdir(parents=True)
        side = pl.Series(contract.split_column, np.where(test, "test", "train"))
        table.with_columns(side).write_parquet(made[site] / table_name(0))
        write_record(made[site], record_of(made[site], contract, [table_name(0)], rows=(table.height, 0)))
    return made


def training_parts(folders: Mapping[str, Path]) -> Parts:
    """The training rows of each hospital; test rows are not looked at."""
    contract = load(manifest(inf, RATES[0])).data
    return {site: open_data_set(folder, contract).train for site, folder in folders.items()}


def scores(study: Study, weights: Weights, parts: Parts) -> Run:
    """The model's probabilities for rows of each hospital."""
    import torch

    model = build(study.model, study.data)
    load_weights(model, weights)
    model.eval()
    with torch.no_grad():
        return {
            site: Scored(part.labels, probabilities(model(torch.from_numpy(part.records)).double()).numpy(), part.units)
            for site, part in parts.items()
        }


@dataclass(frozen=True, slots=True)
class Choice:
    """What cross-validation says of one learning rate: means over folds."""

    rate: float
    auc: float
    brier: float


def choose_rate(
    epsilon: float, training: Parts, *, seed: int, repeats: int = 1, rates: Sequence[float] = RATES
) -> tuple[float, tuple[Choice, ...]]:
    """The learning rate for `training` by stratified five-fold cross-validation, with the same ε and fresh noise.

    What choosing itself costs in privacy is not accounted, as is usual: a real study declares a rate that was found
    elsewhere.

    Returns:
        The rate, and what each rate reached.
    """
    tried = []
    for rate in rates:
        study = load(manifest(epsilon, rate))
        folds = _folds(training, seed, repeats)
        runs = [scores(study, federate(study, kept, seed=number), held) for number, kept, held in folds]
        reached = np.mean([_reached(run) for run in runs], axis=0)
        tried.append(Choice(rate, float(reached[0]), float(reached[1])))
    return best_rate(tried), tuple(tried)


def best_rate(tried: Sequence[Choice]) -> float:
    """Among the rates whose pooled AUC is within .002 of the best, the one with the smallest Brier score."""
    good = max(choice.auc for choice in tried) - _TOLERANCE
    return min((choice for choice in tried if choice.auc >= good), key=lambda choice: choice.brier).rate


def _reached(run: Run) -> tuple[float, float]:
    """Pooled AUC and Brier score; NaN without patients of both classes."""
    whole = pooled(run.values())
    area = auc(whole.scores[:, 1], whole.labels == 1)
    return np.nan if area is None else area, brier(whole.labels, whole.scores)


def _folds(training: Parts, seed: int, repeats: int) -> Iterator[tuple[int, Parts, Parts]]:
    """A seed for the noise, the rows to train on, and those held out."""
    for repeat in range(repeats):
        rng = np.random.default_rng([seed + 2, repeat])
        fold = {site: stratified(part.labels, _FOLDS, rng) for site, part in training.items()}
        for number in range(_FOLDS):
            kept = {site: _rows(part, fold[site] != number) for site, part in training.items()}
            held = {site: _rows(part, fold[site] == number) for site, part in training.items()}
            yield (1 + repeat * _FOLDS + number) * 1_000_003 + seed, kept, held


def _rows(part: Part, chosen: NDArray[np.bool_]) -> Part:
    """Some of the rows; one row a patient, as in this table."""
    return Part(
        records=part.records[chosen],
        labels=part.labels[chosen],
        units=np.arange(int(chosen.sum()), dtype=np.int64),
        count=int(chosen.sum()),
        rows=part.rows[chosen],
    )
