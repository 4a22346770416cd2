"""Fixed random convolutions of signals."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from fedward_shared.contracts.cohort import DataContract, DataKind, Label
from fedward_shared.contracts.study import PretrainedTerms, Scalar
from fedward_shared.errors import UsageError
from fedward_shared.models.backbones.registry import features_shape, open_backbone

torch.set_num_threads(1)
LABEL = Label("ill", (("0",), ("1",)), ("no", "yes"))


def features(records: Tensor, **options: Scalar) -> Tensor:
    """What the kernels make of them."""
    contract = DataContract(DataKind.TENSOR, LABEL, shape=tuple(records.shape[1:]))
    terms = PretrainedTerms("rocket", options={"kernels": 40, **options})
    found = open_backbone(terms, contract, None)(records)
    assert tuple(found.shape[1:]) == features_shape(terms, contract) == (81,)
    return found


def test_a_records_features_are_its_own_and_bounded_shares_of_time() -> None:
    records = torch.randn(5, 200, 3, generator=torch.Generator().manual_seed(0)).cumsum(dim=1)
    together = features(records)
    for place, record in enumerate(records):
        torch.testing.assert_close(features(record[None])[0], together[place], rtol=1e-3, atol=0.05)
    assert float(together[:, :40].abs().max()) <= 4
    assert bool(together.isfinite().all())


def test_kernels_follow_from_the_seed_and_from_nothing_else() -> None:
    records = torch.randn(2, 64, 1)
    first = features(records, seed=5)
    torch.manual_seed(99)
    assert torch.equal(features(records, seed=5), first)
    assert not torch.equal(features(records, seed=6), first)


def test_an_offset_does_not_matter_away_from_the_ends_and_a_gain_moves_the_mean_energy() -> None:
    records = torch.randn(3, 4000, 1, generator=torch.Generator().manual_seed(1))
    plain, louder = features(records), features(records * 4)
    torch.testing.assert_close(louder[:, :80], plain[:, :80], atol=2e-3, rtol=0)
    torch.testing.assert_close(louder[:, 80] - plain[:, 80], torch.full((3,), 4.0).log(), atol=1e-3, rtol=0)


def test_a_signal_that_never_changes_has_features_that_are_finite() -> None:
    assert bool(features(torch.zeros(2, 64, 2)).isfinite().all())


def test_signals_of_different_rhythm_lie_apart() -> None:
    time = torch.arange(400.0)
    noise = torch.randn(20, 400, generator=torch.Generator().manual_seed(2)) / 5
    slow, fast = (torch.cos(2 * torch.pi * time / period) for period in (40, 12))
    found = features(torch.cat([slow + noise[:10], fast + noise[10:]])[:, :, None])
    centres = found[:10].mean(dim=0), found[10:].mean(dim=0)
    between = float((centres[0] - centres[1]).norm())
    within = max(float((found[10 * side : 10 * side + 10] - centres[side]).norm(dim=1).max()) for side in range(2))
    assert between > 2 * within


@pytest.mark.parametrize(
    ("shape", "options", "told"),
    [
        ((100, 2), {"kernels": 0}, r"options\] kernels"),
        ((100, 2), {"seed": -1}, r"options\] seed"),
        ((100, 2), {"bias": 1}, r"options\] bias"),
        ((8, 2), {}, "9 samples"),
        ((1, 28, 28), {}, "needs signals"),
    ],
)
def test_what_does_not_fit_is_refused(shape: tuple[int, ...], options: Mapping[str, Scalar], told: str) -> None:
    contract = DataContract(DataKind.TENSOR, LABEL, shape=shape)
    with pytest.raises(UsageError, match=told):
        features_shape(PretrainedTerms("rocket", options=options), contract)
