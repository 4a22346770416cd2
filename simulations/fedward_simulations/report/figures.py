"""Every figure of a report, from the scores of each way of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypedDict

import numpy as np

from fedward_simulations.metrics import (
    CalibrationBin,
    Estimate,
    Run,
    accuracy,
    brier,
    calibration,
    comparable_sites,
    estimate_auc,
    hospital_only,
)

__all__ = ["TITLES", "AucJson", "Figures", "Method", "auc_json", "figures"]

TITLES: Mapping[str, str] = {
    "local": "Each hospital alone",
    "centralised": "All rows in one place",
    "federated": "Federated, no privacy",
    "federated_dp_simulated": "Federated with privacy, simulated",
    "federated_dp": "Federated with privacy, real processes",
}
"""The ways of training, in the order of tables and plots."""
_SHORT: Mapping[str, str] = {
    "local": "alone",
    "centralised": "centralised",
    "federated": "federated",
    "federated_dp_simulated": "private, simulated",
    "federated_dp": "private, real processes",
}


@dataclass(frozen=True, slots=True)
class Method:
    """One way of training: its key in `TITLES`, where its scores came from, and one run a seed."""

    key: str
    provenance: str
    runs: tuple[Run, ...]

    @property
    def title(self) -> str:
        """Its name for people."""
        return TITLES[self.key]

    @property
    def short(self) -> str:
        """Its name where there is little room."""
        return _SHORT[self.key]


class AucJson(TypedDict):
    """Values by method key and, beside them, the bounds of their 95 % intervals."""

    auc: dict[str, float]
    interval: dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures by method key (and by site where it says so); the median over seeds where a method has several."""

    methods: tuple[Method, ...]
    pooled: Mapping[str, Estimate]
    within: Mapping[str, Estimate]
    within_hospitals: tuple[str, ...]
    sites: Mapping[str, Mapping[str, Estimate]]
    accuracy: Mapping[str, float]
    brier: Mapping[str, float]
    calibration: Mapping[str, tuple[CalibrationBin, ...]]
    hospital_only: float


def figures(methods: Sequence[Method], train_prevalence: Mapping[str, float]) -> Figures:
    """Computes everything once.

    Args:
        methods: at least one; all score the same test patients.
        train_prevalence: the share of class 1 among each hospital's training patients, by site name.

    A hospital whose test patients are all of one class has no AUC of its own and is absent from `sites`.
    """
    ordered = sorted(methods, key=lambda method: list(TITLES).index(method.key))
    first = ordered[0].runs[0]
    everyone, comparable = list(first), comparable_sites(first)
    mixed = [site for site, scored in first.items() if 0 < int(scored.labels.sum()) < len(scored.labels)]
    return Figures(
        methods=tuple(ordered),
        pooled={m.key: estimate_auc(m.runs, [everyone]) for m in ordered},
        within={m.key: estimate_auc(m.runs, [[site] for site in comparable]) for m in ordered} if comparable else {},
        within_hospitals=comparable,
        sites={site: {m.key: estimate_auc(m.runs, [[site]]) for m in ordered} for site in mixed},
        accuracy={m.key: median(accuracy(run) for run in m.runs) for m in ordered},
        brier={m.key: median(brier(run) for run in m.runs) for m in ordered},
        calibration={m.key: calibration(_middle(m.runs)) for m in ordered},
        hospital_only=hospital_only(train_prevalence, first),
    )


def auc_json(estimates: Mapping[str, Estimate]) -> AucJson:
    """Figures as result.json holds them, rounded to four digits."""
    return {
        "auc": {key: round(estimate.value, 4) for key, estimate in estimates.items()},
        "interval": {key: [round(estimate.low, 4), round(estimate.high, 4)] for key, estimate in estimates.items()},
    }


def _middle(runs: Sequence[Run]) -> Run:
    """The run whose pooled AUC is the median (the lower of the two in the middle)."""
    values = [estimate_auc([run], [list(run)]).value for run in runs]
    return runs[int(np.argsort(values, kind="stable")[(len(runs) - 1) // 2])]
