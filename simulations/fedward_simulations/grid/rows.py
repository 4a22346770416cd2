"""Which rows a cell trains on, and which it is judged on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedward_client.vault.training.dataset import Part
from fedward_shared.contracts.cohort import DataContract
from fedward_shared.contracts.study import Study
from fedward_shared.errors import UsageError
from fedward_simulations.grid.bench import Task
from fedward_simulations.grid.cell import Fold
from fedward_simulations.grid.opened import OpenData

__all__ = ["Rows", "chosen", "fold_of", "joined", "rows_of"]


@dataclass(frozen=True, slots=True)
class Rows:
    """Both parts by site name; `judged` has no site of which nothing is judged."""

    training: Mapping[str, Part]
    judged: Mapping[str, Part]


def rows_of(task: Task, study: Study, data: OpenData) -> Rows:
    """The rows of a task's cell as `study` sees them. With a fold, test rows are not even opened.

    Raises:
        UsageError: nothing is held out for testing, or there is no such site.
    """
    cell, folders = task.cell, dict(task.bench.folders)
    if cell.fold:
        everybody = {site: data.training(study, folder) for site, folder in folders.items()}
        return _folded(cell.fold, everybody, study.data)
    if cell.held_out:
        left_out = folders.pop(cell.held_out)
        whole = joined([data.training(study, left_out), data.test(study, left_out)])
        return Rows({site: data.training(study, folder) for site, folder in folders.items()}, {cell.held_out: whole})
    judged = {site: data.test(study, folder) for site, folder in folders.items()}
    judged = {site: part for site, part in judged.items() if part.count}
    if not judged:
        raise UsageError(
            "no rows are held out for testing",
            hint="Declare [data] split or [data.holdout], and import again; or use leave_one_out.",
        )
    return Rows({site: data.training(study, folder) for site, folder in folders.items()}, judged)


def fold_of(part: Part, contract: DataContract, fold: Fold, site: int) -> NDArray[np.int64]:
    """The number of the fold that each patient of a part falls into, (patients,).

    Patients are shuffled within their class (the largest of their records' class numbers; for survival whether the
    event happened) and dealt out in turn, so that every fold has as many of each class as can be.

    Args:
        part: training rows of one site.
        contract: says what labels mean.
        fold: how many folds, and the seed.
        site: the site's number: sites are shuffled apart.
    """
    classes = part.labels % 2 if contract.label.follow_up else part.labels
    of_patient = np.zeros(part.count, dtype=np.int64)
    np.maximum.at(of_patient, part.units, classes)
    rng = np.random.default_rng([fold.seed, site])
    order = rng.permutation(part.count)
    order = order[np.argsort(of_patient[order], kind="stable")]
    folds = np.empty(part.count, dtype=np.int64)
    folds[order] = np.arange(part.count) % fold.count
    return folds


def joined(parts: Sequence[Part]) -> Part:
    """All rows under each other; patients of different parts stay different patients."""
    starts = np.cumsum([0, *(part.count for part in parts)])
    return Part(
        records=np.concatenate([part.records for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        units=np.concatenate([part.units + start for part, start in zip(parts, starts, strict=False)]),
        count=int(starts[-1]),
        rows=np.concatenate([part.rows for part in parts]),
        groups={name: np.concatenate([part.groups[name] for part in parts]) for name in parts[0].groups},
    )


def chosen(part: Part, patients: NDArray[np.bool_]) -> Part:
    """The rows of some patients, who are numbered anew; `patients` is (part.count,)."""
    rows = patients[part.units]
    numbers = np.cumsum(patients) - 1
    return Part(
        records=part.records[rows],
        labels=part.labels[rows],
        units=numbers[part.units[rows]].astype(np.int64),
        count=int(patients.sum()),
        rows=part.rows[rows],
        groups={name: inside[rows] for name, inside in part.groups.items()},
    )


def _folded(fold: Fold, training: Mapping[str, Part], contract: DataContract) -> Rows:
    kept, held = {}, {}
    for number, (site, part) in enumerate(training.items()):
        folds = fold_of(part, contract, fold, number)
        kept[site] = chosen(part, folds != fold.number)
        held[site] = chosen(part, folds == fold.number)
    return Rows(kept, {site: part for site, part in held.items() if part.count})
