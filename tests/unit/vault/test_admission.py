"""Each numbered check of admission refuses what it must, with its own code, and lets the honest through."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from fedward_client.vault.admission import (
    NotAdmitted,
    NotVerified,
    Standing,
    Verdict,
    check_asker,
    check_manifest,
    check_means,
    check_offer,
    check_place,
    check_weights,
)
from fedward_client.vault.books.ledger import Reservation
from fedward_client.vault.books.studies import Dossier, StudyState
from fedward_client.vault.inbox import Imported
from fedward_client.vault.policy import Policy
from fedward_client.vault.spending import round_event
from fedward_shared.contracts.round import InstructionHead, RefusalCode, Task
from fedward_shared.crypto.keys import public_bytes
from fedward_shared.manifest.parse import load
from fedward_shared.privacy.events import NoPrivacy, SampledGaussian
from fedward_shared.wire.parcel import Parcel
from tests.support.vaults import (
    DAY,
    NOW,
    POLICY,
    SITE,
    STUDY_KEY,
    Coordinator,
    FakeDataSets,
    Site,
    manifest,
    step_count,
)

STUDY_PUBLIC = public_bytes(STUDY_KEY)
HONEST = Coordinator()


@cache
def approved() -> Dossier:
    site = Site()
    HONEST.admit(site)
    dossier = site.books.studies.find(HONEST.hash)
    assert dossier is not None
    return dossier


def data() -> Imported:
    sets = FakeDataSets()
    sets.add("cardiology", "v1", HONEST.study)
    return sets.imports["cardiology"]


def standing(**changes: object) -> Standing:
    honest = Standing(
        site=SITE,
        dossier=approved(),
        policy=POLICY,
        locked=False,
        seen_holds=True,
        stored=False,
        reservation=None,
        reserved=0,
        data=data(),
        others=(),
        mine=(),
    )
    return replace(honest, **changes)  # type: ignore[arg-type]  # the tests name fields of the standing


def reserved(parcel: Parcel, **changes: object) -> Reservation:
    mine = Reservation(
        study=HONEST.hash,
        round=1,
        attempt=1,
        instruction=parcel.digest,
        data_set="cardiology",
        dataset_version="v1",
        event=round_event(HONEST.study, SITE),
        at=NOW,
    )
    return replace(mine, **changes)  # type: ignore[arg-type]  # the tests name fields of the reservation


def asker(head: InstructionHead, parcel: Parcel, dossier: Dossier | None, now: int = NOW) -> RefusalCode | None:
    try:
        check_asker(head, parcel, site=SITE, study_key=STUDY_PUBLIC, dossier=dossier, now=now)
    except NotVerified as refusal:
        return refusal.code
    return None


def place(head: InstructionHead, parcel: Parcel, **changes: object) -> RefusalCode | Verdict:
    try:
        return check_place(head, parcel, standing(**changes))
    except NotAdmitted as refusal:
        return refusal.code


def means(verdict: Verdict = Verdict.RESERVE, *, expires: int = NOW + 60, **changes: object) -> RefusalCode | None:
    task = Task.CONCLUDE if verdict is Verdict.CONCLUDE else Task.TRAIN
    head = HONEST.head(task, round=3 if task is Task.CONCLUDE else 1, expires=expires)
    try:
        check_means(verdict, head, standing(**changes), now=NOW, accountant=step_count)
    except NotAdmitted as refusal:
        return refusal.code
    return None


def test_1_to_5_let_the_coordinator_in() -> None:
    assert asker(HONEST.head(), HONEST.train(), approved()) is None


def test_1_another_protocol() -> None:
    parcel = HONEST.train(protocol=2)
    assert asker(HONEST.head(protocol=2), parcel, approved()) is RefusalCode.CODE_VERSION


def test_2_another_site() -> None:
    assert asker(HONEST.head(site="south"), HONEST.train(site="south"), approved()) is RefusalCode.WRONG_SITE


def test_3_an_unknown_study() -> None:
    assert asker(HONEST.head(), HONEST.train(), None) is RefusalCode.UNKNOWN_STUDY


@pytest.mark.parametrize("now", [NOW - DAY - 1, NOW + 90 * DAY + 1])
def test_4_a_round_key_outside_its_validity(now: int) -> None:
    assert asker(HONEST.head(), HONEST.train(), approved(), now) is RefusalCode.BAD_SIGNATURE


@pytest.mark.parametrize("now", [NOW - DAY, NOW + 90 * DAY])
def test_4_the_ends_of_a_round_keys_validity_belong_to_it(now: int) -> None:
    assert asker(HONEST.head(), HONEST.train(), approved(), now) is None


def test_5_a_head_that_was_changed_after_signing() -> None:
    parcel, other = HONEST.train(1), HONEST.train(2)
    forged = replace(parcel, head=other.head)
    assert asker(HONEST.head(round=2), forged, approved()) is RefusalCode.BAD_SIGNATURE


@pytest.mark.parametrize("declared", [0, 1, HONEST.layout.payload_bytes - 1, HONEST.layout.payload_bytes + 1, 1 << 36])
def test_6_a_size_that_the_study_does_not_declare(declared: int) -> None:
    head = HONEST.head(payload_bytes=declared)
    assert place(head, HONEST.train()) is RefusalCode.TOO_LARGE
    assert place(head, HONEST.sealed(head, bytes(min(declared, 4096)))) is RefusalCode.TOO_LARGE


def test_7_a_locked_ledger_and_heads_that_are_not_ours() -> None:
    assert place(HONEST.head(), HONEST.train(), locked=True) is RefusalCode.LEDGER_LOCKED
    assert place(HONEST.head(), HONEST.train(), seen_holds=False) is RefusalCode.LEDGER_LOCKED


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (StudyState.REJECTED, RefusalCode.WITHDRAWN),
        (StudyState.WITHDRAWN, RefusalCode.WITHDRAWN),
        (StudyState.PROPOSED, RefusalCode.NOT_APPROVED),
    ],
)
def test_8_and_9_only_an_approved_study(state: StudyState, code: RefusalCode) -> None:
    assert place(HONEST.head(), HONEST.train(), dossier=replace(approved(), state=state)) is code


@pytest.mark.parametrize("change", [{"code_version": "0.0.9"}, {"protocol": 2}])
def test_10_other_code_than_runs_here(change: dict[str, object]) -> None:
    dossier = approved()
    other = replace(dossier, study=replace(dossier.study, **change))  # type: ignore[arg-type]  # two fields by name
    assert place(HONEST.head(), HONEST.train(), dossier=other) is RefusalCode.CODE_VERSION


@pytest.mark.parametrize(
    ("round_number", "attempt", "durable"), [(4, 1, 0), (1, 3, 0), (99, 99, 0), (1, 1, 4), ((1 << 32) - 1, 1, 0)]
)
def test_11_rounds_and_attempts_beyond_what_is_declared(round_number: int, attempt: int, durable: int) -> None:
    head = HONEST.head(round=round_number, attempt=attempt, durable_through=durable)
    assert place(head, HONEST.train()) is RefusalCode.WRONG_ROUND


def test_11_the_last_round_and_the_last_attempt_are_declared() -> None:
    assert place(HONEST.head(round=3, attempt=2), HONEST.train(3, 2)) is Verdict.RESERVE


@pytest.mark.parametrize(("round_number", "attempt"), [(1, 1), (2, 1), (3, 2)])
def test_11_a_study_is_concluded_once_in_its_last_round(round_number: int, attempt: int) -> None:
    head = HONEST.head(Task.CONCLUDE, round=round_number, attempt=attempt)
    assert place(head, HONEST.train()) is RefusalCode.WRONG_ROUND


def test_12_a_round_that_is_over() -> None:
    over = replace(approved(), durable_through=1)
    assert place(HONEST.head(), HONEST.train(), dossier=over) is RefusalCode.PRUNED
    assert place(HONEST.head(round=2), HONEST.train(2), dossier=over) is Verdict.RESERVE
    assert place(HONEST.head(durable_through=1), HONEST.train(durable_through=1)) is RefusalCode.PRUNED


def test_13_a_reservation_is_bound_to_one_instruction() -> None:
    parcel = HONEST.train()
    assert place(HONEST.head(), parcel, reservation=reserved(parcel)) is Verdict.RESUME
    assert place(HONEST.head(), parcel, reservation=reserved(HONEST.train(value=1.0))) is RefusalCode.CONFLICT


def test_13_a_stored_reply_is_served_and_a_lost_one_never_trained_again() -> None:
    parcel = HONEST.train()
    settled = reserved(parcel, settled=bytes(32))
    assert place(HONEST.head(), parcel, reservation=settled, stored=True) is Verdict.SERVE
    assert place(HONEST.head(), parcel, reservation=settled, stored=False) is RefusalCode.PRUNED


def test_13_a_reservation_in_another_data_set_is_not_taken_up() -> None:
    parcel = HONEST.train()
    elsewhere = reserved(parcel, data_set="radiology")
    assert place(HONEST.head(), parcel, reservation=elsewhere) is RefusalCode.CONFLICT


@pytest.mark.parametrize("expires", [NOW - 1, NOW + 8 * DAY, (1 << 63) - 1])
def test_14_expired_or_absurdly_late(expires: int) -> None:
    for verdict in (Verdict.RESERVE, Verdict.RESUME, Verdict.CONCLUDE):
        assert means(verdict, expires=expires) is RefusalCode.EXPIRED


def test_14_the_last_second_counts() -> None:
    assert means(expires=NOW) is None


def test_15_only_the_declared_number_of_reservations() -> None:
    assert means(reserved=3) is None
    assert means(reserved=4) is RefusalCode.WRONG_ROUND
    assert means(Verdict.RESUME, reserved=4) is None


def test_16_another_delta() -> None:
    assert means(policy=Policy(10.0, 1e-6)) is RefusalCode.POLICY


def test_16_a_study_without_noise_needs_the_policys_leave() -> None:
    unsafe = load(manifest(("unsafe_no_privacy = false", "unsafe_no_privacy = true"), ("noise_multiplier = 4.0\n", "")))
    dossier = replace(approved(), study=unsafe)
    assert means(dossier=dossier) is RefusalCode.POLICY
    assert means(dossier=dossier, policy=Policy(10.0, 1e-5, allow_unsafe_no_privacy=True)) is None


def test_17_no_data_or_data_under_another_contract() -> None:
    assert means(data=None) is RefusalCode.NO_DATA
    assert means(data=replace(data(), contract=bytes(32))) is RefusalCode.NO_DATA
    assert means(Verdict.CONCLUDE, data=None) is RefusalCode.NO_DATA


def test_18_a_manifest_that_claims_less_than_its_noise_gives() -> None:
    claims = approved().study
    assert claims.resolved is not None
    site = replace(claims.resolved.sites[SITE], epsilon=0.1)
    lying = replace(claims, resolved=replace(claims.resolved, sites={SITE: site}))
    assert means(dossier=replace(approved(), study=lying)) is RefusalCode.POLICY


def test_19_the_budget_counts_everybodys_spends() -> None:
    assert means(others=(SampledGaussian(1.0, 1.0, 92),)) is None
    assert means(others=(SampledGaussian(1.0, 1.0, 98),)) is None
    assert means(others=(SampledGaussian(1.0, 1.0, 99),)) is RefusalCode.BUDGET
    assert means(others=(SampledGaussian(1.0, 1.0, 97),), mine=(SampledGaussian(4.0, 1.0, 2),)) is RefusalCode.BUDGET


def test_19_what_was_spent_without_privacy_is_infinite() -> None:
    assert means(others=(NoPrivacy(1),)) is RefusalCode.BUDGET
    assert means(others=(NoPrivacy(1),), policy=Policy(10.0, 1e-5, allow_unsafe_no_privacy=True)) is None


def test_19_concluding_costs_nothing() -> None:
    assert means(Verdict.CONCLUDE, others=(SampledGaussian(1.0, 1.0, 1000),)) is None


def weights_code(payload: bytes) -> RefusalCode | None:
    try:
        check_weights(memoryview(payload), HONEST.layout, 100.0)
    except NotAdmitted as refusal:
        return refusal.code
    return None


@pytest.mark.parametrize("value", [0.0, -0.0, 100.0, -100.0, 1e-45])
def test_20_and_21_honest_weights(value: float) -> None:
    assert weights_code(HONEST.weights(value)) is None


@pytest.mark.parametrize("at", [0, 7, 8, 40, len(HONEST.layout.header) - 1])
def test_20_any_other_header(at: int) -> None:
    payload = bytearray(HONEST.weights())
    payload[at] ^= 1
    assert weights_code(bytes(payload)) is RefusalCode.BAD_PAYLOAD


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 100.001, -100.001, 3e38])
def test_21_one_bad_weight_anywhere(value: float) -> None:
    size = sum(spec.size for spec in HONEST.layout.specs)
    for index in range(size):
        payload = bytearray(HONEST.weights())
        at = len(HONEST.layout.header) + 4 * index
        payload[at : at + 4] = np.float32(value).tobytes()
        assert weights_code(bytes(payload)) is RefusalCode.BAD_PAYLOAD


def offer_code(head: InstructionHead, parcel: Parcel) -> RefusalCode | None:
    try:
        offer = check_offer(head, parcel, site=SITE, study_key=STUDY_PUBLIC, now=NOW)
        check_manifest(offer.manifest, SITE)
    except NotAdmitted as refusal:
        return refusal.code
    return None


def offered(coordinator: Coordinator, **changes: object) -> RefusalCode | None:
    parcel = coordinator.offer(**changes)
    return offer_code(coordinator.head(Task.STUDY, **{"payload_bytes": parcel.payload_bytes, **changes}), parcel)


def test_an_honest_offer_is_shown() -> None:
    assert offered(HONEST) is None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"protocol": 2}, RefusalCode.CODE_VERSION),
        ({"site": "south"}, RefusalCode.WRONG_SITE),
        ({"study": bytes(32)}, RefusalCode.BAD_SIGNATURE),
        ({"expires": NOW - 1}, RefusalCode.EXPIRED),
        ({"expires": NOW + 8 * DAY}, RefusalCode.EXPIRED),
    ],
)
def test_offers_that_nobody_should_see(change: dict[str, object], code: RefusalCode) -> None:
    assert offered(HONEST, **change) is code


def test_an_offer_that_is_none() -> None:
    head = HONEST.head(Task.STUDY, payload_bytes=7)
    assert offer_code(head, HONEST.sealed(head, b"garbage")) is RefusalCode.BAD_PAYLOAD


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ((b"[sites.north]", b"[sites.east]"), RefusalCode.BAD_PAYLOAD),
        ((b"rounds = 3", b"rounds = 0"), RefusalCode.BAD_PAYLOAD),
        ((b'code_version = "0.1.0"', b'code_version = "0.0.9"'), RefusalCode.CODE_VERSION),
    ],
)
def test_manifests_that_cannot_be_used_here(change: tuple[bytes, bytes], code: RefusalCode) -> None:
    text = manifest().replace(*change)
    with pytest.raises(NotAdmitted) as caught:
        check_manifest(text, SITE)
    assert caught.value.code is code


def test_a_manifest_without_this_site() -> None:
    with pytest.raises(NotAdmitted) as caught:
        check_manifest(manifest(), "west")
    assert caught.value.code is RefusalCode.WRONG_SITE


def test_a_manifest_that_was_never_published() -> None:
    draft = manifest()[: manifest().index(b"[resolved]")]
    with pytest.raises(NotAdmitted) as caught:
        check_manifest(draft, SITE)
    assert caught.value.code is RefusalCode.BAD_PAYLOAD
