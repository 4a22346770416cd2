"""Invariants 7, 8 and 9: the budget holds over rounds, studies, imports and restarts, at the real accountant's ε."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedward_client.vault.policy import Policy
from fedward_client.vault.spending import pld
from fedward_shared.contracts.round import RefusalCode
from fedward_shared.errors import BudgetError
from fedward_shared.privacy.accounting import epsilon
from fedward_shared.privacy.events import SampledGaussian
from tests.support.vaults import NOW, Coordinator, Site, manifest

DELTA = 1e-5


def cost(steps: int) -> float:
    return epsilon([SampledGaussian(4.0, 1.0, steps)], DELTA)


def test_the_ledgers_epsilon_is_that_of_all_steps_together() -> None:
    site, coordinator = Site(accountant=pld), Coordinator()
    coordinator.admit(site)
    for round_number in (1, 2, 3):
        site.reply(coordinator.train(round_number))
    (spend,) = site.operations.spending()
    assert spend.epsilon == pytest.approx(cost(6))
    assert spend.epsilon < 3 * cost(2)


def test_a_round_that_the_budget_does_not_cover_is_refused_before_data_are_read() -> None:
    """The policy was tightened after the approval: two rounds fit, the third does not."""
    coordinator = Coordinator()
    site = Site(accountant=pld)
    coordinator.admit(site)
    site.policy = Policy((cost(4) + cost(6)) / 2, DELTA)
    site.use(site.store)
    site.reply(coordinator.train(1))
    site.reply(coordinator.train(2))
    assert site.code(coordinator.train(3)) is RefusalCode.BUDGET
    assert len(site.trainer.orders) == 2
    assert site.operations.spending()[0].epsilon == pytest.approx(cost(4))


def test_two_studies_share_one_budget() -> None:
    """ε of both together, by PLD over their events, and not one budget each."""
    site = Site(accountant=pld, policy=Policy((cost(8) + cost(16)) / 2, DELTA))
    first = Coordinator()
    first.admit(site)
    second = Coordinator(manifest(('name = "heart-disease"', 'name = "second"')))
    site.handle(second.offer())
    with pytest.raises(BudgetError):
        site.operations.approve("second", "cardiology", "Ada", NOW)


def test_another_name_for_the_same_data_is_another_persons_decision() -> None:
    """A data set's name carries its history; the ledger shows both, and importing again under one inherits it."""
    site, coordinator = Site(), Coordinator()
    coordinator.admit(site)
    site.reply(coordinator.train(1))
    for version in ("v2", "v3", "v1"):
        site.data_sets.add("cardiology", version, coordinator.study)
        assert site.spent() == pytest.approx(0.2)
    site.reply(coordinator.train(2))
    assert site.spent() == pytest.approx(0.4)


def test_deciding_again_gives_nothing_back(tmp_path: Path) -> None:
    site, coordinator = Site(tmp_path), Coordinator()
    coordinator.admit(site)
    site.reply(coordinator.train(1))
    for _ in range(3):
        site.operations.withdraw("heart-disease", "Ada", NOW)
        site.reopen()
        site.operations.approve("heart-disease", "cardiology", "Ada", NOW)
    assert site.spent() == pytest.approx(0.2)
    assert site.books.ledger.count(coordinator.hash) == 1
    site.store.close()


def test_every_attempt_is_charged_and_their_number_is_declared() -> None:
    site, coordinator = Site(), Coordinator()
    coordinator.admit(site)
    site.trainer.size = 1
    keys = [(round_number, attempt) for round_number in (1, 2, 3) for attempt in (1, 2)]
    codes = []
    for round_number, attempt in keys:
        answer = site.handle(coordinator.train(round_number, attempt))
        codes.append(None if answer is None else site.code(coordinator.train(round_number, attempt)))
    assert codes == [None] * 4 + [RefusalCode.WRONG_ROUND] * 2
    assert site.spent() == pytest.approx(0.8)
