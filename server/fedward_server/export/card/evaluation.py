"""Figures for the card from a result.json of `fedward-sim`: told as they stand there, with where they come from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fedward_server.export.card.card import Evaluation
from fedward_shared.errors import UsageError
from fedward_shared.files import read_limited

__all__ = ["MOST_FIGURES", "read_evaluation"]

MOST_FIGURES = 400
_LARGEST = 1 << 24
_ABOUT = frozenset({"simulation", "unsafe_seeded", "study", "name", "seconds", "round_seconds", "provenance"})
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
    figures = tuple(_figures({key: value for key, value in found.items() if key not in _ABOUT}, ()))
    if not figures or len(figures) > MOST_FIGURES:
        raise _unfit(path, f"it has {len(figures)} figures; a card shows 1 to {MOST_FIGURES}")
    return Evaluation(
        file=path.name,
        sha256=hashlib.sha256(content).hexdigest(),
        simulation=bool(found.get("simulation", False)),
        same_study=found["study"] == study,
        provenance=tuple(_provenance(found.get("provenance"))),
        figures=figures,
    )


def _figures(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Every number with the keys that lead to it, in the order of the file."""
    if isinstance(value, dict) and len(path) < _DEEPEST:
        for key, inner in value.items():
            yield from _figures(inner, (*path, str(key)[:_LONGEST_TEXT]))
    elif isinstance(value, list) and 0 < len(value) <= _LONGEST_LIST and all(map(_is_number, value)):
        yield " · ".join(path), ", ".join(json.dumps(item) for item in value)
    elif _is_number(value):
        yield " · ".join(path), json.dumps(value)


def _provenance(value: Any) -> Iterator[tuple[str, str]]:
    entries = value.items() if isinstance(value, dict) else [("", value)] if isinstance(value, str) else []
    for key, text in entries:
        yield str(key)[:_LONGEST_TEXT], str(text)[:_LONGEST_TEXT]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _no_number(_text: str) -> Any:
    raise ValueError("NaN and infinity are no figures")


def _unfit(path: Path, why: str) -> UsageError:
    return UsageError(f"{path} cannot be used for the card: {why}", hint="Give result.json of fedward-sim compare.")
