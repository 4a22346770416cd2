"""Every figure of a report, from the scores of each way of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedward_shared.evaluation.bootstrap import Estimate
from fedward_shared.evaluation.figures import Figure, Key
from fedward_shared.evaluation.outcome import outcome_of
from fedward_shared.evaluation.summary import Summary, summarise
from fedward_simulations.report.compared import Compared, MethodResult, Run

__all__ = ["TITLES", "Figures", "blocks", "figures", "method"]

TITLES: Mapping[str, str] = {
    "local": "Each hospital alone",
    "centralised": "All rows in one place",
    "federated": "Federated, no privacy",
    "federated_dp_simulated": "Federated with privacy, simulated",
    "federated_dp": "Federated with privacy, real processes",
}
"""The ways of training of `fedward-sim run` and the demo, in the order of tables and plots."""
_SHORT: Mapping[str, str] = {
    "local": "alone",
    "centralised": "centralised",
    "federated": "federated",
    "federated_dp_simulated": "private, simulated",
    "federated_dp": "private, real processes",
}


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that was computed of a comparison, by method key; the median over seeds where there are several."""

    compared: Compared
    methods: Mapping[str, Summary]
    left_out: Mapping[str, Summary]

    @property
    def main(self) -> MethodResult:
        """The method that the study is about."""
        named = [found for found in self.compared.methods if found.key == self.compared.main]
        return (named or list(self.compared.methods))[-1]

    @property
    def one(self) -> Summary:
        """The summary of `main`."""
        return self.methods[self.main.key]

    @property
    def key(self) -> Key:
        """The figure by which methods are told apart."""
        return self.one.main

    @property
    def hospital_only(self) -> float | None:
        """Its pooled value for somebody who knows nothing but the hospital."""
        return self.one.hospital_only.get(self.key)

    def pooled(self, method_key: str) -> Estimate | None:
        """A method's main figure over all patients."""
        return self.methods[method_key].pooled.figures.get(self.key)

    def within(self, method_key: str) -> Estimate | None:
        """Its mean over hospitals."""
        return self.methods[method_key].within.get(self.key)

    def at(self, method_key: str, site: str) -> Estimate | None:
        """That of one hospital's patients."""
        judged = self.methods[method_key].hospitals.get(site)
        return judged.figures.get(self.key) if judged else None


def method(key: str, provenance: str, runs: Sequence[Run], spent: Mapping[str, float] | None = None) -> MethodResult:
    """One of the ways of training in `TITLES`."""
    return MethodResult(key, TITLES[key], provenance, tuple(runs), dict(spent or {}), _SHORT[key])


def figures(compared: Compared) -> Figures:
    """Computes everything once.

    Raises:
        UsageError: there are no test rows, or methods were judged on other rows than each other.
    """
    outcome, terms = outcome_of(compared.study), compared.study.evaluation
    return Figures(
        compared,
        {m.key: summarise(m.runs, outcome, terms, compared.prevalences) for m in compared.methods},
        {m.key: summarise(m.runs, outcome, terms) for m in compared.leave_one_out},
    )


def blocks(made: Figures) -> dict[str, Any]:
    """Figures as result.json holds them, rounded to four digits: by method, and by hospital."""
    keys = [m.key for m in made.compared.methods]
    sites = {site: _block(made, {k: made.at(k, site) for k in keys}) for site in made.compared.study.site_names}
    plain = (Figure.ACCURACY, Figure.BRIER)
    only = made.hospital_only
    return {
        "pooled": _block(made, {k: made.pooled(k) for k in keys}),
        "within": {**_block(made, {k: made.within(k) for k in keys}), "hospitals": list(made.one.within_hospitals)},
        "hospital_only": None if only is None else round(only, 4),
        "sites": sites,
        **{
            str(figure): {
                key: round(told.value, 4)
                for key, summary in made.methods.items()
                if (told := summary.pooled.find(figure)) is not None
            }
            for figure in plain
        },
    }


def _block(made: Figures, told: Mapping[str, Estimate | None]) -> dict[str, Any]:
    known = {key: estimate for key, estimate in told.items() if estimate is not None}
    return {
        str(made.key.figure): {key: round(estimate.value, 4) for key, estimate in known.items()},
        "interval": {key: [round(estimate.low, 4), round(estimate.high, 4)] for key, estimate in known.items()},
    }
