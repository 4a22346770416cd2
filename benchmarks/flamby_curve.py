"""FLamby's published curve of accuracy against ε on Fed-Heart-Disease, with its accounting corrected.

Source: github.com/owkin/FLamby at edacf54d (MIT), `flamby/dp_example/` (results of 2022-10-04) and
`flamby/strategies/utils.py`. Every hospital's data loader gives minibatches of 4 and is asked 15 x 100 times.

What they say: `make_private_with_epsilon(epochs=15)` calibrates σ for 15 · L steps of Poisson sampling at q = 1/L; L is
⌈records / 4⌉, the loader's length. Opacus was at 1.2 and did that by Rényi divergence, which is unchanged since.
What they do: `epochs` is the number of *rounds*, a round takes 100 steps whatever L is, so 1,500 steps are taken; and
the Poisson loader that Opacus returns is discarded for the loader that shuffles, which takes every record once a pass.

Three figures correct it (neighbours: one record blanked at one hospital, its gradients zero):

counted   1,500 steps at q = 1/L, as if the sampling were Poisson's
at most   shuffled, no credit for shuffling: told the order of the batches, a record takes part in ⌈1500 / L⌉ Gaussian
          releases of sensitivity C, hence exactly the Gaussian mechanism with μ = √⌈1500 / L⌉ / σ
at least  shuffled, where everybody else's gradients are zero: a pass then releases L Gaussians of which one, uniformly,
          is moved by C (Chua et al. 2024, arXiv:2403.17673). Monte Carlo, so an estimate

All suppose that the noise is secret and independent. It is not: one seed, the Unix time, is used at all four hospitals.
"""

from __future__ import annotations

import csv
import statistics
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from fedward_shared.errors import UsageError
from fedward_shared.privacy.accounting import epsilon
from fedward_shared.privacy.events import SampledGaussian

__all__ = [
    "NO_PRIVACY",
    "PUBLISHED",
    "RECORDS",
    "Corrected",
    "Cost",
    "Loader",
    "Point",
    "Reference",
    "correct",
    "references",
    "shuffled_at_least",
]

RECORDS: Mapping[str, int] = MappingProxyType({"cleveland": 199, "hungary": 172, "switzerland": 30, "va": 85})
"""Training records: ⌊.66 n⌋ of the 303, 261, 46 and 130 rows that are complete in the ten columns they use."""
_BATCH = 4
_ROUNDS, _UPDATES = 15, 100
_SAMPLES = 200_000


@dataclass(frozen=True, slots=True)
class Point:
    """Accuracy, mean over four hospitals and five seeds, and its standard deviation over seeds, at a nominal ε.

    `noise` holds σ at each of the `RECORDS`, as `Loader.noise` works it out (slowly: a test compares them).
    """

    epsilon: float
    delta: float
    accuracy: float
    deviation: float
    noise: tuple[float, ...]


NO_PRIVACY = Point(float("inf"), 0.0, 0.7125, 0.0238, noise=(0.0, 0.0, 0.0, 0.0))
PUBLISHED: tuple[Point, ...] = (
    Point(0.1, 0.1, 0.7108, 0.0294, noise=(2.34375, 2.578125, 5.625, 3.515625)),
    Point(1, 0.1, 0.7031, 0.0448, noise=(1.005859, 1.054688, 2.03125, 1.337891)),
    Point(5, 0.1, 0.7049, 0.0358, noise=(0.598145, 0.614624, 0.911255, 0.703735)),
    Point(10, 0.1, 0.6978, 0.0387, noise=(0.493622, 0.504456, 0.681763, 0.560455)),
    Point(50, 0.1, 0.7036, 0.0458, noise=(0.318508, 0.322418, 0.374813, 0.341434)),
    Point(0.1, 0.01, 0.6673, 0.0515, noise=(6.875, 7.5, 17.5, 10.625)),
    Point(1, 0.01, 0.7059, 0.0382, noise=(1.420898, 1.503906, 3.183594, 2.001953)),
    Point(5, 0.01, 0.7004, 0.0433, noise=(0.691528, 0.713501, 1.121826, 0.83313)),
    Point(10, 0.01, 0.6999, 0.0507, noise=(0.553284, 0.566559, 0.796204, 0.636902)),
    Point(50, 0.01, 0.7026, 0.0432, noise=(0.340557, 0.345001, 0.408669, 0.366974)),
    Point(0.1, 0.001, 0.6292, 0.0862, noise=(11.875, 12.5, 30.0, 17.5)),
    Point(1, 0.001, 0.7015, 0.0439, noise=(1.787109, 1.904297, 4.140625, 2.578125)),
    Point(5, 0.001, 0.6997, 0.0409, noise=(0.764771, 0.791016, 1.296387, 0.9375)),
    Point(10, 0.001, 0.6981, 0.0430, noise=(0.599823, 0.615234, 0.888367, 0.698242)),
    Point(50, 0.001, 0.6995, 0.0396, noise=(0.360146, 0.365086, 0.435944, 0.389519)),
    Point(0.1, 0.0001, 0.6056, 0.1213, noise=(17.5, 20.0, 45.0, 27.5)),
    Point(1, 0.0001, 0.6853, 0.0548, noise=(2.109375, 2.265625, 5.0, 3.085938)),
    Point(5, 0.0001, 0.7036, 0.0487, noise=(0.826416, 0.856934, 1.450195, 1.027832)),
    Point(10, 0.0001, 0.7004, 0.0549, noise=(0.639343, 0.656738, 0.969849, 0.751038)),
    Point(50, 0.0001, 0.7016, 0.0521, noise=(0.378151, 0.383549, 0.461159, 0.410271)),
)
"""From results_fed_heart_disease.csv; `deviation` is the sample standard deviation."""


@dataclass(frozen=True, slots=True)
class Loader:
    """One hospital's shuffled minibatches: how many a pass has, and the steps taken in all."""

    batches: int
    steps: int

    @classmethod
    def of(cls, records: int) -> Loader:
        """FLamby's for a hospital with that many training records."""
        return cls(ceil(records / _BATCH), _ROUNDS * _UPDATES)

    @property
    def passes(self) -> int:
        """The most steps that one record takes part in."""
        return ceil(self.steps / self.batches)

    def noise(self, target: float, delta: float) -> float:
        """The noise multiplier σ that Opacus gave them for a nominal ε: 15 · L steps at 1/L, by Rényi divergence."""
        from opacus.accountants.utils import get_noise_multiplier

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sigma: float = get_noise_multiplier(
                target_epsilon=target,
                target_delta=delta,
                sample_rate=1 / self.batches,
                epochs=_ROUNDS,
                accountant="rdp",
            )
        return sigma


@dataclass(frozen=True, slots=True)
class Cost:
    """What a nominal ε cost a patient at one hospital; see the module for both figures."""

    hospital: str
    noise_multiplier: float
    counted: float
    at_most: float


@dataclass(frozen=True, slots=True)
class Corrected:
    """A published point with its cost at every hospital, the dearest first, and `at_least` at the dearest."""

    point: Point
    hospitals: tuple[Cost, ...]
    at_least: float


def correct(point: Point, *, seed: int = 0, samples: int = _SAMPLES) -> Corrected:
    """Corrects one point; `seed` and `samples` are for the Monte Carlo figure."""
    costs = [_cost(hospital, sigma, point.delta) for hospital, sigma in zip(RECORDS, point.noise, strict=True)]
    hospitals = sorted(costs, key=lambda cost: -cost.counted)
    dearest = hospitals[0]
    loader = Loader.of(RECORDS[dearest.hospital])
    least = shuffled_at_least(loader, dearest.noise_multiplier, point.delta, seed=seed, samples=samples)
    return Corrected(point, tuple(hospitals), least)


def _cost(hospital: str, sigma: float, delta: float) -> Cost:
    loader = Loader.of(RECORDS[hospital])
    counted = epsilon([SampledGaussian(sigma, 1 / loader.batches, loader.steps)], delta)
    return Cost(hospital, sigma, counted, at_most=epsilon([SampledGaussian(sigma, 1.0, loader.passes)], delta))


def shuffled_at_least(loader: Loader, sigma: float, delta: float, *, seed: int, samples: int = _SAMPLES) -> float:
    """A Monte Carlo estimate of a lower bound on ε of shuffled minibatches; whole passes only.

    Under P a pass releases x ~ N(e_J, σ²I), J uniform on its L batches, under Q x ~ N(0, σ²I). The privacy loss is
    log(1/L · Σ exp((2x_j - 1) / 2σ²)), and δ(ε) = E_P[max(0, 1 - e^(ε - loss))] over independent passes.
    """
    rng = np.random.default_rng(seed)
    one = _losses_of_a_pass(loader.batches, sigma, samples, rng)
    total = np.zeros(samples)
    for _ in range(loader.steps // loader.batches):
        total += one[rng.integers(0, samples, samples)]

    def too_small(candidate: float) -> bool:
        return float(np.clip(-np.expm1(np.minimum(candidate - total, 0)), 0, None).mean()) > delta

    if not too_small(0.0):
        return 0.0
    low, high = 0.0, float(total.max())
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if too_small(middle) else (low, middle)
    return low


def _losses_of_a_pass(batches: int, sigma: float, samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Shape (samples,): privacy losses of one pass, the patient in its first batch (by symmetry)."""
    losses = np.empty(samples)
    portion = max(1, 1_000_000 // batches)
    for start in range(0, samples, portion):
        rows = min(portion, samples - start)
        exponents = rng.standard_normal((rows, batches)) / sigma
        exponents[:, 0] += sigma**-2
        exponents -= sigma**-2 / 2
        largest = exponents.max(axis=1)
        losses[start : start + rows] = largest + np.log(np.exp(exponents - largest[:, None]).mean(axis=1))
    return losses


@dataclass(frozen=True, slots=True)
class Reference:
    """One of FLamby's ways of training without privacy: means over seeds of its two figures of accuracy."""

    method: str
    seeds: int
    pooled: float
    hospitals: float


def references(folder: Path) -> tuple[Reference, ...]:
    """Reads heart_*.csv of FLamby's own benchmark (one file a seed), in their order of methods.

    Raises:
        UsageError: there are none, or one of them is something else.
    """
    pooled: dict[str, list[float]] = {}
    mean: dict[str, list[float]] = {}
    files = sorted(folder.glob("heart_*.csv"))
    if not files:
        raise UsageError(
            f"{folder} holds no heart_*.csv", hint="--data DIR needs FLamby's files in DIR/flamby_results."
        )
    for path in files:
        for method, scores in _methods(path).items():
            tests = [value for test, value in scores.items() if test.startswith("client_test_")]
            if "Pooled Test" not in scores or len(tests) != len(RECORDS):
                raise UsageError(f"{path} is not a result of FLamby's heart benchmark")
            pooled.setdefault(method, []).append(scores["Pooled Test"])
            mean.setdefault(method, []).append(statistics.fmean(tests))
    return tuple(
        Reference(method, len(values), statistics.fmean(values), statistics.fmean(mean[method]))
        for method, values in pooled.items()
    )


def _methods(path: Path) -> dict[str, dict[str, float]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found: dict[str, dict[str, float]] = {}
    try:
        for row in rows:
            found.setdefault(row["Method"], {})[row["Test"]] = float(row["Metric"])
    except (KeyError, ValueError) as error:
        raise UsageError(f"{path} is not a result of FLamby's heart benchmark") from error
    return found
