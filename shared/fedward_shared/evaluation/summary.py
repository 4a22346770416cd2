"""Everything that is told of a model: pooled, at each hospital, within hospitals, and in subgroups.

A pooled figure flatters: where hospitals differ in how many of their patients are ill, knowing only the hospital
already ranks patients. So every pooled figure stands beside the mean within hospitals and beside `hospital_only`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fedward_shared.contracts.study import EvaluationTerms
from fedward_shared.errors import UsageError
from fedward_shared.evaluation.bootstrap import Draws, Estimate, Statistic, estimates
from fedward_shared.evaluation.curves import Curves, curves_of
from fedward_shared.evaluation.few import widened
from fedward_shared.evaluation.figures import Battery, Figure, Key, Kind, main_key
from fedward_shared.evaluation.outcome import ClassOutcome, Outcome
from fedward_shared.evaluation.scored import Bools, Floats, Ints, Scored, pooled

__all__ = ["MINIMUM", "Counts", "Judged", "Summary", "comparable", "counts_of", "hospital_only", "summarise"]

MINIMUM = 5
"""A hospital counts in the mean within hospitals, and a subgroup gets figures, with so many patients of each class."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows and patients; `each` counts patients by class (survival: without and with the event)."""

    rows: int
    patients: int
    each: tuple[int, ...]

    @property
    def enough(self) -> bool:
        """Whether there are `MINIMUM` patients of each class."""
        return min(self.each) >= MINIMUM


@dataclass(frozen=True, slots=True)
class Judged:
    """Some rows and every figure that exists for them."""

    counts: Counts
    figures: Mapping[Key, Estimate]
    curves: tuple[Curves, ...] = ()

    def find(self, figure: Figure, at: float | None = None, of: int | None = None) -> Estimate | None:
        """A figure; None where it does not exist."""
        return self.figures.get(Key(figure, at, of))


@dataclass(frozen=True, slots=True)
class Summary:
    """All figures of one way of training, the median over its models (seeds); curves are those of the middle one.

    `within` is the mean over `within_hospitals`, those with `MINIMUM` patients of each class; `hospital_only` is what
    the pooled AUC or C-index is for somebody who knows only the hospital (empty where nobody said what that is).
    """

    outcome: Outcome
    pooled: Judged
    hospitals: Mapping[str, Judged]
    within: Mapping[Key, Estimate]
    within_hospitals: tuple[str, ...]
    subgroups: Mapping[str, Judged]
    hospital_only: Mapping[Key, float] = field(default_factory=dict)

    @property
    def main(self) -> Key:
        """The figure by which models are told apart."""
        return main_key(self.outcome)


def summarise(
    runs: Sequence[Mapping[str, Scored]],
    outcome: Outcome,
    terms: EvaluationTerms,
    prevalences: Mapping[str, Sequence[float]] | None = None,
) -> Summary:
    """Judges one way of training.

    Args:
        runs: at least one model's (seed's) scores by hospital, all of the same rows; a hospital may have no rows.
        outcome: what is predicted.
        terms: thresholds and subgroups (their names; membership is in the scores).
        prevalences: by hospital what somebody who knows only the hospital says, see `outcome.hospital_scores`.

    Raises:
        UsageError: there are no rows, runs are of other rows than each other, or scores are not finite.
    """
    sites = [site for site, scored in runs[0].items() if scored.rows] if runs else []
    together = [pooled([run[site] for site in sites]) for run in runs] if sites else []
    _check(together)
    first = together[0]
    place = np.repeat(np.arange(len(sites)), [runs[0][site].rows for site in sites])
    masks: dict[str, Bools] = {site: place == index for index, site in enumerate(sites)}
    groups = {group.name: first.groups.get(group.name, np.zeros(first.rows, np.bool_)) for group in terms.subgroups}
    classes = _classes(first.labels, outcome)
    strata = {Kind.RANKS: place * (int(classes.max()) + 1) + classes, Kind.LEVELS: place}
    inside = comparable(runs[0], outcome)
    told: dict[str, dict[Key, Estimate]] = {}
    for kind, stratum in strata.items():
        parts = _Parts(
            models=together,
            outcome=outcome,
            kind=kind,
            thresholds=terms.thresholds,
            sites=masks,
            groups=groups,
            inside=inside,
        )
        for name, found in parts.told(Draws(first.units, stratum)).items():
            told.setdefault(name, {}).update(found)
    middle = together[_middle([_main(model, outcome) for model in together])]
    draws = Draws(first.units, place)
    counts = counts_of(first, outcome)
    whole = Judged(counts, _honest(told[""], counts), curves_of(middle, outcome, terms.thresholds, draws))
    return Summary(
        outcome=outcome,
        pooled=whole,
        hospitals={
            site: whole
            if len(masks) == 1
            else Judged(
                own := counts_of(first.where(mask), outcome),
                _honest(told[f"site {site}"], own),
                _own_curves(middle.where(mask), outcome, terms.thresholds),
            )
            for site, mask in masks.items()
        },
        within=told["within"] if inside else {},
        within_hospitals=inside,
        subgroups={
            name: Judged(own := counts_of(first.where(mask), outcome), _honest(told.get(f"group {name}", {}), own))
            for name, mask in groups.items()
        },
        hospital_only=hospital_only(runs[0], outcome, prevalences) if prevalences else {},
    )


class _Parts:
    """One statistic a model that gives the figures of all parts, so that they come from the same draws."""

    def __init__(
        self,
        *,
        models: Sequence[Scored],
        outcome: Outcome,
        kind: Kind,
        thresholds: Sequence[float],
        sites: Mapping[str, Bools],
        groups: Mapping[str, Bools],
        inside: Sequence[str],
    ) -> None:
        masks: dict[str, Bools | None] = {"": None}
        self._alone = [f"site {site}" for site in sites] if len(sites) == 1 else []  # all that is pooled
        masks |= {f"site {site}": mask for site, mask in sites.items() if not self._alone}
        masks |= {f"group {name}": mask for name, mask in groups.items() if mask.any()}
        self._names = list(masks)
        self._inside = [0 if self._alone else self._names.index(f"site {site}") for site in inside]
        self._models = [
            [Battery(model, mask, outcome, kind, thresholds) for mask in masks.values()] for model in models
        ]
        self._keys = self._models[0][0].keys
        self._rows = models[0].rows

    def told(self, draws: Draws) -> dict[str, dict[Key, Estimate]]:
        """Figures by part."""

        def statistic(batteries: Sequence[Battery]) -> Statistic:
            return lambda weights: self._all(batteries, weights)

        (columns,) = estimates([[statistic(batteries) for batteries in self._models]], self._rows, draws)
        width = len(self._keys)
        told = {
            name: {
                key: value
                for key, value in zip(self._keys, columns[start * width : (start + 1) * width], strict=False)
                if value is not None
            }
            for start, name in enumerate([*self._names, "within"])
        }
        return told | dict.fromkeys(self._alone, told[""])

    def _all(self, batteries: Sequence[Battery], weights: Floats) -> Floats:
        parts = [battery(weights) for battery in batteries]
        within = [np.mean([parts[index] for index in self._inside], axis=0)] if self._inside else []
        return np.concatenate([*parts, *within], axis=1)


def comparable(run: Mapping[str, Scored], outcome: Outcome) -> tuple[str, ...]:
    """The hospitals with at least `MINIMUM` patients of each class, in the order of `run`."""
    return tuple(site for site, scored in run.items() if counts_of(scored, outcome).enough)


def counts_of(scored: Scored, outcome: Outcome) -> Counts:
    """How many there are."""
    classes = _classes(scored.labels, outcome)
    number = len(outcome.names) if isinstance(outcome, ClassOutcome) else 2
    each = tuple(len(np.unique(scored.units[classes == index])) for index in range(number))
    return Counts(scored.rows, scored.patients, each)


def hospital_only(
    run: Mapping[str, Scored], outcome: Outcome, prevalences: Mapping[str, Sequence[float]]
) -> dict[Key, float]:
    """Pooled AUC or C-index of scores that know nothing but the hospital: its `prevalences` for all its patients."""
    known = pooled(
        [
            Scored(scored.labels, np.tile(np.asarray(prevalences[site], np.float64), (scored.rows, 1)), scored.units)
            for site, scored in run.items()
            if scored.rows
        ]
    )
    battery = Battery(known, None, outcome, Kind.RANKS)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        values = battery(np.ones((1, known.rows)))[0]
    return {key: float(value) for key, value in zip(battery.keys, values, strict=True) if np.isfinite(value)}


def _honest(figures: Mapping[Key, Estimate], counts: Counts) -> dict[Key, Estimate]:
    """The figures, with intervals of areas that few patients can bear; a mean over classes is as sure as the rarest."""
    everyone = sum(counts.each)

    def told(key: Key, estimate: Estimate) -> Estimate:
        if key.figure not in (Figure.AUC, Figure.C_INDEX):
            return estimate
        positives = min(counts.each) if key.of is None else counts.each[key.of]
        return widened(estimate, positives, everyone - positives)

    return {key: told(key, estimate) for key, estimate in figures.items()}


def _own_curves(scored: Scored, outcome: Outcome, thresholds: tuple[float, float]) -> tuple[Curves, ...]:
    return curves_of(scored, outcome, thresholds, Draws(scored.units, np.zeros(scored.rows, dtype=np.int64)))


def _main(model: Scored, outcome: Outcome) -> float:
    """A model's pooled AUC or C-index."""
    return float(Battery(model, None, outcome, Kind.RANKS)(np.ones((1, model.rows)))[0, 0])


def _classes(labels: Ints, outcome: Outcome) -> Ints:
    return labels if isinstance(outcome, ClassOutcome) else labels % 2


def _middle(values: Sequence[float]) -> int:
    """The index of the median; the lower of the two in the middle."""
    return int(np.argsort(values, kind="stable")[(len(values) - 1) // 2])


def _check(models: Sequence[Scored]) -> None:
    if not models or not models[0].rows:
        raise UsageError("there are no test rows to judge a model by", hint="Declare [data] split or holdout.")
    for model in models:
        if model.rows != models[0].rows or not np.array_equal(model.labels, models[0].labels):
            raise UsageError("models are judged on other test rows than each other")
        if not model.finite:
            raise UsageError("a model gives scores that are not finite")
