"""What each column of a sample seems to be: a number, a category, or something that no contract should have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from fedward_server.inspection.naming import names_something
from fedward_server.inspection.reading import Sample
from fedward_shared.manifest.contract import canonical

__all__ = ["Kind", "Profile", "profile", "settled"]

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]+.*)?|[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}( [0-9:]+.*)?")
_IDENTIFIER = re.compile(
    r"(^|[^a-z])(patient|subject|person|participant|case|record|study|sample)?[ _-]?(id|mrn|uid|nr|no|key)$"
)
_ZERO_FIRST = re.compile(r"0[0-9]+")
_NOT_MEASURED = frozenset({"na", "n/a", "nan", "null", "?", ".", "-", "--", "missing", "not measured", "n.a.", "nd"})
_NOT_A_NUMBER = _NOT_MEASURED | {"none", "unknown", "unk"}
_LARGEST = 1e12
_MANY = 50
_SENTINELS = (-1.0, -9.0, -99.0, -999.0, -9999.0, 0.0, 99.0, 999.0, 9999.0)
_MOSTLY = 0.95
_FEW = 6
_CODES = 20
_MOST_VALUES = 30
_MOST_WORDS = 6
_ENOUGH = 10
_LONGEST_VALUE = 200
_FAR = 0.25


class Kind(Enum):
    """What a column holds. The value ends the sentence "left out, because it holds …"."""

    NUMBER = "numbers"
    CATEGORY = "few different values"
    IDENTIFIER = "names of patients or records"
    DATE = "dates, which time_zero and time can name"
    TEXT = "free text, or too many different values"
    EMPTY = "the same everywhere"


@dataclass(frozen=True, slots=True)
class Profile:
    """A column as it looks. `numbers` are sorted, without what stands for "not measured"; `values` likewise.

    `missing` are spellings of "not measured" (all that occur, and the usual ones), `sentinels` numbers that seem to be.
    `odd` counts cells that are neither numbers nor missing, `absent` those that are missing, `most_alike` the rows
    that share one value.
    """

    name: str
    kind: Kind
    numbers: tuple[float, ...] = ()
    values: tuple[str, ...] = ()
    missing: tuple[str, ...] = ("",)
    sentinels: tuple[str, ...] = ()
    odd: int = 0
    most_alike: int = 1
    absent: int = 0


def profile(sample: Sample) -> dict[str, Profile]:
    """What each column seems to be, in the order of the file."""
    found = {}
    for name, cells in sample.columns.items():
        counts = Counter(cells)
        most_alike = max((count for cell, count in counts.items() if cell), default=1)
        absent = sum(count for cell, count in counts.items() if not cell or cell.casefold() in _NOT_MEASURED)
        found[name] = replace(_column(name, counts, sample.decimal), most_alike=most_alike, absent=absent)
    return found


def settled(one: Profile, missing: tuple[str, ...]) -> Profile:
    """A profile in which only these of its `sentinels` stand for "not measured"; the others are values like any."""
    values = [float(code) for code in one.sentinels if code not in missing]
    listed = sorted({*map(float, one.values), *values}) if one.kind is Kind.CATEGORY and one.numbers else []
    return replace(
        one,
        numbers=tuple(sorted((*one.numbers, *values))),
        values=tuple(f"{number:.0f}" for number in listed) or one.values,
        missing=(*one.missing, *missing),
        sentinels=missing,
    )


def _column(name: str, counts: Mapping[str, int], decimal: str) -> Profile:
    absent = {cell for cell in counts if not cell or cell.casefold() in _NOT_A_NUMBER}
    filled = {cell: count for cell, count in counts.items() if cell not in absent}
    total = sum(filled.values())
    numbers = {cell: number for cell in filled if (number := _number(cell, decimal)) is not None}
    read = sum(filled[cell] for cell in numbers)
    if total and sum(count for cell, count in filled.items() if _DATE.fullmatch(cell)) >= _MOSTLY * total:
        return Profile(name, Kind.DATE)
    if _identifies(name, filled, numbers):
        return Profile(name, Kind.IDENTIFIER)
    if _numbered(filled):
        return Profile(name, Kind.IDENTIFIER) if len(filled) > _MOST_VALUES else _category(name, counts)
    if not total or read < _MOSTLY * total:
        return _category(name, counts)
    values = sorted(number for cell, number in numbers.items() for _ in range(filled[cell]))
    return _numbers(name, values, _spellings(absent), odd=total - read)


def _number(cell: str, decimal: str) -> float | None:
    text = cell.replace(",", ".") if decimal == "," else cell
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if abs(number) <= _LARGEST else None


def _identifies(name: str, filled: Mapping[str, int], numbers: Mapping[str, float]) -> bool:
    """Whether a column seems to name patients or records: by its own name, or because no value comes twice."""
    words = name.casefold()
    if names_something(name):
        return True
    different, total = len(filled), sum(filled.values())
    if _IDENTIFIER.search(words) and different * 2 >= total:
        return True
    if different < total or total < _MANY:
        return False
    if not numbers:
        return not any(" " in cell for cell in filled)
    found = sorted(numbers.values())
    return len(found) == total and found[0] >= 0 and found[-1] - found[0] == total - 1


def _numbered(cells: Collection[str]) -> bool:
    """Whether all cells are digits, some with a zero in front: numbers of something, which a measurement never is."""
    return all(cell.isdecimal() for cell in cells) and any(_ZERO_FIRST.fullmatch(cell) for cell in cells)


def _category(name: str, cells: Collection[str]) -> Profile:
    """A column of texts: a category if there are few enough of them, each short and printable."""
    absent = {cell for cell in cells if not cell or cell.casefold() in _NOT_MEASURED}
    values = {canonical(cell) for cell in cells if cell not in absent}
    if len(values) < 2:  # noqa: PLR2004 - what never differs tells a model nothing
        return Profile(name, Kind.EMPTY)
    if len(values) > _MOST_VALUES or not all(_plain(value) for value in values):
        return Profile(name, Kind.TEXT)
    return Profile(name, Kind.CATEGORY, values=tuple(sorted(values)), missing=_spellings(absent))


def _spellings(absent: Collection[str]) -> tuple[str, ...]:
    """What stands for "not measured": what occurs, and two spellings that other hospitals use."""
    return tuple(dict.fromkeys(("", *sorted(absent), "NA", "NaN")))


def _plain(value: str) -> bool:
    return len(value) <= _LONGEST_VALUE and value.isprintable() and len(value.split()) <= _MOST_WORDS


def _numbers(name: str, values: list[float], missing: tuple[str, ...], *, odd: int) -> Profile:
    sentinels = _sentinels(values)
    kept = tuple(number for number in values if number not in sentinels)
    different = sorted(set(kept))
    codes = tuple(f"{number:g}" for number in sorted(sentinels))
    if len(different) < 2:  # noqa: PLR2004 - what never differs tells a model nothing
        return Profile(name, Kind.EMPTY)
    if len(different) <= _FEW and all(number.is_integer() and abs(number) <= _CODES for number in different):
        listed = tuple(f"{number:.0f}" for number in different)
        return Profile(name, Kind.CATEGORY, kept, listed, missing, codes, odd)
    return Profile(name, Kind.NUMBER, kept, (), missing, codes, odd)


def _sentinels(values: list[float]) -> frozenset[float]:
    """Numbers such as -9, 999 or 0 that occur, but lie far from all others: "not measured" in many files."""
    found: set[float] = set()
    for sentinel in _SENTINELS:
        rest = [number for number in values if number != sentinel and number not in found]
        if sentinel in values and len(rest) >= _ENOUGH and _far(sentinel, rest):
            found.add(sentinel)
    return frozenset(found)


def _far(sentinel: float, rest: list[float]) -> bool:
    """Whether a number lies far outside all others (sorted)."""
    low, high, middle = rest[0], rest[-1], rest[len(rest) // 2]
    if sentinel == 0:
        return low >= _FAR * middle > 0 and len(set(rest)) > _FEW
    spread = rest[len(rest) * 19 // 20] - rest[len(rest) // 20]
    if sentinel < 0:
        return low >= 0 or low - sentinel > max(spread, 1.0)
    return sentinel >= 2 * high and sentinel - high > max(spread, 1.0)
