"""The option `zone`: times that say their offset from UTC become the clock of a place, which says none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fedward_client.importer.checking.cells import text as cell_text
from fedward_client.importer.checking.moments import read_moments
from fedward_client.importer.mapping import SourceTerms
from fedward_client.importer.sources.options import text
from fedward_shared.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ZONE", "in_zone", "iso", "zone_of"]

ZONE = "zone"
"""The option: a place of the IANA time zone database, such as `Europe/Berlin`."""

_ISO = "%Y-%m-%dT%H:%M:%S%.f"


def zone_of(terms: SourceTerms) -> str:
    """The option's value, "" without it.

    Raises:
        UsageError: there is no such zone.
    """
    import polars as pl

    zone = text(terms, ZONE)
    if zone:
        try:
            pl.Series([0]).cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(zone)
        except pl.exceptions.PolarsError as error:
            raise UsageError(
                f"there is no time zone {zone!r}", hint='Name one of the IANA database, such as "Europe/Berlin".'
            ) from error
    return zone


def iso(cell: pl.Expr, dtype: pl.DataType, zone: str = "") -> pl.Expr:
    """A cell of any type as text, "" where absent; a typed time as ISO 8601, to the microsecond, with its offset.

    With a `zone`, a typed time with an offset becomes that zone's, without one.
    """
    import polars as pl

    if not isinstance(dtype, pl.Datetime):
        return cell_text(cell, dtype)
    if dtype.time_zone is None:
        return cell.dt.to_string(_ISO).fill_null("")
    if zone:
        return cell.dt.convert_time_zone(zone).dt.replace_time_zone(None).dt.to_string(_ISO).fill_null("")
    return cell.dt.convert_time_zone("UTC").dt.to_string(f"{_ISO}Z").fill_null("")


def in_zone(table: pl.DataFrame, names: Iterable[str], zone: str) -> pl.DataFrame:
    """Columns of times, those that say an offset now local times of `zone` (text or typed); all others as they were."""
    import polars as pl

    if not zone:
        return table
    for name in names:
        dtype = table.schema[name]
        if isinstance(dtype, pl.Datetime) and dtype.time_zone:
            table = table.with_columns(pl.col(name).dt.convert_time_zone(zone).dt.replace_time_zone(None))
        elif dtype == pl.String:
            found = read_moments(table[name], frozenset())
            there = pl.from_epoch("micros", time_unit="us").dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
            local = there.dt.replace_time_zone(None).dt.to_string(_ISO)
            days = table.select(pl.col(name).str.strip_chars().str.slice(0, 10)).to_series()
            written = found.select(pl.when(pl.col("day")).then(days).otherwise(local)).to_series()
            aware = found["aware"] & found["micros"].is_not_null()
            table = table.with_columns(pl.when(aware).then(written).otherwise(pl.col(name)).alias(name))
    return table
