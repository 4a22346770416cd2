"""What reports on a terminal and on a page say alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from fedward_client.importer.preflight.findings import Severity, Verdict
from fedward_client.importer.preflight.judge import Judgement
from fedward_client.importer.preflight.profile import CategoryFacts, NumberFacts, Profile
from fedward_shared.contracts.cohort import DataContract
from fedward_shared.contracts.study import SiteTerms

__all__ = ["COLUMN_HEADER", "HEADINGS", "VERDICTS", "cohort_lines", "column_row", "sentence", "shown", "verdict_line"]

HEADINGS: Mapping[Severity, str] = MappingProxyType(
    {
        Severity.STOPS: "What stops the import",
        Severity.WRONG: "What is probably wrong",
        Severity.LOOK: "What to look at",
        Severity.NOTE: "For your information",
    }
)
VERDICTS: Mapping[Verdict, str] = MappingProxyType(
    {
        Verdict.READY: "Ready: an import would take this source.",
        Verdict.AFTER_ANSWERS: "Ready after answers: somebody who knows the source must look at what is listed here.",
        Verdict.NOT_READY: "Not ready: an import would stop, and the answers proposed here do not mend that alone.",
    }
)
_LONGEST = 120


def shown(text: str) -> str:
    """A name from a source as it may be printed: one line, no control signs, not endless."""
    clean = sentence(text)
    return clean if len(clean) <= _LONGEST else f"{clean[:_LONGEST]}…"


def sentence(text: str) -> str:
    """A sentence of ours, which may name columns: without control signs."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def verdict_line(judgement: Judgement) -> str:
    """The verdict and how much there is to look at."""
    counts = [(severity, len(judgement.of(severity))) for severity in Severity]
    told = ", ".join(f"{count} {severity.value}" for severity, count in counts if count)
    return VERDICTS[judgement.verdict] + (f" Findings: {told}." if told else "")


def cohort_lines(profile: Profile, contract: DataContract, site: SiteTerms | None) -> Iterator[tuple[str, str]]:
    """Figures of the cohort as (name, value)."""
    cohort = profile.cohort
    about = "about " if cohort.share < 1 else ""
    yield "rows read", f"{cohort.rows}"
    yield "rows that fit", f"{cohort.accepted}"
    yield "rows rejected", f"{cohort.rejected}"
    yield "rows left out by the cohort's rules", f"{cohort.excluded}"
    if contract.patient:
        yield "patients", f"{about}{cohort.patients}"
        yield "most records of a patient", f"{cohort.most_records} ({contract.records_per_patient} are used)"
    declared = f" (declared for {site.name}: {site.size})" if site else ""
    yield f"{contract.unit}s to train on", f"{about}{cohort.training}{declared}"
    yield "the same record of the same patient again", f"{about}{cohort.repeated}"
    yield "patients with different labels", f"{about}{cohort.conflicting}"
    if contract.split and not contract.holdout:
        yield "patients on both sides of the split", f"{about}{cohort.straddling}"
    if profile.label and cohort.accepted:
        for name, count in zip(profile.label.cells.values, profile.label.cells.shares, strict=True):
            yield f"class {name}", f"{count} ({count / max(cohort.accepted, 1):.0%})"
    if profile.follow_up and profile.follow_up.quantiles:
        watched = profile.follow_up
        low, _, middle, _, high = watched.quantiles
        yield "patients were watched for", f"{middle:.3g} {watched.unit} (median; 5 %: {low:.3g}, 95 %: {high:.3g})"
    if profile.arrays:
        arrays = profile.arrays
        yield "records whose arrays were tried", f"{arrays.tried}"
        yield "of these without a usable array", f"{sum(one.records for one in arrays.unreadable)}"
        yield "mean and deviation of their inputs", f"{arrays.mean:.2g} and {arrays.deviation:.2g}"


COLUMN_HEADER = ("column", "unit", "valid", "missing", "wrong", "converted", "late", "5 %", "median", "95 %")


def column_row(facts: NumberFacts | CategoryFacts) -> tuple[str, ...]:
    """Figures of one input as the cells under `COLUMN_HEADER`."""
    counts = facts.counts
    quantiles = ("", "", "")
    unit = ""
    if isinstance(facts, NumberFacts):
        if facts.quantiles:
            quantiles = (f"{facts.quantiles[0]:.3g}", f"{facts.quantiles[2]:.3g}", f"{facts.quantiles[4]:.3g}")
        unit = facts.unit
    figures = (counts.valid, counts.missing, counts.wrong, counts.converted, counts.outside_window)
    return (shown(facts.name), shown(unit), *map(str, figures), *quantiles)
