"""The plain baselines: what they learn, what they are fed, and what they refuse."""

import tomllib

import numpy as np
import pytest
import tomlkit
from numpy.typing import NDArray

from fedward_client.vault.training.dataset import Part, Records
from fedward_shared.contracts.cohort import TICKS
from fedward_shared.contracts.study import Study
from fedward_shared.errors import UsageError
from fedward_shared.manifest.parse import load
from fedward_simulations.grid import plain
from fedward_simulations.grid.cell import BASELINES
from fedward_simulations.grid.plain import fitted
from tests.support.grids import STUDY


def part(records: Records, labels: NDArray[np.int64]) -> Part:
    rows = np.arange(len(labels), dtype=np.int64)
    return Part(records, labels, rows, len(rows), rows)


def study(classes: int, **data: object) -> Study:
    document = tomllib.loads(STUDY.decode())
    names = [f"c{number}" for number in range(classes)]
    label = {"column": "y", "classes": [[name] for name in names], "names": names, **data.pop("label", {})}  # type: ignore[dict-item]
    document["data"] = {"kind": "tensor", "label": label, **data}
    document["model"] = {"name": "logistic"}
    return load(tomlkit.dumps(document).encode())


@pytest.mark.parametrize("method", BASELINES)
def test_classes_are_told_apart_and_a_class_that_training_never_saw_gets_nothing(method: str) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200).astype(np.int64) * 2
    records = rng.normal(labels[:, None, None], 1.0, (200, 2, 3)).astype(np.float32)
    model = fitted(method, study(3, shape=[2, 3]), part(records, labels), seed=0)
    scores = model.scores(records)
    assert scores.shape == (200, 3)
    assert scores.sum(axis=1) == pytest.approx(1)
    assert not scores[:, 1].any()
    assert (scores.argmax(axis=1) == labels).mean() > 0.9
    assert model.scores(records[:0]).shape == (0, 3)


@pytest.mark.parametrize("method", BASELINES)
def test_risks_of_survival_rise_along_a_row_and_fit_a_known_hazard(method: str) -> None:
    """Exponential times with a hazard of .5 or 2 a year, watched for up to one year: risks 1 - exp(-hazard · time)."""
    rng = np.random.default_rng(0)
    group = rng.integers(0, 2, 4000)
    hazard = np.where(group, 2.0, 0.5)
    times, watched = rng.exponential(1 / hazard), rng.uniform(0.0, 1.5, 4000).clip(max=1.0)
    event = times <= watched
    labels = (2 * np.rint(np.minimum(times, watched) * TICKS) + event).astype(np.int64)
    label = {"follow_up": {"column": "time", "unit": "years", "maximum": 1.0}}
    records = group[:, None].astype(np.float32)
    model = fitted(method, study(2, shape=[1], label=label), part(records, labels), seed=0)
    scores = model.scores(np.array([[0.0], [1.0]], dtype=np.float32))
    ends = np.arange(1, 11) / 10
    assert scores.shape == (2, 10)
    assert (np.diff(scores, axis=1) >= 0).all()
    for row, rate in enumerate((0.5, 2.0)):
        assert scores[row] == pytest.approx(1 - np.exp(-rate * ends), abs=0.06)


def test_person_periods_by_hand() -> None:
    """Three intervals of 10 ticks: an event in the second, one left early and one late in it, one seen to the end."""
    ticks, events = np.array([15, 14, 15, 30, 10]), np.array([1, 0, 0, 0, 1])
    rows, interval, happened = plain._periods(2 * ticks + events, np.array([10, 20, 30]))
    assert list(zip(rows.tolist(), interval.tolist(), happened.tolist(), strict=True)) == [
        (0, 0, 0),
        (0, 1, 1),
        (1, 0, 0),
        (2, 0, 0),
        (2, 1, 0),
        (3, 0, 0),
        (3, 1, 0),
        (3, 2, 0),
        (4, 0, 1),
    ]


def test_tokens_are_counted() -> None:
    records = np.array([[1, 1, 0], [2, 3, 3], [1, 0, 0], [3, 2, 0]] * 10, dtype=np.int64)
    labels = np.array([0, 1, 0, 1] * 10, dtype=np.int64)
    model = fitted("logistic_regression", study(2, shape=[3]), part(records, labels), seed=0)
    unknown = np.array([[99, 0, 0]], dtype=np.int64)
    assert model.scores(records).argmax(axis=1).tolist() == labels.tolist()
    assert model.scores(unknown)[0].sum() == pytest.approx(1)


def test_what_cannot_be_learnt_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    records = np.zeros((4, 6), dtype=np.float32)
    with pytest.raises(UsageError, match="all training rows are of one class"):
        fitted("gradient_boosting", study(2, shape=[6]), part(records, np.zeros(4, np.int64)), seed=0)
    monkeypatch.setattr(plain, "LARGEST_INPUTS", 5)
    with pytest.raises(UsageError, match="6 inputs, too many"):
        fitted("logistic_regression", study(2, shape=[6]), part(records, np.array([0, 1, 0, 1])), seed=0)
