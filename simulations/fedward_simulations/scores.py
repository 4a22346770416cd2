"""Reads what each site wrote about the final model on its own disk: test scores."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fedward_shared.errors import UsageError
from fedward_shared.evaluation.scored import Floats, Scored

__all__ = ["read_scores"]

_Rows = Sequence[Mapping[str, str]]


def read_scores(report: Path, subgroups: Sequence[str] = ()) -> Scored:
    """The test scores in a site's report folder, in the order of the imported rows.

    Args:
        report: the folder.
        subgroups: names of the subgroups that the study declares, in its order.

    Raises:
        UsageError: there are none, or they are of other subgroups.
    """
    return _scored(_read(report), subgroups)


def _read(report: Path) -> _Rows:
    path = report / "test_scores.csv"
    if not path.exists():
        raise UsageError(f"{report} holds no report", hint="A site writes one when a study has come to its end.")
    with path.open(encoding="ascii", newline="") as file:
        return sorted(csv.DictReader(file), key=lambda row: int(row["row"]))


def _scored(rows: _Rows, subgroups: Sequence[str]) -> Scored:
    if rows and [name for name in rows[0] if name.startswith("group_")] != [
        f"group_{i}" for i in range(len(subgroups))
    ]:
        raise UsageError("a report is of other subgroups than the study's", hint="Train again, or name its subgroups.")
    names = [name for name in (rows[0] if rows else ()) if name.startswith("score")]
    scores = np.array([[float(row[name]) for name in names] for row in rows], dtype=np.float64).reshape(len(rows), -1)
    return Scored(
        labels=_numbers(rows, "label"),
        scores=_both(scores[:, 0]) if names == ["score"] else scores,
        units=_numbers(rows, "unit"),
        groups={name: _numbers(rows, f"group_{index}") == 1 for index, name in enumerate(subgroups)},
    )


def _numbers(rows: _Rows, name: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([int(row[name]) for row in rows], dtype=np.int64)


def _both(second: Floats) -> Floats:
    """Two classes are written as one score, that of the second."""
    return np.stack([1 - second, second], axis=1)
