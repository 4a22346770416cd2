"""Generated problems for `benchmarks.recipes`: two hospitals, records of each kind, an outcome that can be learnt.

Nothing here is a patient. A linear model sees a part of each problem, its own family the rest; noise sees to it
that nobody is perfect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedward_client.vault.training.dataset import Part
from fedward_shared.contracts.survival import encode

__all__ = ["SITES", "TEST_PATIENTS", "Hospital", "data_table", "hospitals"]

SITES = ("north", "south")
TEST_PATIENTS = 1000
_COLUMNS = 12
_MAXIMUM = 10.0
_SIDE = 28
_SAMPLES, _LEADS = 128, 3
_STEPS, _CHANNELS = 24, ("heart_rate", "pressure", "lactate")

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Hospital:
    """One site's rows."""

    train: Part
    test: Part


def hospitals(records: str, patients: int, seed: int) -> Mapping[str, Hospital]:
    """Two hospitals with `patients` training patients each and `TEST_PATIENTS` for testing, of one kind of record."""
    made = {}
    for number, site in enumerate(SITES):
        rng = np.random.default_rng([seed, number])
        inputs, labels = _MAKERS[records](rng, patients + TEST_PATIENTS, 0.3 * number)
        made[site] = Hospital(_part(inputs[:patients], labels[:patients]), _part(inputs[patients:], labels[patients:]))
    return made


def data_table(records: str) -> str:
    """`[data]` of the study over these records."""
    return _TABLES[records]


def _part(records: Floats, labels: NDArray[np.int64]) -> Part:
    rows = np.arange(len(labels), dtype=np.int64)
    return Part(records=records, labels=labels, units=rows, count=len(rows), rows=rows)


def _drawn(rng: np.random.Generator, score: NDArray[np.float64]) -> NDArray[np.int64]:
    """Outcomes of which about a third are positive."""
    risk = 1 / (1 + np.exp(-2 * (score - np.quantile(score, 0.67))))
    return (rng.random(len(score)) < risk).astype(np.int64)


def _numbers(rng: np.random.Generator, count: int, shift: float) -> tuple[Floats, NDArray[np.float64]]:
    x = rng.normal(shift, 1, (count, _COLUMNS))
    score = x[:, 0] - 0.8 * x[:, 1] + 0.5 * x[:, 2] + 0.9 * (x[:, 3] > 0) * x[:, 4] + 0.6 * np.abs(x[:, 5])
    return x.astype(np.float32), score


def _table(rng: np.random.Generator, count: int, shift: float) -> tuple[Floats, NDArray[np.int64]]:
    x, score = _numbers(rng, count, shift)
    return x, _drawn(rng, score)


def _survival(rng: np.random.Generator, count: int, shift: float) -> tuple[Floats, NDArray[np.int64]]:
    """Exponential times whose hazard follows the score; watching ends at random."""
    from fedward_shared.contracts.cohort import FollowUp

    x, score = _numbers(rng, count, shift)
    event = rng.exponential(12 / np.exp(score - score.mean()))
    watched = rng.uniform(1, _MAXIMUM, count)
    return x, encode(np.minimum(event, watched), event <= watched, FollowUp("time", "years", _MAXIMUM))


def _images(rng: np.random.Generator, count: int, shift: float) -> tuple[Floats, NDArray[np.int64]]:
    """Noise with a soft spot whose size tells the outcome, anywhere in the picture; brightness does not."""
    grid = np.arange(_SIDE)
    size, place = rng.uniform(1.5, 5, count), rng.uniform(7, _SIDE - 7, (count, 2))
    rows = np.exp(-((grid - place[:, :1]) ** 2) / (2 * size[:, None] ** 2))
    columns = np.exp(-((grid - place[:, 1:]) ** 2) / (2 * size[:, None] ** 2))
    spot = rows[:, :, None] * columns[:, None, :] * (12 / size**2)[:, None, None]
    noise = rng.normal(shift, 0.5, (count, _SIDE, _SIDE))
    return (spot + noise)[:, None].astype(np.float32), _drawn(rng, 1.2 * size)


def _signals(rng: np.random.Generator, count: int, shift: float) -> tuple[Floats, NDArray[np.int64]]:
    """Waves of a rate that tells the outcome, at any phase, with drift and noise."""
    time = np.arange(_SAMPLES) / _SAMPLES
    rate, phase = rng.uniform(4, 12, count), rng.uniform(0, 2 * np.pi, (count, _LEADS))
    waves = np.sin(2 * np.pi * rate[:, None, None] * time[None, :, None] + phase[:, None, :])
    drift = rng.normal(0, 1, (count, 1, _LEADS)) * time[None, :, None]
    noise = rng.normal(shift, 0.6, (count, _SAMPLES, _LEADS))
    return (waves + drift + noise).astype(np.float32), _drawn(rng, 0.6 * rate)


def _series(rng: np.random.Generator, count: int, shift: float) -> tuple[Floats, NDArray[np.int64]]:
    """Vital signs of which half were measured; values held, masks, steps since; the course tells the outcome."""
    slope = rng.normal(0, 1, (count, 1, len(_CHANNELS)))
    time = np.linspace(-1, 1, _STEPS)[None, :, None]
    course = shift + rng.normal(0, 0.7, (count, 1, len(_CHANNELS))) + slope * time
    course = course + rng.normal(0, 0.4, (count, _STEPS, len(_CHANNELS)))
    measured = rng.random(course.shape) < 0.5  # noqa: PLR2004  # half of them
    held, since = np.zeros_like(course), np.zeros_like(course)
    for step in range(_STEPS):
        before = held[:, step - 1] if step else np.zeros_like(held[:, 0])
        age = since[:, step - 1] + 1 if step else np.ones_like(held[:, 0])
        held[:, step] = np.where(measured[:, step], course[:, step], before)
        since[:, step] = np.where(measured[:, step], 0, age)
    score = 1.5 * slope[:, 0, 0] - slope[:, 0, 1] + 0.8 * np.abs(slope[:, 0, 2])
    grid = np.concatenate([held, measured, since / _STEPS], axis=2)
    return grid.astype(np.float32), _drawn(rng, score)


_MAKERS = {"table": _table, "survival": _survival, "images": _images, "signals": _signals, "series": _series}

_LABEL = '[data.label]\ncolumn = "outcome"\nclasses = [["0"], ["1"]]\nnames = ["no", "yes"]\n'
_NUMBERS = "".join(
    f'\n[data.columns.x{number}]\ntype = "number"\nunit = ""\nrange = [-10, 10]\ncentre = 0\nscale = 1\n'
    for number in range(_COLUMNS)
)
_TENSOR = '[data]\nkind = "tensor"\npatient = "id"\n'
_CHANNEL = '\n[data.series.channels.{name}]\nunit = ""\nrange = [-10, 10]\ncentre = 0\nscale = 1\n'

_TABLES = {
    "table": f'[data]\nkind = "table"\npatient = "id"\n\n{_LABEL}{_NUMBERS}',
    "survival": (
        f'[data]\nkind = "table"\npatient = "id"\n\n{_LABEL}\n'
        f'[data.label.follow_up]\ncolumn = "time"\nunit = "years"\nmaximum = {_MAXIMUM}\n{_NUMBERS}'
    ),
    "images": f"{_TENSOR}shape = [1, {_SIDE}, {_SIDE}]\n\n{_LABEL}",
    "signals": f"{_TENSOR}shape = [{_SAMPLES}, {_LEADS}]\n\n{_LABEL}",
    "series": (
        f'{_TENSOR}time_zero = "admitted"\n\n'
        f"{_LABEL}\n[data.series]\nwindow = [-{_STEPS}, 0]\nstep = 1\nmasks = true\ndeltas = true\n"
        + "".join(_CHANNEL.format(name=name) for name in _CHANNELS)
    ),
}
