"""Invariant 7: a ledger that was rolled back is noticed, by its anchor or by the coordinator, and starts locked."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fedward_shared.contracts.round import Heads, RefusalCode
from fedward_shared.errors import LockedError
from tests.support.vaults import NOW, Coordinator, Site


class Backup:
    """Copies of a stopped vault's folder, and putting them back."""

    def __init__(self, folder: Path, elsewhere: Path) -> None:
        self.folder = folder
        self.elsewhere = elsewhere

    def take(self) -> None:
        shutil.copytree(self.folder, self.elsewhere)

    def restore(self, *names: str) -> None:
        """All of it, or only the files named."""
        for name in names or [path.name for path in self.elsewhere.iterdir()]:
            source, target = self.elsewhere / name, self.folder / name
            if target.is_dir():
                shutil.rmtree(target)
            copy = shutil.copytree if source.is_dir() else shutil.copy2
            copy(source, target)


@pytest.fixture
def coordinator() -> Coordinator:
    return Coordinator()


@pytest.fixture
def site(tmp_path: Path, coordinator: Coordinator) -> Site:
    (tmp_path / "vault").mkdir()
    site = Site(tmp_path / "vault")
    coordinator.admit(site)
    return site


@pytest.fixture
def backup(tmp_path: Path) -> Backup:
    return Backup(tmp_path / "vault", tmp_path / "backup")


def go_back(site: Site, backup: Backup, coordinator: Coordinator, *names: str) -> None:
    """One round, a backup, another round, and then the backup (or some of its files) again."""
    coordinator.remember(site.reply(coordinator.train(1)))
    site.store.close()
    backup.take()
    site.open()
    coordinator.remember(site.reply(coordinator.train(2)))
    site.store.close()
    backup.restore(*names)
    site.open()


def test_a_restored_database_is_behind_its_anchor(site: Site, backup: Backup, coordinator: Coordinator) -> None:
    go_back(site, backup, coordinator, "ledger.db")
    assert site.books.ledger.locked() is not None
    for instruction in (coordinator.train(1), coordinator.train(2), coordinator.train(3), coordinator.conclude()):
        assert site.code(instruction) is RefusalCode.LEDGER_LOCKED
    assert site.code(coordinator.offer()) is RefusalCode.LEDGER_LOCKED
    assert len(site.trainer.orders) == 2


def test_a_folder_restored_as_a_whole_is_noticed_by_the_coordinator(
    site: Site, backup: Backup, coordinator: Coordinator
) -> None:
    go_back(site, backup, coordinator)
    assert site.books.ledger.locked() is None
    assert site.code(coordinator.train(2, 2)) is RefusalCode.LEDGER_LOCKED
    assert site.books.ledger.locked() is not None
    site.reopen()
    assert site.books.ledger.locked() is not None
    assert len(site.trainer.orders) == 2


def test_an_offer_is_enough_to_notice(site: Site, backup: Backup, coordinator: Coordinator) -> None:
    go_back(site, backup, coordinator)
    assert site.code(coordinator.offer()) is RefusalCode.LEDGER_LOCKED
    assert site.books.ledger.locked() is not None


@pytest.mark.parametrize("loss", ["anchor", "ledger.db"])
def test_a_file_that_was_removed(site: Site, coordinator: Coordinator, loss: str) -> None:
    assert site.folder is not None
    coordinator.remember(site.reply(coordinator.train(1)))
    site.store.close()
    (site.folder / loss).unlink()
    site.open()
    assert site.books.ledger.locked() is not None
    assert site.code(coordinator.train(2)) in {RefusalCode.LEDGER_LOCKED, RefusalCode.UNKNOWN_STUDY}


def test_starting_again_does_not_unlock(site: Site, backup: Backup, coordinator: Coordinator) -> None:
    go_back(site, backup, coordinator, "ledger.db")
    for _ in range(3):
        site.reopen()
        assert site.books.ledger.locked() is not None
    assert [row.fields["kind"] for row in site.books.ledger.rows()].count("lock") == 1


def test_a_locked_vault_keeps_the_evidence(site: Site, backup: Backup, coordinator: Coordinator) -> None:
    assert site.folder is not None
    go_back(site, backup, coordinator, "ledger.db")
    ahead = site.store.anchor.read()
    with site.vault:
        assert site.code(coordinator.train(3)) is RefusalCode.LEDGER_LOCKED
    site.reopen()
    assert site.store.anchor.read() == ahead
    assert ahead is not None
    assert not site.books.hold(ahead)
    assert len(list((site.folder / "replies").iterdir())) == 2


def test_an_unlock_is_somebodys_and_lets_training_go_on(site: Site, backup: Backup, coordinator: Coordinator) -> None:
    go_back(site, backup, coordinator)
    instruction = coordinator.train(3)
    assert site.code(instruction) is RefusalCode.LEDGER_LOCKED
    site.operations.unsafe_unlock("Dr Ada Lind", "the disk was replaced", NOW)
    coordinator.remember(site.reply(instruction))
    assert "Dr Ada Lind" in "".join(entry.says for entry in site.operations.journal())
    coordinator.remember(site.reply(coordinator.train(3, 2)))
    site.reopen()
    assert site.books.ledger.locked() is None


def test_an_unlock_forgives_only_until_the_next_reply(site: Site, backup: Backup, coordinator: Coordinator) -> None:
    go_back(site, backup, coordinator)
    lost = coordinator.seen
    site.code(coordinator.train(3))
    site.operations.unsafe_unlock("Dr Ada Lind", "the disk was replaced", NOW)
    coordinator.remember(site.reply(coordinator.train(3)))
    coordinator.seen = lost
    assert site.code(coordinator.train(2, 2)) is RefusalCode.LEDGER_LOCKED


@pytest.mark.parametrize(
    "heads",
    [
        Heads(99, b"x" * 32, 0, bytes(32)),
        Heads(0, bytes(32), 99, b"x" * 32),
        Heads(1, b"x" * 32, 1, b"x" * 32),
        Heads((1 << 63) - 1, b"x" * 32, 0, bytes(32)),
    ],
)
def test_heads_that_were_never_ours_lock(site: Site, coordinator: Coordinator, heads: Heads) -> None:
    coordinator.remember(site.reply(coordinator.train(1)))
    assert site.code(coordinator.train(2, seen=heads)) is RefusalCode.LEDGER_LOCKED
    assert site.code(coordinator.train(2)) is RefusalCode.LEDGER_LOCKED


def test_a_stranger_cannot_lock(site: Site, coordinator: Coordinator) -> None:
    honest = coordinator.train(1)
    ahead = coordinator.train(1, seen=Heads(99, b"x" * 32, 0, bytes(32)))
    assert site.code(replace(ahead, signature=honest.signature)) is RefusalCode.BAD_SIGNATURE
    site.reply(honest)


@pytest.mark.parametrize("table", ["ledger", "journal"])
def test_a_changed_row_stops_the_vault_from_opening(site: Site, coordinator: Coordinator, table: str) -> None:
    site.reply(coordinator.train(1))
    triggers = [sql for (sql,) in site.store.read("SELECT sql FROM sqlite_master WHERE type = 'trigger'")]
    with site.store.transaction() as transaction:
        transaction.execute(f"DROP TRIGGER {table}_stays")
        transaction.execute(f"DROP TRIGGER {table}_keeps")
        transaction.execute(f"DELETE FROM {table} WHERE sequence = 1")  # noqa: S608 - one of two constants
        for sql in triggers:
            if f" ON {table} " in sql:
                transaction.execute(sql)
    site.store.close()
    with pytest.raises(LockedError, match=f"entry 1 of the {table}"):
        site.open()
