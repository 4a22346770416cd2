"""What goes into a model, as its contract declares it: what each column means, and what each model input is."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fedward_shared.contracts.arrays import Text, TextForm
from fedward_shared.contracts.cohort import CategoryColumn, DataContract, DataKind, NumberColumn

__all__ = ["input_document", "input_type", "model_inputs"]

_SILENT = (None, "", ())
_RULE = (
    "number: (value - centre) / scale; a missing one counts as fill, or without fill as the centre. "
    "category: one input for each of values, 1 for its own; a missing one counts as fill, or without fill as none of "
    "them. With missing_indicator one more input follows, 1 where the value is missing. Compute in float64, then round "
    "to float32."
)


def input_type(contract: DataContract) -> str:
    """The element type of a record: `int64` for the tokens of a text, else `float32`."""
    tokens = isinstance(contract.form, Text) and contract.form.form is TextForm.TOKENS
    return "int64" if tokens else "float32"


def model_inputs(contract: DataContract) -> list[dict[str, Any]]:
    """What each model input is, in order, with the constants that turn a recorded value into it.

    `if_missing` is the input where the value was not recorded.
    """
    if contract.kind is not DataKind.TABLE:
        return [{"kind": "tensor", "shape": list(contract.input_shape)}]
    inputs: list[dict[str, Any]] = []
    for column in contract.columns:
        if isinstance(column, CategoryColumn):
            inputs += [
                {"kind": "is", "column": column.name, "value": value, "if_missing": float(value == column.fill)}
                for value in column.values
            ]
        else:
            inputs.append({"kind": "number", "column": column.name, **_scaling(column)})
        if column.missing_indicator:
            inputs.append({"kind": "is_missing", "column": column.name})
    return inputs


def input_document(contract: DataContract) -> dict[str, Any]:
    """`inputs.json`: every declared constant between a recorded value and the model, column by column."""
    document: dict[str, Any] = {
        "kind": str(contract.kind),
        "shape": list(contract.input_shape),
        "type": input_type(contract),
    }
    if contract.form is not None:
        return {**document, "form": {"type": type(contract.form).__name__.lower(), **_told(asdict(contract.form))}}
    if contract.kind is not DataKind.TABLE:
        return document
    at = 0
    columns = []
    for column in contract.columns:
        kind = "category" if isinstance(column, CategoryColumn) else "number"
        columns.append({"type": kind, "first_input": at, "inputs": column.width, **_told(asdict(column))})
        at += column.width
    return {**document, "rule": _RULE, "columns": columns}


def _scaling(column: NumberColumn) -> dict[str, Any]:
    fill = column.centre if column.fill is None else column.fill
    return {
        "unit": column.unit,
        "minimum": column.minimum,
        "maximum": column.maximum,
        "centre": column.centre,
        "scale": column.scale,
        "if_missing": (fill - column.centre) / column.scale,
    }


def _told(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value not in _SILENT}
