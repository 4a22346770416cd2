"""Intervals of areas where few patients had the outcome hold what they promise, and never collapse."""

import numpy as np
import pytest

from fedward_shared.contracts.study import EvaluationTerms
from fedward_shared.drawing.words import calibration_words
from fedward_shared.evaluation.bootstrap import Estimate
from fedward_shared.evaluation.few import FEW, analytic_interval, widened
from fedward_shared.evaluation.outcome import ClassOutcome
from fedward_shared.evaluation.scored import Scored
from fedward_shared.evaluation.summary import summarise

TRUE_AREA = 0.76025
"""Of two normal distributions a standard deviation apart: Φ(1 / √2)."""
REPEATS = 80


@pytest.mark.parametrize(("positives", "negatives"), [(5, 5), (5, 30), (10, 10), (30, 100)])
def test_intervals_hold_the_truth_nine_times_of_ten(positives: int, negatives: int) -> None:
    random = np.random.default_rng(11)
    labels = np.repeat([1, 0], [positives, negatives])
    held = 0
    for _ in range(REPEATS):
        risk = 1 / (1 + np.exp(-random.normal(labels, 1)))
        scored = Scored(labels, np.stack([1 - risk, risk], axis=1), np.arange(len(labels)))
        told = summarise([{"north": scored}], ClassOutcome(("no", "yes")), EvaluationTerms())
        area = told.pooled.figures[told.main]
        held += area.low <= TRUE_AREA <= area.high
        assert area.low < area.high
    assert held >= 0.88 * REPEATS  # 95 % are promised; 80 tries may fall short of that by chance


@pytest.mark.parametrize("area", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("positives", "negatives"), [(1, 1), (5, 5), (1, 1000)])
def test_no_interval_collapses(area: float, positives: int, negatives: int) -> None:
    low, high = analytic_interval(area, positives, negatives)
    assert 0 <= low < high <= 1
    told = widened(Estimate(area, area, area), positives, negatives)
    assert told.low < told.high


def test_with_many_patients_the_interval_is_that_of_the_resamples() -> None:
    drawn = Estimate(0.8, 0.79, 0.81)
    assert widened(drawn, FEW, FEW) == drawn


@pytest.mark.parametrize(
    ("low", "value", "high", "said"),
    [(0.9, 1.0, 1.1, "fit what happened"), (0.5, 1.0, 2.0, "cannot be told"), (1.1, 1.4, 1.8, "too low"),
     (0.5, 0.7, 0.9, "too high")],
)  # fmt: skip
def test_risks_are_said_to_fit_only_where_that_was_measured(low: float, value: float, high: float, said: str) -> None:
    assert said in calibration_words(Estimate(value, low, high))
