"""From imported data to model inputs: a function of one row and the contract's declared constants, nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedward_shared.contracts.cohort import CategoryColumn, DataContract, NumberColumn
from fedward_shared.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["encode_table", "encode_tokens"]

_HINT = "The import was made under another contract, or damaged. Run fedward-site import again."

Inputs = NDArray[np.float32]


def encode_table(table: pl.DataFrame, contract: DataContract) -> Inputs:
    """The rows of `table` as float32 inputs (rows, features), columns in the contract's order.

    A number becomes ``(value - centre) / scale``, a category one column for each of its values, 1 for its own. What is
    missing is encoded as the column's `fill`; without one, a number as 0, a category as all zeros. Either is followed
    by a column that is 1 where the value was missing, if the contract asks.

    Raises:
        UsageError: a column is absent, has another type, or holds what the contract does not allow. Values are not
            told; the column is.
    """
    inputs = np.zeros((table.height, contract.features), dtype=np.float32)
    at = 0
    for column in contract.columns:
        if column.name not in table.columns:
            raise _unfit(column.name, "is absent")
        block = inputs[:, at : at + column.width]
        if isinstance(column, NumberColumn):
            _number(table[column.name], column, block)
        else:
            _category(table[column.name], column, block)
        at += column.width
    return inputs


def _number(series: pl.Series, column: NumberColumn, block: Inputs) -> None:
    if not series.dtype.is_numeric():
        raise _unfit(column.name, "holds no numbers")
    missing = series.is_null().to_numpy()
    fill = column.centre if column.fill is None else column.fill
    values = np.where(missing, fill, series.to_numpy().astype(np.float64))
    if not bool(np.all((values >= column.minimum) & (values <= column.maximum) | missing)):
        raise _unfit(column.name, "holds a value outside its declared range")
    block[:, 0] = (values - column.centre) / column.scale
    if column.missing_indicator:
        block[:, 1] = missing


def _category(series: pl.Series, column: CategoryColumn, block: Inputs) -> None:
    missing = series.is_null().to_numpy()
    known = missing.copy()
    for index, value in enumerate(column.values):
        hit = (series == value).fill_null(value=False).to_numpy()
        block[:, index] = hit | missing if value == column.fill else hit
        known |= hit
    if not bool(known.all()):
        raise _unfit(column.name, "holds a value that is not on its list")
    if column.missing_indicator:
        block[:, -1] = missing


def encode_tokens(x: Inputs, buckets: int) -> NDArray[np.int64]:
    """Tokens as whole numbers from 0 to `buckets` - 1, of the same shape.

    Raises:
        UsageError: a value is none of them. An embedding would fail for its record alone, and so tell of it.
    """
    if not bool(np.all((x >= 0) & (x < buckets) & (x == np.floor(x)))):
        raise UsageError("the imported texts hold what is no token of the contract", hint=_HINT)
    return x.astype(np.int64)


def _unfit(column: str, what: str) -> UsageError:
    return UsageError(
        f"the imported column {column!r} {what}",
        hint=_HINT,
    )
