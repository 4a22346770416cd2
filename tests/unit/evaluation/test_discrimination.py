"""AUC and the confusion matrix, against scikit-learn and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, roc_auc_score

from fedward_shared.evaluation.discrimination import Areas, OperatingPoint, accuracy, balanced_accuracy, macro_f1
from fedward_shared.evaluation.ranking import Ranking, auc

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("ties", [1000, 5, 1])
def test_auc_agrees_with_scikit_learn_ties_included(ties: int) -> None:
    scores = RNG.integers(0, ties, 300) / ties
    labels = RNG.integers(0, 2, 300)
    assert auc(scores, labels == 1) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=30))
def test_auc_counts_pairs(patients: list[tuple[bool, int]]) -> None:
    positive = [score for label, score in patients if label]
    negative = [score for label, score in patients if not label]
    found = auc(np.array([float(score) for _, score in patients]), np.array([label for label, _ in patients], bool))
    if not positive or not negative:
        assert found is None
    else:
        wins = sum((p > n) + 0.5 * (p == n) for p in positive for n in negative)
        assert found == pytest.approx(wins / len(positive) / len(negative))


def test_auc_with_weights_is_auc_with_repeated_rows() -> None:
    scores, labels, weights = RNG.random(50), RNG.integers(0, 2, 50), RNG.integers(0, 4, 50)
    repeated = auc(np.repeat(scores, weights), np.repeat(labels == 1, weights))
    assert auc(scores, labels == 1, weights.astype(np.float64)) == pytest.approx(repeated, abs=1e-12)


def test_many_weights_at_once_are_each_of_them() -> None:
    scores, positive = RNG.integers(0, 20, 60) / 20, RNG.random(60) < 0.4
    weights = RNG.integers(0, 3, (7, 60)).astype(np.float64)
    together = Ranking(scores).area(weights * positive, weights * ~positive)
    assert together == pytest.approx([auc(scores, positive, each) for each in weights])


@pytest.mark.parametrize("classes", [2, 4])
def test_figures_of_several_classes_agree_with_scikit_learn(classes: int) -> None:
    labels = np.concatenate([np.arange(classes), RNG.integers(0, classes, 200)])
    scores = RNG.dirichlet(np.ones(classes), len(labels))
    scores[np.arange(100), labels[:100]] += 0.5
    scores /= scores.sum(axis=1, keepdims=True)
    predicted = scores.argmax(axis=1)
    assert accuracy(labels, scores) == pytest.approx(accuracy_score(labels, predicted))
    assert balanced_accuracy(labels, scores) == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert macro_f1(labels, scores) == pytest.approx(f1_score(labels, predicted, average="macro"))
    areas = Areas(labels, scores, tuple(range(classes)))(np.ones((1, len(labels))))[0]
    expected = roc_auc_score(labels, scores if classes > 2 else scores[:, 1], multi_class="ovr")
    assert areas[0] == pytest.approx(expected)
    assert areas[0] == pytest.approx(areas[1:].mean())


def test_classes_that_nobody_has_are_left_out_as_scikit_learn_does() -> None:
    labels, scores = np.array([0, 0, 1, 1]), np.eye(4)[[0, 1, 1, 3]]
    predicted = scores.argmax(axis=1)
    assert balanced_accuracy(labels, scores) == pytest.approx(0.5)
    assert macro_f1(labels, scores) == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert np.isnan(Areas(labels, scores, (0, 1, 2, 3))(np.ones((1, 4)))[0, 0])


def test_what_acting_at_a_threshold_means_by_hand() -> None:
    risk, positive = np.array([0.1, 0.3, 0.3, 0.6, 0.9]), np.array([False, True, False, False, True])
    sensitivity, specificity, positive_value, negative_value = OperatingPoint(risk, positive, 0.3)(np.ones((1, 5)))[0]
    assert (sensitivity, specificity, positive_value, negative_value) == (1.0, 1 / 3, 0.5, 1.0)
    at_most = OperatingPoint(risk, positive, 0.95)(np.ones((1, 5)))[0]
    assert (at_most[0], at_most[1], at_most[3]) == (0.0, 1.0, 0.6)
    assert np.isnan(at_most[2])
