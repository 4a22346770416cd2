"""Embeddings of numbers, against their formulas: missing values are zeros, and everything else is passed on."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fedward_shared.contracts.cohort import CategoryColumn, DataContract, DataKind, Label, NumberColumn
from fedward_shared.contracts.study import ModelTerms, Scalar
from fedward_shared.models.bands import cut_points
from fedward_shared.models.embedding import EMBEDDING_OPTIONS, Periodic, Piecewise, embedded
from fedward_shared.models.options import Options
from fedward_shared.models.problem import Problem

EXAMPLES = 60 * (10 if os.environ.get("FEDWARD_LONG") else 1)
AGE = NumberColumn("age", "years", 18, 110, 54, 9, missing_indicator=True)
PAIN = CategoryColumn("pain", ("1", "2", "3"), missing_indicator=True)
CHOL = NumberColumn("chol", "mg/dL", 50, 700, 240, 50, reference=(170, 210, 240, 275, 330))
TABLE = DataContract(DataKind.TABLE, Label("y", (("0",), ("1",)), ("no", "yes")), (AGE, PAIN, CHOL))
OTHERS = (1, 2, 3, 4, 5)
"""Where the indicator of age, pain and its indicator stand; age is at 0 and chol at 6."""
torch.set_num_threads(1)

values = st.lists(st.floats(-6, 6, width=32), min_size=7, max_size=7)


def embedding(**options: Scalar | tuple[Scalar, ...]) -> Piecewise | Periodic:
    terms = ModelTerms("mlp", options)
    found = embedded(Options.of(terms, EMBEDDING_OPTIONS), Problem(TABLE, TABLE.input_shape, 1))
    assert found is not None
    return found


def record(numbers: list[float], *, missing: bool) -> Tensor:
    made = torch.tensor([numbers], dtype=torch.float64)
    made[0, 1] = float(missing)
    return made


def encoded_by_the_paper(x: float, ends: tuple[float, ...]) -> list[float]:
    """Equation 1 of Gorishniy et al., whose outermost bins end where values do."""
    codes = []
    for low, high in pairwise(ends):
        if x < low:
            codes.append(0.0)
        elif x >= high:
            codes.append(1.0)
        else:
            codes.append((x - low) / (high - low))
    return codes


@given(values, st.booleans(), st.integers(2, 9))
@settings(max_examples=EXAMPLES, deadline=None)
def test_piecewise_codes_are_those_of_the_paper_shifted_to_zero_at_the_centre(
    numbers: list[float], missing: bool, bins: int
) -> None:
    found = embedding(embedding="piecewise", bins=bins)(record(numbers, missing=missing))[0].numpy()
    expected: list[float] = []
    for column, at in ((AGE, 0), (CHOL, 6)):
        ends = tuple((cut - column.centre) / column.scale for cut in cut_points(column, bins))
        codes = np.subtract(encoded_by_the_paper(numbers[at], ends), encoded_by_the_paper(0.0, ends))
        expected += [0.0] * len(codes) if column is AGE and missing else codes.tolist()
    passed = [float(missing) if at == 1 else numbers[at] for at in OTHERS]
    np.testing.assert_allclose(found, [*expected, *passed], atol=1e-9)


@given(values, st.booleans(), st.integers(1, 5), st.floats(0.05, 2), st.booleans())
@settings(max_examples=EXAMPLES, deadline=None)
def test_periodic_codes_are_waves_at_multiples_of_the_declared_frequency(
    numbers: list[float], missing: bool, waves: int, frequency: float, trainable: bool
) -> None:
    layer = embedding(embedding="periodic", waves=waves, frequency=frequency, trainable=trainable).double()
    found = layer(record(numbers, missing=missing))[0].detach().numpy()
    angles = [2 * np.pi * frequency * step * numbers[at] for at in (0, 6) for step in range(1, waves + 1)]
    there = np.array([0.0 if missing else 1.0] * waves + [1.0] * waves)
    plain = [0.0 if missing else numbers[0], numbers[6]]
    passed = [float(missing) if at == 1 else numbers[at] for at in OTHERS]
    expected = [*plain, *(np.sin(angles) * there), *(np.cos(angles) * there), *passed]
    np.testing.assert_allclose(found, expected, atol=1e-5)  # a trained frequency is a float32


@given(values, values, st.sampled_from(["piecewise", "periodic"]))
@settings(max_examples=EXAMPLES, deadline=None)
def test_what_stands_in_the_place_of_a_missing_value_has_no_say(
    numbers: list[float], others: list[float], kind: str
) -> None:
    layer = embedding(embedding=kind)
    first, second = (record([start, *numbers[1:]], missing=True) for start in (numbers[0], others[0]))
    assert torch.equal(layer(first), layer(second))


@given(st.floats(-50, 50), st.floats(-50, 50))
@settings(max_examples=EXAMPLES, deadline=None)
def test_beyond_the_outermost_cut_points_nothing_changes(first: float, second: float) -> None:
    layer = embedding(embedding="piecewise", cuts=("age: 54, 63", "chol: 240, 290"))
    codes = [layer(record([x, 0, 0, 0, 0, 0, x], missing=False))[0, :2] for x in (first, second)]
    if min(first, second) >= 1 or max(first, second) <= 0:
        assert torch.equal(*codes)
    assert all(((code >= 0) & (code <= 1)).all() for code in codes)


def test_a_column_that_cannot_say_what_is_missing_is_encoded_as_it_is() -> None:
    layer = embedding(embedding="piecewise", cuts=("chol: 200, 300",))
    centre, other = (layer(record([0, 0, 0, 0, 0, 0, x], missing=False)) for x in (0.0, 1.0))
    assert not centre[0, :-5].any()
    assert other[0, -6] == 0.5  # chol is one band of 100 mg/dL, and 290 lies 50 above its centre


def test_columns_of_one_width_have_codes_of_their_own() -> None:
    twin = replace(TABLE, columns=(AGE, replace(AGE, name="other", centre=60)))
    terms = Options("mlp", {"embedding": "piecewise"})
    layer = embedded(terms, Problem(twin, twin.input_shape, 1))
    assert layer is not None
    moved = layer(torch.tensor([[1.0, 0, 0, 0]])) != layer(torch.tensor([[0.0, 0, 0, 0]]))
    half = (layer.width - 2) // 2
    assert moved[0, :half].any()
    assert not moved[0, half:].any()
