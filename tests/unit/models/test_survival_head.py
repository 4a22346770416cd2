"""The head of survival studies: its likelihoods against their definitions, and one test for each of its guarantees."""

from __future__ import annotations

import math
from types import MappingProxyType

import numpy as np
import pytest
import torch
from torch import Tensor

from fedward_shared.contracts.cohort import FollowUp
from fedward_shared.contracts.study import ModelTerms, Scalar
from fedward_shared.contracts.survival import encode
from fedward_shared.errors import UsageError
from fedward_shared.models.heads.survival import Likelihood, Survival, survival_head

torch.set_num_threads(1)
YEARS = FollowUp(column="years", unit="years", maximum=8.0)
ENDS = (1.0, 2.0, 4.0, 8.0)


def head(likelihood: str = "logistic", **options: Scalar | tuple[Scalar, ...]) -> Survival:
    given = MappingProxyType({"intervals": ENDS, "likelihood": likelihood, **options})
    return survival_head(ModelTerms("mlp", given), YEARS)


def labels(*records: tuple[float, bool]) -> Tensor:
    return torch.from_numpy(encode([time for time, _ in records], [event for _, event in records], YEARS))


def constant_hazards(share: float = 0.5) -> list[float]:
    """Cumulative hazard of each interval where a share of patients has the event by year 8 at a constant rate."""
    rate = -math.log1p(-share) / 8
    return [rate * length for length in (1, 1, 2, 4)]


@pytest.mark.parametrize("likelihood", Likelihood)
def test_outputs_of_zero_mean_the_declared_share_at_a_constant_rate(likelihood: str) -> None:
    scores = head(likelihood, expected_share=0.3).scores(torch.zeros(2, 4))

    expected = 1 - np.exp(-np.cumsum(constant_hazards(0.3)))
    assert np.allclose(scores.numpy(), expected, atol=1e-6)
    assert scores[0, -1].item() == pytest.approx(0.3)


@pytest.mark.parametrize("likelihood", ["logistic", "cloglog"])
@pytest.mark.parametrize(
    ("record", "survived", "event"),
    [
        ((3.0, True), 2, 2),
        ((0.0, True), 0, 0),
        ((1.0, True), 0, 0),
        ((1.001, True), 1, 1),
        ((8.0, True), 3, 3),
        ((3.0, False), 3, None),
        ((2.9, False), 2, None),
        ((8.0, False), 4, None),
        ((0.4, False), 0, None),
        ((30.0, True), 4, None),
    ],
)
def test_discrete_likelihoods_are_products_over_the_intervals_survived(
    likelihood: str, record: tuple[float, bool], survived: int, event: int | None
) -> None:
    logits = torch.randn(1, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    chosen = head(likelihood)
    risks = torch.cat([torch.zeros(1), chosen.scores(logits)[0]])
    hazards = 1 - (1 - risks[1:]) / (1 - risks[:-1])

    loss = chosen.losses(logits, labels(record))

    chance = (1 - hazards[:survived]).prod()
    if event is not None:
        chance = chance * hazards[event]
    assert loss.item() == pytest.approx(-math.log(chance.item()), abs=1e-9)


def test_the_logit_of_a_discrete_hazard_is_the_output_and_the_declared_constant() -> None:
    logits = torch.tensor([[0.3, -1.0, 2.0, 0.0]], dtype=torch.float64)
    share = constant_hazards()[0]

    first = head("logistic").scores(logits)[0, 0].item()
    grouped = head("cloglog").scores(logits)[0, 0].item()

    assert math.log(first / (1 - first)) == pytest.approx(0.3 + math.log(math.expm1(share)))
    assert math.log(-math.log1p(-grouped)) == pytest.approx(0.3 + math.log(share))


@pytest.mark.parametrize(("time", "event"), [(0.0, True), (0.7, False), (2.0, True), (3.0, True), (5.5, False)])
def test_piecewise_counts_exact_times(time: float, event: bool) -> None:
    logits = torch.randn(1, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    starts, lengths = np.array([0.0, 1, 2, 4]), np.array([1.0, 1, 2, 4])
    rates = np.exp(logits.numpy()[0]) * np.array(constant_hazards()) / lengths

    loss = head("piecewise").losses(logits, labels((time, event))).item()

    exposure = np.clip(time - starts, 0, lengths)
    at = max(0, int(np.searchsorted(ENDS, time)))
    density = np.exp(-(rates * exposure).sum()) * (rates[at] * lengths[at] if event else 1.0)
    assert loss == pytest.approx(-math.log(density), abs=1e-5)


@pytest.mark.parametrize("likelihood", Likelihood)
def test_a_loss_is_a_function_of_one_record_alone(likelihood: str) -> None:
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    known = labels((0.5, True), (3.3, False), (2.0, True), (8.0, False), (6.0, True), (0.0, False))
    chosen = head(likelihood)

    together = chosen.losses(logits, known)

    alone = torch.cat([chosen.losses(logits[row : row + 1], known[row : row + 1]) for row in range(6)])
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=0)
    jacobian = torch.func.jacrev(lambda values: chosen.losses(values, known))(logits)
    others = ~torch.eye(6, dtype=torch.bool)
    assert float(jacobian[others].abs().max()) == 0


@pytest.mark.parametrize("likelihood", Likelihood)
@pytest.mark.parametrize("size", [0.0, 14.9, 15.1, 30.0, 31.0, 90.0, 1e4, 1e20])
def test_losses_and_gradients_are_finite_for_extreme_outputs(likelihood: str, size: float) -> None:
    signs = torch.tensor([[1.0, 1, 1, 1], [-1, -1, -1, -1], [1, -1, 1, -1]])
    for record in [(0.0, True), (3.0, True), (8.0, True), (0.0, False), (5.0, False)]:
        logits = (signs * size).requires_grad_()
        losses = head(likelihood).losses(logits, labels(record).expand(3))
        torch.autograd.backward(losses.sum())
        assert torch.isfinite(losses).all()
        assert logits.grad is not None
        assert torch.isfinite(logits.grad).all()
    scores = head(likelihood).scores(signs * size)
    assert ((scores >= 0) & (scores <= 1)).all()


@pytest.mark.parametrize("likelihood", Likelihood)
def test_gradients_are_those_of_the_loss_in_double_precision(likelihood: str) -> None:
    known = labels((0.5, True), (3.3, False), (2.0, True), (7.0, True))
    levels = torch.linspace(-40, 18, 16, dtype=torch.float64).reshape(4, 4).requires_grad_()

    assert torch.autograd.gradcheck(lambda logits: head(likelihood).losses(logits, known), (levels,))


@pytest.mark.parametrize("likelihood", Likelihood)
def test_risks_never_fall_along_a_row(likelihood: str) -> None:
    logits = torch.randn(500, 4, generator=torch.Generator().manual_seed(4)) * 8

    risks = head(likelihood).scores(logits)

    assert (risks[:, 1:] >= risks[:, :-1]).all()


@pytest.mark.parametrize("likelihood", Likelihood)
def test_half_precision_outputs_are_judged_in_single_precision(likelihood: str) -> None:
    logits = torch.randn(3, 4, generator=torch.Generator().manual_seed(5)).bfloat16()
    known = labels((0.5, True), (3.3, False), (8.0, False))

    assert torch.equal(head(likelihood).losses(logits, known), head(likelihood).losses(logits.float(), known))


def test_a_family_brings_its_likelihood_and_ten_equal_parts() -> None:
    plain, cox = survival_head(ModelTerms("mlp"), YEARS), survival_head(ModelTerms("cox"), YEARS)

    assert (plain.likelihood, cox.likelihood) == (Likelihood.LOGISTIC, Likelihood.PIECEWISE)
    assert plain.outputs == 10
    assert np.allclose(plain.intervals.ends, np.arange(1, 11) * 0.8)
    assert plain.intervals.ends[-1] == YEARS.maximum


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"intervals": (2.0, 1.0, 8.0)}, "increase"),
        ({"intervals": (0.0, 8.0)}, "increase"),
        ({"intervals": (1.0, 1.0 + 1e-9, 8.0)}, "increase"),
        ({"intervals": (1.0, 4.0)}, "the last end is 4"),
        ({"intervals": ()}, "1 to 1000 numbers"),
        ({"intervals": (1.0, True, 8.0)}, "numbers are needed"),
        ({"intervals": "many"}, "neither a list"),
        ({"intervals": 0}, "neither a list"),
        ({"intervals": True}, "neither a list"),
        ({"likelihood": "weibull"}, "likelihood: one of logistic, cloglog, piecewise"),
        ({"likelihood": 3}, "likelihood: one of"),
        ({"expected_share": 1.0}, "expected_share"),
        ({"expected_share": 0}, "expected_share"),
        ({"expected_share": "half"}, "expected_share"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Scalar | tuple[Scalar, ...]], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        survival_head(ModelTerms("mlp", options), YEARS)
