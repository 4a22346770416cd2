"""Figures for the card from a result.json of `fedward-sim`: told as they stand there, with where they come from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fedward_server.export.card.card import Evaluation
from fedward_shared.errors import UsageError
from fedward_shared.files import read_limited

__all__ = ["MOST_FIGURES", "read_evaluation"]

MOST_FIGURES = 400
_LARGEST = 1 << 24
_ABOUT = frozenset({"simulation", "unsafe_seeded", "study", "name", "seconds", "round_seconds", "provenance"})
_INTERVAL = "interval"
_JOINED = " · "
_DEEPEST = 6
_LONGEST_LIST = 20
_LONGEST_TEXT = 300


def read_evaluation(path: Path, study: str) -> Evaluation:
    """The evaluation in `path`, of the study with the hash `study` (hex) or of another, which is told.

    Raises:
        UsageError: it is no result of `fedward-sim`, or has no figure.
    """
    content = read_limited(path, _LARGEST)
    try:
        found = json.loads(content, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise _unfit(path, "it is no JSON") from error
    if not isinstance(found, dict) or not isinstance(found.get("study"), str):
        raise _unfit(path, "it does not name its study")
    titles = _titles(found.get("methods"))
    figures = _figures({key: value for key, value in found.items() if key not in _ABOUT}, (), titles)
    told = tuple(_at_most(list(figures), titles.get(str(found.get("main")), "")))
    if not told:
        raise _unfit(path, f"it has no figure, or more than the {MOST_FIGURES} that a card shows")
    return Evaluation(
        file=path.name,
        sha256=hashlib.sha256(content).hexdigest(),
        simulation=bool(found.get("simulation", False)),
        same_study=found["study"] == study,
        provenance=tuple(_provenance(found.get("provenance"), found.get("methods"))),
        figures=told,
    )


def _figures(value: Any, path: tuple[str, ...], titles: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Every number with the keys that lead to it, in the order of the file; an interval stands behind its figure."""
    if isinstance(value, dict) and len(path) < _DEEPEST:
        bounds = value.get(_INTERVAL)
        for key, inner in value.items():
            if key == _INTERVAL and isinstance(bounds, dict):
                continue
            for name, figure in _figures(inner, (*path, titles.get(key, str(key)[:_LONGEST_TEXT])), titles):
                yield name, figure + _interval(bounds, inner, name, titles)
    elif isinstance(value, list) and 0 < len(value) <= _LONGEST_LIST and all(map(_is_number, value)):
        yield _JOINED.join(path), ", ".join(json.dumps(item) for item in value)
    elif _is_number(value):
        yield _JOINED.join(path), json.dumps(value)


def _interval(bounds: Any, figures: Any, name: str, titles: Mapping[str, str]) -> str:
    """What stands behind a figure whose method has an interval beside it."""
    if not isinstance(bounds, dict) or not isinstance(figures, dict):
        return ""
    for key in figures:
        ends = bounds.get(key)
        if name.endswith(_JOINED + titles.get(key, key)) and isinstance(ends, list) and all(map(_is_number, ends)):
            return f" ({' to '.join(json.dumps(end) for end in ends)})"
    return ""


def _at_most(figures: list[tuple[str, str]], main: str) -> list[tuple[str, str]]:
    """All figures of the file; of a large one those of the method that it is about; none where even they are many."""
    if len(figures) > MOST_FIGURES and main:
        figures = [(name, figure) for name, figure in figures if name.endswith(_JOINED + main)]
    return figures if len(figures) <= MOST_FIGURES else []


def _titles(methods: Any) -> dict[str, str]:
    """What the file calls its ways of training, by key."""
    entries = [entry for entry in methods if isinstance(entry, dict)] if isinstance(methods, list) else []
    return {str(one["key"]): str(one["title"])[:_LONGEST_TEXT] for one in entries if "key" in one and "title" in one}


def _provenance(value: Any, methods: Any) -> Iterator[tuple[str, str]]:
    entries = value.items() if isinstance(value, dict) else [("", value)] if isinstance(value, str) else []
    rows = [entry for entry in methods if isinstance(entry, dict)] if isinstance(methods, list) else []
    told = [*entries, *((row.get("title", ""), row["provenance"]) for row in rows if row.get("provenance"))]
    for key, text in told[:MOST_FIGURES]:
        yield str(key)[:_LONGEST_TEXT], str(text)[:_LONGEST_TEXT]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _no_number(_text: str) -> Any:
    raise ValueError("NaN and infinity are no figures")


def _unfit(path: Path, why: str) -> UsageError:
    return UsageError(f"{path} cannot be used for the card: {why}", hint="Give result.json of fedward-sim compare.")
