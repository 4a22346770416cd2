"""The report on a terminal: verdict, findings by severity with what to do, columns, cohort."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fedward_client.importer.preflight.findings import Finding, Severity
from fedward_client.importer.preflight.judge import Judgement
from fedward_client.importer.preflight.profile import CategoryFacts, NumberFacts, Profile
from fedward_client.importer.preflight.words import (
    COLUMN_HEADER,
    HEADINGS,
    cohort_lines,
    column_row,
    sentence,
    shown,
    verdict_line,
)
from fedward_shared.contracts.cohort import DataContract
from fedward_shared.contracts.study import SiteTerms

__all__ = ["print_report"]

_MOST_ROWS = 40


def print_report(profile: Profile, judgement: Judgement, contract: DataContract, site: SiteTerms | None) -> None:
    """Prints everything but the quarantine list, of which only the reasons are counted."""
    console = Console(highlight=False, markup=False)
    console.print(Text(f"\n{verdict_line(judgement)}", style="bold"))
    for severity in Severity:
        findings = judgement.of(severity)
        if findings:
            console.print(Text(f"\n{HEADINGS[severity]}", style="bold"))
            for line in (line for finding in findings for line in _lines(finding)):
                console.print(Text(line))
    if profile.inputs:
        console.print(_columns(profile.inputs))
    if len(profile.inputs) > _MOST_ROWS:
        console.print(f"and {len(profile.inputs) - _MOST_ROWS} more, on the page")
    if profile.cohort.rows:
        console.print(_pairs("cohort", cohort_lines(profile, contract, site)))
    if profile.reasons:
        reasons = ((f"{column} {reason}", str(count)) for column, reason, count in profile.reasons[:_MOST_ROWS])
        console.print(_pairs("quarantine", reasons))


def _columns(inputs: Sequence[NumberFacts | CategoryFacts]) -> Table:
    table = Table(title="columns (late: outside their window)", title_justify="left", padding=(0, 0))
    for at, name in enumerate(COLUMN_HEADER):
        table.add_column(name, justify="right" if at > 1 else "left", overflow="fold")
    for facts in inputs[:_MOST_ROWS]:
        table.add_row(*map(Text, column_row(facts)))
    return table


def _pairs(title: str, pairs: Iterable[tuple[str, str]]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column("")
    table.add_column("", justify="right")
    for name, value in pairs:
        table.add_row(Text(shown(name)), Text(shown(value)))
    return table


def _lines(finding: Finding) -> tuple[str, str]:
    return (f"- {sentence(finding.text)}", f"  → {sentence(finding.advice)}")
