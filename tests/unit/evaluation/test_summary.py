"""Everything together: pooled beside within hospitals, subgroups, survival, several seeds."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fedward_shared.contracts.cohort import Rule
from fedward_shared.contracts.study import EvaluationTerms, Subgroup
from fedward_shared.errors import UsageError
from fedward_shared.evaluation.document import judged_document
from fedward_shared.evaluation.figures import Figure, Key
from fedward_shared.evaluation.outcome import ClassOutcome, hospital_scores
from fedward_shared.evaluation.scored import Scored, pooled
from fedward_shared.evaluation.summary import Judged, comparable, summarise
from tests.support.scored import SURVIVAL, TWO, a_hospital, a_survival_hospital, two_classes

TERMS = EvaluationTerms(
    subgroups=(Subgroup("third", Rule("age", 0, 9)), Subgroup("nobody", Rule("age", 90, 99))), thresholds=(0.1, 0.6)
)


def value(judged: Judged, figure: Figure, at: float | None = None) -> float:
    told = judged.find(figure, at)
    assert told is not None
    assert told.low <= told.high
    return told.value


def test_pooled_within_and_hospital_only_differ_where_hospitals_differ() -> None:
    run = {
        "sick": two_classes([1] * 15 + [0] * 5, [0.9] * 20),
        "well": two_classes([0] * 15 + [1] * 5, [0.1] * 20),
    }
    found = summarise([run], TWO, EvaluationTerms(), {"sick": (0.3, 0.7), "well": (0.7, 0.3)})
    assert value(found.pooled, Figure.AUC) == pytest.approx(0.75)
    assert found.within[found.main].value == pytest.approx(0.5)
    assert found.hospital_only[found.main] == pytest.approx(0.75)
    assert found.within_hospitals == ("sick", "well")


def test_figures_of_every_part_are_those_of_its_rows() -> None:
    run = {"a": a_hospital(200, seed=1), "b": a_hospital(120, seed=2)}
    found = summarise([run], TWO, TERMS)
    whole = pooled(run.values())
    assert value(found.pooled, Figure.AUC) == pytest.approx(roc_auc_score(whole.labels, whole.scores[:, 1]))
    for site, scored in run.items():
        own = roc_auc_score(scored.labels, scored.scores[:, 1])
        assert value(found.hospitals[site], Figure.AUC) == pytest.approx(own)
        alone = summarise([{site: scored}], TWO, TERMS)
        assert value(alone.pooled, Figure.SLOPE) == pytest.approx(value(found.hospitals[site], Figure.SLOPE))
    third = whole.where(whole.groups["third"])
    assert value(found.subgroups["third"], Figure.AUC) == pytest.approx(roc_auc_score(third.labels, third.scores[:, 1]))
    assert found.subgroups["third"].counts.patients == 107
    assert (found.subgroups["nobody"].counts.enough, found.subgroups["nobody"].figures) == (False, {})
    means = [value(found.hospitals[site], Figure.AUC) for site in run]
    assert found.within[found.main].value == pytest.approx(np.mean(means))


def test_a_hospital_with_few_patients_of_a_class_has_no_part_in_the_mean() -> None:
    run = {"big": a_hospital(100, seed=3), "small": two_classes([0] * 4 + [1] * 30, [0.5] * 34)}
    assert comparable(run, TWO) == ("big",)
    found = summarise([run], TWO, EvaluationTerms())
    assert found.within_hospitals == ("big",)
    assert found.within[found.main].value == pytest.approx(value(found.hospitals["big"], Figure.AUC))
    only = summarise([{"small": run["small"]}], TWO, EvaluationTerms())
    assert (only.within, only.within_hospitals) == ({}, ())


def test_patients_and_not_rows_are_counted() -> None:
    few = Scored(np.array([0, 1] * 10), np.full((20, 2), 0.5), np.arange(20) // 2 % 3)
    found = summarise([{"a": few}], TWO, EvaluationTerms())
    assert (found.pooled.counts.rows, found.pooled.counts.patients, found.pooled.counts.each) == (20, 3, (3, 3))
    assert not found.pooled.counts.enough


def test_seeds_are_summed_up_by_their_median_and_curves_are_the_middle_ones() -> None:
    runs = [{"a": a_hospital(200, seed=4)}]
    runs += [
        {"a": replace(runs[0]["a"], scores=scores)} for scores in (runs[0]["a"].scores[:, ::-1], np.full((200, 2), 0.5))
    ]
    found = summarise(runs, TWO, EvaluationTerms())
    assert value(found.pooled, Figure.AUC) == 0.5
    assert [group.rows for group in found.pooled.curves[0].groups] == [200]


def test_intervals_of_calibration_let_the_share_of_the_outcome_vary() -> None:
    found = summarise([{"a": two_classes([0, 1] * 50, [0.5] * 100)}], TWO, EvaluationTerms())
    ratio = found.pooled.find(Figure.OBSERVED_EXPECTED)
    assert ratio is not None
    assert (ratio.high - ratio.low) / 2 == pytest.approx(1.96 * 0.1, rel=0.15)


def test_three_classes_have_curves_and_areas_each() -> None:
    random = np.random.default_rng(5)
    labels = np.arange(150) % 3
    scores = random.dirichlet((1, 1, 1), 150)
    found = summarise([{"a": Scored(labels, scores, np.arange(150))}], ClassOutcome(("x", "y", "z")), EvaluationTerms())
    assert value(found.pooled, Figure.AUC) == pytest.approx(roc_auc_score(labels, scores, multi_class="ovr"))
    assert [curves.of for curves in found.pooled.curves] == [0, 1, 2]
    assert Key(Figure.AUC, of=2) in found.pooled.figures
    assert found.pooled.find(Figure.SLOPE) is None


def test_survival_has_figures_at_its_horizons() -> None:
    run = {"a": a_survival_hospital(250, seed=6), "b": a_survival_hospital(150, seed=7)}
    shares = {site: hospital_scores(scored.labels, SURVIVAL) for site, scored in run.items()}
    found = summarise([run], SURVIVAL, TERMS, shares)
    assert found.main == Key(Figure.C_INDEX)
    assert 0.65 < value(found.pooled, Figure.C_INDEX) < 0.8
    assert 0.45 < found.hospital_only[found.main] < 0.55
    for horizon in SURVIVAL.horizons:
        assert value(found.pooled, Figure.AUC, horizon) > 0.75
        assert value(found.pooled, Figure.OBSERVED_EXPECTED, horizon) == pytest.approx(1, abs=0.15)
        assert value(found.subgroups["third"], Figure.BRIER, horizon) < 0.25
    assert [curves.at for curves in found.pooled.curves] == list(SURVIVAL.horizons)
    for curves in found.pooled.curves:
        assert all(abs(group.predicted - group.observed.value) < 0.2 for group in curves.groups)


def test_a_risk_between_two_ends_lies_on_the_line_between_them() -> None:
    scores = np.array([[0.1, 0.3, *[0.5] * 8], [0.0, 0.2, *[1.0] * 8]])
    assert SURVIVAL.risk(scores, 150.0) == pytest.approx([0.2, 0.1])
    assert SURVIVAL.risk(scores, 50.0) == pytest.approx([0.05, 0.0])
    assert SURVIVAL.risk(scores, 1000.0) == pytest.approx([0.5, 1.0])
    assert SURVIVAL.time_lost(scores) == pytest.approx(scores.mean(axis=1))


def test_knowing_only_the_hospital_is_its_share_or_its_curve() -> None:
    assert hospital_scores(np.array([0, 1, 1, 1]), TWO) == (0.25, 0.75)
    assert hospital_scores(np.zeros(0, np.int64), TWO) == (0.0, 0.0)
    curve = hospital_scores(a_survival_hospital(2000, seed=8).labels, SURVIVAL)
    assert len(curve) == 10
    assert all(before <= after for before, after in pairwise(curve))


def test_what_cannot_be_judged_is_refused() -> None:
    one, other = a_hospital(30, seed=9), a_hospital(30, seed=10)
    empty = one.where(np.zeros(30, bool))
    with pytest.raises(UsageError, match="no test rows"):
        summarise([{"a": empty}], TWO, EvaluationTerms())
    with pytest.raises(UsageError, match="other test rows"):
        summarise([{"a": one}, {"a": other}], TWO, EvaluationTerms())
    with pytest.raises(UsageError, match="not finite"):
        summarise([{"a": replace(one, scores=np.full((30, 2), np.nan))}], TWO, EvaluationTerms())
    with pytest.raises(UsageError, match="one entry a row"):
        Scored(np.zeros(3, np.int64), np.zeros((3, 2)), np.zeros(2, np.int64))
    assert list(summarise([{"a": one, "none": empty}], TWO, EvaluationTerms()).hospitals) == ["a"]


def test_pooled_patients_stay_apart_and_a_group_may_be_unknown_somewhere() -> None:
    whole = pooled([a_hospital(9, seed=0), two_classes([0, 1], [0.2, 0.4])])
    assert whole.patients == 11
    assert whole.groups["third"].tolist() == [index % 3 == 0 for index in range(9)] + [False, False]


def test_figures_as_json_name_class_and_threshold() -> None:
    found = summarise([{"a": a_hospital(80, seed=11)}], TWO, TERMS)
    document = judged_document(found.pooled, TWO)
    told = {(one["figure"], one.get("at")): one["value"] for one in document["figures"] if "class" not in one}
    assert told["sensitivity", 0.6] == value(found.pooled, Figure.SENSITIVITY, 0.6)
    assert next(one for one in document["figures"] if one.get("class"))["class"] == "ill"
    assert len(document["curves"][0]["decision"]["net_benefit"]) == len(document["curves"][0]["decision"]["thresholds"])
