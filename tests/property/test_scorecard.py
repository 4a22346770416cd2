"""Risk scores of random models of random tables: monotone, near the model by what they say, and judged as it is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedward_client.vault.training.encoding import encode_table
from fedward_shared.contracts.cohort import CategoryColumn, DataContract, DataKind, Label, NumberColumn
from fedward_shared.contracts.study import ModelTerms
from fedward_shared.errors import UsageError
from fedward_shared.models.bands import cut_points
from fedward_shared.models.registry import build
from fedward_shared.models.scorecard import LogisticRecalibration, Scorecard, scorecard

EXAMPLES = 60 * (10 if os.environ.get("FEDWARD_LONG") else 1)
LABEL = Label("death", (("0",), ("1",)), ("survived", "died"))
torch.set_num_threads(1)

Values = dict[str, float | str | None]


@st.composite
def numbers(draw: st.DrawFn, name: str) -> NumberColumn:
    minimum = draw(st.floats(-100, 100))
    maximum = minimum + draw(st.floats(0.5, 1000))
    centre = draw(st.floats(minimum, maximum))
    reference = tuple(sorted(draw(st.lists(st.floats(minimum, maximum), min_size=5, max_size=5))))
    required = draw(st.booleans())
    return NumberColumn(
        name,
        "mg/dL",
        minimum,
        maximum,
        centre,
        draw(st.floats(0.1, 300)),
        missing_indicator=not required and draw(st.booleans()),
        required=required,
        fill=draw(st.none() | st.floats(minimum, maximum)),
        reference=draw(st.sampled_from([(), reference])),
    )


@st.composite
def categories(draw: st.DrawFn, name: str) -> CategoryColumn:
    required = draw(st.booleans())
    indicator = not required and draw(st.booleans())
    fill = draw(st.sampled_from([None, "b"]))
    return CategoryColumn(name, ("a", "b", "c"), missing_indicator=indicator, required=required, fill=fill)


contracts = st.builds(
    lambda some, others: DataContract(DataKind.TABLE, LABEL, (*some, *others)),
    st.tuples(numbers("creatinine"), categories("sex")),
    st.lists(st.integers(0, 2), max_size=2).flatmap(
        lambda which: st.tuples(*(numbers(f"n{i}") if each else categories(f"c{i}") for i, each in enumerate(which)))
    ),
)


@dataclass(frozen=True, slots=True)
class Trained:
    """A logistic model with random weights, and its score."""

    terms: ModelTerms
    contract: DataContract
    model: torch.nn.Module
    card: Scorecard

    def risk(self, values: Mapping[str, float | str | None]) -> float:
        """The model's own risk of a patient, by the vault's encoding, recalibrated as the card is."""
        types = {c.name: pl.Float64 if isinstance(c, NumberColumn) else pl.String for c in self.contract.columns}
        table = pl.DataFrame({name: [values[name]] for name in types}, schema=types)
        with torch.no_grad():
            logit = float(self.model.double()(torch.from_numpy(encode_table(table, self.contract)).double()))
        fit = self.card.recalibration
        return 1 / (1 + exp(-(fit.intercept + fit.slope * logit)))


@st.composite
def trained(draw: st.DrawFn) -> Trained:
    contract = draw(contracts)
    bins = draw(st.sampled_from([0, 3, 6]))
    terms = ModelTerms("logistic", {"embedding": "piecewise", "bins": bins} if bins else {})
    model = build(terms, contract)
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * draw(st.floats(0, 2)))
    weights = {name: each.numpy() for name, each in model.state_dict().items()}
    fit = LogisticRecalibration(draw(st.floats(-1, 1)), draw(st.floats(0.3, 2)))
    worth = draw(st.none() | st.floats(0.01, 1))
    return Trained(terms, contract, model, scorecard(terms, contract, weights, per_point=worth, recalibration=fit))


@st.composite
def patients(draw: st.DrawFn, contract: DataContract) -> Values:
    values: Values = {}
    for column in contract.columns:
        known: st.SearchStrategy[float | str | None]
        if isinstance(column, NumberColumn):
            known = st.floats(column.minimum, column.maximum)
        else:
            known = st.sampled_from(column.values)
        values[column.name] = draw(known if column.required else st.none() | known)
    return values


@given(trained())
@settings(max_examples=EXAMPLES, deadline=None)
def test_more_points_never_mean_less_risk_and_the_table_covers_all_there_are(found: Trained) -> None:
    rows = found.card.risk_rows()
    assert [points for points, _ in rows] == list(range(found.card.most + 1))
    assert all(0 <= before <= after <= 1 for (_, before), (_, after) in pairwise(rows))
    assert min(points for _, _, points in found.card.point_rows()) == 0


@given(st.data())
@settings(max_examples=EXAMPLES, deadline=None)
def test_any_patient_is_as_near_to_the_model_as_the_score_says(data: st.DataObject) -> None:
    found = data.draw(trained())
    values = data.draw(patients(found.contract))
    off = abs(found.card.risk(found.card.points(values)) - found.risk(values))
    assert off <= found.card.error.risk + 1e-4  # the vault's inputs are float32


@given(st.data())
@settings(max_examples=EXAMPLES, deadline=None)
def test_rounding_alone_is_within_its_bound(data: st.DataObject) -> None:
    card = data.draw(trained()).card
    rows = [data.draw(st.sampled_from(factor.rows)) for factor in card.factors]
    fit = card.recalibration
    exact = fit.intercept + fit.slope * (card.intercept + sum(row.logit for row in rows))
    risk = 1 / (1 + exp(-exact))
    assert abs(card.risk(sum(row.points for row in rows)) - risk) <= card.error.rounding_risk + 1e-12
    assert card.error.rounding <= len(card.factors) * card.per_point / 2 * (1 + 1e-9)


@given(numbers("age"), st.integers(2, 12))
@settings(max_examples=EXAMPLES, deadline=None)
def test_cut_points_rise_within_the_declared_range(column: NumberColumn, bins: int) -> None:
    cuts = cut_points(column, bins)
    assert 2 <= len(cuts) <= bins + 1
    assert column.minimum <= cuts[0]
    assert cuts[-1] <= column.maximum
    assert all(low < high for low, high in pairwise(cuts))


AGE = NumberColumn("age", "years", 20, 100, 60, 10, required=True)
SMALL = DataContract(DataKind.TABLE, LABEL, (AGE, CategoryColumn("shock", ("no", "yes"))))
WEIGHTS = {"linear.weight": np.array([[0.5, 0.0, 1.2]], np.float32), "linear.bias": np.array([-2.0], np.float32)}


def test_a_small_score_can_be_added_up_by_hand() -> None:
    card = scorecard(ModelTerms("logistic"), SMALL, WEIGHTS, per_point=0.25, edges={"age": (50, 70)})
    assert card.point_rows() == (
        ("age (years)", "below 50", 0),
        ("age (years)", "50 to below 70", 4),
        ("age (years)", "70 or more", 8),
        ("shock", "no", 0),
        ("shock", "yes", 5),
        ("shock", "missing", 0),
    )
    assert card.outcome == "died"
    assert card.points({"age": 70, "shock": "yes"}) == 13
    # bands are judged at 40, 60 and 80: at 40 the log-odds are -2 - 0.5 · 2
    assert card.intercept == pytest.approx(-3.0, abs=1e-6)
    assert card.risk(13) == pytest.approx(1 / (1 + exp(3 - 3.25)), abs=1e-6)
    assert card.error.rounding == pytest.approx(0.05, abs=1e-6)
    assert card.error.banding == pytest.approx(1.0, abs=1e-6)


def test_a_recalibration_moves_risks_as_its_formula_says() -> None:
    plain = scorecard(ModelTerms("logistic"), SMALL, WEIGHTS)
    moved = scorecard(ModelTerms("logistic"), SMALL, WEIGHTS, recalibration=LogisticRecalibration(0.4, 0.8))
    for (_, before), (_, after) in zip(plain.risk_rows(), moved.risk_rows(), strict=True):
        assert log(after / (1 - after)) == pytest.approx(0.4 + 0.8 * log(before / (1 - before)))


@pytest.mark.parametrize("slope", [0.0, -1.0, float("nan"), float("inf")])
def test_a_recalibration_that_turns_the_order_is_refused(slope: float) -> None:
    with pytest.raises(UsageError, match="slope above 0"):
        LogisticRecalibration(0.0, slope)


@pytest.mark.parametrize(
    ("terms", "weights", "message"),
    [
        (ModelTerms("mlp"), WEIGHTS, '"logistic" model'),
        (ModelTerms("logistic", {"embedding": "periodic"}), WEIGHTS, "periodic"),
        (ModelTerms("logistic", {"embedding": "piecewise"}), WEIGHTS, "weights are not those"),
        (ModelTerms("logistic"), {}, "weights are not those"),
        (ModelTerms("logistic"), {**WEIGHTS, "linear.bias": np.array([np.nan], np.float32)}, "weights are not those"),
    ],
)
def test_other_models_and_other_weights_are_refused(
    terms: ModelTerms, weights: Mapping[str, np.typing.NDArray[np.float32]], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        scorecard(terms, SMALL, weights)


@pytest.mark.parametrize("edges", [{"weight": (1.0,)}, {"age": (70.0, 50.0)}, {"age": (10.0,)}])
def test_edges_out_of_range_are_refused(edges: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(UsageError, match="edges"):
        scorecard(ModelTerms("logistic"), SMALL, WEIGHTS, edges=edges)


@pytest.mark.parametrize(
    ("values", "what"),
    [({"shock": "no"}, "age is missing"), ({"age": 50, "shock": "perhaps"}, "shock has a value")],
)
def test_a_patient_who_is_on_no_line_is_named_by_column(values: Values, what: str) -> None:
    card = scorecard(ModelTerms("logistic"), SMALL, WEIGHTS)
    with pytest.raises(UsageError, match=what) as caught:
        card.points(values)
    assert "perhaps" not in str(caught.value)
