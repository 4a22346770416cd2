"""Finds the columns that were asked for among those that a table has."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Sequence

from fedward_client.importer.sources.source import ROW
from fedward_shared.errors import SourceDataError

__all__ = ["MOST_COLUMNS", "NAME_THEM", "check_names", "like_values", "no_header", "positions"]

MOST_COLUMNS = 100_000
"""More columns than this are no table that anybody means."""

NAME_THEM = (
    'Name the columns in their order, in the mapping\'s [source]: header = ["age", "sex", …]. '
    "Or put a line with their names first."
)
"""What to do about a table without a header."""

_SHOWN = 20
_VALUE = re.compile(
    r"[\s<>+-]*[0-9][0-9.,:eE/T+\s-]*Z?|nan|null|yes|no|ja|nein|oui|non|male|female|true|false", re.IGNORECASE
)
_MOMENT_OR_PART = re.compile(r"\s*-?[0-9]+[.,/:-][0-9].*")
_MANY = 0.25


def check_names(names: Sequence[str], source: str) -> tuple[str, ...]:
    """The names of a header (blank cells are columns without a name, and cannot be asked for).

    Raises:
        SourceDataError: none has a name, two have the same, one is called `ROW`, or there are too many.
    """
    if not any(names):
        raise SourceDataError(f"{source}: the first line must name the columns", hint="Is the file empty?")
    if ROW in names:
        raise SourceDataError(f"{source}: a column is called {ROW!r}, as our own", hint="Rename or remove it.")
    if len(names) > MOST_COLUMNS:
        raise SourceDataError(f"{source}: more than {MOST_COLUMNS} columns", hint="Is it the right file?")
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    if twice and like_values(names):
        raise SourceDataError(
            f"{source}: two columns have the same name, and some of the names look like values: it seems to have no "
            "header line",
            hint=NAME_THEM,
        )
    if twice:
        raise SourceDataError(
            f"{source}: more than one column is called {_listed(twice)}",
            hint="Rename or remove one of them, so that it is clear which is meant.",
        )
    return tuple(names)


def like_values(names: Sequence[str]) -> bool:
    """Whether any column's name looks like a value: a patient's first row may stand where the names belong.

    Such names must not be told to anybody.
    """
    return any(_VALUE.fullmatch(name.strip()) for name in names)


def no_header(names: Sequence[str]) -> bool:
    """Whether a table's first row surely holds values: a date or a part of a number, or a quarter of them values."""
    values = [name for name in names if _VALUE.fullmatch(name.strip())]
    return any(_MOMENT_OR_PART.fullmatch(name) for name in values) or len(values) > _MANY * len(names)


def positions(names: Sequence[str], wanted: Sequence[str], source: str) -> list[int]:
    """Where each wanted column stands.

    Raises:
        SourceDataError: there is no such column; the message offers the nearest name.
    """
    places = {name: place for place, name in enumerate(names) if name}
    missing = [name for name in wanted if name not in places]
    if not missing:
        return [places[name] for name in wanted]
    offered = [name for name in names if name]
    told = []
    for name in missing[:_SHOWN]:
        near = difflib.get_close_matches(name, offered, n=1)
        told.append(f"{name!r} (is it {near[0]!r}?)" if near else repr(name))
    if like_values(names):
        raise SourceDataError(
            f"{source}: no column {', '.join(map(repr, missing[:_SHOWN]))}{', …' if len(missing) > _SHOWN else ''}; "
            "it seems to have no header line, for some of its columns' names look like values",
            hint=NAME_THEM,
        )
    raise SourceDataError(
        f"{source}: no column {', '.join(told)}{', …' if len(missing) > _SHOWN else ''}",
        hint=f"Its columns: {_listed(offered)}. Say in the mapping where each of the contract's columns is.",
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:_SHOWN])) + (", …" if len(names) > _SHOWN else "")
