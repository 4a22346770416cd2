"""Imports in this process: a source in, checked files in a staging folder out; nothing of it is the vault's yet."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fedward_client.importer.inbox import QUARANTINE, Staging, check_name
from fedward_client.importer.order import ImportOrder
from fedward_client.importer.read_ahead import read_ahead
from fedward_client.importer.report import ImportReport, Written, check_accepted
from fedward_shared.contracts.arrays import Series
from fedward_shared.contracts.cohort import DataContract, DataKind
from fedward_shared.errors import UsageError
from fedward_shared.manifest.parse import load

if TYPE_CHECKING:
    import polars as pl

    from fedward_client.importer.array_records import Arrays
    from fedward_client.importer.sources.source import Source
    from fedward_client.importer.tally import Tally

__all__ = ["Progress", "import_data", "import_here", "open_rows"]

Progress = Callable[[int, int], None]
"""Told how much of the source was read, and of how much (0: nobody knows), in the source's own measure."""

_SCRATCH = "scratch"


def import_data(order: ImportOrder, staging: Path, progress: Progress = lambda _done, _of: None) -> Written:
    """Checks every row of a source against the study's contract and writes what fits into `staging`.

    The worker's whole work. `staging` is an empty folder; on failure what was written stays there, and is of no use.

    Raises:
        StudyFileError: the study file has mistakes.
        SourceDataError: the source does not fit the contract, or too many rows do not.
        UsageError: a file cannot be read, or the mapping does not fit the contract.
    """
    from fedward_client.importer.tally import Tally

    contract = load(order.manifest).data
    listing = None if order.dry_run else staging / QUARANTINE
    with _scratch(staging) as scratch, Tally(contract, order.limits, listing, scratch) as tally:
        files = _Import(order, contract, staging, scratch, tally, progress).run()
        report = tally.report()
    check_accepted(report, order.limits.max_rejected)
    terms = order.mapping.source
    return Written(files, report, terms.path.name if terms and terms.path else "")


def import_here(
    order: ImportOrder,
    inbox: Path,
    *,
    progress: Progress = lambda _done, _of: None,
    clock: Callable[[], float] = time.time,
) -> ImportReport:
    """Imports without a worker and publishes: for simulations and tests, whose files are trusted.

    Raises:
        as `import_data`; also UsageError where `data_set` is no name, LockedError where another import runs.
    """
    check_name(order.data_set)
    contract = load(order.manifest).data
    if order.dry_run:
        with tempfile.TemporaryDirectory() as folder:
            return import_data(order, Path(folder), progress).report
    with Staging(inbox, clock) as staging:
        written = import_data(order, staging.folder, progress)
        report = written.report
        record, kept = staging.publish(
            contract,
            data_set=order.data_set,
            files=written.files,
            rows=(report.accepted, report.rejected),
            source_name=written.source_name,
        )
    return replace(report, version=record.version, folder=kept)


def open_rows(order: ImportOrder, contract: DataContract, scratch: Path) -> Source:
    """The order's source, with the columns that the contract makes of events.

    Raises:
        UsageError: the mapping names no source, or no events where they are needed.
        SourceDataError: it is damaged.
    """
    from fedward_client.importer.events.windows import WithEvents, event_columns
    from fedward_client.importer.sources.registry import open_source

    if order.mapping.source is None:
        raise UsageError("nothing says what to import", hint="Name a file, or a [source] in the mapping.")
    rows = open_source(order.mapping.source, order.folder)
    if not event_columns(contract):
        return rows
    return WithEvents(rows, _events(order), contract, order.mapping, scratch)


def _events(order: ImportOrder) -> Source:
    from fedward_client.importer.sources.registry import open_events

    if order.mapping.events is None:
        raise UsageError(
            "the study's contract needs events (measurements or diagnoses in long form)",
            hint="Say in the mapping's [events] where they are.",
        )
    return open_events(order.mapping.events, order.folder)


@dataclass(frozen=True, slots=True)
class _Import:
    """One import under way: from batches to accepted rows to files."""

    order: ImportOrder
    contract: DataContract
    staging: Path
    scratch: Path
    tally: Tally
    progress: Progress

    def run(self) -> tuple[str, ...]:
        """Writes everything and gives the files' names."""
        if self.contract.kind is DataKind.TABLE:
            return self._table()
        return self._arrays()

    def _checked(self) -> Iterator[pl.DataFrame]:
        """The rows that fit, batch by batch."""
        from fedward_client.importer.checking.check import Checker
        from fedward_client.importer.events.windows import WithEvents
        from fedward_client.importer.sources.source import rows_before

        source = open_rows(self.order, self.contract, self.scratch)
        checker = Checker(self.contract, self.order.mapping, source.columns(), rows_before(source))
        for batch in read_ahead(source.batches(checker.columns)):
            checked = checker.check(batch)
            self.tally.checked(batch, checked)
            self.progress(batch.done, batch.of)
            yield checked.table
        if isinstance(source, WithEvents):
            self.tally.lost(source.losses)

    def _table(self) -> tuple[str, ...]:
        from fedward_client.importer.table import write_table

        folder = None if self.order.dry_run else self.staging
        return write_table(self._counted_rows(), self.contract, folder, self.order.limits.output_bytes)

    def _counted_rows(self) -> Iterator[pl.DataFrame]:
        from fedward_client.importer.repetition import fresh_rows, has_patients

        tables = self._checked()
        if has_patients(self.contract, self.order.mapping):
            tables = fresh_rows(tables, self.contract, self.tally)
        for table in tables:
            self.tally.accepted(table)
            yield table

    def _arrays(self) -> tuple[str, ...]:
        from fedward_client.importer.array_records import write_arrays

        folder = None if self.order.dry_run else self.staging
        return write_arrays(self._counted_arrays(), self.contract, folder, self.order.limits.output_bytes)

    def _counted_arrays(self) -> Iterator[Arrays]:
        from fedward_client.importer.repetition import fresh_arrays, has_patients

        pieces = self._gridded() if isinstance(self.contract.form, Series) else self._decoded()
        if has_patients(self.contract, self.order.mapping):
            pieces = fresh_arrays(pieces, self.contract, self.tally)
        for piece in pieces:
            self.tally.accepted(piece.table)
            yield piece

    def _decoded(self) -> Iterator[Arrays]:
        from fedward_client.importer.array_records import decoded

        folder = self.order.folder / (self.order.mapping.files or "")
        return decoded(self._checked(), self.contract, folder, self.order.limits.file_bytes, self.tally)

    def _gridded(self) -> Iterator[Arrays]:
        from fedward_client.importer.array_records import Arrays
        from fedward_client.importer.events.grids import grids

        form = self.contract.form
        if not isinstance(form, Series):
            return
        events = _events(self.order)
        for piece in grids(
            self._checked(), events, form, mapping=self.order.mapping, contract=self.contract, scratch=self.scratch
        ):
            self.tally.lost(piece.losses)
            yield Arrays(piece.table, piece.x)


@contextmanager
def _scratch(staging: Path) -> Iterator[Path]:
    """A folder for temporary files, within the staging folder and gone before it is published."""
    folder = staging / _SCRATCH
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
