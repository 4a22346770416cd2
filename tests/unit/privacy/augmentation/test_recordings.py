"""Signals and series moved in time, louder, without a lead: each against its plain definition."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fedward_shared.privacy.augmentation.draws import Draws
from fedward_shared.privacy.augmentation.plan import Change
from fedward_shared.privacy.augmentation.recordings import Amplify, Delay, Drop, delayed, without_leads
from fedward_shared.privacy.randomness.noise import KeystreamSource

torch.set_num_threads(1)
VALUES = torch.tensor([True, True, False, False])
LEADS = torch.tensor([0, 1, 0, 1])


def recordings(count: int, time: int = 8, width: int = 4) -> Tensor:
    return torch.randn(count, time, width, generator=torch.Generator().manual_seed(0))


def draws(seed: int = 0) -> Draws:
    return Draws(KeystreamSource.unsafe_seeded(seed, b"recordings"), torch.device("cpu"))


@settings(max_examples=50, deadline=None)
@given(time=st.integers(1, 9), steps=st.lists(st.integers(-10, 10), min_size=1, max_size=4))
def test_what_enters_in_time_is_zero(time: int, steps: list[int]) -> None:
    records = recordings(len(steps), time)
    found = delayed(records, torch.tensor(steps))
    for number, step in enumerate(steps):
        for at in range(time):
            there = 0 <= at - step < time
            expected = records[number, at - step] if there else torch.zeros(4)
            assert torch.equal(found[number, at], expected)


def test_there_and_back_keeps_what_never_left() -> None:
    records = recordings(2)
    back = delayed(delayed(records, torch.tensor([2, -3])), torch.tensor([-2, 3]))
    assert torch.equal(back[0, :6], records[0, :6])
    assert torch.equal(back[1, 3:], records[1, 3:])


def test_a_lead_is_gone_with_its_mask_and_delta() -> None:
    records = recordings(2)
    found = without_leads(records, torch.tensor([[False, True], [False, False]]), LEADS)
    assert torch.equal(found[1], records[1])
    assert torch.equal(found[0, :, [0, 2]], records[0, :, [0, 2]])
    assert not found[0, :, [1, 3]].any()


def test_as_many_leads_are_gone_as_declared() -> None:
    gone = (Drop(0.3, LEADS)(torch.ones(3000, 1, 4), draws()) == 0)[:, 0]
    assert torch.equal(gone[:, :2], gone[:, 2:])
    assert float(gone.float().mean()) == pytest.approx(0.3, abs=0.03)
    assert float((gone[:, 0] & gone[:, 1]).float().mean()) == pytest.approx(0.09, abs=0.03), "leads on their own"


def test_one_gain_for_all_leads_and_none_for_masks() -> None:
    records = recordings(500)
    factor = Amplify(0.2, VALUES)(records, draws()) / records
    torch.testing.assert_close(factor[:, :, 2:], torch.ones(500, 8, 2))
    torch.testing.assert_close(factor[:, :, :2], factor[:, :1, :1].expand(500, 8, 2))
    gain = factor[:, 0, 0] - 1
    assert 0.19 < float(gain.abs().max()) <= 0.2 + 1e-6
    assert float(gain.mean()) == pytest.approx(0, abs=0.02)


CHANGES = {"delay": Delay(0.5), "amplify": Amplify(0.3, VALUES), "drop": Drop(0.5, LEADS)}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_records_differ_stay_whole_and_keep_to_themselves(change: Change) -> None:
    records = recordings(1).repeat(40, 1, 1)
    records[7] = math.nan
    before = records.clone()
    found = change(records, draws())
    assert found.shape == records.shape
    assert torch.equal(records.nan_to_num(9), before.nan_to_num(9)), "the records given stay as they are"
    others = torch.cat((found[:7], found[8:]))
    assert others.isfinite().all()
    assert len(torch.unique(others.flatten(1), dim=0)) > 3
    assert torch.equal(change(records, draws()).nan_to_num(9), found.nan_to_num(9))
    assert not torch.equal(change(records, draws(1))[8:], found[8:])
