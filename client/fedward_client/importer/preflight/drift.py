"""Whether a site's patients differ from those that the study declares: PSI, corrected for small samples.

The population stability index of shares o against expected shares e is sum (o - e) ln(o / e); by convention 0.1 is a
moderate and 0.25 a large shift (Siddiqi 2006). With n patients and no shift at all, n · PSI is about chi-square with
(bins - 1) degrees of freedom, so its expectation is (bins - 1) / n: that is subtracted, and nothing is said unless
n · PSI is beyond the chi-square quantile of 1 - 0.001 / columns (Yurdakul & Naranjo 2020). n is the number of patients,
which is cautious where patients have several records.

A number's bins lie between the declared 5, 25, 50, 75 and 95 % values (5, 20, 25, 25, 20 and 5 % expected). Where many
values equal a declared one, any share between those below it and those up to it would do, and the one nearest to
the expected counts, so that round values are no shift.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log, sqrt
from statistics import NormalDist

from fedward_client.importer.preflight.findings import Defect, Finding, Severity
from fedward_client.importer.preflight.profile import CategoryFacts, NumberFacts, Profile
from fedward_shared.contracts.cohort import DataContract, NumberColumn

__all__ = ["LARGE", "MODERATE", "Shift", "category_shift", "drift_findings", "number_shift"]

MODERATE = 0.1
LARGE = 0.25
_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
_FEWEST = 30
"""Patients below which a comparison says nothing."""
_FALSE_ALARMS = 0.001
_LEAST_SHARE = 1e-4


@dataclass(frozen=True, slots=True)
class Shift:
    """How far observed shares are from expected ones.

    `psi` is corrected for the sample's size and never negative, `distance` the largest difference of the cumulative
    shares at the bins' edges (as Kolmogorov and Smirnov), `certain` whether chance is excluded.
    """

    psi: float
    distance: float
    certain: bool

    @property
    def size(self) -> str:
        """In a word; empty where there is nothing to say."""
        if not self.certain or self.psi < MODERATE:
            return ""
        return "large" if self.psi >= LARGE else "moderate"


def number_shift(edges: Sequence[int], patients: int, tests: int) -> Shift | None:
    """The shift of a number column from `NumberFacts.edges`; None where there is too little to compare."""
    if not edges or not edges[-1] or patients < _FEWEST:
        return None
    total = edges[-1]
    sides = [(edges[2 * at] / total, edges[2 * at + 1] / total) for at in range(len(_LEVELS))]
    cumulated = [min(max(level, below), up_to) for level, (below, up_to) in zip(_LEVELS, sides, strict=True)]
    expected = [high - low for low, high in zip((0, *_LEVELS), (*_LEVELS, 1), strict=True)]
    observed = [max(high - low, 0) for low, high in zip((0, *cumulated), (*cumulated, 1), strict=True)]
    distance = max(abs(seen - level) for seen, level in zip(cumulated, _LEVELS, strict=True))
    return _shift(observed, expected, distance, min(patients, total), tests)


def category_shift(counts: Sequence[int], reference: Sequence[float], patients: int, tests: int) -> Shift | None:
    """The shift of a category's or the label's shares; None where there is too little to compare."""
    total = sum(counts)
    if not total or not reference or patients < _FEWEST:
        return None
    whole = sum(reference)
    expected = [share / whole for share in reference]
    observed = [count / total for count in counts]
    distance = max(abs(seen - share) for seen, share in zip(observed, expected, strict=True))
    return _shift(observed, expected, distance, min(patients, total), tests)


def drift_findings(profile: Profile, contract: DataContract) -> Iterator[Finding]:
    """Every input, and the label, whose distribution is not the declared one."""
    patients = profile.cohort.patients
    declared = {column.name: column for column in contract.columns}
    tests = 1 + sum(bool(column.reference) for column in contract.columns)
    for facts in profile.numbers:
        column = declared[facts.name]
        shift = number_shift(facts.edges, patients, tests)
        if shift and shift.size and isinstance(column, NumberColumn):
            yield _number(facts, column, shift)
    for listed in profile.categories:
        shift = category_shift(listed.shares, declared[listed.name].reference, patients, tests)
        if shift and shift.size:
            yield _category(listed, shift)
    label = profile.label
    shift = category_shift(label.cells.shares, contract.label.reference, patients, tests) if label else None
    if label and shift and shift.size:
        yield _label(label.cells, contract, shift)


def _shift(observed: Sequence[float], expected: Sequence[float], distance: float, n: int, tests: int) -> Shift:
    bins = sum(share > 0 for share in expected)
    smoothed = [(share * n + 0.5) / (n + 0.5 * len(observed)) for share in observed]
    wanted = [max(share, _LEAST_SHARE) for share in expected]
    psi = sum((seen - share) * log(seen / share) for seen, share in zip(smoothed, wanted, strict=True))
    limit = _chi_square_quantile(max(bins - 1, 1), 1 - _FALSE_ALARMS / max(tests, 1))
    return Shift(max(psi - (bins - 1) / n, 0.0), distance, n * psi > limit)


def _chi_square_quantile(freedom: int, level: float) -> float:
    """Wilson and Hilferty's approximation (1931), within 2 % at these levels."""
    part = 2 / (9 * freedom)
    return freedom * float((1 - part + NormalDist().inv_cdf(level) * sqrt(part)) ** 3)


def _number(facts: NumberFacts, column: NumberColumn, shift: Shift) -> Finding:
    where = ""
    if facts.quantiles:
        there, here = column.reference[2], facts.quantiles[2]
        way = "higher than" if here > there else "lower than" if here < there else "as"
        where = f"; the median is {here:.3g} {column.unit}, {way} the {there:.3g} expected".replace("  ", " ")
    return Finding(
        _severity(shift),
        Defect.DRIFT,
        facts.name,
        f"{facts.name} is distributed otherwise than the study expects: a {shift.size} shift ({_figures(shift)})"
        + where,
        "Is it the right column, unit and device? If these are simply your patients, tell the study's contact.",
    )


def _category(facts: CategoryFacts, shift: Shift) -> Finding:
    return Finding(
        _severity(shift),
        Defect.DRIFT,
        facts.name,
        f"the values of {facts.name} have other shares than the study expects: a {shift.size} shift "
        f"({_figures(shift)})",
        "Do the values mean the same here? If these are simply your patients, tell the study's contact.",
    )


def _label(facts: CategoryFacts, contract: DataContract, shift: Shift) -> Finding:
    total = sum(facts.shares)
    shares = ", ".join(
        f"{name} {count / total:.0%} ({expected:.0%} expected)"
        for name, count, expected in zip(contract.label.names, facts.shares, contract.label.reference, strict=True)
    )
    return Finding(
        _severity(shift),
        Defect.LABEL_DRIFT,
        facts.name,
        f"the classes have other shares than the study expects: {shares} ({_figures(shift)})",
        "Is the outcome defined as the study says? If these are simply your patients, tell the study's contact.",
    )


def _figures(shift: Shift) -> str:
    return f"PSI {shift.psi:.2f}, largest distance {shift.distance:.2f}"


def _severity(shift: Shift) -> Severity:
    return Severity.LOOK if shift.size == "large" else Severity.NOTE
