"""Finds the columns that were asked for among those that a table has."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence

from fedward_client.importer.sources.source import ROW
from fedward_shared.errors import SourceDataError

__all__ = ["MOST_COLUMNS", "check_names", "positions"]

MOST_COLUMNS = 100_000
"""More columns than this are no table that anybody means."""

_SHOWN = 20


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
    if twice:
        raise SourceDataError(
            f"{source}: more than one column is called {_listed(twice)}",
            hint="Rename or remove one of them, so that it is clear which is meant.",
        )
    return tuple(names)


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
    raise SourceDataError(
        f"{source}: no column {', '.join(told)}{', …' if len(missing) > _SHOWN else ''}",
        hint=f"Its columns: {_listed(offered)}. Say in the mapping where each of the contract's columns is.",
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:_SHOWN])) + (", …" if len(names) > _SHOWN else "")
