"""Reads what each site wrote about the final model on its own disk: test scores."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fedward_shared.errors import UsageError
from fedward_simulations.metrics import Run, Scored

__all__ = ["divided", "read_scores"]


def read_scores(report: Path) -> Scored:
    """The test scores in a site's report folder, in the order of the imported rows.

    Raises:
        UsageError: there are none, or the study has more than two classes.
    """
    path = report / "test_scores.csv"
    if not path.exists():
        raise UsageError(f"{report} holds no report", hint="A site writes one when a study has come to its end.")
    with path.open(encoding="ascii", newline="") as file:
        rows = list(csv.DictReader(file))
    if rows and "score" not in rows[0]:
        raise UsageError("reports with AUC exist for two classes only, and the study has more")
    rows.sort(key=lambda row: int(row["row"]))
    labels = np.array([int(row["label"]) for row in rows], dtype=np.int64)
    return Scored(labels, np.array([float(row["score"]) for row in rows], dtype=np.float64))


def divided(report: Path, sizes: Mapping[str, int]) -> Run:
    """The scores in the report of a pooled import, given back to the sites that brought `sizes` rows each, in order."""
    with (report / "test_scores.csv").open(encoding="ascii", newline="") as file:
        rows = np.array([int(row["row"]) for row in csv.DictReader(file)], dtype=np.int64)
    scored = read_scores(report)
    places = np.searchsorted(np.cumsum(list(sizes.values())), np.sort(rows), side="right")
    return {
        site: Scored(scored.labels[places == index], scored.scores[places == index]) for index, site in enumerate(sizes)
    }
