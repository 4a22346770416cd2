"""The report as one HTML file for this hospital's eyes: the same findings, plots, and the quarantine list."""

from __future__ import annotations

from collections.abc import Iterator

from fedward_client.importer.preflight.findings import Severity
from fedward_client.importer.preflight.judge import Judgement
from fedward_client.importer.preflight.profile import NumberFacts, Profile
from fedward_client.importer.preflight.words import (
    COLUMN_HEADER,
    HEADINGS,
    cohort_lines,
    column_row,
    sentence,
    shown,
    verdict_line,
)
from fedward_shared.contracts.cohort import DataContract, NumberColumn
from fedward_shared.contracts.study import SiteTerms
from fedward_shared.drawing.bars import histogram, share_bars
from fedward_shared.drawing.page import Page

__all__ = ["report_page"]

_NOTICE = (
    "For this hospital only: do not send this page to anybody. It holds exact counts of this hospital's patients, "
    "which a federation otherwise protects. It holds no patient's values; row numbers lead to them."
)


def report_page(
    profile: Profile, judgement: Judgement, contract: DataContract, site: SiteTerms | None, *, title: str, made: str
) -> str:
    """The page. `title` is the study's, `made` says of which source and when."""
    page = Page(f"Preflight: {shown(title)}", shown(made))
    page.box(_NOTICE)
    page.heading("Verdict")
    page.text(verdict_line(judgement))
    for severity in Severity:
        findings = judgement.of(severity)
        if findings:
            page.heading(HEADINGS[severity])
            for finding in findings:
                about = f"{finding.column}: {finding.defect}" if finding.column else str(finding.defect)
                page.point(shown(about), sentence(finding.text), sentence(finding.advice))
    if profile.numbers or profile.categories:
        page.heading("Columns")
        page.text(
            "Blue: values of rows that fit; sand: all numbers within the declared range. Red lines: the study's "
            "reference (numbers: 5, 25, 50, 75 and 95 %; values of a list: their expected shares). A quantile's rank "
            "is exact up to 10,000 rows and within 1.4 % beyond."
        )
        page.table((*COLUMN_HEADER, "distribution"), list(_columns(profile, contract)))
    if profile.cohort.rows:
        page.heading("Cohort")
        page.table(("", ""), [(shown(name), value) for name, value in cohort_lines(profile, contract, site)])
    if profile.reasons:
        page.heading("Quarantine")
        counted = sum(count for *_, count in profile.reasons)
        page.table(
            ("column", "why", "cells"),
            [(shown(column), shown(reason), str(count)) for column, reason, count in profile.reasons],
        )
        page.text(f"The first {len(profile.quarantine)} of {counted}; an import lists all in quarantine.csv.")
        page.table(
            ("row", "column", "why"),
            [(str(one.row), shown(one.column), shown(one.reason)) for one in profile.quarantine],
        )
    return page.render()


def _columns(profile: Profile, contract: DataContract) -> Iterator[tuple[str, ...]]:
    declared = {column.name: column for column in contract.columns}
    for number in profile.numbers:
        column = declared[number.name]
        reference = column.reference if isinstance(column, NumberColumn) else ()
        yield (*column_row(number), _histogram(number, reference))
    for category in profile.categories:
        yield (*column_row(category), share_bars(category.shares, declared[category.name].reference))


def _histogram(facts: NumberFacts, reference: tuple[float, ...]) -> str:
    width = facts.maximum - facts.minimum
    marks = [(value - facts.minimum) / width for value in reference] if width > 0 else []
    whole = [max(pair) for pair in zip(facts.accepted, facts.all_numbers, strict=True)]
    return histogram(facts.accepted, whole, marks)
