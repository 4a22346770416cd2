"""What columns of dates and times say: whether their cells are any, and in which form they are written."""

from __future__ import annotations

from collections.abc import Iterator

from fedward_client.importer.preflight.findings import Defect, Finding, Kind, Proposal, Severity
from fedward_client.importer.preflight.profile import Profile, TimeFacts

__all__ = ["time_findings", "unreadable_times"]

_MOST_UNREADABLE = 0.05
_LOOKS = {
    "dd.mm.yyyy": "day.month.year",
    "dd/mm/yyyy": "day/month/year",
    "mm/dd/yyyy": "month/day/year",
    "yyyymmdd": "year, month and day without signs between them",
    "excel": "a spreadsheet's serial numbers of days",
}


def unreadable_times(profile: Profile) -> frozenset[str]:
    """The columns of times, by the contract's names, of which so much cannot be read that no window says anything."""
    return frozenset(facts.name for facts in profile.times if facts.unreadable > _MOST_UNREADABLE * facts.cells)


def time_findings(profile: Profile) -> Iterator[Finding]:
    """A finding for each column with cells that are no date and time."""
    for facts in profile.times:
        if facts.unreadable:
            yield _finding(facts)


def _finding(facts: TimeFacts) -> Finding:
    fitting = [trial for trial in facts.trials if trial.cells == facts.unreadable == facts.cells]
    advice = "Export times as ISO 8601, such as 2026-01-31T14:05, or name missing ones under [columns] in the mapping."
    seen = f"{facts.unreadable} of {facts.cells} cells of {facts.name} are no date and time"
    severity = Severity.WRONG if facts.unreadable > _MOST_UNREADABLE * facts.cells else Severity.LOOK
    if facts.form and severity is Severity.WRONG:
        seen += f" of the form {facts.form}, which the mapping says"
    if not fitting:
        return Finding(severity, Defect.TIMES, facts.name, seen, advice)
    first = fitting[0]
    sure = len(fitting) == 1 and first.swapped < first.cells
    looks = " or ".join(f"{_LOOKS[trial.form.partition(' ')[0]]}{_clock(trial.form)}" for trial in fitting)
    doubt = "" if sure else "; which number is the day cannot be seen, because none is above 12"
    return Finding(
        severity,
        Defect.TIMES,
        facts.name,
        f"{seen}, as they stand: they look like {looks}{doubt}",
        f'If so: form = "{first.form}" under [columns.{facts.name}] in the mapping.',
        Proposal(Kind.FORM, facts.name, form=first.form, strong=sure, choices=tuple(trial.form for trial in fitting)),
    )


def _clock(form: str) -> str:
    return " and a time of the day" if " " in form else ""
