"""An instruction that comes too late trains nothing, whoever's clock is wrong, and none can be kept for later."""

from __future__ import annotations

import pytest

from fedward_shared.contracts.round import RefusalCode
from tests.support.vaults import DAY, NOW, Coordinator, Site


@pytest.fixture
def coordinator() -> Coordinator:
    return Coordinator()


@pytest.fixture
def site(coordinator: Coordinator) -> Site:
    site = Site()
    coordinator.admit(site)
    return site


@pytest.mark.parametrize("expires", [0, 1, NOW - 1])
def test_an_expired_instruction_spends_nothing(site: Site, coordinator: Coordinator, expires: int) -> None:
    assert site.code(coordinator.train(expires=expires)) is RefusalCode.EXPIRED
    assert site.code(coordinator.conclude(expires=expires)) is RefusalCode.EXPIRED
    assert site.spent() == 0
    assert site.trainer.orders == []


def test_an_instruction_kept_back_is_worth_nothing_a_week_later(site: Site, coordinator: Coordinator) -> None:
    kept = coordinator.train(1)
    site.now += 7 * DAY
    assert site.code(kept) is RefusalCode.EXPIRED


@pytest.mark.parametrize("expires", [NOW + 8 * DAY, NOW + 3650 * DAY, (1 << 63) - 1])
def test_an_instruction_for_ever_is_refused(site: Site, coordinator: Coordinator, expires: int) -> None:
    """Else a leaked one could be used for years."""
    assert site.code(coordinator.train(expires=expires)) is RefusalCode.EXPIRED
    assert site.spent() == 0


def test_a_reservation_left_open_is_not_taken_up_after_expiry(site: Site, coordinator: Coordinator) -> None:
    site.trainer.size = 1
    instruction = coordinator.train(1)
    assert site.handle(instruction) is None
    site.trainer.size = None
    site.now += 61
    assert site.code(instruction) is RefusalCode.EXPIRED
    assert len(site.trainer.orders) == 1


def test_a_stored_reply_does_not_expire(site: Site, coordinator: Coordinator) -> None:
    instruction = coordinator.train(1)
    reply = site.reply(instruction)
    site.now += 30 * DAY
    assert bytes(site.reply(instruction).payload) == bytes(reply.payload)


def test_an_offer_expires_too(site: Site, coordinator: Coordinator) -> None:
    assert site.code(coordinator.offer(expires=NOW - 1)) is RefusalCode.EXPIRED
