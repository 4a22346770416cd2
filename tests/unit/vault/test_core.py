"""The vault at work: what is answered, what is kept, what is noted, and what is silence."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fedward_client.vault.policy import Policy
from fedward_client.vault.training.trainer import Order
from fedward_shared.contracts.round import Heads, RefusalCode, Task
from fedward_shared.crypto.keys import new_signing_key, public_bytes
from fedward_shared.crypto.signing import Purpose, verify
from fedward_shared.errors import TrainingError
from fedward_shared.privacy.events import NoPrivacy, SampledGaussian
from fedward_shared.wire.codec import MAX_OFFER_BYTES, decode_reply, encode_instruction
from fedward_shared.wire.parcel import INLINE_BYTES, Parcel, Refused
from tests.support.vaults import DAY, NOW, SITE, STUDY_KEY, VAULT_KEY, Coordinator, Site, manifest, never


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def coordinator() -> Coordinator:
    return Coordinator()


@pytest.fixture
def admitted(site: Site, coordinator: Coordinator) -> Site:
    coordinator.admit(site)
    return site


def kinds(site: Site) -> list[str]:
    return [entry.kind for entry in site.operations.journal()]


# Studies


def test_a_study_waits_for_a_person(site: Site, coordinator: Coordinator) -> None:
    assert site.code(coordinator.offer()) is RefusalCode.NOT_APPROVED
    assert site.code(coordinator.offer()) is RefusalCode.NOT_APPROVED
    assert [summary.state for summary in site.operations.proposals()] == ["proposed"]
    assert kinds(site) == ["offered", "refused"]


def test_an_approved_study_is_answered_with_nothing(admitted: Site, coordinator: Coordinator) -> None:
    reply = admitted.reply(coordinator.offer())
    assert reply.payload_bytes == 0
    assert decode_reply(reply.head).heads == admitted.books.heads()
    admitted.reply(coordinator.offer())
    assert kinds(admitted).count("reply") == 1


def test_a_rejected_study_is_refused_and_may_be_approved_later(site: Site, coordinator: Coordinator) -> None:
    site.handle(coordinator.offer())
    site.operations.reject("heart-disease", "Ada", NOW)
    assert site.code(coordinator.offer()) is RefusalCode.WITHDRAWN
    site.operations.approve("heart-disease", "cardiology", "Ada", NOW)
    assert site.reply(coordinator.offer()).payload_bytes == 0


def test_only_a_few_studies_may_wait(site: Site) -> None:
    for number in range(8):
        study = manifest(('name = "heart-disease"', f'name = "study-{number}"'))
        assert site.code(Coordinator(study).offer()) is RefusalCode.NOT_APPROVED
    assert site.code(Coordinator().offer()) is RefusalCode.BUSY
    site.operations.reject("study-3", "Ada", NOW)
    assert site.code(Coordinator().offer()) is RefusalCode.NOT_APPROVED


def test_a_new_round_key_takes_over_and_the_old_one_ends(admitted: Site, coordinator: Coordinator) -> None:
    renewed = Coordinator(round_key_=new_signing_key(), certified=(NOW - 60, NOW + DAY))
    admitted.reply(renewed.offer())
    assert admitted.code(coordinator.train()) is RefusalCode.BAD_SIGNATURE
    admitted.reply(coordinator.offer())
    assert admitted.code(coordinator.train()) is RefusalCode.BAD_SIGNATURE
    admitted.reply(renewed.train())


# Training


def test_training_is_charged_once_and_answered_twice_with_the_same_bytes(
    admitted: Site, coordinator: Coordinator
) -> None:
    instruction = coordinator.train()
    first, second = admitted.reply(instruction), admitted.reply(instruction)
    assert (bytes(first.payload), first.head, first.signature) == (
        bytes(second.payload),
        second.head,
        second.signature,
    )
    assert len(admitted.trainer.orders) == 1
    assert admitted.spent() == pytest.approx(0.2)


def test_the_trainer_is_told_everything(admitted: Site, coordinator: Coordinator) -> None:
    instruction = coordinator.train(2, 2, value=3.5)
    admitted.reply(instruction)
    order = admitted.trainer.orders[0]
    assert (order.site, order.task, order.round, order.attempt) == (SITE, Task.TRAIN, 2, 2)
    assert order.manifest == coordinator.manifest
    assert order.digest == instruction.digest
    assert bytes(order.payload) == coordinator.weights(3.5)
    assert order.data_folder == admitted.data_sets.imports["cardiology"].folder


def test_the_spend_is_durable_before_training_begins(admitted: Site, coordinator: Coordinator) -> None:
    seen: list[float] = []
    admitted.trainer.before = lambda _: seen.append(admitted.spent())
    admitted.reply(coordinator.train())
    assert seen == [pytest.approx(0.2)]


def test_the_charge_is_the_declared_mechanism(admitted: Site, coordinator: Coordinator) -> None:
    admitted.reply(coordinator.train())
    assert admitted.books.ledger.events("cardiology") == (SampledGaussian(4.0, 1.0, 2),)


def test_a_study_without_privacy_is_charged_as_such() -> None:
    study = manifest(("unsafe_no_privacy = false", "unsafe_no_privacy = true"), ("noise_multiplier = 4.0\n", ""))
    site = Site(policy=Policy(10.0, 1e-5, allow_unsafe_no_privacy=True), study=study)
    unsafe = Coordinator(study)
    unsafe.admit(site)
    site.reply(unsafe.train())
    assert site.books.ledger.events("cardiology") == (NoPrivacy(2),)
    assert site.spent() == float("inf")


def test_the_reply_tells_the_heads_with_its_own_entries(admitted: Site, coordinator: Coordinator) -> None:
    head = decode_reply(admitted.reply(coordinator.train()).head)
    assert head.heads == admitted.books.heads()
    assert admitted.store.anchor.read() == head.heads
    assert [row.fields["kind"] for row in admitted.books.ledger.rows()] == ["reserve", "settle"]
    assert kinds(admitted)[-2:] == ["instruction", "reply"]


def test_heads_that_were_seen_are_ancestors(admitted: Site, coordinator: Coordinator) -> None:
    instructions = [coordinator.train(1)]
    coordinator.remember(admitted.reply(instructions[0]))
    instructions.append(coordinator.train(2))
    admitted.reply(instructions[1])
    admitted.reply(coordinator.train(3))
    for instruction in instructions:
        admitted.reply(instruction)


@pytest.mark.parametrize("error", [TrainingError("x"), RuntimeError("patient 7"), MemoryError(), ZeroDivisionError()])
def test_what_fails_in_training_is_silence_and_stays_spent(
    admitted: Site, coordinator: Coordinator, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Order) -> None:
        raise error

    admitted.trainer.before = fail
    assert admitted.handle(coordinator.train()) is None
    assert admitted.spent() == pytest.approx(0.2)
    assert kinds(admitted)[-1] == "failed"
    assert "patient" not in caplog.text
    admitted.trainer.before = lambda _: None
    admitted.reply(coordinator.train())
    assert admitted.spent() == pytest.approx(0.2)


@pytest.mark.parametrize("size", [0, 1, 10_000])
def test_a_reply_of_another_size_never_leaves(admitted: Site, coordinator: Coordinator, size: int) -> None:
    admitted.trainer.size = size
    assert admitted.handle(coordinator.train()) is None
    assert admitted.books.answers.all() == ()


def test_a_stored_reply_is_served_past_expiry_but_nothing_is_trained_then(
    admitted: Site, coordinator: Coordinator
) -> None:
    answered, late = coordinator.train(1), coordinator.train(2)
    reply = admitted.reply(answered)
    admitted.now += 61
    assert bytes(admitted.reply(answered).payload) == bytes(reply.payload)
    assert admitted.code(late) is RefusalCode.EXPIRED
    assert admitted.spent() == pytest.approx(0.2)


def test_a_receipt_prunes_and_what_is_pruned_is_never_trained_again(admitted: Site, coordinator: Coordinator) -> None:
    first = coordinator.train(1)
    admitted.reply(first)
    admitted.reply(coordinator.train(2, durable_through=1))
    assert admitted.store.replies.read(first.digest) is None
    assert admitted.code(first) is RefusalCode.PRUNED
    assert admitted.code(coordinator.train(1, 2)) is RefusalCode.PRUNED
    admitted.reply(coordinator.train(3))
    assert admitted.code(coordinator.train(1, 2)) is RefusalCode.PRUNED
    assert len(admitted.trainer.orders) == 3


def test_a_reply_whose_file_was_lost_or_damaged_is_never_trained_again(tmp_path: Path) -> None:
    site, coordinator = Site(tmp_path), Coordinator()
    coordinator.admit(site)
    lost, damaged = coordinator.train(1), coordinator.train(2)
    site.reply(lost)
    site.reply(damaged)
    (tmp_path / "replies" / f"{lost.digest.hex()}.reply").unlink()
    path = tmp_path / "replies" / f"{damaged.digest.hex()}.reply"
    path.write_bytes(bytes(path.stat().st_size))
    assert site.code(lost) is RefusalCode.PRUNED
    assert site.code(damaged) is RefusalCode.PRUNED
    assert len(site.trainer.orders) == 2


def test_a_new_attempt_is_charged_and_the_study_cannot_have_more_than_it_declared(
    admitted: Site, coordinator: Coordinator
) -> None:
    for round_number, attempt in [(1, 1), (1, 2), (2, 1), (2, 2)]:
        admitted.reply(coordinator.train(round_number, attempt))
    assert admitted.spent() == pytest.approx(0.8)
    assert admitted.code(coordinator.train(3, 1)) is RefusalCode.WRONG_ROUND
    assert admitted.spent() == pytest.approx(0.8)


def test_importing_again_inherits_what_was_spent(admitted: Site, coordinator: Coordinator) -> None:
    admitted.reply(coordinator.train(1))
    admitted.data_sets.add("cardiology", "v2", coordinator.study)
    admitted.reply(coordinator.train(2))
    assert admitted.spent() == pytest.approx(0.4)
    versions = [row.dataset_version for row in admitted.operations.ledger()]
    assert versions == ["v1", "v2"]
    assert kinds(admitted).count("import") == 2


def test_a_reservation_left_open_is_not_trained_on_another_data_set(admitted: Site, coordinator: Coordinator) -> None:
    def fail(_: Order) -> None:
        raise TrainingError("the worker ended")

    admitted.trainer.before = fail
    instruction = coordinator.train()
    assert admitted.handle(instruction) is None
    admitted.operations.withdraw("heart-disease", "Ada", NOW)
    admitted.data_sets.add("radiology", "v1", coordinator.study)
    admitted.operations.approve("heart-disease", "radiology", "Ada", NOW)
    admitted.trainer.before = lambda _: None
    assert admitted.code(instruction) is RefusalCode.CONFLICT
    admitted.reply(coordinator.train(1, 2))
    assert admitted.books.ledger.data_sets() == ("cardiology", "radiology")


def test_withdrawing_while_training_keeps_the_reply_inside(admitted: Site, coordinator: Coordinator) -> None:
    admitted.trainer.before = lambda _: admitted.operations.withdraw("heart-disease", "Ada", NOW)
    instruction = coordinator.train()
    assert admitted.handle(instruction) is None
    assert admitted.books.answers.all() == ()
    assert admitted.store.replies.read(instruction.digest) is None
    assert admitted.spent() == pytest.approx(0.2)


def test_withdrawing_deletes_what_was_not_fetched(admitted: Site, coordinator: Coordinator) -> None:
    instruction = coordinator.train()
    admitted.reply(instruction)
    admitted.operations.withdraw("heart-disease", "Ada", NOW)
    assert admitted.code(instruction) is RefusalCode.WITHDRAWN
    admitted.operations.approve("heart-disease", "cardiology", "Ada", NOW)
    assert admitted.code(instruction) is RefusalCode.PRUNED
    assert len(admitted.trainer.orders) == 1


# The end of a study


def test_concluding_evaluates_costs_nothing_and_says_nothing(admitted: Site, coordinator: Coordinator) -> None:
    admitted.reply(coordinator.train(3))
    spent = admitted.spent()
    instruction = coordinator.conclude()
    reply = admitted.reply(instruction)
    assert reply.payload_bytes == 0
    assert admitted.spent() == spent
    assert [order.task for order in admitted.trainer.orders] == [Task.TRAIN, Task.CONCLUDE]
    assert admitted.reply(instruction).head == reply.head
    assert len(admitted.trainer.orders) == 2
    assert admitted.operations.proposals()[0].concluded
    assert admitted.code(coordinator.train(3, 2)) is RefusalCode.PRUNED


def test_an_evaluation_that_failed_is_silence(admitted: Site, coordinator: Coordinator) -> None:
    def fail(_: Order) -> None:
        raise TrainingError("x")

    admitted.trainer.before = fail
    assert admitted.handle(coordinator.conclude()) is None
    assert not admitted.operations.proposals()[0].concluded
    admitted.trainer.before = lambda _: None
    admitted.reply(coordinator.conclude())


# One order at a time


def while_training(site: Site, coordinator: Coordinator, meanwhile: Callable[[], object]) -> object:
    """What `meanwhile` gives while the first round is being trained."""
    begun, go_on = threading.Event(), threading.Event()

    def pause(_: Order) -> None:
        begun.set()
        go_on.wait(30)

    site.trainer.before = pause
    worker = threading.Thread(target=site.handle, args=(coordinator.train(1),))
    worker.start()
    try:
        assert begun.wait(30)
        return meanwhile()
    finally:
        go_on.set()
        worker.join(30)


def test_another_order_meanwhile_is_refused(admitted: Site, coordinator: Coordinator) -> None:
    code = while_training(admitted, coordinator, lambda: admitted.code(coordinator.train(2)))
    assert code is RefusalCode.BUSY
    assert admitted.spent() == pytest.approx(0.2)
    admitted.trainer.before = lambda _: None
    admitted.reply(coordinator.train(2))


def test_an_offer_meanwhile_is_answered(admitted: Site, coordinator: Coordinator) -> None:
    reply = while_training(admitted, coordinator, lambda: admitted.reply(coordinator.offer()))
    assert isinstance(reply, Parcel)


def test_the_same_order_meanwhile_waits_for_its_answer(admitted: Site, coordinator: Coordinator) -> None:
    answers: list[Parcel | Refused | None] = []
    second = threading.Thread(target=lambda: answers.append(admitted.handle(coordinator.train(1))))
    while_training(admitted, coordinator, second.start)
    second.join(30)
    assert isinstance(answers[0], Parcel)
    assert len(admitted.trainer.orders) == 1


def test_the_same_order_meanwhile_gives_up_when_nobody_waits(admitted: Site, coordinator: Coordinator) -> None:
    answer = while_training(admitted, coordinator, lambda: admitted.vault.handle(coordinator.train(1), lambda: True))
    assert isinstance(answer, Refused)
    assert answer.code is RefusalCode.BUSY


# Sizes


def test_sizes_are_known_before_memory_is_set_aside() -> None:
    large = manifest(('name = "logistic"', 'name = "mlp"'), ("[model.options]", "[model.options]\nhidden = [128, 256]"))
    site, coordinator = Site(study=large), Coordinator(large)
    coordinator.admit(site)
    size = coordinator.layout.payload_bytes
    assert size > INLINE_BYTES
    assert site.vault.limit(encode_instruction(coordinator.head())) == size
    assert site.vault.limit(encode_instruction(coordinator.head(Task.CONCLUDE, round=3))) == size
    assert site.vault.limit(encode_instruction(coordinator.head(Task.STUDY, payload_bytes=MAX_OFFER_BYTES)))
    codes = {
        "unknown": site.vault.limit(encode_instruction(coordinator.head(study=bytes(32)))),
        "larger": site.vault.limit(encode_instruction(coordinator.head(payload_bytes=size + 1))),
        "garbage": site.vault.limit(b"garbage"),
    }
    assert {name: answer.code for name, answer in codes.items() if isinstance(answer, Refused)} == {
        "unknown": RefusalCode.UNKNOWN_STUDY,
        "larger": RefusalCode.TOO_LARGE,
        "garbage": RefusalCode.CODE_VERSION,
    }


def test_a_head_that_is_none_is_refused(site: Site) -> None:
    parcel = Parcel(b"garbage", (), 0, bytes(64), bytes(64))
    assert site.code(parcel) is RefusalCode.CODE_VERSION


# Noise in the journal, and faults of our own


def test_a_flood_of_garbage_leaves_one_entry_an_hour(admitted: Site, coordinator: Coordinator) -> None:
    before = len(kinds(admitted))
    stranger = Coordinator(round_key_=new_signing_key())
    for number in range(50):
        assert admitted.code(stranger.train(1 + number % 3, value=float(number))) is RefusalCode.BAD_SIGNATURE
    assert len(kinds(admitted)) == before + 1
    admitted.now += 3600
    admitted.handle(stranger.train())
    assert len(kinds(admitted)) == before + 2
    assert admitted.code(coordinator.train(99)) is RefusalCode.WRONG_ROUND
    assert len(kinds(admitted)) == before + 3


def test_a_full_disk_is_silence(admitted: Site, coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(admitted.store.replies, "write", full)
    assert admitted.handle(coordinator.train()) is None
    monkeypatch.undo()
    admitted.reply(coordinator.train())
    assert admitted.spent() == pytest.approx(0.2)


def test_an_anchor_that_cannot_be_written_keeps_the_reply_inside(
    admitted: Site, coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Heads) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(admitted.store.anchor, "write", full)
    assert admitted.handle(coordinator.train()) is None
    assert admitted.handle(coordinator.train()) is None
    monkeypatch.undo()
    admitted.reply(coordinator.train())
    assert len(admitted.trainer.orders) == 1


def test_start_and_stop_are_noted_and_the_trainer_is_ended(admitted: Site) -> None:
    with admitted.vault as vault:
        assert not vault.busy
        assert kinds(admitted)[-1] == "start"
    assert kinds(admitted)[-1] == "stop"
    assert admitted.trainer.closed
    assert admitted.store.anchor.read() == admitted.books.heads()


def test_what_is_signed_is_signed_by_the_right_keys(admitted: Site, coordinator: Coordinator) -> None:
    reply = admitted.vault.handle(coordinator.train(), never)
    assert isinstance(reply, Parcel)
    reply.verify(public_bytes(VAULT_KEY), Purpose.REPLY)
    dossier = admitted.books.studies.find(coordinator.hash)
    assert dossier is not None
    assert dossier.decision is not None
    rows = admitted.store.read("SELECT decision, decision_signature FROM studies")
    verify(public_bytes(VAULT_KEY), Purpose.APPROVAL, *rows[0])
    assert public_bytes(STUDY_KEY) != public_bytes(VAULT_KEY)
