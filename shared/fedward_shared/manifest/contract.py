"""The digest that ties an import to the contract it was checked against, and how a cell is read as one of a list."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict

from fedward_shared.contracts.cohort import CategoryColumn, DataContract, Label, NumberColumn, Outside

__all__ = ["BLANKS", "canonical", "contract_digest"]

BLANKS = " \t\n\r\x0b\x0c\x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
"""What is trimmed from cells: Unicode's White_Space. Python's own `strip` takes four control characters more."""
_ADDED = frozenset(
    {
        *("substance", "fill", "timing", "reference", "higher_in", "outside", "synonyms"),
        *("time", "codes", "window", "encounter", "time_zero", "holdout", "include", "form", "follow_up"),
    }
)
_SILENT = (None, "", (), Outside.REJECT)
_WHOLE = re.compile(r"(-?[0-9]+)\.0*")


def canonical(text: str) -> str:
    """A category as it is compared: without blanks around it, and `2.0` as `2` (spreadsheets add the point)."""
    stripped = text.strip(BLANKS)
    whole = _WHOLE.fullmatch(stripped)
    return whole.group(1) if whole else stripped


def contract_digest(contract: DataContract) -> bytes:
    """SHA-256 (32 bytes) of the contract in one canonical form.

    The order of columns, of a category's values and of classes counts, because it is the order of the model's
    inputs and outputs; the order in which synonyms and spellings of "missing" are listed does not.
    """
    columns = []
    for column in contract.columns:
        kind = "category" if isinstance(column, CategoryColumn) else "number"
        entry = {"type": kind, **_declared(column), "missing": sorted(set(column.missing))}
        if isinstance(column, CategoryColumn) and column.synonyms:
            entry["synonyms"] = sorted(column.synonyms)
        columns.append(entry)
    form = {**_declared(contract), "kind": str(contract.kind), "columns": columns, "label": _declared(contract.label)}
    if contract.form is not None:
        form["form"] = {"type": type(contract.form).__name__.lower(), **asdict(contract.form)}
    text = json.dumps(form, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(b"fedward/contract/v1\0" + text.encode("ascii")).digest()


def _declared(part: DataContract | NumberColumn | CategoryColumn | Label) -> dict[str, object]:
    """The fields of one table.

    Those that later versions added are left out where they say nothing: an older contract keeps its digest.
    """
    return {key: value for key, value in asdict(part).items() if key not in _ADDED or value not in _SILENT}
