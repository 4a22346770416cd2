"""Sections of reports that a site's own report and that of a comparison share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fedward_shared.contracts.study import EvaluationTerms
from fedward_shared.drawing.curves import calibration_plot, decision_plot
from fedward_shared.drawing.page import Page
from fedward_shared.drawing.words import LIMITS, NAMES, READ, estimate_text, main_name, percent, share_text, time_text
from fedward_shared.evaluation.curves import Curves
from fedward_shared.evaluation.figures import Figure
from fedward_shared.evaluation.outcome import ClassOutcome, Outcome, SurvivalOutcome
from fedward_shared.evaluation.summary import MINIMUM, Judged, Summary

__all__ = [
    "add_calibration",
    "add_decisions",
    "add_horizons",
    "add_limits",
    "add_subgroups",
    "add_thresholds",
    "curves_title",
]

_POINT = (Figure.SENSITIVITY, Figure.SPECIFICITY, Figure.POSITIVE_VALUE, Figure.NEGATIVE_VALUE)
_TWO = 2


def add_thresholds(page: Page, judged: Judged, outcome: Outcome, terms: EvaluationTerms) -> None:
    """What acting at the declared thresholds would have meant (two classes)."""
    if not isinstance(outcome, ClassOutcome) or len(outcome.names) != _TWO:
        return
    page.heading("Acting at a threshold")
    page.table(
        ["act where the risk is at least", *(NAMES[figure] for figure in _POINT)],
        [
            [percent(at), *(share_text(judged.find(figure, at), stacked=True) for figure in _POINT)]
            for at in terms.thresholds
        ],
        kind="figures",
    )
    page.text(READ["thresholds"])


def add_calibration(page: Page, outcome: Outcome, named: Mapping[str, Judged], heading: str = "") -> None:
    """Plots for each of `named`, and the figures of calibration beside each other.

    A `heading` of its own stands over a section that comes again; then nothing is explained a second time.
    """
    page.heading(heading or "Calibration: does a risk of 30 % mean 3 in 10?")
    if not heading:
        page.text(READ["calibration"])
    for index, first in enumerate(next(iter(named.values())).curves):
        title = curves_title(outcome, first)
        if title:
            page.subheading(title)
        page.row(
            [
                (calibration_plot(judged.curves[index], title=name, outcome=_what(outcome, first), number=number), "")
                for number, (name, judged) in enumerate(named.items())
                if judged.curves
            ]
        )
    if isinstance(outcome, ClassOutcome):
        _calibration_table(page, outcome, named)
        if not heading:
            page.text(READ["recalibration"])


def _calibration_table(page: Page, outcome: ClassOutcome, named: Mapping[str, Judged]) -> None:
    figures = [Figure.BRIER]
    if len(outcome.names) == _TWO:
        figures += [Figure.OBSERVED_EXPECTED, Figure.IN_THE_LARGE, Figure.SLOPE]
    page.table(
        ["", *(NAMES[figure] for figure in figures), "integrated calibration index"],
        [
            [name, *(estimate_text(judged.find(figure), stacked=True) for figure in figures), _index(judged)]
            for name, judged in named.items()
        ],
        kind="figures",
    )


def _index(judged: Judged) -> str:
    found = [curves.index for curves in judged.curves if curves.index is not None]
    return f"{sum(found) / len(found):.3f}" if found else "–"


def add_decisions(page: Page, outcome: Outcome, named: Mapping[str, Judged], main: str = "") -> None:
    """Decision curves of all of `named`, who are judged on the same patients; `main` has its interval drawn."""
    page.heading("Decision curves: is acting on the risk better than treating all alike?")
    page.text(READ["decision"])
    drawn = {name: judged.curves for name, judged in named.items() if judged.curves}
    number = list(drawn).index(main) if main in drawn else 0
    for index, first in enumerate(next(iter(drawn.values()), ())):
        title = curves_title(outcome, first)
        if title:
            page.subheading(title)
        curves = [(name, each[index]) for name, each in drawn.items()]
        page.svg(decision_plot(curves, title=title or "all patients", main=number))


def add_horizons(page: Page, judged: Judged, outcome: Outcome) -> None:
    """Survival: the figures at each horizon."""
    if not isinstance(outcome, SurvivalOutcome):
        return
    page.heading("Risks at declared times")
    page.table(
        ["time", "AUC", "observed risk", "mean predicted risk", "observed / expected", "Brier score"],
        [
            [
                time_text(at, outcome.follow_up.unit),
                estimate_text(judged.find(Figure.AUC, at), stacked=True),
                share_text(judged.find(Figure.OBSERVED, at), stacked=True),
                share_text(judged.find(Figure.PREDICTED, at), stacked=True),
                estimate_text(judged.find(Figure.OBSERVED_EXPECTED, at), stacked=True),
                estimate_text(judged.find(Figure.BRIER, at), stacked=True),
            ]
            for at in outcome.horizons
        ],
        kind="figures",
    )
    page.text(READ["horizons"])


def add_subgroups(page: Page, summary: Summary, classes: Sequence[str]) -> None:
    """The declared subgroups; one with too few patients gets a warning in place of a figure."""
    page.heading("Declared subgroups")
    if not summary.subgroups:
        page.text("The study declares no subgroups, so no figure tells whether some patients are served worse.")
        return
    figures = [
        figure for figure in (summary.main.figure, Figure.OBSERVED_EXPECTED, Figure.BRIER) if _known(summary, figure)
    ]
    header = ["group", "patients", *classes, *(_name(figure, summary.outcome) for figure in figures)]
    rows = [
        [
            "everybody",
            *_counted(summary.pooled),
            *(estimate_text(summary.pooled.find(f), stacked=True) for f in figures),
        ]
    ]
    for name, judged in summary.subgroups.items():
        told = [estimate_text(judged.find(figure), stacked=True) for figure in figures]
        if not judged.counts.enough:
            told = ["⚠ too few patients", *("" for _ in figures[1:])]
        rows.append([name, *_counted(judged), *told])
    page.table(header, rows, kind="figures")
    if any(not judged.counts.enough for judged in summary.subgroups.values()):
        page.text(f"⚠ Fewer than {MINIMUM} patients {_each(summary.outcome)}: any figure would be chance.")
    page.text(READ["groups"])


def add_limits(page: Page, more: Sequence[str] = ()) -> None:
    """What the report does not say."""
    page.heading("What this does not say")
    page.points([*more, *LIMITS])


def curves_title(outcome: Outcome, curves: Curves) -> str:
    """Which of several classes or horizons curves are about; empty where there is one only."""
    if isinstance(outcome, SurvivalOutcome):
        return f"Risk up to {time_text(curves.at or 0.0, outcome.follow_up.unit)}"
    return "" if len(outcome.names) == _TWO or curves.of is None else outcome.names[curves.of]


def _what(outcome: Outcome, curves: Curves) -> str:
    if isinstance(outcome, SurvivalOutcome):
        return f"the event up to {time_text(curves.at or 0.0, outcome.follow_up.unit)}"
    return outcome.names[curves.of] if curves.of is not None else "the outcome"


def _name(figure: Figure, outcome: Outcome) -> str:
    return main_name(outcome) if figure in {Figure.AUC, Figure.C_INDEX} else NAMES[figure]


def _known(summary: Summary, figure: Figure) -> bool:
    return summary.pooled.find(figure) is not None


def _each(outcome: Outcome) -> str:
    return "with or without the event" if isinstance(outcome, SurvivalOutcome) else "of one of the classes"


def _counted(judged: Judged) -> list[str]:
    return [str(judged.counts.patients), *(str(count) for count in judged.counts.each)]
