"""What came of an import: counts, row numbers and reasons. It stays at the site and holds no patient's value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from fedward_client.importer.checking.checked import Counts
from fedward_shared.errors import SourceDataError

__all__ = ["ImportReport", "Written", "check_accepted"]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Rows of the source are accepted, rejected, excluded (a rule of the cohort leaves them out) or duplicates.

    `reasons` counts what was wrong by column and reason; `examples` has a few row numbers each; `counts` says what
    became of each input's and the label's cells. `straddling` counts patients with rows in both halves of the split.
    `lost_events` counts events that were not used, by column and reason. `version` and `folder` are None after a dry
    run and until the import is published.
    """

    accepted: int
    rejected: int
    reasons: Mapping[tuple[str, str], int]
    examples: Mapping[tuple[str, str], tuple[int, ...]]
    straddling: int = 0
    excluded: int = 0
    duplicates: int = 0
    counts: Mapping[str, Counts] = field(default_factory=lambda: MappingProxyType({}))
    lost_events: Mapping[tuple[str, str], int] = field(default_factory=lambda: MappingProxyType({}))
    version: str | None = None
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What `import_data` left in the staging folder: the data files by name, in order, and ``quarantine.csv``.

    `source_name` is the source file's name (empty: a database). After a dry run `files` is empty.
    """

    files: tuple[str, ...]
    report: ImportReport
    source_name: str


def check_accepted(report: ImportReport, max_rejected: float) -> None:
    """Whether enough rows fit.

    Raises:
        SourceDataError: there are none, or more than the share `max_rejected` (0 to 1) does not fit.
    """
    total = report.accepted + report.rejected
    if total + report.excluded == 0:
        raise SourceDataError("the source has no rows")
    if total == 0:
        raise SourceDataError(
            f"the rules of the study's cohort leave out all {report.excluded} rows",
            hint="Compare [[data.include]] in the study with the source and its mapping.",
        )
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
