"""Invariants 5, 6 and 15: killed at any moment, the ledger is never too low, and one instruction has one reply."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fedward_client.vault.books.store import Store
from fedward_shared.contracts.round import RefusalCode
from fedward_shared.wire.parcel import Parcel
from tests.support.vault_child import LEFT, POINTS, TRAINING, store_study
from tests.support.vaults import Coordinator, Site, manifest

pytestmark = pytest.mark.processes

SPENT_NOTHING = POINTS[:1]
ROUND = pytest.approx(0.2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An approved study, and a vault that is not running."""
    site = Site(tmp_path)
    Coordinator().admit(site)
    site.store.close()
    store_study(tmp_path, manifest())
    return tmp_path


def die(folder: Path, point: str) -> bytes:
    """Starts a vault that dies at `point`; what left it before."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.vault_child", str(folder), point],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == -9, done.stderr.decode()
    return done.stdout


def left(output: bytes) -> tuple[bytes, bytes] | None:
    """Signature and payload of a reply that left."""
    for line in output.splitlines(keepends=True):
        if line.startswith(LEFT):
            signature, payload = line.removeprefix(LEFT).split()
            return bytes.fromhex(signature.decode()), bytes.fromhex(payload.decode())
    return None


def seen(reply: Parcel) -> tuple[bytes, bytes]:
    return reply.signature, bytes(reply.payload)


@pytest.mark.parametrize("point", POINTS)
def test_killed_once(folder: Path, point: str) -> None:
    released = left(die(folder, point))
    site, coordinator = Site(folder), Coordinator()
    assert site.books.ledger.locked() is None
    assert site.spent() == (0 if point in SPENT_NOTHING else ROUND)
    if point not in SPENT_NOTHING:
        assert site.code(coordinator.train(value=1.0)) is RefusalCode.CONFLICT
    reply = site.reply(coordinator.train())
    assert released in {None, seen(reply)}
    assert (released is not None) == (point == "after the reply left")
    assert site.spent() == ROUND
    assert [path.name for path in (folder / "replies").iterdir()] == [f"{coordinator.train().digest.hex()}.reply"]
    assert site.operations.verify_journal().holds
    site.store.close()


def test_killed_everywhere_one_after_the_other(folder: Path) -> None:
    """Ten deaths over one instruction: charged once, and everything that left is one reply."""
    outputs = [die(folder, point) for point in (*POINTS, POINTS[-1])]
    replies = {left(output) for output in outputs} - {None}
    site = Site(folder)
    assert {seen(site.reply(Coordinator().train()))} == replies
    assert site.spent() == ROUND
    assert sum(output.count(TRAINING) for output in outputs[5:]) >= 1
    assert outputs[-1].count(TRAINING) == 0
    site.store.close()


def test_killed_while_the_store_is_made(tmp_path: Path) -> None:
    """An empty database file, as a crash in the very first moment leaves it, is a beginning and not damage."""
    (tmp_path / "ledger.db").touch()
    store = Store.open(tmp_path)
    assert store.read("SELECT * FROM ledger") == []
    store.close()
