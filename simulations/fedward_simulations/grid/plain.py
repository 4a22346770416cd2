"""Plain baselines from scikit-learn, on the pooled rows of all hospitals: what somebody would try first.

Settings are fixed here, declared before any result was seen, and the same for every study:

- ``logistic_regression``: inputs standardised by the pooled training rows, L2 penalty with C = 1, up to 2,000 steps of
  L-BFGS;
- ``gradient_boosting``: `HistGradientBoostingClassifier` with learning rate 0.05, 200 trees of at most 15 leaves, at
  least 10 rows a leaf, L2 penalty 1, no early stopping.

Every row counts once, however many a patient has. Records of several dimensions are flattened, records of tokens are
counted by token. What a study declares as missing is what its model sees of it (the declared fill, and an indicator
where there is one). For survival both become discrete-time hazard models: each patient is one row for each interval
that was begun (Brown 1975; Tutz & Schmid 2016), with the interval's number beside the inputs (for the logistic one as
an indicator), and 1 - Π(1 - hazard) is the risk; intervals, and whose last interval counts, are those of the study's
own head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedward_client.vault.training.dataset import Part, Records
from fedward_shared.contracts.study import Study
from fedward_shared.errors import UsageError

__all__ = ["LARGEST_INPUTS", "Baseline", "fitted"]

LARGEST_INPUTS = 100_000
"""Inputs of a flattened record above which these baselines say nothing and take for ever."""
_EVEN = 2
_Inputs = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Baseline:
    """A fitted model. `ends` are the ends of a survival study's intervals in ticks, empty for classes."""

    model: Any
    classes: int
    tokens: int
    ends: tuple[int, ...] = ()

    def scores(self, records: Records) -> NDArray[np.float64]:
        """(rows, columns) as a study's own model gives them: see `Head.scores`."""
        if not len(records):
            return np.zeros((0, len(self.ends) or self.classes))
        inputs = _inputs(records, self.tokens)
        if self.ends:
            return _risks(self.model, inputs, len(self.ends))
        told = self.model.predict_proba(inputs)
        scores = np.zeros((len(inputs), self.classes))
        scores[:, self.model.classes_] = told
        return scores


def fitted(method: str, study: Study, part: Part, *, seed: int) -> Baseline:
    """Fits a baseline of `BASELINES` on training rows.

    Raises:
        UsageError: records are too large for it, or training rows are all of one class.
    """
    tokens = int(part.records.max(initial=0)) + 1 if part.records.dtype == np.int64 else 0
    inputs = _inputs(part.records, tokens)
    follow_up = study.data.label.follow_up
    if follow_up is None:
        _check_classes(part.labels)
        return Baseline(_model(method, seed).fit(inputs, part.labels), len(study.data.label.classes), tokens)
    from fedward_shared.models.heads.intervals import intervals_of

    ends = intervals_of(study.model.options, follow_up).end_ticks
    rows, interval, happened = _periods(part.labels, np.asarray(ends))
    _check_classes(happened)
    model = _HazardModel(_model(method, seed), len(ends), indicators=method == "logistic_regression")
    return Baseline(model.fit(inputs[rows], interval, happened), 0, tokens, ends)


class _HazardModel:
    """A classifier of person-periods."""

    def __init__(self, classifier: Any, intervals: int, *, indicators: bool) -> None:
        self._classifier = classifier
        self._intervals = intervals
        self._indicators = indicators

    def fit(self, inputs: _Inputs, interval: NDArray[np.int64], happened: NDArray[np.int64]) -> _HazardModel:
        self._classifier.fit(self._with(inputs, interval), happened)
        return self

    def hazard(self, inputs: _Inputs, interval: int) -> NDArray[np.float64]:
        """The chance of the event in one interval, (rows,)."""
        told = self._classifier.predict_proba(self._with(inputs, np.full(len(inputs), interval)))
        return np.asarray(told[:, 1], dtype=np.float64)

    def _with(self, inputs: _Inputs, interval: NDArray[np.int64]) -> _Inputs:
        when = np.eye(self._intervals)[interval] if self._indicators else interval[:, None]
        return np.concatenate([inputs, when.astype(np.float32)], axis=1)


def _model(method: str, seed: int) -> Any:
    if method == "logistic_regression":
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        return make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=2000))
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_iter=200,
        max_leaf_nodes=15,
        min_samples_leaf=10,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=seed,
    )


def _inputs(records: Records, tokens: int) -> _Inputs:
    flat = records.reshape(len(records), -1)
    width = tokens or flat.shape[1]
    if width > LARGEST_INPUTS:
        raise UsageError(
            f"a record has {width} inputs, too many for a plain baseline (at most {LARGEST_INPUTS})",
            hint="Leave the baseline out, or give the study a smaller shape or a backbone.",
        )
    if not tokens:
        return np.asarray(flat, dtype=np.float32)
    counts = np.zeros((len(flat), tokens), dtype=np.float32)
    known = np.clip(flat, 0, tokens - 1).astype(np.int64)  # a token that training never met counts as the last one
    for row, found in enumerate(known):
        counts[row] = np.bincount(found, minlength=tokens)
    return counts


def _periods(
    labels: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(periods,) each: the row that a person-period belongs to, its interval, and whether the event happened in it.

    Without the event the last interval counts where at least half of it was watched.
    """
    tick, event = labels // 2, labels % 2 == 1
    starts = np.concatenate([[0], ends[:-1]])
    within = np.minimum(np.searchsorted(ends, tick, side="left"), len(ends) - 1)
    half = _EVEN * tick >= starts[within] + ends[within]
    count = np.where(event | half, within + 1, within)
    rows = np.repeat(np.arange(len(labels)), count)
    interval = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
    happened = event[rows] & (interval == within[rows])
    return rows, interval, happened.astype(np.int64)


def _risks(model: _HazardModel, inputs: _Inputs, intervals: int) -> NDArray[np.float64]:
    survived = np.stack([1 - model.hazard(inputs, interval) for interval in range(intervals)], axis=1)
    return np.asarray(1 - np.cumprod(survived, axis=1), dtype=np.float64)


def _check_classes(labels: NDArray[np.int64]) -> None:
    if len(np.unique(labels)) < 2:  # noqa: PLR2004  # two classes at least
        raise UsageError("all training rows are of one class, so there is nothing to learn")
