"""Invariant 9: nobody but the holder of the certified round key gets anything out of a vault, or into its books."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fedward_shared.contracts.round import RefusalCode, Task
from fedward_shared.crypto.keys import new_signing_key
from fedward_shared.crypto.signing import Purpose, sign
from fedward_shared.wire.codec import encode_instruction, encode_offer
from fedward_shared.wire.parcel import Parcel, seal
from tests.support.vaults import DAY, NOW, ROUND_KEY, STUDY_KEY, VAULT_KEY, Coordinator, Site

STRANGER = new_signing_key()


@pytest.fixture
def site() -> Site:
    site = Site()
    Coordinator().admit(site)
    return site


def untouched(site: Site, parcel: Parcel, code: RefusalCode = RefusalCode.BAD_SIGNATURE) -> None:
    before = site.books.heads()
    assert site.code(parcel) is code
    after = site.books.heads()
    assert (after.ledger_sequence, site.trainer.orders) == (before.ledger_sequence, [])
    assert after.journal_sequence <= before.journal_sequence + 1


def test_a_strangers_instruction(site: Site) -> None:
    untouched(site, Coordinator(round_key_=STRANGER).train())


@pytest.mark.parametrize("key", [STUDY_KEY, VAULT_KEY], ids=["study", "vault"])
def test_the_right_people_with_the_wrong_key(site: Site, key: object) -> None:
    untouched(site, Coordinator(round_key_=key).train())  # type: ignore[arg-type]  # a key as good as any


@pytest.mark.parametrize("purpose", [purpose for purpose in Purpose if purpose is not Purpose.INSTRUCTION])
def test_a_signature_for_another_purpose(site: Site, purpose: Purpose) -> None:
    honest = Coordinator().train()
    untouched(site, replace(honest, signature=sign(ROUND_KEY, purpose, honest.seal)))


def test_every_bit_of_a_signature_counts(site: Site) -> None:
    honest = Coordinator().train()
    for bit in range(0, 512, 37):
        forged = bytearray(honest.signature)
        forged[bit // 8] ^= 1 << bit % 8
        untouched(site, replace(honest, signature=bytes(forged)))


@pytest.mark.parametrize("length", [0, 63, 65, 128])
def test_signatures_of_another_length(site: Site, length: int) -> None:
    untouched(site, replace(Coordinator().train(), signature=bytes(length)))


def test_a_round_key_that_the_study_key_did_not_certify() -> None:
    site = Site()
    self_made = Coordinator(study_key=STRANGER, round_key_=STRANGER)
    untouched(site, self_made.offer())
    untouched(site, self_made.train(), RefusalCode.UNKNOWN_STUDY)
    assert site.operations.proposals() == ()


def test_a_study_that_the_study_key_did_not_sign() -> None:
    """The certificate of an honest round key, on a manifest that its holder made up."""
    site, honest = Site(), Coordinator()
    forged = replace(honest.offer_, signature=sign(ROUND_KEY, Purpose.STUDY, honest.manifest))
    payload = encode_offer(forged)
    untouched(site, honest.sealed(honest.head(Task.STUDY, payload_bytes=len(payload)), payload))
    assert site.operations.proposals() == ()


@pytest.mark.parametrize("certified", [(NOW - 2 * DAY, NOW - DAY), (NOW + DAY, NOW + 2 * DAY)], ids=["over", "early"])
def test_a_round_key_outside_its_time(certified: tuple[int, int]) -> None:
    site = Site()
    untouched(site, Coordinator(certified=certified).offer())


def test_a_round_key_that_ran_out_serves_not_even_what_is_stored(site: Site) -> None:
    instruction = Coordinator().train()
    site.reply(instruction)
    site.now += 91 * DAY
    assert site.code(instruction) is RefusalCode.BAD_SIGNATURE


def test_a_refusal_tells_a_stranger_nothing_about_rounds(site: Site) -> None:
    """Whatever a stranger asks about a known study, there is one answer."""
    stranger = Coordinator(round_key_=STRANGER)
    codes = {
        site.code(stranger.train(round_number, attempt)) for round_number in (1, 2, 3, 99) for attempt in (1, 2, 7)
    }
    assert codes == {RefusalCode.BAD_SIGNATURE}


def test_a_head_signed_twice(site: Site) -> None:
    """An honest signature over an honest head, but for other bytes of the same meaning: there are none."""
    honest = Coordinator()
    raw = encode_instruction(honest.head()) + b"\x08\x01"
    untouched(site, seal(ROUND_KEY, Purpose.INSTRUCTION, raw, [memoryview(honest.weights())]), RefusalCode.CODE_VERSION)
