"""The few sentences that a report begins with."""

from __future__ import annotations

from collections.abc import Iterator

from fedward_shared.drawing.words import calibration_words, percent
from fedward_shared.evaluation.bootstrap import Estimate
from fedward_shared.evaluation.figures import Figure
from fedward_shared.evaluation.outcome import ClassOutcome, SurvivalOutcome
from fedward_simulations.report.figures import Figures

__all__ = ["sentences"]

_SAME = 0.05
_PAIRS = {False: "one with and one without the outcome, the first", True: "the one who had the event first"}


def sentences(made: Figures) -> Iterator[str]:
    """What the model is worth, beside what it is compared with, in plain words."""
    told, name = made.pooled(made.main.key), made.main.title
    counts = made.one.pooled.counts
    pairs = _PAIRS[isinstance(made.one.outcome, SurvivalOutcome)]
    many = isinstance(made.one.outcome, ClassOutcome) and len(made.one.outcome.told) > 1
    over = ", averaged over the classes" if many else ""
    if told is None or not counts.enough:
        yield f"{name}: there are too few test patients of each class for a figure that means something."
        return
    yield (
        f"{name}: of two test patients, {pairs} was given the higher risk in {percent(told.value)} of pairs{over} (95 "
        f"% interval {percent(told.low)} to {percent(told.high)}; a coin: 50 %), over {counts.patients} patients of "
        f"{len(made.one.hospitals)} hospitals that were kept for testing."
    )
    yield from _within(made)
    yield from _beside(made, told)
    yield from _calibrated(made)


def _within(made: Figures) -> Iterator[str]:
    within, only = made.within(made.main.key), made.hospital_only
    if within is None:
        return
    beside = f"; knowing only the hospital gives {percent(only)} over all of them" if only is not None else ""
    bounds = f"{percent(within.low)} to {percent(within.high)}"
    yield f"Among patients of one hospital it is {percent(within.value)} ({bounds}){beside}."


def _beside(made: Figures, told: Estimate) -> Iterator[str]:
    others = [m for m in made.compared.methods if m.key != made.main.key]
    known = [(m.title, estimate) for m in others if (estimate := made.pooled(m.key)) is not None]
    if known:
        best, value = max(known, key=lambda pair: pair[1].value)
        points = (value.value - told.value) * 100
        way = f"{abs(points):.1f} points {'more' if points > 0 else 'less'}" if abs(points) >= _SAME else "the same"
        others_named = f"best of the {len(known)} other ways" if len(known) > 1 else "other way"
        yield f"The {others_named} of training ({best}) reached {percent(value.value)}: {way}."


def _calibrated(made: Figures) -> Iterator[str]:
    horizons = made.one.outcome.horizons if isinstance(made.one.outcome, SurvivalOutcome) else ()
    ratio = made.one.pooled.find(Figure.OBSERVED_EXPECTED, horizons[-1] if horizons else None)
    if ratio is not None and made.one.pooled.counts.enough:
        yield calibration_words(ratio)
