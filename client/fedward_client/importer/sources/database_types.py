"""From the values that a database's driver gives to columns of a batch."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fedward_client.importer.quarantine import Reason, Rejection
from fedward_client.importer.sources.source import ROW, Batch

if TYPE_CHECKING:
    import polars as pl

__all__ = ["batch_of"]

_NONE = type(None)
_NUMBERS = frozenset({int, float, Decimal})
_EXACT = 2**53 - 1
_DIGITS = 38
_BYTES = frozenset({bytes, bytearray, memoryview})
_PLAIN = {
    frozenset({str}): "String",
    frozenset({int}): "Int64",
    frozenset({float}): "Float64",
    frozenset({bool}): "Boolean",
    frozenset({dt.date}): "Date",
}

# PostgreSQL's object ids (src/include/catalog/pg_type.dat): bool; int8, int2, int4; float4, float8, numeric; date
_OIDS = {
    16: "Boolean",
    20: "Int64",
    21: "Int64",
    23: "Int64",
    700: "Float64",
    701: "Float64",
    1700: "Float64",
    1082: "Date",
}


def batch_of(
    names: Sequence[str], codes: Sequence[object], columns: Sequence[Sequence[Any]], height: int, before: int
) -> Batch:
    """Some rows as a batch.

    Args:
        names: of the columns.
        codes: each column's type as the driver's cursor describes it: PostgreSQL's object ids; others mean nothing.
        columns: values, a column each.
        height: how many rows.
        before: how many rows came before these.
    """
    import polars as pl

    rejections = [
        Rejection(before + 1 + at, name, Reason.UNREADABLE)
        for name, values in zip(names, columns, strict=True)
        if not _BYTES.isdisjoint(map(type, values))
        for at, value in enumerate(values)
        if type(value) in _BYTES
    ]
    series = [
        _series(name, values, code) for name, values, code in zip(names, columns, codes, strict=True) if name != ROW
    ]
    numbers = pl.int_range(before + 1, before + 1 + height, dtype=pl.UInt64, eager=True).alias(ROW)
    table = pl.DataFrame([numbers, *series])
    if rejections:
        table = table.filter(~pl.col(ROW).is_in(sorted({rejection.row for rejection in rejections})))
    return Batch(table, tuple(sorted(rejections, key=lambda each: each.row)), before + height, 0)


def _series(name: str, values: Sequence[Any], code: object) -> pl.Series:
    """One column: of the type that its values have; where there are none, of the type that the database declares."""
    import polars as pl

    kinds = frozenset(map(type, values)) - {_NONE} - _BYTES
    if not kinds:
        return pl.Series(name, [None] * len(values), dtype=_declared(code))
    if kinds in _PLAIN:
        try:
            return pl.Series(name, _clean(values), dtype=getattr(pl, _PLAIN[kinds])())
        except (OverflowError, TypeError):  # a whole number of more than 64 bits
            return pl.Series(name, list(map(_text, values)), dtype=pl.String)
    if kinds <= _NUMBERS:
        return _numbers(name, _clean(values), kinds)
    if kinds == {dt.datetime}:
        return _moments(name, _clean(values))
    return pl.Series(name, list(map(_text, values)), dtype=pl.String)


def _numbers(name: str, values: Sequence[Any], kinds: frozenset[type]) -> pl.Series:
    """Numbers of several kinds, or decimals: exact, because they may be names. Text where 38 digits are too few."""
    import polars as pl

    if kinds <= {int, float} and all(type(value) is not int or abs(value) <= _EXACT for value in values):
        return pl.Series(name, [None if value is None else float(value) for value in values], dtype=pl.Float64)
    exact = [None if value is None else Decimal(repr(value) if type(value) is float else value) for value in values]
    finite = [number for number in exact if number is not None and number.is_finite()]
    if len(finite) == len(exact) - exact.count(None):
        scale = max((max(0, -int(number.as_tuple().exponent)) for number in finite), default=0)
        if all(number.adjusted() + 1 + scale <= _DIGITS for number in finite) and scale <= _DIGITS:
            return pl.Series(name, exact, dtype=pl.Decimal(_DIGITS, scale))
    if all(number is None or _survives(number) for number in exact):
        return pl.Series(name, [None if number is None else float(number) for number in exact], dtype=pl.Float64)
    return pl.Series(name, [None if number is None else _plain(number) for number in exact], dtype=pl.String)


def _survives(number: Decimal) -> bool:
    """Whether 64 bits hold the number, or that it is none, as well as its text does."""
    return not number.is_finite() or (abs(number) <= _EXACT and Decimal(repr(float(number))) == number)


def _plain(number: Decimal) -> str:
    """Without trailing zeros behind the point."""
    if not number.is_finite():
        return str(float(number))
    written = f"{number:f}"
    return written.rstrip("0").rstrip(".") if "." in written else written


def _moments(name: str, values: Sequence[Any]) -> pl.Series:
    """Points in time: in UTC where the database tells the zone, else as it tells them."""
    import polars as pl

    zoned = {value.tzinfo is not None for value in values if value is not None}
    if zoned == {False}:
        return pl.Series(name, values, dtype=pl.Datetime("us"))
    if zoned == {True}:
        told = [None if value is None else value.astimezone(dt.UTC) for value in values]
        return pl.Series(name, told, dtype=pl.Datetime("us", "UTC"))
    return pl.Series(name, list(map(_text, values)), dtype=pl.String)


def _clean(values: Sequence[Any]) -> Sequence[Any]:
    """Without bytes, whose rows are rejected."""
    if _BYTES.isdisjoint(map(type, values)):
        return values
    return [None if type(value) in _BYTES else value for value in values]


def _text(value: object) -> str | None:
    if value is None or type(value) in _BYTES:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _declared(code: object) -> pl.DataType:
    """The type of a column without a value."""
    import polars as pl

    moments = {1114: pl.Datetime("us"), 1184: pl.Datetime("us", "UTC")}
    if isinstance(code, int) and code in moments:
        return moments[code]
    found: pl.DataType = getattr(pl, _OIDS[code] if isinstance(code, int) and code in _OIDS else "String")()
    return found
