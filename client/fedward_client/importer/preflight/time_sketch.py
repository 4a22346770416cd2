"""What is kept of a column of dates and times: how many cells are none, and which declared form would fit those."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from fedward_client.importer.checking.plan import Reading
from fedward_client.importer.mapping import DATE_FORMS
from fedward_client.importer.preflight.profile import FormTrial, TimeFacts

if TYPE_CHECKING:
    import polars as pl

__all__ = ["TimeSketch"]

_SWAPPED = {"dd/mm/yyyy": "mm/dd/yyyy", "mm/dd/yyyy": "dd/mm/yyyy"}


class TimeSketch:
    """One column of dates and times; memory does not follow the source."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._cells = self._unreadable = 0
        self._fits: Counter[str] = Counter()
        self._swapped: Counter[str] = Counter()

    @property
    def source(self) -> str:
        """The source's column."""
        return self._reading.source

    def add(self, cells: pl.Series) -> None:
        """Takes a batch's cells, as they stand."""
        from fedward_client.importer.checking.date_forms import iso_dates
        from fedward_client.importer.checking.moments import read_moments

        missing = frozenset(self._reading.answer.missing)
        found = read_moments(iso_dates(cells, self._reading.answer.form, missing), missing)
        present = ~found["absent"]
        self._cells += int(present.sum())
        odd = cells.filter(found["micros"].is_null() & present)
        self._unreadable += len(odd)
        if not len(odd):
            return
        for form in DATE_FORMS:
            fits = _fitting(odd, form)
            self._fits[form] += fits
            if fits:
                self._swapped[form] += _fitting(*_other_way(odd, form))

    def facts(self) -> TimeFacts:
        """What was found."""
        trials = tuple(FormTrial(form, cells, self._swapped[form]) for form, cells in self._fits.items() if cells)
        return TimeFacts(self._reading.name, self._cells, self._unreadable, self._reading.answer.form, trials)


def _fitting(cells: pl.Series, form: str) -> int:
    from fedward_client.importer.checking.date_forms import iso_dates
    from fedward_client.importer.checking.moments import read_moments

    return int(read_moments(iso_dates(cells, form), frozenset())["micros"].is_not_null().sum())


def _other_way(cells: pl.Series, form: str) -> tuple[pl.Series, str]:
    """The cells and the form under which day and month are the other way round; none where no form has them so."""
    date, _, clock = form.partition(" ")
    if date == "dd.mm.yyyy":
        return cells.str.replace_all(".", "/", literal=True), f"mm/dd/yyyy {clock}".strip()
    return (cells, f"{_SWAPPED[date]} {clock}".strip()) if date in _SWAPPED else (cells.clear(), form)
