"""What a site's answers mean in the contract's terms: spellings, codes for "missing", units."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Mapping

from fedward_client.importer.checking.cells import parse_number
from fedward_client.importer.checking.people import SIDES
from fedward_client.importer.checking.plan import Reading
from fedward_shared.contracts.cohort import CategoryColumn, FollowUp, Label, NumberColumn
from fedward_shared.errors import UsageError
from fedward_shared.manifest.contract import BLANKS, canonical
from fedward_shared.units import Affine, conversion

__all__ = [
    "class_meanings",
    "given_numbers",
    "into_unit",
    "missing_codes",
    "rule_meanings",
    "side_meanings",
    "value_meanings",
    "watched_number",
]


def missing_codes(declared: Iterable[str], reading: Reading, *, converted: bool = False) -> frozenset[str]:
    """The contract's and the site's spellings of "not measured", and those that the site's answer replaces by one.

    Where numbers are `converted`, the contract's codes that are numbers are none of them: the contract means them in
    its own unit, and the site's number may well be a measured one.
    """
    codes = {spelling.strip(BLANKS) for spelling in declared}
    replaced = {there.strip(BLANKS) for there, here in reading.answer.values.items() if here.strip(BLANKS) in codes}
    if converted:
        codes = {spelling for spelling in codes if parse_number(spelling) is None}
    return frozenset(codes | replaced | {spelling.strip(BLANKS) for spelling in reading.answer.missing})


def given_numbers(column: NumberColumn, reading: Reading) -> dict[str, float]:
    """Numbers, in the contract's unit, that the site's answer puts in place of a text such as ``<5``.

    Raises:
        UsageError: what it puts there is no number (and no spelling of "missing").
    """
    found = {}
    codes = {spelling.strip(BLANKS) for spelling in column.missing}
    for there, here in reading.answer.values.items():
        if here.strip(BLANKS) in codes:
            continue
        number = parse_number(here)
        if number is None:
            raise UsageError(
                f"the mapping replaces a value of {reading.name!r} by {here!r}, which is no number",
                hint='Write a number with a point, in the unit of the contract, such as { "<5" = "2.5" }.',
            )
        found[there.strip(BLANKS)] = number
    return found


def into_unit(column: NumberColumn, reading: Reading) -> Affine:
    """How the site's unit becomes the contract's.

    Raises:
        UsageError: there is no way from one to the other.
    """
    unit = reading.answer.unit
    return conversion(unit, column.unit, column.substance) if unit else Affine(1.0)


def watched_number(follow_up: FollowUp) -> NumberColumn:
    """How long a patient was watched, as a column that is checked like an input: every row needs it, from 0 on."""
    limits = (0.0, sys.float_info.max)  # beyond the declared maximum counts until there, and is no mistake
    return NumberColumn(follow_up.column, follow_up.unit, *limits, centre=0.0, scale=1.0, missing=("",), required=True)


def value_meanings(column: CategoryColumn, reading: Reading) -> dict[str, int]:
    """Each spelling's place in the contract's values; their number stands for "missing".

    Raises:
        UsageError: the site's answer names a value that the contract does not have.
    """
    meanings = {canonical(value): at for at, value in enumerate(column.values)}
    for spelling, value in column.synonyms:
        meanings[canonical(spelling)] = meanings[canonical(value)]
    meanings.update((canonical(spelling), len(column.values)) for spelling in column.missing)
    return _with_answer(meanings, reading, column.values, len(column.values))


def class_meanings(label: Label, reading: Reading) -> dict[str, int]:
    """Each spelling's class; their number stands for "missing".

    Raises:
        UsageError: the site's answer names a class that the contract does not have.
    """
    count = len(label.classes)
    meanings = {"": count} | {canonical(text): at for at, texts in enumerate(label.classes) for text in texts}
    return _with_answer(meanings, reading, label.names, count)


def rule_meanings(values: tuple[str, ...], reading: Reading) -> dict[str, int]:
    """0 for the values that a rule of the cohort asks for, 1 for "missing"; others mean nothing."""
    meanings = {"": 1} | {canonical(value): 0 for value in values}
    meanings.update((canonical(spelling), 1) for spelling in reading.answer.missing)
    for there, here in reading.answer.values.items():
        meanings[canonical(there)] = meanings.get(canonical(here), 2)
    return meanings


def side_meanings(reading: Reading) -> dict[str, int]:
    """0 for training, 1 for testing.

    Raises:
        UsageError: the site's answer names something else.
    """
    sides = {side: at for at, side in enumerate(SIDES)}
    return sides | _replaced(reading.answer.values, sides, reading.name, SIDES)


def _with_answer(meanings: dict[str, int], reading: Reading, offered: Iterable[str], missing: int) -> dict[str, int]:
    found = meanings | {canonical(spelling): missing for spelling in reading.answer.missing}
    return found | _replaced(reading.answer.values, meanings, reading.name, offered)


def _replaced(
    values: Mapping[str, str], meanings: Mapping[str, int], name: str, offered: Iterable[str]
) -> dict[str, int]:
    found = {}
    for there, here in values.items():
        if canonical(here) not in meanings:
            known = {spelling.casefold(): spelling for spelling in meanings}
            near = difflib.get_close_matches(here.casefold(), list(known), n=1)
            listed = ", ".join(map(repr, offered))
            raise UsageError(
                f"the mapping turns a value of {name!r} into {here!r}, which the contract does not have",
                hint=f"Did you mean {known[near[0]]!r}?" if near else f"It has: {listed}.",
            )
        found[canonical(there)] = meanings[canonical(here)]
    return found
