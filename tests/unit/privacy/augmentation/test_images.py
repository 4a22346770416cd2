"""Pictures mirrored, turned, moved and brighter: each against its plain definition."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fedward_shared.privacy.augmentation.draws import Draws
from fedward_shared.privacy.augmentation.images import Brighten, Move, Turn, moved, turned
from fedward_shared.privacy.augmentation.plan import Change
from fedward_shared.privacy.randomness.noise import KeystreamSource

torch.set_num_threads(1)
CPU = torch.device("cpu")
sides = st.integers(1, 7)


def pictures(count: int, channels: int, height: int, width: int) -> Tensor:
    return torch.randn(count, channels, height, width, generator=torch.Generator().manual_seed(0))


def draws(seed: int = 0) -> Draws:
    return Draws(KeystreamSource.unsafe_seeded(seed, b"images"), CPU)


@settings(max_examples=50, deadline=None)
@given(channels=st.integers(1, 3), height=sides, width=sides)
def test_mirrored_is_left_to_right_and_twice_is_as_before(channels: int, height: int, width: int) -> None:
    records = pictures(2, channels, height, width)
    still = torch.zeros(2, dtype=torch.int64)
    once = moved(records, torch.tensor([True, False]), still, still)
    assert torch.equal(once[0], records[0].flip(-1))
    assert torch.equal(once[1], records[1])
    assert torch.equal(moved(once, torch.tensor([True, False]), still, still), records)


@settings(max_examples=50, deadline=None)
@given(height=sides, width=sides, down=st.integers(-8, 8), right=st.integers(-8, 8), mirror=st.booleans())
def test_moved_shows_the_border_where_nothing_is(height: int, width: int, down: int, right: int, mirror: bool) -> None:
    record = pictures(1, 1, height, width)
    found = moved(record, torch.tensor([mirror]), torch.tensor([down]), torch.tensor([right]))[0, 0]
    source = record[0, 0].flip(-1) if mirror else record[0, 0]
    for y in range(height):
        for x in range(width):
            from_y, from_x = min(max(y - down, 0), height - 1), min(max(x - right, 0), width - 1)
            assert found[y, x] == source[from_y, from_x]


@settings(max_examples=30, deadline=None)
@given(height=sides, width=sides)
def test_turned_by_nothing_or_all_the_way_is_as_before(height: int, width: int) -> None:
    records = pictures(3, 2, height, width)
    for degrees in (0.0, 360.0, -360.0):
        torch.testing.assert_close(turned(records, torch.full((3,), degrees)), records, atol=1e-4, rtol=0)


@pytest.mark.parametrize("side", [4, 5])
def test_a_square_turned_by_a_right_angle_is_turned_clockwise(side: int) -> None:
    records = pictures(2, 2, side, side)
    turns = turned(records, torch.tensor([90.0, -90.0]))
    torch.testing.assert_close(turns[0], torch.rot90(records[0], -1, (1, 2)), atol=1e-4, rtol=0)
    torch.testing.assert_close(turns[1], torch.rot90(records[1], 1, (1, 2)), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(5, 9), (9, 7)])
def test_a_picture_that_is_no_square_is_turned_without_being_stretched(height: int, width: int) -> None:
    """A pixel two to the right of the middle goes two below it."""
    records = torch.zeros(1, 1, height, width)
    middle = height // 2, width // 2
    records[0, 0, middle[0], middle[1] + 2] = 1.0
    found = turned(records, torch.tensor([90.0]))[0, 0]
    assert float(found[middle[0] + 2, middle[1]]) == pytest.approx(1.0, abs=1e-4)
    assert float(found.sum()) == pytest.approx(1.0, abs=1e-3)
    torch.testing.assert_close(turned(records, torch.tensor([180.0])), records.flip((2, 3)), atol=1e-4, rtol=0)


CHANGES = {"turn": Turn(30.0), "move": Move(flip=True, shift=0.3), "brighten": Brighten(0.4)}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_records_differ_stay_whole_and_keep_to_themselves(change: Change) -> None:
    records = torch.cat([pictures(1, 2, 6, 5)] * 40)
    records[7] = math.nan
    before = records.clone()
    found = change(records, draws())
    assert found.shape == records.shape
    assert torch.equal(records.isnan(), before.isnan())
    assert torch.equal(records[:7], before[:7]), "the records given stay as they are"
    assert found[7].isnan().all()
    others = torch.cat((found[:7], found[8:]))
    assert others.isfinite().all()
    assert len(torch.unique(others.flatten(1), dim=0)) > 5
    assert torch.equal(change(records, draws()).nan_to_num(9), found.nan_to_num(9))
    assert not torch.equal(change(records, draws(1))[0], found[0])


def test_gain_and_offset_lie_within_their_range_and_fill_it() -> None:
    records = torch.stack((torch.zeros(1, 2, 2), torch.ones(1, 2, 2))).repeat(500, 1, 1, 1)
    found = Brighten(0.2)(records, draws())[:, 0, 0, 0]
    offset, sum_of_both = found[0::2], found[1::2] - 1
    assert float(offset.abs().max()) <= 0.2
    assert float(offset.abs().max()) > 0.19
    assert float(sum_of_both.abs().max()) <= 0.4
    assert float(offset.mean()) == pytest.approx(0, abs=0.02)


def test_half_are_mirrored_and_shifts_are_whole_pixels_within_their_share() -> None:
    records = torch.arange(100.0).expand(1000, 1, 1, 100)
    found = Move(flip=True, shift=0.1)(records, draws())[:, 0, 0]
    falling = found[:, 45] > found[:, 55]
    assert 0.45 < float(falling.float().mean()) < 0.55
    steps = torch.where(falling, 99 - found[:, 50], found[:, 50]) - 50
    assert float(steps.abs().max()) == 10
    assert torch.equal(steps, steps.round())


def test_turns_lie_within_their_degrees(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Tensor] = []

    def kept(records: Tensor, degrees: Tensor) -> Tensor:
        asked.append(degrees)
        return records

    monkeypatch.setattr("fedward_shared.privacy.augmentation.images.turned", kept)
    Turn(25.0)(pictures(2000, 1, 1, 1), draws())
    assert float(asked[0].abs().max()) <= 25
    assert float(asked[0].max()) > 24
    assert float(asked[0].min()) < -24
