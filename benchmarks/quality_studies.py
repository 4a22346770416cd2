"""Studies and imports of the quality cases: study.toml from declared terms, and CSV files through the real importer."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedward_client.importer.importing import import_here
from fedward_client.importer.order import ImportOrder
from fedward_shared.recipes.schedules import Schedule
from fedward_shared.version import PROTOCOL, VERSION
from fedward_simulations.importing import import_into

__all__ = ["SPLIT", "UNIT", "Terms", "import_sites", "quarter_held_out", "study_text"]

SPLIT, UNIT = "split", "unit"
"""Columns that are added to a source: the side that a row is on, and its patient."""
_PARTS = 4

Terms = Mapping[str, Any]
"""Tables of study.toml."""


def study_text(name: str, model: Terms, data: Terms, sizes: Mapping[str, int], schedule: Schedule) -> str:
    """A whole study.toml, not published: every patient takes part in every step, at the sizes that sites agreed on."""
    import tomlkit

    return tomlkit.dumps(
        {
            "study": {
                "name": name,
                "title": f"What a model of {name} is worth",
                "purpose": "Measure the quality of a federated model on public data.",
                "contact": "study-office@example.org",
                "protocol": PROTOCOL,
                "code_version": VERSION,
            },
            "model": {"seed": 0, "options": {}, **model},
            "data": dict(data),
            "sites": {
                site: {"size": size, "sampling_rate": 1.0, "normaliser": float(size)} for site, size in sizes.items()
            },
            "training": {
                "local_steps": schedule.local_steps,
                "learning_rate": schedule.learning_rate,
                "optimizer": schedule.optimizer,
                "deterministic": True,
            },
            "strategy": {
                "name": "fedavg",
                "rounds": schedule.rounds,
                "quorum": len(sizes),
                "deadline_seconds": 90,
                "spare_attempts": 0,
                "average_last": schedule.average_last,
                "options": {},
            },
            "privacy": {"clip_norm": schedule.clip_norm, "delta": 1e-5, "target_epsilon": 3.0},
            "limits": {"max_weight": 100.0},
        }
    )


def quarter_held_out(classes: Sequence[int], seed: int, site: int) -> NDArray[np.bool_]:
    """Which rows of a site a seed holds out: at random a quarter of each class, as far as it goes."""
    rng, values = np.random.default_rng([seed, site]), np.asarray(classes)
    part, dealt = np.empty(len(values), dtype=np.int64), 0
    for value in np.unique(values):
        rows = rng.permutation(np.flatnonzero(values == value))
        part[rows] = (np.arange(len(rows)) + dealt) % _PARTS
        dealt += len(rows)
    return np.equal(part, 0)


def import_sites(
    folder: Path, study: str, rows: Mapping[str, Sequence[Mapping[str, str]]], test: Mapping[str, NDArray[np.bool_]]
) -> dict[str, Path]:
    """Writes one CSV file a site and imports it under the study's contract.

    Args:
        folder: becomes full of imports, one a site.
        study: study.toml.
        rows: the source's rows, by site.
        test: which of them are held out, by site.
    """
    folder.mkdir(parents=True)
    for site, own in rows.items():
        path = folder / f"{site}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, [UNIT, SPLIT, *own[0]])
            writer.writeheader()
            for number, (row, held) in enumerate(zip(own, test[site].tolist(), strict=True)):
                writer.writerow({UNIT: f"{site}-{number}", SPLIT: "test" if held else "train", **row})
        order = ImportOrder.of_file(path, study.encode(), site)
        import_into(folder / "imports", site, partial(import_here, order))
    return {site: folder / "imports" / site for site in rows}
