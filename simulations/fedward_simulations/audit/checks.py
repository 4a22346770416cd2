"""Named checks of what a distinguishing game sees badly: each an exact test of a law that the claim rests on.

A check's p-value is the probability of something at least as far off from a step that keeps its claim.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binom, binomtest, chi2, f, kstest

__all__ = ["Finding", "batch_sizes", "chosen_alone", "contribution", "fresh_noise", "noise_law"]

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
_SLACK = 1e-4
_LAGS = (1, 2)


@dataclass(frozen=True, slots=True)
class Finding:
    """A check: its name, where it looked, what it measured beside what is claimed, and the p-value.

    A deterministic check has the p-value 0 (broken) or 1.
    """

    check: str
    where: str
    measured: str
    claimed: str
    p_value: float

    def violated(self, alpha: float) -> bool:
        """Whether so extreme a measurement has a probability of at most `alpha`."""
        return not self.p_value > alpha


def contribution(where: str, without: Floats, joined: Floats) -> Finding:
    """The canary moves the noiseless sum by at most C: both sums in units of C, (parameters,)."""
    moved = joined - without
    length = float(np.linalg.norm(moved)) if np.isfinite(moved).all() else np.inf
    return Finding("contribution", where, f"{length:.5g} C", "at most 1 C", float(length <= 1 + _SLACK))


def noise_law(where: str, noise: Floats, sigma: float) -> list[Finding]:
    """Noise alone, (releases, coordinates) in units of C, against N(0, σ²) in every coordinate.

    Three exact tests: the sum of squares (chi-squared, too small only), the same for the quietest coordinate, and the
    shape (Kolmogorov and Smirnov).
    """
    scaled = np.nan_to_num(noise / sigma, nan=0.0, posinf=0.0, neginf=0.0)
    count, width = scaled.shape
    squares = np.square(scaled).sum(axis=0)
    quietest = float(squares.min())
    return [
        Finding(
            "noise, all coordinates",
            where,
            f"deviation {sigma * (squares.sum() / scaled.size) ** 0.5:.4g} C",
            f"{sigma:.4g} C",
            float(chi2.cdf(squares.sum(), count * width)),
        ),
        Finding(
            "noise, quietest coordinate",
            where,
            f"deviation {sigma * (quietest / count) ** 0.5:.4g} C",
            f"{sigma:.4g} C",
            min(1.0, width * float(chi2.cdf(quietest, count))),
        ),
        Finding(
            "noise, shape",
            where,
            f"distance {(shape := kstest(scaled.ravel(), 'norm')).statistic:.4f}",
            "normal",
            float(shape.pvalue),
        ),
    ]


def fresh_noise(where: str, noise: Floats) -> Finding:
    """Whether noise is shared by releases one or two steps apart, or by the two halves of one release.

    For independent a, b of one variance, Σ(a + b)² / Σ(a − b)² follows F(n, n) exactly, over disjoint pairs; reused
    noise makes it ∞, noise reused with the other sign 0. Two-sided, Bonferroni over the pairings.
    """
    noise = np.nan_to_num(noise, nan=0.0, posinf=0.0, neginf=0.0)
    ratios = [_pairing(noise[:-lag], noise[lag:], lag, start) for lag in _LAGS for start in range(0, 2 * lag, lag)]
    width = noise.shape[1] // 2
    if width:
        ratios.append((noise[:, :width].ravel(), noise[:, width : 2 * width].ravel()))
    found = [_alike(one, other) for one, other in ratios]
    p_value, correlation = min(found)
    return Finding(
        "fresh noise",
        where,
        f"correlation {correlation:+.3f} between releases",
        "0",
        min(1.0, len(found) * p_value),
    )


def batch_sizes(where: str, sizes: Counts, patients: int, rate: float) -> list[Finding]:
    """How many of `patients` took part in each step, against Binomial(patients, q): the total, and the spread.

    Poisson sampling makes the sizes vary; batches of a fixed size, which cost more than is charged, do not. The spread
    is judged by how often a size falls in the middle of the binomial: itself binomial, so the test is exact.
    """
    middle = np.arange(*(int(edge) for edge in binom.interval(0.5, patients, rate) + np.array([0, 1])))
    share = float(binom.pmf(middle, patients, rate).sum())
    inside = int(np.isin(sizes, middle).sum())
    total = binomtest(int(sizes.sum()), len(sizes) * patients, rate)
    return [
        Finding("batch size, mean", where, f"{sizes.mean():.3f}", f"{patients * rate:.3f}", float(total.pvalue)),
        Finding(
            "batch size, spread",
            where,
            f"{inside / len(sizes):.3f} in the middle, variance {sizes.var():.3f}",
            f"{share:.3f} in the middle, variance {patients * rate * (1 - rate):.3f}",
            float(binomtest(inside, len(sizes), share).pvalue) if share < 1 else float(inside == len(sizes)),
        ),
    ]


def chosen_alone(where: str, took_part: Sequence[bool] | npt.NDArray[np.bool_], rate: float) -> list[Finding]:
    """Whether one patient is drawn with probability q in every step, and independently of the step before."""
    drawn = np.asarray(took_part, dtype=np.bool_)
    pairs = drawn[: len(drawn) // 2 * 2].reshape(-1, 2)
    both = int(pairs.all(axis=1).sum())
    return [
        Finding(
            "one patient's share",
            where,
            f"{drawn.mean():.4f}",
            f"{rate:.4f}",
            float(binomtest(int(drawn.sum()), len(drawn), rate).pvalue),
        ),
        Finding(
            "one patient, step after step",
            where,
            f"{both / len(pairs):.4f} twice in a row",
            f"{rate * rate:.4f}",
            float(binomtest(both, len(pairs), rate * rate).pvalue),
        ),
    ]


def _pairing(first: Floats, second: Floats, lag: int, start: int) -> tuple[Floats, Floats]:
    """Pairs (t, t + lag) of which none shares a release with another."""
    chosen = (np.arange(len(first)) - start) % (2 * lag) < lag
    chosen[:start] = False
    return first[chosen].ravel(), second[chosen].ravel()


def _alike(one: Floats, other: Floats) -> tuple[float, float]:
    """The two-sided p-value, and the correlation."""
    together, apart = float(np.square(one + other).sum()), float(np.square(one - other).sum())
    if together == 0 or apart == 0:
        return 0.0, 1.0 if together else -1.0 if apart else 1.0
    ratio, size = together / apart, one.size
    return min(1.0, 2 * min(float(f.sf(ratio, size, size)), float(f.cdf(ratio, size, size)))), (ratio - 1) / (ratio + 1)
