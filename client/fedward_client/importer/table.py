"""Imports a table: source file in, checked Parquet in the vault's inbox out.

Parquet columns carry the contract's names: a number is Float64 (null where missing), a category String in its declared
spelling, the label Int64 (the class index), split and patient String. Rows keep the order of the file. The same file
under the same contract gives the same bytes, and so the same version.
"""

from __future__ import annotations

import csv
import io
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fedward_client.importer.inbox import Staging, check_name
from fedward_client.importer.source import read_batches
from fedward_shared.contracts.cohort import DataContract, DataKind
from fedward_shared.errors import SourceDataError, UsageError
from fedward_shared.manifest.parse import load

if TYPE_CHECKING:
    import polars as pl

    from fedward_client.importer.rows import Checked, Rejection

__all__ = ["ImportReport", "import_table"]

_EXAMPLES = 5
_MOST_REJECTIONS = 1_000_000
_ROW_GROUP = 65_536
_COMPRESSION_LEVEL = 3

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What came of an import. `reasons` counts rejections by column and reason; `examples` has a few row numbers each.

    `folder` and `version` are None after a dry run. `straddling` counts patients with rows in both halves of the
    split.
    """

    accepted: int
    rejected: int
    reasons: Mapping[tuple[str, str], int]
    examples: Mapping[tuple[str, str], tuple[int, ...]]
    straddling: int
    version: str | None = None
    folder: Path | None = None


def import_table(
    file: Path,
    contract_manifest: bytes,
    data_set: str,
    inbox: Path,
    *,
    separator: str = ",",
    max_rejected: float = 0.2,
    dry_run: bool = False,
    progress: Progress = lambda _: None,
    clock: Callable[[], float] = time.time,
) -> ImportReport:
    """Checks every row of a CSV file against the study's contract and puts what fits into the inbox.

    Args:
        file: the source; read once, from its beginning.
        contract_manifest: a study file, published or not; only its contract is used.
        data_set: the site's own name for these data; spending is counted under it.
        inbox: the folder that the vault reads.
        separator: what stands between cells.
        max_rejected: the largest share of rows that may be rejected, from 0 to 1.
        dry_run: check only, write nothing.
        progress: called with the bytes read so far.
        clock: seconds since 1970.

    Raises:
        StudyFileError: the study file has mistakes.
        SourceDataError: the file does not fit the contract, or too many rows do not.
        UsageError: a file cannot be read, or an argument is wrong.
    """
    check_name(data_set)
    contract = load(contract_manifest).data
    if contract.kind is not DataKind.TABLE:
        raise UsageError(
            'the study trains on tensors (kind = "tensor"), which cannot be imported from a CSV file',
            hint="Importers for images and series are not there yet; see docs/.",
        )
    table, report, rejections = _read(file, contract, separator, progress)
    _check_share(report, max_rejected)
    if dry_run:
        return report
    with Staging(inbox, clock) as staging:
        _write(table, staging.folder / "table.parquet")
        record, folder = staging.publish(
            contract,
            data_set=data_set,
            data="table.parquet",
            rows=(report.accepted, report.rejected),
            source_name=file.name,
            extra={"quarantine.csv": _quarantine(rejections)},
        )
    return ImportReport(
        report.accepted, report.rejected, report.reasons, report.examples, report.straddling, record.version, folder
    )


def _read(
    file: Path, contract: DataContract, separator: str, progress: Progress
) -> tuple[pl.DataFrame, ImportReport, list[Rejection]]:
    import polars as pl

    from fedward_client.importer.rows import check_rows, source_columns

    tables: list[pl.DataFrame] = []
    rejections: list[Rejection] = []
    for batch in read_batches(file, source_columns(contract), separator):
        checked: Checked = check_rows(batch, contract)
        tables.append(checked.table)
        rejections += checked.rejections
        progress(batch.position)
        if len(rejections) > _MOST_REJECTIONS:
            raise SourceDataError(
                f"more than {_MOST_REJECTIONS} cells do not fit the contract; nothing was imported",
                hint="Is it the right file, and the right study? Try --dry-run on its first rows.",
            )
    table = pl.concat(tables)
    reasons: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], tuple[int, ...]] = {}
    for rejection in rejections:
        key = (rejection.column, str(rejection.reason))
        reasons[key] += 1
        if reasons[key] <= _EXAMPLES:
            examples[key] = (*examples.get(key, ()), rejection.row)
    rejected = len({rejection.row for rejection in rejections})
    report = ImportReport(table.height, rejected, dict(reasons), examples, _straddling(table, contract))
    return table, report, rejections


def _straddling(table: pl.DataFrame, contract: DataContract) -> int:
    """How many patients are both trained and tested on, which makes test figures flatter."""
    import polars as pl

    if contract.patient is None or contract.split is None:
        return 0
    sides = table.group_by(contract.patient).agg(pl.col(contract.split).n_unique().alias("sides"))
    return int((sides["sides"] > 1).sum())


def _check_share(report: ImportReport, max_rejected: float) -> None:
    total = report.accepted + report.rejected
    if not 0 <= max_rejected <= 1:
        raise UsageError("--max-rejected is a share from 0 to 1")
    if total == 0:
        raise SourceDataError("the file has a header, but no rows")
    if report.accepted and report.rejected <= max_rejected * total:
        return
    lines = [
        f"{column} {reason}: {count} rows, such as row {', '.join(map(str, report.examples[column, reason]))}"
        for (column, reason), count in sorted(report.reasons.items(), key=lambda item: -item[1])
    ]
    raise SourceDataError(
        "\n  ".join([f"{report.rejected} of {total} rows do not fit the contract; nothing was imported", *lines]),
        hint=f"Mend the file, or allow more than {max_rejected:.0%} with --max-rejected.",
    )


def _write(table: pl.DataFrame, path: Path) -> None:
    table.write_parquet(
        path, compression="zstd", compression_level=_COMPRESSION_LEVEL, statistics=False, row_group_size=_ROW_GROUP
    )
    path.chmod(0o600)
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _quarantine(rejections: list[Rejection]) -> bytes:
    """Row numbers and reasons, never values."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["row", "column", "reason"])
    writer.writerows((rejection.row, rejection.column, str(rejection.reason)) for rejection in rejections)
    return text.getvalue().encode()
