"""Comparisons that tests of reports start from: two studies, several ways of training, invented scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from fedward_shared.contracts.cohort import Rule
from fedward_shared.contracts.study import EvaluationTerms, ModelTerms, Study, Subgroup
from fedward_shared.evaluation.outcome import hospital_scores, outcome_of
from fedward_shared.evaluation.scored import Scored
from fedward_simulations.report.compared import Compared, MethodResult, Run
from tests.support.cohorts import contract_of
from tests.support.scored import FOLLOW_UP, a_hospital, a_survival_hospital, two_classes
from tests.support.training_orders import published_study

__all__ = ["compared_classes", "compared_survival"]

_TERMS = EvaluationTerms(
    thresholds=(0.1, 0.5),
    subgroups=(Subgroup("third", Rule("age", 0, 9)), Subgroup("<b>nobody</b>", Rule("age", 1, 2))),
)
_SITES = ("north", "south")


def compared_classes(*, seeds: int = 2) -> Compared:
    """Two hospitals and a tiny one, whose test patients are all ill."""
    study = replace(published_study()[1], evaluation=_TERMS)
    tiny = two_classes([1, 1, 1], [0.5, 0.6, 0.9], {"third": np.array([True, False, False])})

    def run(seed: int, shift: float) -> Run:
        made = {
            site: a_hospital(60, seed=place, prevalence=0.3 + 0.3 * place, shift=shift)
            for place, site in enumerate(_SITES)
        }
        random = np.random.default_rng(seed)
        moved = {site: replace(one, scores=_moved(one.scores, random)) for site, one in made.items()}
        return {**moved, "tiny": tiny}

    return _compared(study, run, seeds)


def compared_survival() -> Compared:
    """Two hospitals with times to an event."""
    contract = contract_of("cox")
    study = replace(
        published_study()[1],
        data=replace(contract, label=replace(contract.label, follow_up=FOLLOW_UP)),
        model=ModelTerms("cox", {"intervals": 10}),
        evaluation=_TERMS,
    )

    def run(seed: int, shift: float) -> Run:
        random = np.random.default_rng([seed, int(shift)])
        made: dict[str, Scored] = {site: a_survival_hospital(80, seed=place) for place, site in enumerate(_SITES)}
        return {
            site: replace(one, scores=np.clip(one.scores * random.uniform(0.8, 1.0, (80, 1)), 0, 1))
            for site, one in made.items()
        }

    return _compared(study, run, 1)


def _compared(study: Study, run: Callable[[int, float], Run], seeds: int) -> Compared:
    outcome, first = outcome_of(study), run(0, 2.0)
    methods = (
        MethodResult("local", "Each hospital alone", "simulation", tuple(run(seed, 1.0) for seed in range(seeds))),
        MethodResult(
            "dp", "Federated, ε = 3", "real <processes>", (run(9, 2.0),), {"north": 2.9, "south": 2.5}, "ε = 3"
        ),
    )
    return Compared(
        study,
        methods,
        {site: hospital_scores(scored.labels, outcome) for site, scored in first.items()},
        {site: 3 * scored.patients for site, scored in first.items()},
        leave_one_out=(MethodResult("loo", "Federated, ε = 3", "simulation", (run(4, 1.5),)),),
        main="dp",
        about="Invented <numbers>.",
    )


def _moved(scores: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Other probabilities near these."""
    second = np.clip(scores[:, 1] + random.normal(0, 0.03, len(scores)), 0.001, 0.999)
    return np.stack([1 - second, second], axis=1)
