"""The ledger: what is reserved is spent, keys are unique, nothing lowers a spend, and the chain tells of changes."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from fedward_client.vault.books.ledger import Ledger, Reservation
from fedward_client.vault.books.store import Store
from fedward_shared.errors import LockedError
from fedward_shared.privacy.events import NoPrivacy, SampledGaussian

EVENT = SampledGaussian(1.3, 0.05, 2)
FIRST = Reservation(b"a" * 32, 1, 1, b"i" * 32, "cardiology", "v1", EVENT, 1_800_000_000)
PAYLOAD = b"p" * 32


@pytest.fixture
def store() -> Store:
    return Store.in_memory()


@pytest.fixture
def ledger(store: Store) -> Ledger:
    return Ledger(store)


def reserve(store: Store, ledger: Ledger, *reservations: Reservation) -> None:
    for reservation in reservations:
        with store.transaction() as transaction:
            ledger.reserve(transaction, reservation)


def settle(store: Store, ledger: Ledger, reservation: Reservation, payload: bytes = PAYLOAD) -> None:
    with store.transaction() as transaction:
        ledger.settle(transaction, reservation, payload, "v1", reservation.at)


def test_a_reservation_counts_as_spent_before_anything_is_settled(store: Store, ledger: Ledger) -> None:
    reserve(store, ledger, FIRST)
    assert ledger.events("cardiology") == (EVENT,)
    assert ledger.find(FIRST.study, 1, 1) == FIRST
    assert ledger.count(FIRST.study) == 1


def test_a_transaction_that_failed_spent_nothing(store: Store, ledger: Ledger) -> None:
    def fail() -> None:
        with store.transaction() as transaction:
            ledger.reserve(transaction, FIRST)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert ledger.events("cardiology") == ()
    assert ledger.find(FIRST.study, 1, 1) is None
    assert ledger.tip().sequence == 0


def test_a_round_and_attempt_is_reserved_once(store: Store, ledger: Ledger) -> None:
    reserve(store, ledger, FIRST)
    with pytest.raises(sqlite3.IntegrityError):
        reserve(store, ledger, replace(FIRST, instruction=b"j" * 32))
    with pytest.raises(sqlite3.IntegrityError):
        reserve(store, ledger, replace(FIRST, data_set="radiology"))
    assert ledger.events("cardiology") == (EVENT,)


def test_a_reservation_is_settled_once(store: Store, ledger: Ledger) -> None:
    reserve(store, ledger, FIRST)
    settle(store, ledger, FIRST)
    assert ledger.find(FIRST.study, 1, 1) == replace(FIRST, settled=PAYLOAD)
    with pytest.raises(sqlite3.IntegrityError):
        settle(store, ledger, FIRST, b"q" * 32)


def test_settling_changes_no_spend(store: Store, ledger: Ledger) -> None:
    reserve(store, ledger, FIRST)
    before = ledger.events("cardiology")
    settle(store, ledger, FIRST)
    assert ledger.events("cardiology") == before


def test_all_studies_and_all_versions_add_up_under_one_name(store: Store, ledger: Ledger) -> None:
    other = replace(FIRST, study=b"b" * 32, event=NoPrivacy(3))
    again = replace(FIRST, round=2, dataset_version="v2")
    elsewhere = replace(FIRST, round=3, data_set="radiology")
    reserve(store, ledger, FIRST, other, again, elsewhere)
    assert set(ledger.events("cardiology")) == {replace(EVENT, steps=4), NoPrivacy(3)}
    assert ledger.events("radiology") == (EVENT,)
    assert ledger.events("cardiology", only=FIRST.study) == (replace(EVENT, steps=4),)
    assert ledger.events("cardiology", without=[FIRST.study]) == (NoPrivacy(3),)
    assert ledger.events("cardiology", without=[FIRST.study, other.study]) == ()
    assert ledger.data_sets() == ("cardiology", "radiology")
    assert ledger.count(FIRST.study) == 3


def test_reservations_in_order_with_what_became_of_them(store: Store, ledger: Ledger) -> None:
    second = replace(FIRST, round=2)
    reserve(store, ledger, FIRST, second)
    settle(store, ledger, second)
    assert ledger.reservations() == (FIRST, replace(second, settled=PAYLOAD))
    assert ledger.reservations("radiology") == ()


def test_a_lock_holds_until_somebody_answers_for_ending_it(store: Store, ledger: Ledger) -> None:
    assert ledger.locked() is None
    with store.transaction() as transaction:
        ledger.lock(transaction, "rolled back", 1)
    assert ledger.locked() == "rolled back"
    with store.transaction() as transaction:
        ledger.unsafe_unlock(transaction, "Ada Lind", "the disk was replaced", 2)
    assert ledger.locked() is None
    assert [row.fields["kind"] for row in ledger.rows()] == ["lock", "unlock"]


def test_after_an_unlock_a_study_is_forgiven_until_its_next_reply(store: Store, ledger: Ledger) -> None:
    assert not ledger.forgives(FIRST.study)
    with store.transaction() as transaction:
        ledger.lock(transaction, "rolled back", 1)
        assert not ledger.forgives(FIRST.study)
        ledger.unsafe_unlock(transaction, "Ada Lind", "known", 2)
    reserve(store, ledger, FIRST)
    assert ledger.forgives(FIRST.study)
    settle(store, ledger, FIRST)
    assert not ledger.forgives(FIRST.study)
    assert ledger.forgives(b"b" * 32)


def test_ancestors_are_on_the_chain_and_nothing_else_is(store: Store, ledger: Ledger) -> None:
    reserve(store, ledger, FIRST, replace(FIRST, round=2))
    for row in ledger.rows():
        assert ledger.holds(row.sequence, row.head)
        assert not ledger.holds(row.sequence, bytes(32))
        assert not ledger.holds(row.sequence + 1, row.head)
    assert ledger.holds(0, bytes(32))
    assert not ledger.holds(0, b"x" * 32)
    assert not ledger.holds(99, bytes(32))


def test_equal_rows_have_heads_that_nobody_can_foretell() -> None:
    heads = set()
    for _ in range(2):
        store = Store.in_memory()
        ledger = Ledger(store)
        reserve(store, ledger, FIRST)
        heads.add(ledger.tip().head)
    assert len(heads) == 2


def doctored(store: Store, statement: str) -> None:
    """What somebody with an editor for SQLite files would do."""
    with store.transaction() as transaction:
        transaction.execute("DROP TRIGGER ledger_keeps")
        transaction.execute("DROP TRIGGER ledger_stays")
        transaction.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM ledger WHERE sequence = 1",
        "DELETE FROM ledger WHERE sequence = 2",
        "UPDATE ledger SET body = replace(body, '1.3', '9.3') WHERE sequence = 1",
        "UPDATE ledger SET body = replace(body, 'cardiology', 'radiology') WHERE sequence = 3",
        "UPDATE ledger SET head = zeroblob(32) WHERE sequence = 3",
        "UPDATE ledger SET sequence = 7 WHERE sequence = 3",
    ],
)
def test_a_changed_chain_does_not_verify(store: Store, ledger: Ledger, statement: str) -> None:
    reserve(store, ledger, FIRST, replace(FIRST, round=2), replace(FIRST, round=3))
    assert ledger.verify() == ledger.tip()
    doctored(store, statement)
    with pytest.raises(LockedError, match="ledger was changed, removed or damaged"):
        ledger.verify()


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    ledger = Ledger(store)
    reserve(store, ledger, FIRST)
    settle(store, ledger, FIRST)
    tip = ledger.tip()
    store.close()
    again = Ledger(Store.open(tmp_path))
    assert again.verify() == tip
    assert again.find(FIRST.study, 1, 1) == replace(FIRST, settled=PAYLOAD)
