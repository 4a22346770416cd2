"""mapping.toml: how one hospital's export says what a study asks. It is the site's own, reviewable, and used again.

The study's contract says what is needed and is the same everywhere; the mapping says where this hospital has it, in
which unit and how it is spelt. A column that the mapping does not name is looked for under the contract's own name.
"""

from __future__ import annotations

from collections.abc import Mapping as Table
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

__all__ = ["DATE_FORMS", "ROW_NUMBER", "Answer", "Mapping", "SourceTerms"]

ROW_NUMBER = "(row)"
"""What stands for a patient's name where each row of the source is a patient of its own.

The name is then the record's number, counted from 1 at the first row below the header in every format. A row added on
top gives all others another name, so that a split by `holdout` moves patients from training to testing."""

_DATES = ("dd.mm.yyyy", "dd/mm/yyyy", "mm/dd/yyyy", "yyyymmdd")
DATE_FORMS = (*(f"{date}{clock}" for date in _DATES for clock in ("", " hh:mm", " hh:mm:ss")), "excel")
"""How a column of times may be written, beside ISO 8601."""

Option = str | int | float | bool | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SourceTerms:
    """`[source]` or `[events]`: what to read. `options` are those of the type, such as separator, sheet or query.

    `path` is relative to the mapping's folder; None for a database, whose `url` is an option.
    """

    type: str
    path: Path | None = None
    options: Table[str, Option] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Answer:
    """`[columns.NAME]`: where and how the source has one column of the contract (inputs, label, patient, times …).

    `source` is the source's name for it (empty: the same name), `unit` the unit there (empty: the contract's),
    `missing` further spellings of "not measured", `values` what a spelling there means in the contract's words,
    `form` one of `DATE_FORMS`, how a column of times is written there (empty: ISO 8601).
    """

    source: str = ""
    unit: str = ""
    missing: tuple[str, ...] = ()
    values: Table[str, str] = field(default_factory=lambda: MappingProxyType({}))
    form: str = ""


@dataclass(frozen=True, slots=True)
class Mapping:
    """A whole mapping. `columns` has the contract's names as keys; `files` is the folder that file columns point into.

    `source` is None where the command line names the file. `decimal` is "." or ",".
    """

    source: SourceTerms | None = None
    events: SourceTerms | None = None
    files: Path | None = None
    decimal: str = "."
    columns: Table[str, Answer] = field(default_factory=lambda: MappingProxyType({}))

    def answer(self, name: str) -> Answer:
        """The answer for a column of the contract; an empty one where there is none."""
        return self.columns.get(name, Answer())
