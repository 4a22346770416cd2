"""Checks rows of text against the data contract. Whatever is not exactly allowed rejects its row, with a reason.

Cells are trimmed. A number is written in digits with a point (`12`, `-3.5`, `1e3`); a text of `missing` stands for
"not measured", and so does any other way to write the same number (`0.0` for `0`). Categories and labels are compared
as `contract.canonical` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from fedward_client.importer.source import Batch
from fedward_shared.contracts.cohort import CategoryColumn, DataContract, Label, NumberColumn
from fedward_shared.manifest.contract import BLANKS, canonical

__all__ = ["Checked", "Reason", "Rejection", "check_rows", "source_columns"]

_NUMBER = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_NAME = r"^[^\p{Cc}\p{Cf}\p{Co}]{1,200}$"
_WHOLE = r"^(-?[0-9]+)\.0*$"


class Reason(StrEnum):
    """Why a row was rejected. None of these tells a value."""

    MISSING = "is missing"
    NOT_A_NUMBER = "is no number"
    OUT_OF_RANGE = "is outside its range"
    NOT_ALLOWED = "is not one of the allowed values"
    NO_CLASS = "is none of the classes"
    NO_SPLIT = "is neither train nor test"
    NO_PATIENT = "is no patient's name (empty, too long, or with invisible characters)"
    RAGGED = "has another number of cells than the header"


@dataclass(frozen=True, slots=True)
class Rejection:
    """One thing wrong with one row; `column` is the source's, or "(row)"."""

    row: int
    column: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a batch: the accepted rows under the contract's names and types, and every rejection."""

    table: pl.DataFrame
    rejections: list[Rejection]


def source_columns(contract: DataContract) -> tuple[str, ...]:
    """The columns that a source must have: inputs in the contract's order, label, and split and patient if declared."""
    names = [column.name for column in contract.columns]
    return (*names, contract.label.column, *filter(None, (contract.split, contract.patient)))


def check_rows(batch: Batch, contract: DataContract) -> Checked:
    """Converts a batch and sorts out what the contract does not allow."""
    names = source_columns(contract)
    raw = pl.DataFrame({f"{index}": cells for index, cells in enumerate(batch.cells)})
    raw = raw.with_columns(pl.all().cast(pl.String).str.strip_chars(BLANKS))
    pairs = _expressions(contract)
    values = raw.select(value.alias(name) for name, (value, _) in zip(names, pairs, strict=True))
    reasons = raw.select(reason.cast(pl.String).alias(f"{index}") for index, (_, reason) in enumerate(pairs))
    rejections = [Rejection(number, "(row)", Reason.RAGGED) for number in batch.ragged]
    rejected = pl.Series([False] * raw.height, dtype=pl.Boolean)
    for index, name in enumerate(names):
        found = reasons[f"{index}"]
        wrong = found.is_not_null()
        rejected |= wrong
        told = zip(wrong.arg_true().to_list(), found.drop_nulls().to_list(), strict=True)
        rejections += [Rejection(batch.numbers[at], name, Reason(reason)) for at, reason in told]
    rejections.sort(key=lambda rejection: rejection.row)
    return Checked(values.filter(~rejected), rejections)


def _expressions(contract: DataContract) -> list[tuple[pl.Expr, pl.Expr]]:
    """For each source column: its value, and the reason to reject it (null where there is none)."""
    cells = iter(pl.col(f"{index}") for index in range(len(source_columns(contract))))
    pairs = [
        _number(next(cells), column) if isinstance(column, NumberColumn) else _category(next(cells), column)
        for column in contract.columns
    ]
    pairs.append(_label(next(cells), contract.label))
    if contract.split:
        cell = next(cells)
        pairs.append((cell, _unless(cell.is_in(["train", "test"]), Reason.NO_SPLIT)))
    if contract.patient:
        cell = next(cells)
        pairs.append((cell, _unless(cell.str.contains(_NAME), Reason.NO_PATIENT)))
    return pairs


def _unless(fine: pl.Expr, reason: Reason) -> pl.Expr:
    return pl.when(fine).then(None).otherwise(pl.lit(str(reason)))


def _number(cell: pl.Expr, column: NumberColumn) -> tuple[pl.Expr, pl.Expr]:
    number = pl.when(cell.str.contains(_NUMBER)).then(cell).otherwise(None).cast(pl.Float64, strict=False)
    missing = cell.is_in(list(column.missing)) | number.is_in(_numbers(column.missing)).fill_null(value=False)
    value = pl.when(missing).then(None).otherwise(number + 0.0)
    reason = (
        pl.when(missing)
        .then(pl.lit(str(Reason.MISSING)) if column.required else None)
        .when(number.is_null())
        .then(pl.lit(str(Reason.NOT_A_NUMBER)))
        .when(~number.is_between(column.minimum, column.maximum))
        .then(pl.lit(str(Reason.OUT_OF_RANGE)))
    )
    return value, reason


def _numbers(spellings: tuple[str, ...]) -> list[float]:
    found = []
    for spelling in spellings:
        try:
            found.append(float(spelling))
        except ValueError:
            continue
    return [number for number in found if number == number]  # noqa: PLR0124 - NaN equals nothing, itself included


def _canonical(cell: pl.Expr) -> pl.Expr:
    """`contract.canonical` on a column."""
    return cell.str.replace(_WHOLE, "$1")


def _category(cell: pl.Expr, column: CategoryColumn) -> tuple[pl.Expr, pl.Expr]:
    text = _canonical(cell)
    missing = text.is_in([canonical(spelling) for spelling in column.missing])
    spelt = {canonical(value): value for value in column.values}
    value = text.replace_strict(list(spelt), list(spelt.values()), default=None, return_dtype=pl.String)
    reason = (
        pl.when(missing)
        .then(pl.lit(str(Reason.MISSING)) if column.required else None)
        .when(value.is_null())
        .then(pl.lit(str(Reason.NOT_ALLOWED)))
    )
    return pl.when(missing).then(None).otherwise(value), reason


def _label(cell: pl.Expr, label: Label) -> tuple[pl.Expr, pl.Expr]:
    spelt = {canonical(text): index for index, texts in enumerate(label.classes) for text in texts}
    value = _canonical(cell).replace_strict(list(spelt), list(spelt.values()), default=None, return_dtype=pl.Int64)
    return value, _unless(value.is_not_null(), Reason.NO_CLASS)
