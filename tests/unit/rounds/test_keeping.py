"""What outlives a crash: instructions and checkpoints, to the byte."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from fedward_server.rounds.checkpoint import Checkpoint, FolderCheckpoints
from fedward_server.rounds.desk import Desk
from fedward_server.rounds.participation import (
    Attempt,
    Attendance,
    attempts_from_json,
    attempts_to_json,
    rounds_joined,
)
from fedward_server.rounds.store import Batch, BatchKey, FolderStore, MemoryStore, SealedHead
from fedward_server.rounds.strategy_state import StrategyState
from fedward_shared.contracts.round import Heads, Task
from fedward_shared.crypto.signing import Purpose
from fedward_shared.errors import FedwardError
from fedward_shared.manifest.parse import load
from fedward_shared.models.registry import initial_weights
from fedward_shared.wire.codec import decode_instruction, decode_offer
from tests.support.fake_sites import ROUND_KEY, book_of, offer_of, sites_of, study_text

OFFER = offer_of(study_text())
STUDY_TERMS = load(OFFER.manifest)
WEIGHTS = initial_weights(STUDY_TERMS.model, STUDY_TERMS.data)
KEY = BatchKey(Task.TRAIN, 2, 1)
SITES = STUDY_TERMS.site_names


def desk(folder: Path, *, time: float = 1000.0) -> Desk:
    """A desk as after a restart at this time."""
    return Desk(
        OFFER, STUDY_TERMS, key=ROUND_KEY, book=book_of(sites_of(OFFER)), store=FolderStore(folder), clock=lambda: time
    )


def test_after_a_restart_the_same_bytes_are_given_back(tmp_path: Path) -> None:
    before = desk(tmp_path).instruct(KEY, SITES, WEIGHTS)
    later = desk(tmp_path, time=5000.0)
    assert later.in_flight(Task.TRAIN, 2, 1) == SITES
    after = later.instruct(KEY, SITES, WEIGHTS)
    for site in SITES:
        assert after[site].head == before[site].head
        assert after[site].seal == before[site].seal
        assert after[site].signature == before[site].signature
        assert bytes(after[site].payload) == bytes(before[site].payload)


def test_a_site_added_later_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    first = desk(tmp_path).instruct(KEY, ["north"], WEIGHTS)
    both = desk(tmp_path, time=2000.0).instruct(KEY, ["north", "south"], WEIGHTS)
    assert both["north"].digest == first["north"].digest
    assert decode_instruction(both["south"].head).expires > decode_instruction(both["north"].head).expires


def test_other_weights_under_the_same_round_and_attempt_are_an_error(tmp_path: Path) -> None:
    desk(tmp_path).instruct(KEY, SITES, WEIGHTS)
    other = {name: values + np.float32(1) for name, values in WEIGHTS.items()}
    with pytest.raises(FedwardError, match="other weights"):
        desk(tmp_path).instruct(KEY, SITES, other)


def test_an_instruction_says_what_it_should_and_is_signed(tmp_path: Path) -> None:
    made = desk(tmp_path)
    made.checkpointed(1)
    parcel = made.instruct(KEY, SITES, WEIGHTS)["south"]
    parcel.verify(ROUND_KEY.public_key().public_bytes_raw(), Purpose.INSTRUCTION)
    assert parcel.seal[32:] == hashlib.sha256(parcel.payload).digest()
    head = decode_instruction(parcel.head)
    assert head.study == hashlib.sha256(OFFER.manifest).digest()
    assert (head.site, head.round, head.attempt, head.task) == ("south", 2, 1, Task.TRAIN)
    assert (head.durable_through, head.seen) == (1, Heads())
    assert head.expires == 1000 + 60 + 600


def test_an_offer_carries_the_manifest_and_is_renewed_before_it_expires(tmp_path: Path) -> None:
    now = [0.0]
    made = Desk(
        OFFER,
        STUDY_TERMS,
        key=ROUND_KEY,
        book=book_of(sites_of(OFFER)),
        store=FolderStore(tmp_path),
        clock=lambda: now[0],
    )
    first = made.offer("north")
    assert decode_offer(bytes(first.payload)) == OFFER
    assert made.offer("north") is first
    now[0] = 24 * 3600.0
    assert decode_instruction(made.offer("north").head).expires > decode_instruction(first.head).expires


def test_a_payload_without_its_heads_was_never_sent_and_does_not_count(tmp_path: Path) -> None:
    desk(tmp_path).instruct(KEY, SITES, WEIGHTS)
    (tmp_path / KEY.name / "heads.json").unlink()
    again = desk(tmp_path, time=2000.0)
    assert again.in_flight(Task.TRAIN, 2, 1) == ()
    assert decode_instruction(again.instruct(KEY, SITES, WEIGHTS)["north"].head).expires == 2000 + 660


def test_a_damaged_payload_is_noticed(tmp_path: Path) -> None:
    desk(tmp_path).instruct(KEY, SITES, WEIGHTS)
    path = tmp_path / KEY.name / "payload"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(FedwardError, match="damaged"):
        desk(tmp_path).in_flight(Task.TRAIN, 2, 1)


@pytest.mark.parametrize("in_memory", [True, False])
def test_only_rounds_with_a_durable_result_are_forgotten(tmp_path: Path, *, in_memory: bool) -> None:
    store = MemoryStore() if in_memory else FolderStore(tmp_path)
    batch = Batch((memoryview(b"weights"),), hashlib.sha256(b"weights").digest(), {"a": SealedHead(b"h", b"s", b"n")})
    keys = [BatchKey(Task.TRAIN, 1, 1), BatchKey(Task.TRAIN, 1, 2), BatchKey(Task.TRAIN, 2, 1)]
    conclusion = BatchKey(Task.CONCLUDE, 1, 1)
    for key in [*keys, conclusion]:
        store.save(key, batch)
    store.forget(1)
    assert [store.load(key) is None for key in keys] == [True, True, False]
    assert store.load(conclusion) is not None


def attempt(number: int, *present: str, enough: bool = True) -> Attempt:
    """An attempt in which these sites took part."""
    entries = tuple(
        Attendance(site, asked=True, took_part=site in present, reason="" if site in present else "silent")
        for site in SITES
    )
    return Attempt(number, 1, enough, 12.5, 0.25, entries)


def checkpoint(number: int) -> Checkpoint:
    """A checkpoint with something of everything in it."""
    return Checkpoint(
        round=number,
        model={"w": np.array([[1.5, -0.0]], np.float32), "b": np.array(3, np.float32)},
        strategy=StrategyState(
            {"eta": {"kind": "plain", "value": 0.1}, "m_t": {"kind": "dict", "keys": ["w"], "count": 1}},
            {"m_t/0": np.array([1e-300, 2.0])},
        ),
        attempt=2,
        spare_used=1,
        average={"w": np.array([[0.1, 0.2]])},
        averaged=3,
        attempts=(attempt(1, "north"), attempt(2, "north", "south", enough=False)),
    )


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    FolderCheckpoints(tmp_path).save(checkpoint(7))
    back = FolderCheckpoints(tmp_path).latest()
    assert back is not None
    before = checkpoint(7)
    assert (back.round, back.attempt, back.spare_used, back.averaged) == (7, 2, 1, 3)
    assert back.attempts == before.attempts
    assert back.strategy.document == before.strategy.document
    for found, expected in (
        (back.model, before.model),
        (back.average, before.average),
        (back.strategy.tensors, before.strategy.tensors),
    ):
        assert list(found) == list(expected)
        for name, values in expected.items():
            assert found[name].dtype == values.dtype
            assert found[name].shape == values.shape
            assert found[name].tobytes() == values.tobytes()


def test_the_last_two_checkpoints_are_kept(tmp_path: Path) -> None:
    checkpoints = FolderCheckpoints(tmp_path)
    assert checkpoints.latest() is None
    for number in range(5):
        checkpoints.save(checkpoint(number))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["round-00003.safetensors", "round-00004.safetensors"]
    latest = checkpoints.latest()
    assert latest is not None
    assert latest.round == 4


@pytest.mark.parametrize("damage", [b"", b"\x00" * 64, b"\xff" * 64])
def test_a_damaged_checkpoint_is_an_error_not_a_fresh_start(tmp_path: Path, damage: bytes) -> None:
    FolderCheckpoints(tmp_path).save(checkpoint(1))
    (tmp_path / "round-00001.safetensors").write_bytes(damage)
    with pytest.raises(FedwardError, match="damaged"):
        FolderCheckpoints(tmp_path).latest()


def test_participation_tells_who_and_why() -> None:
    attempts = (attempt(1, "north", "south"), attempt(2, "north", enough=False), attempt(2, "north", "west"))
    assert attempts_from_json(attempts_to_json(attempts)) == attempts
    assert rounds_joined(attempts, SITES) == {"north": 2, "south": 1, "west": 1}
    assert attempts[1].shortfall(2) == (
        "round 2, attempt 1, needs 2 hospitals and had 1 (north). south: silent; west: silent"
    )
    with pytest.raises(FedwardError, match="participation"):
        attempts_from_json([{"round": 1}])
