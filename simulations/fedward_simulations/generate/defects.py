"""What can be wrong with an export, planted on purpose: known defects for tests, documentation and training courses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from fedward_shared.errors import UsageError

__all__ = ["Defect", "planted"]


class Defect(StrEnum):
    """One thing wrong with one hospital's export."""

    WRONG_UNITS = "wrong-units"
    """Glucose is written in mg/dL and nobody says so."""
    MIXED_UNITS = "mixed-units"
    """A third of the glucose values, those of one laboratory, are in mg/dL."""
    DECIMAL_COMMA = "decimal-comma"
    """Numbers have a decimal comma."""
    SWAPPED_LABEL = "swapped-label"
    """Ill and well are written the wrong way round."""
    LEAK = "leak"
    """Lactate was taken after admission, in part after the outcome was known, and follows it."""
    AFTER_OUTCOME = "after-outcome"
    """A tenth of the records were taken after the outcome."""
    SHIFT = "shift"
    """Another cuff: systolic pressure reads 30 mmHg too high."""
    DUPLICATES = "duplicates"
    """A tenth of the rows are there twice."""
    CONFLICTS = "conflicts"
    """A twentieth of the patients have a second row that says the opposite outcome."""
    SPELLINGS = "spellings"
    """Categories are spelt another way (F and M, Y and N)."""
    UNREADABLE = "unreadable"
    """A fifth of the files are cut off, as after a broken transfer."""
    BURNED_IN = "burned-in"
    """A tenth of the DICOM files are flagged as showing names in the picture."""


def planted(
    requests: Iterable[str], sites: Iterable[str], possible: frozenset[Defect]
) -> Mapping[str, frozenset[Defect]]:
    """Reads requests such as ``north=wrong-units``; gives each site its defects.

    Raises:
        UsageError: a site or defect is unknown, or this source type cannot have it.
    """
    found: dict[str, set[Defect]] = {site: set() for site in sites}
    for request in requests:
        site, _, name = request.partition("=")
        if site not in found:
            raise UsageError(f"--defect {request}: no site is called {site!r}", hint=f"Sites: {', '.join(found)}")
        if name not in set(Defect):
            raise UsageError(f"--defect {request}: no defect is called {name!r}", hint=f"Defects: {', '.join(Defect)}")
        if Defect(name) not in possible:
            known = ", ".join(sorted(possible)) or "none"
            raise UsageError(f"--defect {request}: this source type cannot have it", hint=f"It can have: {known}")
        found[site].add(Defect(name))
    return {site: frozenset(names) for site, names in found.items()}
