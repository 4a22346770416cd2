"""Invariant 1: nothing that leaves tells how many rows a site has, or anything else of them but the charged update.

The same study, instruction and keys at a site with few rows and at one with many: everything that leaves is compared
field by field. Only the payload of an update, the salted heads, and the signatures over both may differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import pytest

from fedward_client.vault.training.trainer import Order
from fedward_shared.contracts.round import Heads, InstructionHead, RefusalCode, ReplyHead
from fedward_shared.errors import TrainingError
from fedward_shared.wire import door_pb2
from fedward_shared.wire.codec import decode_reply
from fedward_shared.wire.parcel import Parcel, Refused
from tests.support.vaults import Coordinator, Site


def site_of(version: str) -> Site:
    """A site whose import is another one: other rows, and so another version."""
    site, coordinator = Site(), Coordinator()
    site.data_sets.add("cardiology", version, coordinator.study)
    coordinator.admit(site)
    return site


def visible(answer: Parcel | Refused | None) -> object:
    """Everything that the coordinator can read, without what is random by construction."""
    if isinstance(answer, Parcel):
        head = decode_reply(answer.head)
        sequences = (head.heads.ledger_sequence, head.heads.journal_sequence)
        return ("reply", head.instruction, head.payload_bytes, answer.payload_bytes, len(answer.head), sequences)
    return answer


def both(*steps: Callable[[Coordinator], Parcel]) -> tuple[list[object], list[object]]:
    """What two sites with different data answer to the same instructions."""
    few, many = site_of("three-rows"), site_of("three-million-rows")
    coordinator = Coordinator()
    return tuple([visible(site.handle(step(coordinator))) for step in steps] for site in (few, many))  # type: ignore[return-value]  # two lists


def test_replies_and_refusals_are_the_same_whatever_the_data() -> None:
    few, many = both(
        Coordinator.offer,
        lambda coordinator: coordinator.train(1),
        lambda coordinator: coordinator.train(1),
        lambda coordinator: coordinator.train(1, value=1.0),
        lambda coordinator: coordinator.train(99),
        lambda coordinator: coordinator.train(2, value=float("nan")),
        lambda coordinator: coordinator.train(2),
        Coordinator.conclude,
    )
    assert few == many
    assert len(few) == 8


def test_training_that_fails_for_whatever_reason_looks_the_same() -> None:
    answers = []
    for error in (TrainingError("no rows"), MemoryError("3000000 rows"), ValueError("patient 7 is 93")):

        def fail(_: Order, error: Exception = error) -> None:
            raise error

        site, coordinator = site_of("v1"), Coordinator()
        site.trainer.before = fail
        answers.append(site.handle(coordinator.train()))
    assert answers == [None, None, None]


def test_heads_tell_nothing_that_could_be_found_out_by_trial() -> None:
    """Two sites with the very same history have other heads: rows are salted."""
    heads = []
    for _ in range(2):
        site, coordinator = site_of("v1"), Coordinator()
        heads.append(decode_reply(site.reply(coordinator.train()).head).heads)
    assert heads[0].ledger != heads[1].ledger
    assert heads[0].journal != heads[1].journal
    assert heads[0].ledger_sequence == heads[1].ledger_sequence


def test_a_reply_has_no_field_for_a_number_of_rows() -> None:
    """The whole list of what a reply's head can say; a new field must be argued for here."""
    assert [field.name for field in fields(ReplyHead)] == ["instruction", "payload_bytes", "heads"]
    assert [field.name for field in fields(Heads)] == ["ledger_sequence", "ledger", "journal_sequence", "journal"]
    assert [field.name for field in door_pb2.ReplyHead.DESCRIPTOR.fields] == ["instruction", "payload_bytes", "heads"]
    assert [field.name for field in door_pb2.Refusal.DESCRIPTOR.fields] == ["code", "signature"]
    assert [field.name for field in door_pb2.Progress.DESCRIPTOR.fields] == []
    assert "num_examples" not in {field.name for field in fields(InstructionHead)}


@pytest.mark.parametrize("size", [0, 100, 10_000_000])
def test_a_trainer_cannot_smuggle_by_size(size: int) -> None:
    site, coordinator = site_of("v1"), Coordinator()
    site.trainer.size = size
    assert site.handle(coordinator.train()) is None


def test_the_journal_holds_no_row_counts() -> None:
    site, coordinator = site_of("v1"), Coordinator()
    site.reply(coordinator.train())
    text = " ".join(entry.says for entry in site.operations.journal())
    assert "rows" not in text
    assert RefusalCode.BUDGET.name not in text
