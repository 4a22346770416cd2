"""What takes two fields of a column, a channel or the label to judge. Each check notes what would be right."""

from __future__ import annotations

import math
from collections.abc import Iterable

from fedward_shared.contracts.arrays import Channel, Pick
from fedward_shared.contracts.cohort import CategoryColumn, FollowUp, Label, NumberColumn
from fedward_shared.errors import UsageError
from fedward_shared.manifest.contract import canonical
from fedward_shared.manifest.findings import Findings, shown, suggestion
from fedward_shared.units import conversion, known
from fedward_shared.units.substances import SUBSTANCES, substance_key

__all__ = ["check_channel", "check_column", "check_label", "check_scaling", "check_window", "column_name"]

_LONGEST_NAME = 200
_LARGEST_INPUT = 1e6
_ROUNDED = 0.005
"""Shares such as 0.33, 0.33, 0.33 are rounded."""

Path = tuple[str, ...]


def column_name(name: str) -> bool:
    """Whether a text can name a column."""
    return 0 < len(name) <= _LONGEST_NAME and name.isprintable() and name == name.strip()


def check_column(column: NumberColumn | CategoryColumn, findings: Findings) -> None:
    """Notes where a column's range, values, spellings and references contradict each other."""
    path = ("data", "columns", column.name)
    if column.timing is not None:
        check_window(path, column.timing.window, findings)
    if column.required and column.fill is not None:
        findings.add(path, "fill", "is never used, because rows without a value are refused; drop fill or required")
    if isinstance(column, NumberColumn):
        _number(path, column, findings)
    else:
        _category(path, column, findings)


def check_channel(channel: Channel, findings: Findings) -> None:
    """Notes where a channel's range, scale and way of picking contradict each other."""
    path = ("data", "series", "channels", channel.name)
    _substance(path, channel.substance, findings)
    if check_range(path, channel.minimum, channel.maximum, findings):
        check_scaling(path, (channel.minimum, channel.maximum), channel.centre, channel.scale, findings)
        _counted(path, channel.pick, channel.minimum, channel.maximum, findings)


def check_range(path: Path, minimum: float, maximum: float, findings: Findings, key: str = "range") -> bool:
    """Notes a range that is turned round or holds one value; True where it is right."""
    if minimum < maximum:
        return True
    findings.add(path, key, f"is [{minimum:g}, {maximum:g}]; the first must be the smaller one")
    return False


def check_window(path: Path, window: tuple[float, float], findings: Findings) -> None:
    """Notes a window of time that is turned round."""
    check_range(path, *window, findings, "window")


def check_scaling(path: Path, limits: tuple[float, float], centre: float, scale: float, findings: Findings) -> None:
    """Notes a scale that makes inputs too large."""
    widest = max(abs(limits[0] - centre), abs(limits[1] - centre)) / scale
    if not widest <= _LARGEST_INPUT:
        findings.add(
            path,
            "scale",
            f"is {scale:g}; makes inputs as large as {widest:g}; must keep them below {_LARGEST_INPUT:g}",
        )


def _substance(path: Path, substance: str, findings: Findings) -> None:
    if substance and substance_key(substance) is None:
        findings.add(path, "substance", f"is {shown(substance)}; {suggestion(substance.lower(), SUBSTANCES)}")


def _counted(path: Path, pick: Pick, minimum: float, maximum: float, findings: Findings) -> None:
    needed = {Pick.COUNT: 0.0, Pick.ANY: 1.0}.get(pick)
    if needed is not None and not minimum <= 0 <= needed <= maximum:
        what = "0, for patients without an event" if pick is Pick.COUNT else "0 and 1"
        findings.add(path, "range", f'is [{minimum:g}, {maximum:g}]; must hold {what}, with pick = "{pick}"')


def _number(path: Path, column: NumberColumn, findings: Findings) -> None:
    _substance(path, column.substance, findings)
    if not check_range(path, column.minimum, column.maximum, findings):
        return
    check_scaling(path, (column.minimum, column.maximum), column.centre, column.scale, findings)
    if column.timing is not None:
        _counted(path, column.timing.pick, column.minimum, column.maximum, findings)
    for spelling in column.missing:
        if column.minimum <= _as_number(spelling) <= column.maximum:
            findings.add(
                path,
                "missing",
                f"contains {shown(spelling)}, which lies in range; narrow the range or drop the spelling",
            )
    _spellings(path, "missing", column.missing, findings)
    within = f"[{column.minimum:g}, {column.maximum:g}], the range"
    if column.fill is not None and not column.minimum <= column.fill <= column.maximum:
        findings.add(path, "fill", f"is {column.fill:g}; must lie within {within}")
    if not all(column.minimum <= value <= column.maximum for value in column.reference):
        findings.add(path, "reference", f"must lie within {within}")
    if list(column.reference) != sorted(column.reference):
        findings.add(path, "reference", "must not fall: the values below which 5, 25, 50, 75 and 95 % are expected")


def _as_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _category(path: Path, column: CategoryColumn, findings: Findings) -> None:
    _spellings(path, "values", column.values, findings)
    _spellings(path, "missing", column.missing, findings)
    values = {canonical(value) for value in column.values}
    for spelling in sorted(values & {canonical(value) for value in column.missing}):
        findings.add(path, "missing", f"contains {shown(spelling)}, which is also in values; keep one of the two")
    _synonyms(path, column, findings)
    if column.fill is not None and column.fill not in column.values:
        findings.add(path, "fill", f"is {shown(column.fill)}; must be one of values: {_listed(column.values)}")
    _shares(path, column.reference, len(column.values), "value", findings)
    if column.timing is not None:
        _picked(path, column.timing.pick, values, findings)


def _picked(path: Path, pick: Pick, values: set[str], findings: Findings) -> None:
    if pick is Pick.ANY and not {"0", "1"} <= values:
        findings.add(path, "values", 'must contain "0" and "1", with pick = "any"')
    elif pick not in {Pick.LAST, Pick.FIRST, Pick.ANY}:
        findings.add(path, "pick", f'is "{pick}"; must be "last", "first" or "any" for a category')


def _synonyms(path: Path, column: CategoryColumn, findings: Findings) -> None:
    spellings = [spelling for spelling, _ in column.synonyms]
    _spellings(path, "synonyms", spellings, findings)
    values = {canonical(value) for value in column.values}
    missing = {canonical(value) for value in column.missing}
    for spelling, meant in column.synonyms:
        if meant not in column.values:
            findings.add(
                path,
                "synonyms",
                f"turns {shown(spelling)} into {shown(meant)}; must be one of {_listed(column.values)}",
            )
        if canonical(spelling) in values | missing:
            where = "values" if canonical(spelling) in values else "missing"
            findings.add(path, "synonyms", f"contains {shown(spelling)}, which is also in {where}; keep one of the two")


def _listed(values: tuple[str, ...]) -> str:
    return shown(list(values))[1:-1]


def _shares(path: Path, shares: tuple[float, ...], count: int, what: str, findings: Findings) -> None:
    if not shares:
        return
    if len(shares) != count:
        findings.add(path, "reference", f"has {len(shares)} shares; must have {count}, one a {what}")
    elif min(shares) < 0 or abs(math.fsum(shares) - 1) > _ROUNDED:
        findings.add(path, "reference", f"adds up to {math.fsum(shares):g}; must be shares from 0 that add up to 1")


def _spellings(path: Path, key: str, spellings: Iterable[str], findings: Findings) -> None:
    seen: set[str] = set()
    for spelling in spellings:
        if spelling != spelling.strip():
            findings.add(path, key, f"contains {shown(spelling)}; leave out the blanks around it (cells are trimmed)")
        elif canonical(spelling) in seen:
            findings.add(path, key, f"contains {shown(spelling)} twice (2 and 2.0 are the same); keep one")
        seen.add(canonical(spelling))


def check_label(label: Label, findings: Findings) -> None:
    """Notes classes that overlap, names and shares that do not fit them, and keys that exclude each other."""
    path = ("data", "label")
    if len(label.names) != len(label.classes):
        findings.add(path, "names", f"has {len(label.names)} entries; must have {len(label.classes)}, one a class")
    if len(set(label.names)) != len(label.names):
        findings.add(path, "names", "has an entry twice; each class needs its own name")
    owner = _owners(path, label, findings)
    _shares(path, label.reference, len(label.classes), "class", findings)
    if label.window is not None:
        check_window(path, label.window, findings)
    if label.follow_up is not None:
        _follow_up(path, label, label.follow_up, findings)
    if label.codes and label.time:
        findings.add(path, "time", "is given beside codes, whose events have times; keep one of the two")
    if label.codes and owner.get("0") == owner.get("1", owner.get("0")):
        findings.add(
            path, "classes", 'must have "0" in one class and "1" in another: so a label made of codes is spelt'
        )


def _owners(path: Path, label: Label, findings: Findings) -> dict[str, int]:
    """The class of each spelling; notes what overlaps."""
    owner: dict[str, int] = {}
    for index, spellings in enumerate(label.classes):
        for spelling in spellings:
            if spelling != spelling.strip() or not spelling:
                findings.add(
                    path, f"classes[{index}]", f"contains {shown(spelling)}; must be a text without blanks around"
                )
            elif owner.setdefault(canonical(spelling), index) != index:
                findings.add(
                    path,
                    f"classes[{index}]",
                    f"contains {shown(spelling)}, which already is in another class; keep one",
                )
    return owner


def _follow_up(path: Path, label: Label, watched: FollowUp, findings: Findings) -> None:
    if len(label.classes) != 2:  # noqa: PLR2004  # the end of watching, and the event
        findings.add(path, "classes", "must be two where there is a follow_up: the end of watching, and the event")
    if label.codes:
        findings.add(path, "codes", "are given beside follow_up, which needs the event in a column; keep one")
    if known(watched.unit) and not _is_time(watched.unit):
        findings.add(
            (*path, "follow_up"), "unit", f'is {shown(watched.unit)}, which measures no time; must be such as "days"'
        )


def _is_time(unit: str) -> bool:
    try:
        return conversion(unit, "days", "").offset == 0
    except UsageError:
        return False
