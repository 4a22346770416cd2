"""Cox's model and the hazard network: what they fit, against Newton's method on the likelihoods of the literature."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fedward_shared.contracts.cohort import DataContract, DataKind, FollowUp, Label, NumberColumn
from fedward_shared.contracts.study import ModelTerms, Scalar
from fedward_shared.contracts.survival import encode
from fedward_shared.errors import UsageError
from fedward_shared.models.heads.head import head_for
from fedward_shared.models.heads.survival import Survival
from fedward_shared.models.registry import build, check_options
from tests.support.cohorts import contract_of

torch.set_num_threads(1)
Floats = NDArray[np.float64]

CONTRACT = DataContract(
    DataKind.TABLE,
    Label("died", (("0",), ("1",)), ("alive", "dead"), follow_up=FollowUp("years", "years", 10.0)),
    tuple(NumberColumn(name, "", -10, 10, 0, 1) for name in ("age", "stage", "size")),
)
FOLLOW_UP = FollowUp("years", "years", 10.0)
TRUE = np.array([0.8, -0.5, 0.3])
ENDS = (1.0, 2.5, 5.0, 10.0)


def patients(count: int = 600) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Inputs (count, 3), years watched, and who had the event; hazards are proportional and rise with time."""
    draw = np.random.default_rng(0)
    inputs = draw.normal(size=(count, 3))
    event = 6 * (draw.exponential(size=count) / np.exp(inputs @ TRUE)) ** (1 / 1.3)
    watched = np.minimum(draw.uniform(1, 14, count), 10)
    return inputs, np.minimum(event, watched), event <= watched


def fitted(name: str = "cox", **options: Scalar | tuple[Scalar, ...]) -> tuple[nn.Module, Survival]:
    """The model at the minimum of its mean loss, in double precision."""
    terms = ModelTerms(name, MappingProxyType({"intervals": ENDS, **options}))
    model, head = build(terms, CONTRACT).double(), head_for(terms, CONTRACT)
    assert isinstance(head, Survival)
    inputs, years, dead = patients()
    records, labels = torch.from_numpy(inputs), torch.from_numpy(encode(years, dead, FOLLOW_UP))
    search = torch.optim.LBFGS(model.parameters(), max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        mean = head.losses(model(records), labels).mean()
        torch.autograd.backward(mean)
        return mean

    search.step(loss)  # type: ignore[no-untyped-call]
    return model, head


def newton(slope_and_curve: Callable[[Floats], tuple[Floats, Floats]], size: int) -> Floats:
    """The maximum of a concave function of `size` numbers, from 0 on."""
    at = np.zeros(size)
    for _ in range(50):
        slope, curve = slope_and_curve(at)
        at = at - np.linalg.solve(curve, slope)
    assert np.abs(slope).max() < 1e-8
    return at


def person_periods(halfway: bool) -> tuple[Floats, Floats, Floats]:
    """One row for each patient and interval: inputs and indicators of intervals (rows, 3 + 4), exposure, event.

    `halfway`: a last interval without the event counts as a whole one or not at all, as half of it was watched or not.
    """
    inputs, years, dead = patients()
    rows, exposures, happened = [], [], []
    for record, time, event in zip(inputs, years, dead, strict=True):
        for index, (start, end) in enumerate(zip((0.0, *ENDS), ENDS, strict=False)):
            share = min(max((time - start) / (end - start), 0.0), 1.0)
            here = event and start < time <= end
            if halfway:
                share = 1.0 if here or share >= 0.5 else 0.0
            if share > 0:
                rows.append([*record, *np.eye(4)[index]])
                exposures.append(share * (end - start))
                happened.append(float(here))
    return np.array(rows), np.array(exposures), np.array(happened)


def test_piecewise_is_the_poisson_regression_of_person_periods() -> None:
    rows, exposures, happened = person_periods(halfway=False)

    def poisson(at: Floats) -> tuple[Floats, Floats]:
        expected = exposures * np.exp(rows @ at)
        return rows.T @ (happened - expected), -(rows.T * expected) @ rows

    expected = newton(poisson, 7)

    model, head = fitted("cox", likelihood="piecewise")

    state = model.state_dict()
    assert np.allclose(state["risk.0.weight"].numpy()[0], expected[:3], atol=1e-4)
    rate = -np.log(1 - head.expected_share) / FOLLOW_UP.maximum
    assert np.allclose(state["baseline.weight"].numpy()[:, 0] + np.log(rate), expected[3:], atol=1e-4)
    assert np.allclose(expected[:3], TRUE, atol=0.25)


def test_logistic_is_the_logistic_regression_of_person_periods() -> None:
    rows, _, happened = person_periods(halfway=True)

    def logit(at: Floats) -> tuple[Floats, Floats]:
        chance = 1 / (1 + np.exp(-rows @ at))
        return rows.T @ (happened - chance), -(rows.T * (chance * (1 - chance))) @ rows

    expected = newton(logit, 7)

    model, head = fitted("cox", likelihood="logistic")

    assert np.allclose(model.state_dict()["risk.0.weight"].numpy()[0], expected[:3], atol=1e-4)
    hazards = 1 / (1 + np.exp(-expected[3:]))
    risks = head.scores(model(torch.zeros(1, 3, dtype=torch.float64))).detach().numpy()[0]
    assert np.allclose(risks, 1 - np.cumprod(1 - hazards), atol=1e-4)


def test_grouped_hazards_are_those_of_the_complementary_log_log_regression() -> None:
    rows, _, happened = person_periods(halfway=True)

    def cloglog(at: Floats) -> tuple[Floats, Floats]:
        hazard = np.exp(rows @ at)
        odds = hazard / np.expm1(hazard)
        first = happened * odds - (1 - happened) * hazard
        second = happened * odds * (1 - hazard - odds) - (1 - happened) * hazard
        return rows.T @ first, (rows.T * second) @ rows

    expected = newton(cloglog, 7)

    model, head = fitted("cox", likelihood="cloglog")

    assert np.allclose(model.state_dict()["risk.0.weight"].numpy()[0], expected[:3], atol=1e-4)
    risks = head.scores(model(torch.zeros(1, 3, dtype=torch.float64))).detach().numpy()[0]
    assert np.allclose(risks, 1 - np.exp(-np.cumsum(np.exp(expected[3:]))), atol=1e-4)


def test_fine_intervals_approach_the_partial_likelihood_and_breslows_baseline() -> None:
    inputs, years, dead = patients()
    order = np.argsort(-years)
    inputs, years, dead = inputs[order], years[order], dead[order]

    def partial(at: Floats) -> tuple[Floats, Floats]:
        weight = np.exp(inputs @ at)
        risk = np.cumsum(weight)
        mean = np.cumsum(weight[:, None] * inputs, axis=0) / risk[:, None]
        square = np.cumsum(weight[:, None, None] * inputs[:, :, None] * inputs[:, None, :], axis=0)
        spread = square / risk[:, None, None] - mean[:, :, None] * mean[:, None, :]
        return (inputs - mean)[dead].sum(axis=0), -spread[dead].sum(axis=0)

    expected = newton(partial, 3)
    found = {count: fitted("cox", intervals=count) for count in (2, 100)}

    away = {
        count: np.abs(model.state_dict()["risk.0.weight"].numpy()[0] - expected).max()
        for count, (model, _) in found.items()
    }
    assert away[100] < 0.005 < away[2]
    model, head = found[100]
    risks = head.scores(model(torch.zeros(1, 3, dtype=torch.float64))).detach().numpy()[0]
    breslow = np.cumsum((dead / np.cumsum(np.exp(inputs @ expected)))[::-1])
    survived = np.exp(-breslow[np.searchsorted(years[::-1], [2.0, 5.0, 9.0], side="right") - 1])
    assert np.allclose(1 - risks[[19, 49, 89]], survived, atol=0.01)


def test_hidden_layers_see_what_a_line_cannot() -> None:
    records = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None].repeat(1, 3)
    model = build(ModelTerms("cox", {"hidden": (8,), "activation": "tanh"}, 1), CONTRACT).double()

    levels = model(records).detach()

    bends = levels[2:, 0] - 2 * levels[1:-1, 0] + levels[:-2, 0]
    assert float(bends.abs().max()) > 1e-4
    assert torch.allclose(levels, levels[:, :1].expand_as(levels))  # baselines start at zero


def test_a_linear_cox_model_starts_where_nobody_differs() -> None:
    terms = ModelTerms("cox", {"intervals": ENDS, "expected_share": 0.2})
    model, head = build(terms, CONTRACT), head_for(terms, CONTRACT)

    risks = head.scores(model(torch.randn(5, 3)))

    assert torch.allclose(risks[:, -1], torch.full((5,), 0.2))


def test_risks_of_a_hazard_network_may_cross_and_those_of_cox_may_not() -> None:
    records = torch.randn(200, 3, generator=torch.Generator().manual_seed(0)) * 3
    crossing = {}
    for name in ("hazard", "cox"):
        terms = ModelTerms(name, {"hidden": (8,), "intervals": ENDS}, 2)
        model = build(terms, CONTRACT)
        risks = head_for(terms, CONTRACT).scores(model(records)).detach()
        first, last = risks[:, 0], risks[:, -1]
        crossing[name] = bool(((first[:, None] > first[None, :]) & (last[:, None] < last[None, :] - 1e-6)).any())

    assert crossing == {"hazard": True, "cox": False}


@pytest.mark.parametrize("name", ["cox", "hazard"])
def test_families_of_times_need_a_follow_up(name: str) -> None:
    with pytest.raises(UsageError, match="does not say how long patients were watched") as refused:
        check_options(ModelTerms(name), contract_of("mlp"))

    assert "[data.label.follow_up]" in str(refused.value.hint)


@pytest.mark.parametrize("name", ["mlp", "logistic"])
def test_options_of_survival_mean_nothing_to_classes(name: str) -> None:
    with pytest.raises(UsageError, match=r"\[model.options\] intervals: "):
        check_options(ModelTerms(name, {"intervals": 5}), contract_of("mlp"))
