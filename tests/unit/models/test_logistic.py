"""Logistic regression starts where a study says that everybody is."""

import pytest
import torch

from fedward_shared.contracts.cohort import DataContract, DataKind, Label
from fedward_shared.contracts.study import ModelTerms
from fedward_shared.errors import UsageError
from fedward_shared.models.heads.classes import probabilities
from fedward_shared.models.registry import build, check_options


def contract(classes: int) -> DataContract:
    names = tuple(str(number) for number in range(classes))
    return DataContract(DataKind.TENSOR, Label("label", tuple((name,) for name in names), names), shape=(4,))


@pytest.mark.parametrize("share", [0.14, 0.5, 0.9])
def test_before_training_every_risk_is_the_expected_share(share: float) -> None:
    model = build(ModelTerms("logistic", {"expected_share": share}), contract(2))
    risks = probabilities(model(torch.randn(5, 4)))[:, 1]
    torch.testing.assert_close(risks, torch.full((5,), share))


def test_without_an_expected_share_nobody_is_likelier_to_be_ill() -> None:
    model = build(ModelTerms("logistic"), contract(2))
    torch.testing.assert_close(probabilities(model(torch.randn(5, 4))), torch.full((5, 2), 0.5))


@pytest.mark.parametrize("share", [0, 1, True, "many"])
def test_a_share_is_between_none_and_all(share: float | str) -> None:
    with pytest.raises(UsageError, match="expected_share"):
        check_options(ModelTerms("logistic", {"expected_share": share}), contract(2))


def test_an_expected_share_is_for_two_classes() -> None:
    with pytest.raises(UsageError, match="expected_share"):
        check_options(ModelTerms("logistic", {"expected_share": 0.2}), contract(3))
