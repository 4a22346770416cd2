"""Collects every mistake of a study file, each with its table, key and line, what is wrong and what would be right."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, time
from typing import Any, TypeVar, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from fedward_shared.errors import StudyFileError
from fedward_shared.manifest.lines import Lines
from fedward_shared.manifest.schema import Table

__all__ = ["MOST_FINDINGS", "Findings", "shown", "suggestion"]

Path = tuple[str, ...]
Read = TypeVar("Read", bound=Table)

_LONGEST = 60
MOST_FINDINGS = 50
"""How many mistakes are told at once; looking for the word that was meant takes time."""
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_NUMBERED = re.compile(r"#[0-9]+")


def shown(value: object) -> str:
    """A value as a person would write it, cut short, on one line and without control characters."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        return "a list of tables"
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, int) and value.bit_length() > 10 * _LONGEST:
        return "a number with hundreds of digits"
    text = ascii(value) if not _printable(value) else repr(value)
    if isinstance(value, str):
        text = f'"{text[1:-1]}"'
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _printable(value: object) -> bool:
    return repr(value).isprintable()


def suggestion(word: str, known: Iterable[str]) -> str:
    """Ends a message about an unknown word: the nearest known one, or all of them."""
    choices = list(known)
    near = difflib.get_close_matches(word[:200], choices, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    return f"known here: {', '.join(choices)}" if choices else "nothing can be set here"


@dataclass(slots=True)
class Findings:
    """The mistakes found so far, to be told together."""

    lines: Lines
    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, table: Path, key: str | None, what: str) -> None:
        """Notes one mistake. `key` may carry an index, as in `classes[1]`."""
        name = (key or "").split("[", 1)[0]
        line = self.lines.of((*table, name)) if key else self.lines.of(table)
        where = _header(table)
        subject = " ".join(part for part in (where, _quoted(key) if key and not table else key) if part)
        place = f" (line {line})" if line else ""
        self.found.append((line or 0, f"{subject}{place}: {what}"))

    def read(self, schema: type[Read], table: Path, values: Mapping[str, Any], *inner: str) -> Read | None:
        """The table as its class, or None after noting each of its mistakes. `inner` are names of tables in it."""
        try:
            return schema.model_validate(dict(values))
        except ValidationError as error:
            seen: set[tuple[str, str]] = set()
            for details in error.errors(include_url=False, include_context=False)[:MOST_FINDINGS]:
                finding = _worded(schema, details, inner)
                if finding not in seen:
                    seen.add(finding)
                    self.add(table, *finding)
            return None

    def stop(self) -> None:
        """Ends reading if there were mistakes.

        Raises:
            StudyFileError: names all of them, in the order of the file.
        """
        if not self.found:
            return
        problems = [text for _, text in sorted(self.found, key=lambda entry: entry[0])]
        count = f"{len(problems)} mistakes" if len(problems) > 1 else "a mistake"
        if len(problems) > MOST_FINDINGS:
            problems = [*problems[:MOST_FINDINGS], f"… and {len(problems) - MOST_FINDINGS} more"]
        raise StudyFileError(
            f"the study file has {count}",
            problems=tuple(problems),
            hint="Mend the file, then run: fedward-coordinator study check FILE",
        )


def _header(table: Path) -> str:
    """A table as its header is written; the n-th of a list of tables (the part "#n") as `[[data.include]] n`."""
    if table and _NUMBERED.fullmatch(table[-1]):
        return f"[[{'.'.join(_quoted(part) for part in table[:-1])}]] {table[-1][1:]}"
    return f"[{'.'.join(_quoted(part) for part in table)}]" if table else ""


def _quoted(part: str) -> str:
    if _BARE.fullmatch(part):
        return part
    text = shown(part)
    return text if text.startswith('"') else f'"{text}"'


def _worded(schema: type[Table], details: ErrorDetails, inner_tables: tuple[str, ...]) -> tuple[str, str]:
    """Key and sentence for one of pydantic's errors."""
    name, *inner = details["loc"] or ("",)
    info = schema.model_fields.get(str(name))
    if info is None and details["type"] == "extra_forbidden":
        return str(name), f"is not known here; {suggestion(str(name), (*schema.model_fields, *inner_tables))}"
    right = (info.description if info else None) or "a text, a number, true, false, or a list of these"
    if details["type"] == "missing" and not inner:
        return str(name), f"is missing; must be {right}"
    key = str(name) + "".join(f"[{index}]" for index in inner if isinstance(index, int))
    if get_args(details.get("input")) or details["type"] == "missing":
        return key, f"is incomplete; must be {right}"
    return key, f"is {_wrong(details)}; must be {right}"


def _wrong(details: ErrorDetails) -> str:
    value = details["input"]
    if details["type"] in {"too_long", "too_short"} and isinstance(value, list):
        return f"a list of {len(value)}"
    if details["type"] == "string_too_long":
        return f"a text of {len(value)} characters"
    return shown(value)
