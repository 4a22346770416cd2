"""Trains one cell: rows, studies and method brought together."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedward_client.vault.training.dataset import Part
from fedward_shared.contracts.study import Study
from fedward_shared.errors import TrainingError
from fedward_shared.evaluation.scored import Scored
from fedward_shared.manifest.parse import load
from fedward_shared.models.start import first_weights
from fedward_simulations.baselines import POOLED
from fedward_simulations.grid.bench import FEDERATION, Task
from fedward_simulations.grid.cell import BASELINES
from fedward_simulations.grid.engine import Weights, federate, scores
from fedward_simulations.grid.opened import OpenData
from fedward_simulations.grid.plain import fitted
from fedward_simulations.grid.result import Result
from fedward_simulations.grid.rows import Rows, joined, rows_of

__all__ = ["train"]

_OURS = "simulation in one process, seeded (unsafe): the product's private step, rounds and strategy, without the door"
_KEPT = 256

Run = Mapping[str, Scored]


def train(task: Task, manifests: Mapping[str, bytes], data: OpenData) -> Result:
    """Trains a cell and judges it.

    Args:
        task: what to train.
        manifests: `bench.studies_of` the task.
        data: holds the bench's imports.

    Raises:
        FedwardError: it cannot be trained.
    """
    begun = time.perf_counter()
    studies = {name: load(manifest) for name, manifest in manifests.items()}
    rows = rows_of(task, next(iter(studies.values())), data)
    method, seed = task.cell.method, task.cell.seed
    if method in BASELINES:
        told = _baseline(task, studies[POOLED], rows)
    elif method == "local":
        told = _alone(studies, rows, _Start(seed, task.bench.files.start))
    elif method == "centralised":
        told = _centralised(studies[POOLED], rows, _Start(seed, task.bench.files.start))
    else:
        told = _federated(studies[FEDERATION], rows, _Start(seed, task.bench.files.start))
    run, spent, model, provenance = told
    return Result(run, spent, round(time.perf_counter() - begun, 3), provenance, model)


_Told = tuple[Run, dict[str, float], Weights, str]


@dataclass(frozen=True, slots=True)
class _Start:
    """What training begins with: the seed of all randomness, and the weights that a study may name."""

    seed: int
    weights: Path | None

    def federate(self, study: Study, parts: Mapping[str, Part]) -> Weights:
        first = first_weights(study, self.weights if study.model.start else None)
        return federate(study, parts, seed=self.seed, initial=first)


def _federated(study: Study, rows: Rows, start: _Start) -> _Told:
    weights = start.federate(study, rows.training)
    run = {site: _scored(study, weights, part) for site, part in rows.judged.items()}
    return run, _spent(study), weights, _OURS


def _centralised(study: Study, rows: Rows, start: _Start) -> _Told:
    weights = start.federate(study, {POOLED: joined(list(rows.training.values()))})
    run = {site: _scored(study, weights, part) for site, part in rows.judged.items()}
    return run, _spent(study), weights, _OURS


def _alone(studies: Mapping[str, Study], rows: Rows, start: _Start) -> _Told:
    run, spent = {}, {}
    for site, part in rows.judged.items():
        study = studies[site]
        weights = start.federate(study, {site: rows.training[site]})
        run[site] = _scored(study, weights, part)
        spent.update(_spent(study))
    return run, spent, {}, _OURS


def _baseline(task: Task, study: Study, rows: Rows) -> _Told:
    import sklearn

    cell = task.cell
    model = fitted(cell.method, study, joined(list(rows.training.values())), seed=cell.seed)
    run = {site: _kept(part, model.scores(part.records)) for site, part in rows.judged.items()}
    return run, {}, {}, f"scikit-learn {sklearn.__version__} on the pooled training rows, fixed settings, no privacy"


def _scored(study: Study, weights: Weights, part: Part) -> Scored:
    return _kept(part, scores(study, weights, part))


def _kept(part: Part, told: NDArray[np.float64]) -> Scored:
    """Copies, because the part's arrays lie in files."""
    groups = {name: np.array(inside) for name, inside in part.groups.items()}
    return Scored(np.array(part.labels), told, np.array(part.units), groups)


def _spent(study: Study) -> dict[str, float]:
    """ε of every site for the rounds that were run, as its ledger would say it; nothing without privacy."""
    if study.privacy.unsafe_no_privacy:
        return {}
    if study.resolved is None:
        raise TrainingError("the study has not been published", hint="fedward-coordinator study publish")
    steps = study.strategy.rounds * study.training.local_steps
    return {
        name: _epsilon(study.resolved.sites[name].noise_multiplier, site.sampling_rate, steps, study.privacy.delta)
        for name, site in study.sites.items()
    }


@lru_cache(maxsize=_KEPT)
def _epsilon(noise: float, rate: float, steps: int, delta: float) -> float:
    from fedward_shared.privacy.accounting import epsilon
    from fedward_shared.privacy.events import SampledGaussian

    return epsilon([SampledGaussian(noise, rate, steps)], delta)
