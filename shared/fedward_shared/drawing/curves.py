"""Calibration plots and decision curves of `evaluation.curves`."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor

from fedward_shared.drawing.chart import GREY, Axis, Chart, Look, look
from fedward_shared.drawing.page import Drawn
from fedward_shared.drawing.words import percent
from fedward_shared.evaluation.curves import Curves

__all__ = ["calibration_plot", "decision_plot"]


def calibration_plot(curves: Curves, *, title: str, outcome: str, number: int = 0) -> Drawn:
    """Observed beside predicted risk: groups with intervals, and the smooth curve where there is one.

    Args:
        curves: of one class or horizon.
        title: whose plot it is.
        outcome: what the risk is of.
        number: that of the look, see `chart.look`.
    """
    how = look(number)
    spans = "; ".join(
        f"{percent(group.predicted)} said, {percent(group.observed.value)} seen" for group in curves.groups
    )
    chart = Chart(
        Axis(f"predicted risk of {outcome}", -0.02, 1.02, percent=True),
        Axis("observed share", -0.02, 1.02, percent=True),
        alt=f"Calibration, {title}. Groups of patients by risk: {spans or 'none'}.",
    )
    chart.spread(curves.spread)
    chart.line([(0, 0), (1, 1)], Look(GREY, "2 3"), "perfect", width=1.5)
    if curves.smooth:
        chart.band(
            [(place.at, place.value.low) for place in curves.smooth],
            [(place.at, place.value.high) for place in curves.smooth],
            how,
        )
        chart.line([(place.at, place.value.value) for place in curves.smooth], how, title)
    chart.points(
        [(group.predicted, group.observed.value) for group in curves.groups],
        how,
        [(group.observed.low, group.observed.high) for group in curves.groups],
        "groups of patients by risk" if curves.smooth else f"{title}: groups by risk",
    )
    return chart.drawn()


def decision_plot(named: Sequence[tuple[str, Curves]], *, title: str, main: int = 0) -> Drawn:
    """Net benefit of each model beside acting for all and for nobody; all for the same patients.

    That of number `main` has its interval drawn. A model's look is that of its number, as in other plots.
    """
    decision = named[0][1].decision
    places = decision.thresholds
    values = [value for _, curves in named for value in curves.decision.model]
    top = max([0.05, *values, decision.everybody[0]]) * 1.08
    bottom = -max(0.05, 0.25 * top)
    chart = Chart(
        Axis("threshold: act where the risk is at least", places[0], places[-1], percent=True),
        Axis("net benefit", bottom, top),
        alt=f"Decision curves, {title}: {_told(*named[main])}",
        width=620.0,
    )
    chart.line(list(zip(places, decision.everybody, strict=True)), Look(GREY, "6 3"), "act for all", width=1.5)
    chart.line([(places[0], 0), (places[-1], 0)], Look("#222", "1 3"), "act for nobody", width=1.5)
    first = named[main][1].decision
    if first.low:
        chart.band(list(zip(places, first.low, strict=True)), list(zip(places, first.high, strict=True)), look(main))
    for number, (name, curves) in enumerate(named):
        chart.line(list(zip(places, curves.decision.model, strict=True)), look(number), name)
    return chart.drawn()


def _told(name: str, curves: Curves) -> str:
    decision = curves.decision
    at = [index for index, value in enumerate(decision.model) if value > max(0.0, decision.everybody[index])]
    if not at:
        return f"{name} is nowhere better than acting for all or for nobody."
    share = floor(100 * len(at) / len(decision.model))
    low, high = decision.thresholds[at[0]], decision.thresholds[at[-1]]
    return (
        f"{name} is better than acting for all and for nobody at {share} % of the thresholds drawn, between "
        f"{percent(low)} and {percent(high)}."
    )
