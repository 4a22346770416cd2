"""From a profile to findings, in the order in which a data manager acts, and the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fedward_client.importer.mapping import Mapping
from fedward_client.importer.preflight.cells_judged import cell_findings
from fedward_client.importer.preflight.cohort_judged import cohort_findings, import_stops
from fedward_client.importer.preflight.columns_guess import guess_columns
from fedward_client.importer.preflight.drift import drift_findings
from fedward_client.importer.preflight.findings import Defect, Finding, Severity, Verdict
from fedward_client.importer.preflight.leaks import leak_findings
from fedward_client.importer.preflight.profile import Profile
from fedward_client.importer.preflight.times_judged import time_findings
from fedward_client.importer.quarantine import Reason
from fedward_shared.contracts.arrays import Text
from fedward_shared.contracts.cohort import DataContract
from fedward_shared.contracts.study import SiteTerms

__all__ = ["Judgement", "judge"]

_ORDER = tuple(Severity)
_DEFECTS = tuple(Defect)
_UNIT_DEFECTS = frozenset({Defect.WRONG_UNIT, Defect.MIXED_UNITS, Defect.SHIFTED_DIGITS})
_UNREADABLE = 0.05
_MEAN_OFF = 3.0
_NO_FILES = (
    'Where do the files lie? Say files = "…" in the mapping: a folder below its own, to which the names in the source '
    "lead. An import leaves records without a file out and lists them."
)
_DEVIATION = (0.2, 5.0)


@dataclass(frozen=True, slots=True)
class Judgement:
    """Findings by severity. `stops`: an import would stop with the mapping as it is, or would read numbers wrongly."""

    findings: tuple[Finding, ...]
    stops: bool
    verdict: Verdict

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """The findings of one severity."""
        return tuple(finding for finding in self.findings if finding.severity is severity)


def judge(
    profile: Profile, contract: DataContract, mapping: Mapping, site: SiteTerms | None, max_rejected: float
) -> Judgement:
    """Everything that is to be said about a profile."""
    found = _all(profile, contract, mapping, site, max_rejected)
    told = _first_causes(found)
    told.sort(key=lambda one: (_ORDER.index(one.severity), _DEFECTS.index(one.defect), one.column))
    stops = import_stops(profile, max_rejected)
    unsettled = any(one.defect is Defect.THOUSANDS for one in told)
    return Judgement(tuple(told), stops or unsettled, _verdict(told, stops=stops))


def _first_causes(findings: Sequence[Finding]) -> list[Finding]:
    """Without what follows from another finding.

    Values that follow the outcome look like a second unit; what is in another unit is distributed otherwise.
    """
    leaks = {finding.column for finding in findings if finding.defect is Defect.LEAK}
    units = {finding.column for finding in findings if finding.defect in _UNIT_DEFECTS} - leaks
    hidden = {(defect, column) for column in leaks for defect in (Defect.MIXED_UNITS, Defect.SHIFTED_DIGITS)}
    hidden |= {(Defect.DRIFT, column) for column in units}
    return [finding for finding in findings if (finding.defect, finding.column) not in hidden]


def _all(
    profile: Profile, contract: DataContract, mapping: Mapping, site: SiteTerms | None, max_rejected: float
) -> list[Finding]:
    found = list(guess_columns(profile, contract, mapping))
    found += cohort_findings(profile, contract, site, max_rejected)
    found += cell_findings(profile, contract, mapping)
    found += time_findings(profile)
    found += leak_findings(profile, contract)
    found += drift_findings(profile, contract)
    found += _arrays(profile, contract)
    found += _events(profile)
    return found


def _arrays(profile: Profile, contract: DataContract) -> Iterator[Finding]:
    arrays = profile.arrays
    if arrays is None or not arrays.tried:
        return
    lost = sum(unreadable.records for unreadable in arrays.unreadable)
    if lost:
        reasons = "; ".join(f"a file {one.reason} ({one.records})" for one in arrays.unreadable)
        yield Finding(
            Severity.WRONG if lost > _UNREADABLE * arrays.tried else Severity.LOOK,
            Defect.UNREADABLE,
            "",
            f"{lost} of {arrays.tried} records tried ({lost / arrays.tried:.0%}) have no usable array: {reasons}",
            _NO_FILES
            if any(one.reason == str(Reason.NO_FILE) for one in arrays.unreadable)
            else "Copy or export those files again; an import leaves such records out and lists them.",
        )
    if isinstance(contract.form, Text):
        return
    if lost < arrays.tried and (abs(arrays.mean) > _MEAN_OFF or not _DEVIATION[0] <= arrays.deviation <= _DEVIATION[1]):
        yield Finding(
            Severity.LOOK,
            Defect.ARRAY_SCALE,
            "",
            f"inputs have a mean of {arrays.mean:.2g} and a deviation of {arrays.deviation:.2g} where about 0 and 1 "
            "are expected",
            "Are pictures inverted, of another window or bit depth, or signals in another unit?",
        )


def _events(profile: Profile) -> Iterator[Finding]:
    for lost in profile.lost:
        unit = lost.reason == str(Reason.UNIT_UNKNOWN)
        yield Finding(
            Severity.LOOK if unit else Severity.NOTE,
            Defect.LOST_EVENTS,
            lost.column,
            f"{lost.events} events of {lost.column} were not used: something {lost.reason}",
            "Say which unit they have under [columns] in the mapping." if unit else "Look at them in the source.",
        )


def _verdict(findings: Sequence[Finding], *, stops: bool) -> Verdict:
    """Ready: nothing is in the way. After answers: a person must say something. Not ready: no answer would mend it."""
    serious = [one for one in findings if one.severity in {Severity.STOPS, Severity.WRONG}]
    if not stops:
        return Verdict.AFTER_ANSWERS if serious else Verdict.READY
    causes = [one for one in serious if one.defect is not Defect.REJECTED]
    mendable = (
        bool(causes)
        and all(one.proposal is not None for one in causes if one.severity is Severity.STOPS)
        and any(one.proposal is not None for one in causes)
    )
    return Verdict.AFTER_ANSWERS if mendable else Verdict.NOT_READY
