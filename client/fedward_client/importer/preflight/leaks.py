"""Whether the label can be right: swapped classes, inputs that hold the outcome, records from after it.

Alarms are rare by construction: a label counts as swapped where all columns with a declared direction together point
the other way beyond 3 standard deviations (where there is nothing to see, once in 740 sites; where the label is right,
hardly ever), a single column where it does so beyond 4 and clearly (AUC below .4).
"""

from __future__ import annotations

from collections.abc import Iterator

from fedward_client.importer.preflight.findings import Defect, Finding, Severity
from fedward_client.importer.preflight.profile import Profile, Separation
from fedward_client.importer.preflight.times_judged import unreadable_times
from fedward_client.importer.quarantine import Reason
from fedward_shared.contracts.cohort import DataContract, NumberColumn

__all__ = ["leak_findings"]

_SWAPPED_Z = -3.0
_AGAINST_Z = 4.0
_AGAINST_AUC = 0.4
_LEAK_AUC = 0.99
_LEAK_Z = 4.0
_GAP = 0.3
_WHOLE_GAP = 0.98
_GAP_Z = 5.0
_LATE_SHARE = 0.05
_EXCHANGED = 0.1


def leak_findings(profile: Profile, contract: DataContract) -> Iterator[Finding]:
    """Everything that makes the label, or what predicts it, suspicious."""
    yield from _classes(profile, contract)
    swapped = list(_swapped(profile, contract))
    yield from swapped
    if profile.label:
        directions = {
            column.name: column.higher_in
            for column in contract.columns
            if isinstance(column, NumberColumn) and column.higher_in
        }
        for one in profile.label.separations:
            yield from _of_column(one, contract, "" if swapped else directions.get(one.column, ""))
    yield from _times(profile, contract)


def _classes(profile: Profile, contract: DataContract) -> Iterator[Finding]:
    if not profile.label or not profile.cohort.accepted:
        return
    absent = [name for name, count in zip(contract.label.names, profile.label.cells.shares, strict=True) if not count]
    if absent:
        yield Finding(
            Severity.WRONG if len(absent) == len(contract.label.names) - 1 else Severity.LOOK,
            Defect.ONE_CLASS,
            contract.label.column,
            f"no accepted record is of class {', '.join(absent)}",
            "Is the export complete, and is the label's column the right one?",
        )


def _swapped(profile: Profile, contract: DataContract) -> Iterator[Finding]:
    if not profile.label:
        return
    names = contract.label.names
    reversed_ones = [one for one in profile.label.composites if one.z <= _SWAPPED_Z]
    if not reversed_ones:
        return
    worst = min(reversed_ones, key=lambda one: one.z)
    shares = " The classes' shares look exchanged, too." if _exchanged(profile, contract) else ""
    yield Finding(
        Severity.WRONG,
        Defect.SWAPPED_LABEL,
        contract.label.column,
        f"the label looks swapped: the {worst.columns} columns that the study expects to be higher in "
        f"{names[worst.index]} are lower there, taken together (AUC {worst.auc:.2f} where more than .5 is expected, "
        f"z = {worst.z:.1f}).{shares}",
        f"What do the label's values mean in the source? Say so under [columns.{contract.label.column}] values in the "
        "mapping, or correct the export.",
    )


def _exchanged(profile: Profile, contract: DataContract) -> bool:
    """Whether two classes have each other's expected shares."""
    reference, label = contract.label.reference, profile.label
    if len(reference) != 2 or label is None:  # noqa: PLR2004 - more classes have more ways to be exchanged
        return False
    total = sum(label.cells.shares)
    seen = label.cells.shares[1] / total if total else reference[1]
    return abs(seen - reference[0]) < abs(seen - reference[1]) and abs(reference[0] - reference[1]) > _EXCHANGED


def _of_column(one: Separation, contract: DataContract, direction: str) -> Iterator[Finding]:
    name = contract.label.names[one.index]
    if max(one.auc, 1 - one.auc) >= _LEAK_AUC and abs(one.z) >= _LEAK_Z:
        yield Finding(
            Severity.WRONG,
            Defect.LEAK,
            one.column,
            f"{one.column} alone tells {name} from the rest almost perfectly (AUC {max(one.auc, 1 - one.auc):.3f}): it "
            "may hold the outcome, or have been taken after it",
            "When and by whom is this column written? A model must not read what is known only after the prediction.",
        )
    elif direction and one.auc != 0.5:  # noqa: PLR2004 - .5 says nothing
        expected_up = direction == name
        opposite = len(contract.label.names) == 2 or expected_up  # noqa: PLR2004 - one class's rest is the other
        area = one.auc if expected_up else 1 - one.auc
        if opposite and area <= _AGAINST_AUC and abs(one.z) >= _AGAINST_Z:
            yield Finding(
                Severity.LOOK,
                Defect.AGAINST_DIRECTION,
                one.column,
                f"{one.column} is expected to be higher in {direction} and is lower there (AUC {area:.2f})",
                "Is it the right column, with the right sign and unit?",
            )
    if abs(one.gap) >= _GAP and abs(one.gap_z) >= _GAP_Z:
        whole = abs(one.gap) >= _WHOLE_GAP
        yield Finding(
            Severity.WRONG if whole else Severity.LOOK,
            Defect.LEAK if whole else Defect.MISSING_TELLS,
            one.column,
            f"whether {one.column} is missing tells the class: it is missing {abs(one.gap):.0%} "
            f"{'more' if one.gap > 0 else 'less'} often in {name} than in the rest",
            "Is it measured because of the outcome, or only recorded in one of two exports that were joined?",
        )


def _times(profile: Profile, contract: DataContract) -> Iterator[Finding]:
    unread = unreadable_times(profile)
    windows = {
        column.name: column.timing.window
        for column in contract.columns
        if column.timing and not unread & {column.timing.time, contract.time_zero}
    }
    for name, counts in profile.counts.items():
        timed = counts.valid + counts.outside_window
        if name in windows and timed and counts.outside_window > _LATE_SHARE * timed:
            first, last = windows[name]
            yield Finding(
                Severity.WRONG if counts.outside_window > timed / 2 else Severity.LOOK,
                Defect.OUTSIDE_WINDOW,
                name,
                f"{counts.outside_window} of {timed} values of {name} ({counts.outside_window / timed:.0%}) were taken "
                f"outside its window ({first:g} to {last:g} hours after time zero) and count as missing",
                "A value from after the time of prediction would leak the outcome. Are time zero and the values' times "
                "the right columns, and in the same time zone?",
            )
    late = sum(count for _, reason, count in profile.reasons if reason == str(Reason.AFTER_OUTCOME))
    if late:
        yield Finding(
            Severity.LOOK,
            Defect.AFTER_OUTCOME,
            contract.label.time,
            f"{late} records begin at or after the outcome that they should predict; an import refuses them",
            "Take only records from before the outcome, or check the columns of the two times.",
        )
