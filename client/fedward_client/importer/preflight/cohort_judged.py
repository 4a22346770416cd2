"""What the cohort as a whole says: its size, its patients, its duplicates, how much of it is rejected."""

from __future__ import annotations

from collections.abc import Iterator

from fedward_client.importer.preflight.findings import Defect, Finding, Severity
from fedward_client.importer.preflight.profile import CohortFacts, Profile
from fedward_client.importer.quarantine import Reason
from fedward_shared.contracts.cohort import DataContract
from fedward_shared.contracts.study import SiteTerms

__all__ = ["cohort_findings", "import_stops"]

_SIZES = (0.8, 1.25)
_FAR_SIZES = (0.5, 2.0)
_SHARED_BY_CHANCE = 10.0
_FEWEST_SHARED = 3
_MANY = 0.01
_MOST_NAMED = 5


def import_stops(profile: Profile, max_rejected: float) -> bool:
    """Whether an import would end without importing anything, with the mapping as it is."""
    cohort = profile.cohort
    if profile.absent or not cohort.accepted:
        return True
    rejected = cohort.rejected + _without_array(profile)
    return rejected > max_rejected * (cohort.accepted + cohort.rejected)


def _without_array(profile: Profile) -> int:
    """About how many accepted rows have no usable array, from the share of those that were tried."""
    arrays = profile.arrays
    if arrays is None or not arrays.tried:
        return 0
    lost = sum(unreadable.records for unreadable in arrays.unreadable)
    return round(profile.cohort.accepted * lost / arrays.tried)


def _without_patient(profile: Profile, contract: DataContract) -> Iterator[Finding]:
    reason = str(Reason.NO_PATIENT)
    rows = sum(count for column, why, count in profile.reasons if column == contract.patient and why == reason)
    if rows:
        yield Finding(
            Severity.LOOK,
            Defect.NO_PATIENT,
            contract.patient or "",
            f"{rows} rows have no patient's id in {contract.patient} (empty, too long, or with invisible characters)",
            "An import leaves such rows out. Are they totals or notes at the end, or was the id lost in the export?",
        )


def _like_ids(profile: Profile, contract: DataContract) -> Iterator[Finding]:
    if profile.like_ids:
        yield Finding(
            Severity.LOOK,
            Defect.LIKE_IDS,
            contract.patient or "",
            f"{profile.like_ids} ids of {contract.patient} differ from another one only in leading zeros, a trailing "
            '".0" or capital letters; are they one person?',
            "A person under two ids counts as two, and may be in training and test at once. Write each id in one way.",
        )


def cohort_findings(
    profile: Profile, contract: DataContract, site: SiteTerms | None, max_rejected: float
) -> Iterator[Finding]:
    """Findings about all records together."""
    cohort = profile.cohort
    if profile.columns and not profile.absent:
        yield from _taken(profile, max_rejected)
        yield from _without_patient(profile, contract)
        yield from _like_ids(profile, contract)
    if cohort.accepted:
        yield from _size(cohort, contract, site)
        yield from _patients(cohort, contract)
        yield from _duplicates(cohort, contract)


def _taken(profile: Profile, max_rejected: float) -> Iterator[Finding]:
    cohort = profile.cohort
    if not cohort.rows:
        yield Finding(
            Severity.STOPS, Defect.NO_ROWS, "", "the source has columns, but no rows", "Is the export complete?"
        )
    elif import_stops(profile, max_rejected):
        of = cohort.accepted + cohort.rejected
        lost = cohort.rejected + _without_array(profile)
        reasons = "; ".join(f"{column} {reason}: {count}" for column, reason, count in profile.reasons[:_MOST_NAMED])
        most = f" (most often: {reasons})" if reasons else ""
        yield Finding(
            Severity.STOPS,
            Defect.REJECTED,
            "",
            f"{lost} of {of} rows would be rejected, and an import stops above {max_rejected:.0%}{most}"
            if lost
            else "the rules of the cohort leave out every row",
            "See what is wrong below: answers in the mapping mend some of it, the export the rest.",
        )


def _size(cohort: CohortFacts, contract: DataContract, site: SiteTerms | None) -> Iterator[Finding]:
    if site is None:
        return
    ratio = cohort.training / site.size
    if _SIZES[0] <= ratio <= _SIZES[1]:
        return
    far = not _FAR_SIZES[0] <= ratio <= _FAR_SIZES[1]
    unit = f"{contract.unit}s"
    yield Finding(
        Severity.LOOK if far else Severity.NOTE,
        Defect.SIZE,
        "",
        f"{cohort.training} training {unit}, {ratio:.2f} times the {site.size} declared for {site.name}",
        "The study's weights and noise were computed for the declared size. Is the export complete, and only of the "
        "cohort? If this is right, tell the coordinator before the study is published.",
    )


def _patients(cohort: CohortFacts, contract: DataContract) -> Iterator[Finding]:
    if cohort.conflicting:
        share = cohort.conflicting / max(cohort.patients, 1)
        several = contract.records_per_patient > 1
        yield Finding(
            Severity.NOTE if several else Severity.LOOK,
            Defect.CONFLICTS,
            contract.label.column,
            f"{cohort.conflicting} patients ({share:.1%}) have records of different classes",
            "Right where a patient's records are different stays; otherwise keep the record that the study means.",
        )
    if cohort.straddling:
        yield Finding(
            Severity.LOOK,
            Defect.STRADDLING,
            contract.split_column or "",
            f"{cohort.straddling} patients have records both for training and for testing; test figures will flatter",
            "Give each patient one side of the split.",
        )
    if cohort.over:
        yield Finding(
            Severity.NOTE if cohort.over <= _MANY * cohort.patients else Severity.LOOK,
            Defect.OVER,
            contract.patient or "",
            f"{cohort.over} patients have more than {contract.records_per_patient} records (up to "
            f"{cohort.most_records}); the study uses {contract.records_per_patient} of each",
            "Nothing is lost but the further records. Is the patient's column the right one?",
        )


def _duplicates(cohort: CohortFacts, contract: DataContract) -> Iterator[Finding]:
    if cohort.repeated:
        share = cohort.repeated / cohort.accepted
        yield Finding(
            Severity.LOOK if share > _MANY else Severity.NOTE,
            Defect.DUPLICATES,
            contract.patient or "",
            f"{cohort.repeated} rows ({share:.1%}) are the same record of the same patient again; each counts once",
            "Was something exported twice, or joined to a table with several rows a patient?",
        )
    if cohort.shared >= _FEWEST_SHARED and cohort.shared > _SHARED_BY_CHANCE * cohort.chance:
        yield Finding(
            Severity.LOOK,
            Defect.SHARED_RECORDS,
            contract.patient or "",
            f"{cohort.shared} pairs of different {contract.unit}s have exactly equal records (by chance about "
            f"{cohort.chance:.1g})",
            "Do some patients have two names, or was a part exported twice under new ones? The privacy of such a "
            "patient counts twice.",
        )
