"""Sections about hospitals: their data, how well each is served, and what one gets that had no part."""

from __future__ import annotations

from collections.abc import Mapping

from fedward_shared.drawing.chart import Axis, look
from fedward_shared.drawing.forest import Row, forest
from fedward_shared.drawing.page import Page
from fedward_shared.drawing.words import READ, estimate_text, main_name, outcome_words, percent
from fedward_shared.evaluation.bootstrap import Estimate
from fedward_shared.evaluation.outcome import SurvivalOutcome
from fedward_shared.evaluation.summary import MINIMUM, Judged, Summary
from fedward_simulations.report.figures import Figures

__all__ = ["add_data", "add_discrimination", "add_left_out"]


def add_data(page: Page, made: Figures) -> None:
    """What was asked, and of whom."""
    study = made.compared.study
    page.heading("What was asked")
    page.table(
        ["", ""],
        [
            ["predicted", outcome_words(made.one.outcome)],
            ["model", study.model.name],
            ["study", f"{study.name}: {len(study.sites)} hospitals, {study.strategy.rounds} rounds"],
            ["contact", study.contact],
        ],
        kind="prose",
    )
    page.heading("Whose data")
    names = study.data.label.names
    training = made.compared.training_patients
    page.table(
        ["hospital", "trained on", "tested on", *(f"tested: {name}" for name in names), _share_of(made)],
        [
            [
                site,
                str(training.get(site, "–")),
                str(judged.counts.patients),
                *(str(count) for count in judged.counts.each),
                _share(made, site),
            ]
            for site, judged in made.one.hospitals.items()
        ],
        caption=f"Numbers of {study.data.unit}s; test {study.data.unit}s took no part in training.",
    )


def _share_of(made: Figures) -> str:
    if isinstance(made.one.outcome, SurvivalOutcome):
        return "in training: event by the end"
    names = made.compared.study.data.label.names
    return f"in training: {names[1] if len(names) == 2 else 'each'}"  # noqa: PLR2004  # two classes


def _share(made: Figures, site: str) -> str:
    shares = made.compared.prevalences.get(site, ())
    if not shares:
        return "–"
    if len(shares) == 2 or isinstance(made.one.outcome, SurvivalOutcome):  # noqa: PLR2004  # two classes
        return percent(shares[-1])
    return " / ".join(percent(share) for share in shares)


def add_discrimination(page: Page, made: Figures) -> None:
    """Every method: pooled, within hospitals, hospital only, and each hospital."""
    name, survival = main_name(made.one.outcome), isinstance(made.one.outcome, SurvivalOutcome)
    page.heading("Discrimination: do those with the outcome get the higher risks?")
    page.text(READ["concordance" if survival else "discrimination"])
    only = made.hospital_only
    page.subheading("All hospitals together")
    page.svg(_forest(made, {m.key: made.pooled(m.key) for m in made.compared.methods}, f"{name}, pooled", only))
    page.subheading("Mean within hospitals")
    page.svg(
        _forest(made, {m.key: made.within(m.key) for m in made.compared.methods}, f"{name}, within hospitals", 0.5)
    )
    page.text(READ["hospitals"])
    sites = list(made.one.hospitals)
    rows = [
        [
            m.title,
            estimate_text(made.pooled(m.key), stacked=True),
            estimate_text(made.within(m.key), stacked=True),
            *(_own(made.methods[m.key].hospitals[site], made.at(m.key, site)) for site in sites),
        ]
        for m in made.compared.methods
    ]
    if only is not None:
        rows.append(["Knowing only the hospital", f"{only:.3f}", "0.500", *("0.500" for _ in sites)])
    page.table(["", "all together", "mean within", *sites], rows, caption=f"{name} with 95 % intervals", kind="figures")
    page.text(
        f"The mean within hospitals is over those with at least {MINIMUM} test patients of each class: "
        f"{', '.join(made.one.within_hospitals) or 'none'}."
    )


def _forest(made: Figures, told: Mapping[str, Estimate | None], title: str, mark: float | None) -> str:
    methods = made.compared.methods
    rows = [
        Row(m.title, _interval(told[m.key]), look(number), estimate_text(told[m.key]))
        for number, m in enumerate(methods)
    ]
    alt = f"{title}: " + "; ".join(f"{row.name} {row.text}" for row in rows)
    return forest(rows, Axis(title, 0.5, 1.0), alt=alt, mark=mark, mark_text="knowing only the hospital")


def _interval(told: Estimate | None) -> tuple[float, float, float] | None:
    return (told.value, told.low, told.high) if told else None


def _own(judged: Judged, told: Estimate | None) -> str:
    return estimate_text(told, stacked=True) if judged.counts.enough else "⚠\u00a0too few"


def add_left_out(page: Page, made: Figures) -> None:
    """Leave one hospital out: what a hospital gets that had no part in training."""
    page.heading("A hospital that took no part")
    if not made.left_out:
        page.text("Nobody tried what the model is worth at a hospital that had no part in training.")
        return
    page.text(READ["left_out"])
    sites = list(next(iter(made.left_out.values())).hospitals)
    apart, together = made.compared.leave_one_out, made.one.hospitals
    rows = [[m.title, *(_left(made.left_out[m.key], site) for site in sites)] for m in apart]
    rows.append([f"{made.main.title}: the hospital took part", *(_left(made.one, site) for site in sites)])
    first = made.left_out[apart[0].key].hospitals
    rows.append(["patients judged: left out", *(str(first[site].counts.patients) for site in sites)])
    took = [str(together[site].counts.patients) if site in together else "0" for site in sites]
    rows.append(["patients judged: took part", *took])
    page.table(["", *sites], rows, caption=f"{main_name(made.one.outcome)} with 95 % intervals", kind="figures")


def _left(summary: Summary, site: str) -> str:
    judged = summary.hospitals.get(site)
    return _own(judged, judged.figures.get(summary.main)) if judged else "–"
