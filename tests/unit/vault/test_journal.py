"""The journal: chained, signed, quiet about repetitions, and silent about patients."""

from __future__ import annotations

import pytest

from fedward_client.vault.books.journal import Journal
from fedward_client.vault.books.store import Store
from fedward_shared.crypto.keys import new_signing_key
from fedward_shared.errors import LockedError
from tests.support.vaults import VAULT_KEY

HOUR = 3600


@pytest.fixture
def store() -> Store:
    return Store.in_memory()


@pytest.fixture
def journal(store: Store) -> Journal:
    return Journal(store, VAULT_KEY)


def kinds(journal: Journal) -> list[str]:
    return [str(row.fields["kind"]) for row in journal.entries()]


def test_entries_are_chained_and_signed(journal: Journal) -> None:
    journal.note("start", 1, {"version": "0.1.0"})
    journal.note("stop", 2, {"version": "0.1.0"})
    assert kinds(journal) == ["start", "stop"]
    assert journal.verify() == journal.tip() == journal.verify_chain()
    assert journal.tip().sequence == 2
    assert [row.sequence for row in journal.entries(1)] == [2]


def test_an_entry_by_another_key_is_noticed(store: Store, journal: Journal) -> None:
    journal.note("start", 1, {})
    Journal(store, new_signing_key()).note("approved", 2, {"by": "nobody"})
    journal.verify_chain()
    with pytest.raises(LockedError, match="entry 2 of the journal is not signed by this vault"):
        journal.verify()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal SET body = replace(body, 'Ada', 'Eve') WHERE sequence = 2",
        "DELETE FROM journal WHERE sequence = 1",
        "UPDATE journal SET head = zeroblob(32) WHERE sequence = 2",
    ],
)
def test_a_changed_journal_does_not_verify(store: Store, journal: Journal, statement: str) -> None:
    journal.note("start", 1, {})
    journal.note("approved", 2, {"by": "Ada"})
    with store.transaction() as transaction:
        transaction.execute("DROP TRIGGER journal_keeps")
        transaction.execute("DROP TRIGGER journal_stays")
        transaction.execute(statement)
    with pytest.raises(LockedError, match="journal was changed, removed or damaged"):
        journal.verify_chain()


def test_what_repeats_within_the_hour_is_noted_once(journal: Journal) -> None:
    for at in (1, 2, HOUR, HOUR + 1, 2 * HOUR):
        journal.note_once(("refused", 2), "refused", at, {"code": 2})
    assert [row.fields["at"] for row in journal.entries()] == [1, HOUR + 1]


def test_what_differs_is_noted(journal: Journal) -> None:
    for code in (2, 3, 4):
        journal.note_once(("refused", code), "refused", 1, {"code": code})
    assert len(kinds(journal)) == 3


def test_a_flood_of_topics_is_forgotten_but_not_lost(journal: Journal) -> None:
    for topic in range(1030):
        journal.note_once((topic,), "refused", 1, {"code": 2})
    journal.note_once((1029,), "refused", 2, {"code": 2})
    journal.note_once((0,), "refused", 2, {"code": 2})
    assert journal.tip().sequence == 1031


def test_imports_are_known_by_name_and_version(journal: Journal) -> None:
    journal.note("import", 1, {"data_set": "cardiology", "version": "v1"})
    assert journal.mentions_import("cardiology", "v1")
    assert not journal.mentions_import("cardiology", "v2")
    assert not journal.mentions_import("radiology", "v1")


def test_an_undone_transaction_leaves_no_entry(store: Store, journal: Journal) -> None:
    def fail() -> None:
        with store.transaction() as transaction:
            journal.append(transaction, "approved", 1, {"by": "Ada"})
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert kinds(journal) == []
    journal.note("start", 2, {})
    assert journal.verify().sequence == 1
