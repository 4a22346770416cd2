"""The few sentences that a report begins with."""

from __future__ import annotations

from collections.abc import Iterator

from fedward_shared.evaluation.bootstrap import Estimate
from fedward_shared.evaluation.figures import Figure
from fedward_shared.evaluation.outcome import SurvivalOutcome
from fedward_simulations.report.figures import Figures

__all__ = ["sentences"]


def sentences(made: Figures) -> Iterator[str]:
    """What the model is worth, beside what it is compared with, in plain words."""
    told, name = made.pooled(made.main.key), made.main.title
    counts = made.one.pooled.counts
    pairs = "who has the event first" if isinstance(made.one.outcome, SurvivalOutcome) else "with the outcome"
    if told is None:
        yield f"{name}: there are too few test patients for a figure."
        return
    yield (
        f"{name}: of two test patients the one {pairs} was given the higher risk in {told.value:.0%} of pairs (95 % "
        f"interval {told.low:.0%} to {told.high:.0%}; a coin: 50 %), over {counts.patients} patients of "
        f"{len(made.one.hospitals)} hospitals that were kept for testing."
    )
    yield from _within(made)
    yield from _beside(made, told)
    yield from _calibrated(made)


def _within(made: Figures) -> Iterator[str]:
    within, only = made.within(made.main.key), made.hospital_only
    if within is None:
        return
    beside = f"; knowing only the hospital already gives {only:.0%} over all of them" if only is not None else ""
    yield f"Among patients of one hospital it is {within.value:.0%} ({within.low:.0%} to {within.high:.0%}){beside}."


def _beside(made: Figures, told: Estimate) -> Iterator[str]:
    others = [m for m in made.compared.methods if m.key != made.main.key]
    known = [(m.title, estimate) for m in others if (estimate := made.pooled(m.key)) is not None]
    if known:
        best, value = max(known, key=lambda pair: pair[1].value)
        more = "more" if told.value >= value.value else "less"
        yield (
            f"The best of the {len(known)} other ways of training ({best}) reached {value.value:.0%}: "
            f"{abs(told.value - value.value) * 100:.1f} points {'less' if more == 'more' else 'more'}."
        )


def _calibrated(made: Figures) -> Iterator[str]:
    horizons = made.one.outcome.horizons if isinstance(made.one.outcome, SurvivalOutcome) else ()
    ratio = made.one.pooled.find(Figure.OBSERVED_EXPECTED, horizons[-1] if horizons else None)
    if ratio is None:
        return
    if ratio.low <= 1 <= ratio.high:
        yield "On average its risks fit what happened."
    else:
        yield f"On average its risks are too {'low' if ratio.value > 1 else 'high'}: recalibrate before using them."
