"""Invariant 6: one charge, one release. Every way found so far to get a second one, or one that nobody approved."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fedward_client.vault.training.trainer import Order
from fedward_shared.contracts.round import RefusalCode
from fedward_shared.errors import TrainingError
from tests.support.vaults import NOW, Coordinator, Site


@pytest.fixture
def coordinator() -> Coordinator:
    return Coordinator()


@pytest.fixture
def site(tmp_path: Path, coordinator: Coordinator) -> Site:
    (tmp_path / "vault").mkdir()
    site = Site(tmp_path / "vault")
    coordinator.admit(site)
    return site


def fail(_: Order) -> None:
    raise TrainingError("the worker was killed")


def test_a_reservation_from_before_an_unlock_is_never_trained_again(
    site: Site, coordinator: Coordinator, tmp_path: Path
) -> None:
    """Its reply may have left in the time that the roll-back took away."""
    instruction = coordinator.train(1)
    site.trainer.before = fail
    assert site.handle(instruction) is None
    site.store.close()
    shutil.copytree(tmp_path / "vault", tmp_path / "backup")
    site.trainer.before = lambda _: None
    site.open()
    first = site.reply(instruction)
    site.store.close()
    shutil.rmtree(tmp_path / "vault")
    shutil.copytree(tmp_path / "backup", tmp_path / "vault")
    site.open()
    coordinator.remember(first)
    assert site.code(coordinator.train(2)) is RefusalCode.LEDGER_LOCKED
    site.operations.unsafe_unlock("Dr Ada Lind", "the disk was replaced", NOW)
    trained = len(site.trainer.orders)
    assert site.code(instruction) is RefusalCode.PRUNED
    assert len(site.trainer.orders) == trained
    site.reply(coordinator.train(1, 2))


def test_a_reply_from_data_that_the_approval_no_longer_names_does_not_leave(
    site: Site, coordinator: Coordinator
) -> None:
    site.data_sets.add("oncology", "v1", coordinator.study)

    def change_of_mind(_: Order) -> None:
        site.operations.withdraw(coordinator.hash.hex(), "Dr Ada Lind", NOW)
        site.operations.approve(coordinator.hash.hex(), "oncology", "Dr Ada Lind", NOW)

    site.trainer.before = change_of_mind
    instruction = coordinator.train(1)
    assert site.handle(instruction) is None
    site.trainer.before = lambda _: None
    assert site.code(instruction) is RefusalCode.CONFLICT
    assert not site.books.answers.all()


def test_a_study_that_was_concluded_spends_nothing_more(site: Site, coordinator: Coordinator) -> None:
    """Approvals count a concluded study with what it really spent; it may not go on after that."""
    coordinator.remember(site.reply(coordinator.train(1)))
    coordinator.remember(site.reply(coordinator.conclude(durable_through=0)))
    spent = site.spent()
    assert site.code(coordinator.train(2)) is RefusalCode.WRONG_ROUND
    assert site.spent() == spent
    site.reply(coordinator.conclude(durable_through=0))
