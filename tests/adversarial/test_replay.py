"""Invariant 6: a round and attempt belongs to one instruction; saying it again, or otherwise, gains nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fedward_client.vault.training.trainer import Order
from fedward_shared.contracts.round import RefusalCode
from fedward_shared.errors import TrainingError
from fedward_shared.wire.parcel import Parcel
from tests.support.vaults import NOW, Coordinator, Site

ONE_ROUND = pytest.approx(0.2)


@pytest.fixture
def coordinator() -> Coordinator:
    return Coordinator()


@pytest.fixture
def site(coordinator: Coordinator) -> Site:
    site = Site()
    coordinator.admit(site)
    return site


def others(coordinator: Coordinator) -> list[Parcel]:
    """Instructions for the same round and attempt that differ from the honest one in one thing."""
    return [
        coordinator.train(value=1.0),
        coordinator.train(expires=NOW + 61),
        coordinator.train(seen=replace(coordinator.seen, ledger_sequence=0, ledger=bytes(32)), expires=NOW + 59),
    ]


def test_another_payload_for_an_answered_round(site: Site, coordinator: Coordinator) -> None:
    site.reply(coordinator.train())
    for other in others(coordinator):
        assert site.code(other) is RefusalCode.CONFLICT
    assert site.spent() == ONE_ROUND
    assert len(site.trainer.orders) == 1


def test_another_payload_for_a_round_whose_training_failed(site: Site, coordinator: Coordinator) -> None:
    """Even though nothing left: the reservation is the first instruction's, and every new one is a new attempt."""

    def fail(_: Order) -> None:
        raise TrainingError("the worker ended")

    site.trainer.before = fail
    assert site.handle(coordinator.train()) is None
    site.trainer.before = lambda _: None
    for other in others(coordinator):
        assert site.code(other) is RefusalCode.CONFLICT
    site.reply(coordinator.train())
    assert site.spent() == ONE_ROUND


def test_a_hundred_replays_are_one_release(site: Site, coordinator: Coordinator) -> None:
    instruction = coordinator.train()
    answers = {bytes(site.reply(instruction).payload) for _ in range(100)}
    assert len(answers) == 1
    assert site.spent() == ONE_ROUND
    entries = len(site.operations.journal())
    for _ in range(100):
        site.reply(instruction)
    assert len(site.operations.journal()) == entries


def test_the_same_instruction_under_another_signature_is_the_same_instruction(
    site: Site, coordinator: Coordinator
) -> None:
    """Ed25519 signatures are malleable in some libraries: the digest is over what is signed, not over the signature."""
    instruction = coordinator.train()
    reply = site.reply(instruction)
    assert site.code(replace(instruction, signature=bytes(64))) is RefusalCode.BAD_SIGNATURE
    assert replace(instruction, signature=bytes(64)).digest == instruction.digest
    assert bytes(site.reply(instruction).payload) == bytes(reply.payload)


def test_a_payload_exchanged_behind_the_seal_never_trains(site: Site, coordinator: Coordinator) -> None:
    """The seal names head and payload; whoever assembles a parcel checks the payload, and the digest names both."""
    honest, other = coordinator.train(), coordinator.train(value=2.0)
    site.reply(honest)
    mixed = replace(other, seal=honest.seal, signature=honest.signature, head=honest.head)
    site.reply(mixed)
    assert len(site.trainer.orders) == 1
    assert site.code(replace(honest, seal=other.seal, signature=other.signature)) is RefusalCode.CONFLICT


def test_an_instruction_of_another_study_of_the_same_consortium(site: Site, coordinator: Coordinator) -> None:
    """The study's hash is in the signed head: one study's instruction is worth nothing in another."""
    site.reply(coordinator.train())
    assert site.code(coordinator.train(study=b"y" * 32)) is RefusalCode.UNKNOWN_STUDY
