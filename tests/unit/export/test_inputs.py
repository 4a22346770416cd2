"""What inputs.json and model.json say of the inputs is what the vault does with a record."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from fedward_client.vault.training.encoding import encode_table
from fedward_server.export.inputs import input_document, input_type, model_inputs
from fedward_shared.contracts.arrays import Series, Text, TextForm
from fedward_shared.contracts.cohort import CategoryColumn, DataContract, DataKind, Label, NumberColumn
from tests.support.cohorts import contract_of

LABEL = Label("ill", (("0",), ("1",)), ("no", "yes"))
NUMBERS = st.builds(
    NumberColumn,
    name=st.just("number"),
    unit=st.just("mg/dL"),
    minimum=st.just(-100.0),
    maximum=st.just(100.0),
    centre=st.floats(-50, 50),
    scale=st.floats(0.1, 30),
    missing_indicator=st.booleans(),
    fill=st.none() | st.floats(-50, 50),
)
CATEGORIES = st.builds(
    CategoryColumn,
    name=st.just("category"),
    values=st.just(("a", "b", "c")),
    missing_indicator=st.booleans(),
    fill=st.none() | st.sampled_from(("a", "c")),
)


def by_the_document(document: dict[str, Any], row: dict[str, Any]) -> list[float]:
    """A record's inputs, made by somebody who has only inputs.json."""
    inputs: list[float] = []
    for column in document["columns"]:
        value = row[column["name"]]
        if column["type"] == "number":
            known = column.get("fill", column["centre"]) if value is None else value
            inputs.append((known - column["centre"]) / column["scale"])
        else:
            known = column.get("fill") if value is None else value
            inputs += [float(one == known) for one in column["values"]]
        if column["missing_indicator"]:
            inputs.append(float(value is None))
    return inputs


@settings(max_examples=60, deadline=None)
@given(NUMBERS, CATEGORIES, st.none() | st.floats(-100, 100), st.none() | st.sampled_from(("a", "b", "c")))
def test_the_document_alone_gives_the_inputs_of_the_vault(
    number: NumberColumn, category: CategoryColumn, value: float | None, kind: str | None
) -> None:
    contract = DataContract(DataKind.TABLE, LABEL, (number, category))
    table = pl.DataFrame({"number": [value], "category": [kind]}, schema={"number": pl.Float64, "category": pl.String})
    (expected,) = encode_table(table, contract)
    made = by_the_document(input_document(contract), {"number": value, "category": kind})
    np.testing.assert_array_equal(np.array(made, dtype=np.float32), expected)


@settings(max_examples=60, deadline=None)
@given(NUMBERS, CATEGORIES)
def test_what_model_json_says_of_a_missing_value_is_its_input(number: NumberColumn, category: CategoryColumn) -> None:
    contract = DataContract(DataKind.TABLE, LABEL, (number, category))
    table = pl.DataFrame({"number": [None], "category": [None]}, schema={"number": pl.Float64, "category": pl.String})
    (expected,) = encode_table(table, contract)
    told = [1.0 if entry["kind"] == "is_missing" else entry["if_missing"] for entry in model_inputs(contract)]
    np.testing.assert_array_equal(np.array(told, dtype=np.float32), expected)


def test_indicators_come_right_after_their_column() -> None:
    number = NumberColumn("age", "years", 0, 120, 50, 10, missing_indicator=True)
    category = CategoryColumn("pain", ("1", "2"), missing_indicator=True)
    contract = DataContract(DataKind.TABLE, LABEL, (number, category))
    assert [entry["kind"] for entry in model_inputs(contract)] == ["number", "is_missing", "is", "is", "is_missing"]
    assert [column["first_input"] for column in input_document(contract)["columns"]] == [0, 2]


def test_arrays_tell_their_form_and_tokens_their_type() -> None:
    text = DataContract(DataKind.TENSOR, LABEL, form=Text("letter", TextForm.TOKENS, buckets=50, length=9))
    assert input_type(text) == "int64"
    assert input_document(text)["form"]["buckets"] == 50
    bag = DataContract(DataKind.TENSOR, LABEL, form=Text("letter", TextForm.BAG, buckets=50))
    assert input_type(bag) == "float32"
    series = DataContract(DataKind.TENSOR, LABEL, form=Series((0.0, 48.0), 1.0, ()))
    told = input_document(series)["form"]
    assert told["type"] == "series"
    assert told["masks"] is True, "a flag that is off or on is told, and so is a zero"
    assert told["window"] == (0.0, 48.0)
    assert model_inputs(contract_of("cnn")) == [{"kind": "tensor", "shape": [1, 8, 8]}]
