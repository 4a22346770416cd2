"""What one import is told to do: the whole input of the worker, beside the files that it names."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from fedward_client.importer.mapping import Mapping, SourceTerms
from fedward_shared.errors import UsageError

__all__ = ["ImportOrder", "Limits"]

_MB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What an import may use, and how much of its source may be unfit, before nothing is imported.

    `seconds` is wall-clock time; `memory_bytes` and `output_bytes` bound the worker's memory and what it writes;
    `file_bytes` is the largest picture, recording or array that is opened; `records` the most rows; `rejections` the
    most wrong cells and files that are listed; `max_rejected` the largest share of rows (0 to 1) that may be rejected.
    """

    seconds: float = 12 * 3600.0
    memory_bytes: int = 4096 * _MB
    output_bytes: int = 1024 * 1024 * _MB
    file_bytes: int = 1024 * _MB
    records: int = 200_000_000
    rejections: int = 1_000_000
    max_rejected: float = 0.2

    def __post_init__(self) -> None:
        if not 0 <= self.max_rejected <= 1:
            raise UsageError("--max-rejected is a share from 0 to 1")


@dataclass(frozen=True, slots=True)
class ImportOrder:
    """One import.

    `manifest` is a study file, published or not, of which only the contract is used; `mapping` says what to read
    (its `source` is set); relative paths in it start at `folder`; `data_set` is the site's own name for these data, and
    spending is counted under it. A `dry_run` checks everything and writes no data.
    """

    manifest: bytes
    mapping: Mapping
    folder: Path
    data_set: str
    limits: Limits = field(default_factory=Limits)
    dry_run: bool = False

    @classmethod
    def of_file(cls, file: Path, manifest: bytes, data_set: str, *, max_rejected: float = 0.2) -> Self:
        """Imports a file that has the contract's own column names, units and spellings."""
        mapping = Mapping(source=SourceTerms("", file.absolute()))
        return cls(manifest, mapping, file.absolute().parent, data_set, Limits(max_rejected=max_rejected))
