"""A site's own report on the final model: exact figures of its own test rows, on its own disk. Nothing of it leaves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedward_client.vault.training.dataset import Dataset, Part
from fedward_shared.contracts.cohort import DataContract
from fedward_shared.files import write_atomic

__all__ = ["Interval", "auc", "auc_interval", "brier", "calibration", "write_report"]

Floats = NDArray[np.float64]
Json = Mapping[str, object]
_RESAMPLES = 1000
_BINS = 10


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval."""

    low: float
    high: float


def auc(scores: Floats, positive: NDArray[np.bool_], weights: Floats | None = None) -> float | None:
    """Area under the ROC curve; ties count half. None where one class is absent. `weights` count each row so often."""
    weight = np.ones(len(scores)) if weights is None else weights
    distinct, index = np.unique(scores, return_inverse=True)
    above = np.bincount(index, weight * positive, len(distinct))
    below = np.bincount(index, weight * ~positive, len(distinct))
    pairs = above.sum() * below.sum()
    if not pairs:
        return None
    return float((above * (np.cumsum(below) - below / 2)).sum() / pairs)


def auc_interval(scores: Floats, positive: NDArray[np.bool_], units: NDArray[np.int64]) -> Interval | None:
    """The 95 % percentile bootstrap interval of the AUC; patients are drawn, not rows. None where a class is absent.

    The draws are the same each time, so that a report can be made again.
    """
    if auc(scores, positive) is None:
        return None
    generator = np.random.default_rng(0)
    _, index = np.unique(units, return_inverse=True)
    count = int(index.max()) + 1
    values = []
    for _ in range(_RESAMPLES):
        drawn = np.bincount(generator.integers(0, count, count), minlength=count).astype(np.float64)
        value = auc(scores, positive, drawn[index])
        if value is not None:
            values.append(value)
    return Interval(*(float(value) for value in np.quantile(values, (0.025, 0.975))))


def brier(scores: Floats, labels: NDArray[np.int64]) -> float:
    """Mean squared error of the probabilities (rows, classes), summed over classes; two classes: of the second one."""
    truth = np.eye(scores.shape[1])[labels]
    error = (scores - truth) ** 2
    return float(error[:, 1].mean() if scores.shape[1] == 2 else error.sum(axis=1).mean())  # noqa: PLR2004  # two classes


def calibration(scores: Floats, positive: NDArray[np.bool_]) -> list[dict[str, float | int]]:
    """Ten bins of equal width over the score: rows, mean score and share of positives, for bins that hold any."""
    place = np.clip((scores * _BINS).astype(np.int64), 0, _BINS - 1)
    return [
        {
            "from": number / _BINS,
            "to": (number + 1) / _BINS,
            "rows": int(inside.sum()),
            "mean_score": float(scores[inside].mean()),
            "share": float(positive[inside].mean()),
        }
        for number in range(_BINS)
        if (inside := place == number).any()
    ]


def write_report(folder: Path, *, contract: DataContract, data: Dataset, scores: Floats, about: Json) -> None:
    """Writes ``report.json`` and ``test_scores.csv`` (row, label, score) into `folder`, each whole or not at all.

    Args:
        folder: made if it is not there, readable by its owner only.
        contract: names the classes and the unit.
        data: counts of both parts, and the test rows' labels.
        scores: probabilities of the test rows, (rows, classes).
        about: what identifies the study and the site; comes first in the report.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    report = {**about, **_counts(contract, data), "test": _figures(contract, data.test, scores)}
    write_atomic(folder / "test_scores.csv", _table(data.test, scores))
    write_atomic(folder / "report.json", json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False).encode())


def _counts(contract: DataContract, data: Dataset) -> dict[str, object]:
    def of(part: Part) -> dict[str, object]:
        each = np.bincount(part.labels, minlength=len(contract.label.names)).tolist()
        return {"rows": len(part.labels), f"{contract.unit}s": part.count, "classes": dict(_named(contract, each))}

    return {"unit": contract.unit, "counts": {"train": of(data.train), "test": of(data.test)}}


def _figures(contract: DataContract, part: Part, scores: Floats) -> dict[str, object]:
    if not len(scores) or not np.isfinite(scores).all():
        return {"note": "no test rows" if not len(scores) else "the model gives scores that are not finite"}
    figures: dict[str, object] = {
        "accuracy": float((scores.argmax(axis=1) == part.labels).mean()),
        "brier": brier(scores, part.labels),
    }
    chosen = [1] if scores.shape[1] == 2 else range(scores.shape[1])  # noqa: PLR2004  # two classes: the second
    each = {contract.label.names[index]: _one_class(scores[:, index], part.labels == index, part) for index in chosen}
    areas = [figure["auc"] for figure in each.values()]
    known = [area for area in areas if isinstance(area, float)]
    figures["auc"] = float(np.mean(known)) if known and len(known) == len(areas) else None
    return {**figures, "against_the_rest": each}


def _one_class(scores: Floats, positive: NDArray[np.bool_], part: Part) -> dict[str, object]:
    interval = auc_interval(scores, positive, part.units)
    return {
        "auc": auc(scores, positive),
        "auc_interval": [interval.low, interval.high] if interval else None,
        "calibration": calibration(scores, positive),
    }


def _table(part: Part, scores: Floats) -> bytes:
    two = scores.shape[1] == 2  # noqa: PLR2004  # two classes: one score says both
    kept = scores[:, 1:] if two else scores
    names = ["score"] if two else [f"score_{index}" for index in range(scores.shape[1])]
    lines = [",".join(["row", "label", *names])]
    lines += [
        ",".join([str(row), str(label), *(repr(float(value)) for value in values)])
        for row, label, values in zip(part.rows.tolist(), part.labels.tolist(), kept, strict=True)
    ]
    return ("\n".join(lines) + "\n").encode()


def _named(contract: DataContract, counts: Sequence[int]) -> list[tuple[str, int]]:
    return list(zip(contract.label.names, counts, strict=True))
