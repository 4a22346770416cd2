"""Figures as JSON: what `report.json` and `result.json` hold."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from fedward_shared.evaluation.bootstrap import Estimate
from fedward_shared.evaluation.curves import Curves
from fedward_shared.evaluation.figures import Key
from fedward_shared.evaluation.outcome import ClassOutcome, Outcome
from fedward_shared.evaluation.summary import Judged

__all__ = ["curves_document", "figures_document", "judged_document"]

Json = dict[str, Any]


def judged_document(judged: Judged, outcome: Outcome) -> Json:
    """Counts, figures and curves of some rows."""
    return {
        "rows": judged.counts.rows,
        "patients": judged.counts.patients,
        "patients_by_class": list(judged.counts.each),
        "enough_patients": judged.counts.enough,
        "figures": figures_document(judged.figures, outcome),
        "curves": [curves_document(curves, outcome) for curves in judged.curves],
    }


def figures_document(figures: Mapping[Key, Estimate], outcome: Outcome) -> list[Json]:
    """One entry a figure: its name, the class and the threshold or horizon it is about, its value and 95 % interval."""
    return [
        {**_about(key.of, key.at, outcome), "figure": str(key.figure), "value": told.value, "interval": _bounds(told)}
        for key, told in figures.items()
    ]


def curves_document(curves: Curves, outcome: Outcome) -> Json:
    """Calibration and decision curve of one class or horizon."""
    decision = curves.decision
    return {
        **_about(curves.of, curves.at, outcome),
        "integrated_calibration_index": curves.index,
        "calibration": [
            {
                "rows": group.rows,
                "mean_score": group.predicted,
                "share": group.observed.value,
                "interval": _bounds(group.observed),
            }
            for group in curves.groups
        ],
        "decision": {
            "thresholds": list(decision.thresholds),
            "net_benefit": [_number(value) for value in decision.model],
            "act_for_all": list(decision.everybody),
        },
    }


def _about(of: int | None, at: float | None, outcome: Outcome) -> Json:
    named = {"class": outcome.names[of]} if of is not None and isinstance(outcome, ClassOutcome) else {}
    return {**named, **({} if at is None else {"at": at})}


def _bounds(told: Estimate) -> list[float]:
    return [told.low, told.high]


def _number(value: float) -> float | None:
    return value if isfinite(value) else None
