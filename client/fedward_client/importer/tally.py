"""Counts what becomes of every row, and writes ``quarantine.csv`` as it goes: row numbers and reasons, never values."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from fedward_client.importer.checking.checked import Checked, Counts
from fedward_client.importer.events.losses import Losses
from fedward_client.importer.order import Limits
from fedward_client.importer.quarantine import Reason, Rejection
from fedward_client.importer.report import ImportReport
from fedward_client.importer.sources.source import Batch
from fedward_client.importer.straddling import Sides
from fedward_shared.contracts.cohort import DataContract
from fedward_shared.errors import SourceDataError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Tally"]

_EXAMPLES = 5


class Tally:
    """One import's counts. Use it in a `with` block, which closes the list; `report` is right after all rows.

    Args:
        contract: says whose rows may not be on both sides of the split.
        limits: how much may be wrong.
        listing: the file to write; None after a dry run, which keeps none.
        scratch: a folder for temporary files.
    """

    def __init__(self, contract: DataContract, limits: Limits, listing: Path | None, scratch: Path) -> None:
        self._limits = limits
        self._sides = Sides(contract, scratch)
        self._reasons: Counter[tuple[str, str]] = Counter()
        self._examples: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        self._counts: dict[str, Counts] = {}
        self._losses: Counter[tuple[str, str]] = Counter()
        self._read = self._accepted = self._excluded = self._rejected = self._duplicates = self._listed = 0
        self._file = listing.open("x", encoding="utf-8", newline="") if listing else None
        self._writer = csv.writer(self._file) if self._file else None
        if self._writer:
            self._writer.writerow(["row", "column", "reason"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()

    def checked(self, batch: Batch, checked: Checked) -> None:
        """Counts a batch; the rows that fit are not accepted yet, because their files may not be readable.

        Raises:
            SourceDataError: there are more rows, or more wrong cells, than an import may have.
        """
        rows = batch.table.height + len({rejection.row for rejection in batch.rejections})
        self._read += rows
        if self._read > self._limits.records:
            raise SourceDataError(
                f"the source has more than {self._limits.records} rows; nothing was imported",
                hint="Is it the right source? The limit can be raised on the command line.",
            )
        self._excluded += checked.excluded
        self._rejected += rows - checked.excluded - checked.table.height
        for name, counts in checked.counts.items():
            self._counts[name] = self._counts.get(name, Counts()) + counts
        self._list(checked.rejections)

    def rejected(self, rejections: Iterable[Rejection]) -> None:
        """Counts rows that fitted until their file was opened, one rejection each."""
        told = tuple(rejections)
        self._rejected += len(told)
        self._list(told)

    def repeated(self, rows: Iterable[int]) -> None:
        """Counts records that their patient has already; they are listed, and are no mistake."""
        told = [Rejection(row, "(row)", Reason.DUPLICATE) for row in rows]
        self._duplicates += len(told)
        self._write(told)

    def accepted(self, table: pl.DataFrame) -> None:
        """Counts rows that are in the import."""
        self._accepted += table.height
        self._sides.add(table)

    def lost(self, losses: Losses) -> None:
        """Counts events that were not used; their rows are those of the events' own source."""
        for (column, reason), count in losses.counts.items():
            self._losses[column, str(reason)] += count
        self._write([Rejection(one.row, f"{one.column} (events)", one.reason) for one in losses.told])

    def report(self) -> ImportReport:
        """All counts."""
        return ImportReport(
            accepted=self._accepted,
            rejected=self._rejected,
            reasons=dict(self._reasons),
            examples={key: tuple(rows) for key, rows in self._examples.items()},
            straddling=self._sides.straddling(),
            excluded=self._excluded,
            duplicates=self._duplicates,
            counts=dict(self._counts),
            lost_events=dict(self._losses),
        )

    def _list(self, rejections: tuple[Rejection, ...]) -> None:
        self._listed += len(rejections)
        if self._listed > self._limits.rejections:
            raise SourceDataError(
                f"more than {self._limits.rejections} cells do not fit the contract; nothing was imported",
                hint="Is it the right file, and the right study? Try --dry-run on its first rows.",
            )
        for key, count in Counter((one.column, one.reason) for one in rejections).items():
            self._reasons[key[0], str(key[1])] += count
        self._exemplify(rejections)
        self._write(rejections)

    def _exemplify(self, rejections: tuple[Rejection, ...]) -> None:
        short = {key for key, count in self._reasons.items() if len(self._examples[key]) < min(count, _EXAMPLES)}
        for one in rejections:
            if not short:
                return
            key = (one.column, str(one.reason))
            if key in short:
                self._examples[key].append(one.row)
                if len(self._examples[key]) == _EXAMPLES:
                    short.discard(key)

    def _write(self, rejections: Iterable[Rejection]) -> None:
        if self._writer:
            self._writer.writerows((one.row, one.column, str(one.reason)) for one in rejections)
