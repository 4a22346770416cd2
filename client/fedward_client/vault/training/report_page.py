"""report.html: a site's own report as a page that a clinician can read. It loads nothing, and nothing of it leaves."""

from __future__ import annotations

import numpy as np

from fedward_client.vault.training.dataset import Dataset
from fedward_shared.contracts.study import Study
from fedward_shared.drawing.chart import Axis, look
from fedward_shared.drawing.forest import Row, forest
from fedward_shared.drawing.page import Page
from fedward_shared.drawing.sections import (
    add_calibration,
    add_decisions,
    add_horizons,
    add_limits,
    add_subgroups,
    add_thresholds,
)
from fedward_shared.drawing.words import READ, calibration_words, estimate_text, main_name, outcome_words, percent
from fedward_shared.evaluation.bootstrap import Estimate
from fedward_shared.evaluation.figures import Figure
from fedward_shared.evaluation.outcome import ClassOutcome, SurvivalOutcome, outcome_of
from fedward_shared.evaluation.summary import MINIMUM, Summary

__all__ = ["report_page"]

_OWN = (
    "The figures are exact and come from this hospital's patients only: this page is for the hospital's eyes. The "
    "coordinator and the other hospitals never see it."
)


def report_page(study: Study, site: str, data: Dataset, summary: Summary | None, note: str) -> str:
    """The whole document; without a `summary` the `note` says why there are no figures."""
    page = Page(f"{study.title}: what the model is worth at {site}", study.purpose)
    page.box(_sentence(summary, site) if summary else f"There are no figures: {note}.")
    page.text(_OWN)
    _asked(page, study)
    _data(page, study, data)
    if summary:
        _discrimination(page, summary)
        add_thresholds(page, summary.pooled, summary.outcome, study.evaluation)
        add_horizons(page, summary.pooled, summary.outcome)
        add_calibration(page, summary.outcome, {"the shared model": summary.pooled})
        add_decisions(page, summary.outcome, {"the shared model": summary.pooled})
        add_subgroups(page, summary, study.data.label.names)
    add_limits(page, _own_limits(study))
    return page.render()


def _sentence(summary: Summary, site: str) -> str:
    told = summary.pooled.figures.get(summary.main)
    counts = summary.pooled.counts
    if told is None or not counts.enough:
        return (
            f"Of {site}'s patients {counts.patients} were kept for testing, by class "
            f"{' and '.join(map(str, counts.each))}: too few for a figure that means something (at least {MINIMUM} of "
            "each)."
        )
    pairs = "who have the event first" if isinstance(summary.outcome, SurvivalOutcome) else "with the outcome"
    if isinstance(summary.outcome, ClassOutcome) and len(summary.outcome.told) > 1:
        pairs = "of a class than to others, averaged over the classes,"
    return (
        f"On {counts.patients} patients of {site} that it had not seen, the shared model gave a higher risk to those "
        f"{pairs} in {percent(told.value)} of pairs (95 % interval {percent(told.low)} to "
        f"{percent(told.high)}; a coin: 50 %).{_calibrated(summary)}"
    )


def _calibrated(summary: Summary) -> str:
    horizons = summary.outcome.horizons if isinstance(summary.outcome, SurvivalOutcome) else ()
    ratio = summary.pooled.find(Figure.OBSERVED_EXPECTED, horizons[-1] if horizons else None)
    if ratio is None or not summary.pooled.counts.enough:
        return ""
    return f" {calibration_words(ratio)}"


def _asked(page: Page, study: Study) -> None:
    page.heading("What was asked")
    page.table(
        ["", ""],
        [
            ["predicted", outcome_words(outcome_of(study))],
            ["study", study.name],
            ["model", f"{study.model.name}, trained by {len(study.sites)} hospitals together ({study.strategy.name})"],
            ["contact", study.contact],
        ],
        kind="prose",
    )


def _data(page: Page, study: Study, data: Dataset) -> None:
    page.heading("This hospital's data")
    names, survival = study.data.label.names, study.data.label.follow_up is not None
    rows = []
    for name, part in (("trained on", data.train), ("tested on", data.test)):
        labels = part.labels % 2 if survival else part.labels
        each = np.bincount(labels, minlength=len(names)).tolist()
        rows.append([name, str(part.count), str(len(labels)), *map(str, each)])
    page.table(["", f"{study.data.unit}s", "rows", *(f"rows: {name}" for name in names)], rows)


def _discrimination(page: Page, summary: Summary) -> None:
    outcome, judged = summary.outcome, summary.pooled
    page.heading("Discrimination: do those with the outcome get the higher risks?")
    named = [(main_name(outcome), judged.figures.get(summary.main))]
    if isinstance(outcome, ClassOutcome) and len(outcome.told) > 1:
        named += [(f"{outcome.names[of]} or not", judged.find(Figure.AUC, of=of)) for of in outcome.told]
    if isinstance(outcome, ClassOutcome):
        others = ((Figure.BALANCED_ACCURACY, "balanced accuracy"), (Figure.ACCURACY, "accuracy"))
        named += [(name, judged.find(figure)) for figure, name in (*others, (Figure.MACRO_F1, "macro-F1"))]
    rows = [Row(name, _interval(told), look(0), estimate_text(told)) for name, told in named]
    alt = "; ".join(f"{name} {estimate_text(told)}" for name, told in named)
    page.svg(
        forest(rows, Axis("figure, with its 95 % interval", 0.5, 1), alt=alt),
        READ["discrimination" if isinstance(outcome, ClassOutcome) else "concordance"],
    )


def _interval(told: Estimate | None) -> tuple[float, float, float] | None:
    return (told.value, told.low, told.high) if told else None


def _own_limits(study: Study) -> list[str]:
    limits = ["These are one hospital's patients; the report of the whole study shows the others' beside them."]
    if study.data.patient is None:
        limits.append(
            "The data name no patients, so rows count as if each were another patient; intervals may be too narrow."
        )
    return limits
