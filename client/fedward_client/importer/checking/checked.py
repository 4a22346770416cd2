"""What checking makes of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedward_client.importer.quarantine import Rejection

if TYPE_CHECKING:
    import polars as pl

__all__ = ["AWARE", "Checked", "Counts"]

AWARE = "fedward_aware"
"""The column of checked rows of a series (Boolean) that says whether their time zero has an offset from UTC."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of one column's cells, rejected rows included.

    `converted` counts values that were turned into the contract's unit, `outside_window` those that became missing
    because they were taken at another time, `beyond_range` those that became missing because the contract says so of
    values outside the range, `wrong` those that rejected their row. Valid, missing and wrong ones are all there are.
    """

    valid: int = 0
    missing: int = 0
    wrong: int = 0
    converted: int = 0
    outside_window: int = 0
    beyond_range: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.valid + other.valid,
            self.missing + other.missing,
            self.wrong + other.wrong,
            self.converted + other.converted,
            self.outside_window + other.outside_window,
            self.beyond_range + other.beyond_range,
        )


@dataclass(frozen=True, slots=True)
class Checked:
    """One batch, checked.

    `table` holds the accepted rows under the contract's names: a number Float64 (null: missing), a category String in
    its declared spelling, the label Int64 (from 0 to below
    `Label.numbers`), patient, encounter and `split_column` String, the form's file
    or text column String, `time_zero` Datetime (microseconds, UTC), for a series `AWARE`, and `sources.source.ROW`.
    `rejections` lists every wrong thing; `excluded` counts rows that a
    rule of the cohort leaves out; `counts` has an entry for each input, the label and
    the follow-up.
    """

    table: pl.DataFrame
    rejections: tuple[Rejection, ...]
    excluded: int
    counts: Mapping[str, Counts]
