"""The store: all or nothing, durable, one owner, and never a file that only looks like one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fedward_client.vault.books.anchor import FileAnchor, MemoryAnchor
from fedward_client.vault.books.replies import FolderReplies, MemoryReplies, Replies
from fedward_client.vault.books.store import Store
from fedward_shared.contracts.round import Heads
from fedward_shared.errors import LockedError, UsageError

DIGEST = b"d" * 32
INSERT = "INSERT INTO ledger (body, head) VALUES (?, ?)"


def put(store: Store, body: str) -> None:
    with store.transaction() as transaction:
        transaction.execute(INSERT, (body, bytes(32)))


def test_what_was_committed_is_there_again(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    put(store, '{"kind": "lock"}')
    store.close()
    assert Store.open(tmp_path).read("SELECT kind FROM ledger") == [("lock",)]


def test_an_error_undoes_the_whole_transaction(tmp_path: Path) -> None:
    store = Store.open(tmp_path)

    def fail() -> None:
        with store.transaction() as transaction:
            transaction.execute(INSERT, ('{"kind": "lock"}', bytes(32)))
            raise ValueError("halfway")

    with pytest.raises(ValueError, match="halfway"):
        fail()
    assert store.read("SELECT * FROM ledger") == []
    put(store, '{"kind": "unlock"}')
    assert store.read("SELECT kind FROM ledger") == [("unlock",)]


def test_the_settings_that_the_store_relies_on(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    assert store.read("PRAGMA synchronous") == [(2,)]
    assert store.read("PRAGMA journal_mode") == [("wal",)]
    assert store.read("PRAGMA locking_mode") == [("exclusive",)]
    assert store.read("PRAGMA foreign_keys") == [(1,)]


def test_nobody_else_can_open_it(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with pytest.raises(LockedError, match="cannot be opened"):
        Store.open(tmp_path)
    store.close()
    Store.open(tmp_path).close()


def test_only_the_owner_may_read_the_files(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    store.replies.write(DIGEST, [memoryview(b"weights")])
    store.anchor.write(Heads())
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"ledger.db", "anchor"} < {path.name for path in files}
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)


@pytest.mark.parametrize("statement", ['UPDATE ledger SET body = \'{"kind": "unlock"}\'', "DELETE FROM ledger"])
def test_rows_can_neither_be_changed_nor_removed(statement: str) -> None:
    store = Store.in_memory()
    put(store, '{"kind": "lock"}')
    with pytest.raises(sqlite3.IntegrityError, match="only grows"), store.transaction() as transaction:
        transaction.execute(statement)
    assert store.read("SELECT kind FROM ledger") == [("lock",)]


def test_rows_of_no_known_kind_are_refused() -> None:
    with pytest.raises(sqlite3.IntegrityError):
        put(Store.in_memory(), '{"kind": "refund"}')


@pytest.mark.parametrize(
    "change",
    [
        "DROP INDEX reserved_once",
        "DROP TRIGGER ledger_stays",
        "CREATE TRIGGER gift AFTER INSERT ON journal BEGIN SELECT 1; END",
        "CREATE TABLE more (body TEXT)",
    ],
)
def test_a_doctored_schema_is_noticed(tmp_path: Path, change: str) -> None:
    Store.open(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as intruder, intruder:
        intruder.execute(change)
    with pytest.raises(LockedError, match="not those that Fedward makes"):
        Store.open(tmp_path)


def test_a_newer_schema_is_left_alone(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as newer, newer:
        newer.execute("PRAGMA user_version = 2")
    with pytest.raises(UsageError, match="schema 2"):
        Store.open(tmp_path)


@pytest.mark.parametrize("content", [b"not a database at all" * 300, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_file_is_no_reason_to_start_again(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ledger.db").write_bytes(content)
    with pytest.raises(LockedError, match="cannot be opened") as caught:
        Store.open(tmp_path)
    assert "backup" in caught.value.diagnostics()
    assert (tmp_path / "ledger.db").read_bytes() == content


@pytest.fixture(params=["folder", "memory"])
def replies(request: pytest.FixtureRequest, tmp_path: Path) -> Replies:
    return FolderReplies(tmp_path / "replies") if request.param == "folder" else MemoryReplies()


@pytest.mark.parametrize("parts", [[], [b""], [b"one"], [b"one", b"", b"two" * 100_000]])
def test_a_payload_comes_back(replies: Replies, parts: list[bytes]) -> None:
    replies.write(DIGEST, [memoryview(part) for part in parts])
    found = replies.read(DIGEST)
    assert found is not None
    assert bytes(found) == b"".join(parts)


def test_a_payload_that_was_never_written(replies: Replies) -> None:
    assert replies.read(DIGEST) is None
    replies.remove([DIGEST])


def test_only_what_is_still_wanted_is_kept(replies: Replies) -> None:
    other = b"o" * 32
    replies.write(DIGEST, [memoryview(b"kept")])
    replies.write(other, [memoryview(b"orphan")])
    replies.keep_only([DIGEST])
    assert replies.read(other) is None
    assert bytes(replies.read(DIGEST) or b"") == b"kept"
    replies.remove([DIGEST])
    assert replies.read(DIGEST) is None


def test_half_written_payloads_are_removed(tmp_path: Path) -> None:
    replies = FolderReplies(tmp_path / "replies")
    (tmp_path / "replies" / ".abc.reply.x7").write_bytes(b"half")
    replies.keep_only([])
    assert list((tmp_path / "replies").iterdir()) == []


def test_a_mapped_payload_outlives_its_file(tmp_path: Path) -> None:
    replies = FolderReplies(tmp_path / "replies")
    replies.write(DIGEST, [memoryview(b"weights")])
    found = replies.read(DIGEST)
    replies.remove([DIGEST])
    assert found is not None
    assert bytes(found) == b"weights"


HEADS = Heads(3, b"l" * 32, 7, b"j" * 32)


def test_an_anchor_remembers(tmp_path: Path) -> None:
    for anchor in (FileAnchor(tmp_path / "anchor"), MemoryAnchor()):
        assert anchor.read() is None
        anchor.write(HEADS)
        anchor.write(HEADS)
        assert anchor.read() == HEADS
    assert FileAnchor(tmp_path / "anchor").read() == HEADS


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b'{"ledger_sequence": 1}', b"\xff", b"x" * 5000])
def test_a_damaged_anchor_is_an_error_and_not_a_fresh_start(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "anchor").write_bytes(content)
    with pytest.raises(LockedError, match="damaged"):
        FileAnchor(tmp_path / "anchor").read()
