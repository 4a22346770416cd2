"""The data contract: which columns a study reads, what they mean, and how one row becomes model inputs.

Everything here is a function of one record and declared public constants (design invariant 3), so two sites
that import under one contract feed the model the same thing without exchanging anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["CategoryColumn", "DataContract", "DataKind", "Label", "NumberColumn"]


class DataKind(StrEnum):
    """What one record is."""

    TABLE = "table"
    """A row of a table; its inputs come from `columns`."""
    TENSOR = "tensor"
    """A float32 array of the declared shape: an image (channels, height, width) or a series (time, channels)."""


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """A number. Input: `(value - centre) / scale`; 0 where missing, beside an indicator if asked for.

    Values outside [minimum, maximum] reject the row at import, `missing` spellings count as missing.
    """

    name: str
    unit: str
    minimum: float
    maximum: float
    centre: float
    scale: float
    missing: tuple[str, ...] = ()
    missing_indicator: bool = False
    required: bool = False

    @property
    def width(self) -> int:
        """How many model inputs this column becomes."""
        return 2 if self.missing_indicator else 1


@dataclass(frozen=True, slots=True)
class CategoryColumn:
    """One of a closed list of values. Input: one-hot over `values`, all zeros where missing."""

    name: str
    values: tuple[str, ...]
    missing: tuple[str, ...] = ()
    missing_indicator: bool = False
    required: bool = False

    @property
    def width(self) -> int:
        """How many model inputs this column becomes."""
        return len(self.values) + (1 if self.missing_indicator else 0)


@dataclass(frozen=True, slots=True)
class Label:
    """What is predicted: class i is any of the spellings `classes[i]`."""

    column: str
    classes: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DataContract:
    """`[data]` of study.toml.

    `patient` names the patient column (None: the record is the unit of privacy, and every report says so).
    `split` names a column made beforehand that holds `train` or `test`.
    `shape` is the shape of one record for kind TENSOR; for a table it is (features,).
    """

    kind: DataKind
    label: Label
    columns: tuple[NumberColumn | CategoryColumn, ...] = ()
    patient: str | None = None
    split: str | None = None
    records_per_patient: int = 1
    shape: tuple[int, ...] = ()

    @property
    def features(self) -> int:
        """Model inputs per row of a table."""
        return sum(column.width for column in self.columns)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one record as the model sees it."""
        return (self.features,) if self.kind is DataKind.TABLE else self.shape

    @property
    def unit(self) -> str:
        """The unit of privacy: `patient`, or `record` where no patient column is declared."""
        return "patient" if self.patient else "record"
