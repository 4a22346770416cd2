"""A site that sends something bad changes nothing, and is named with the reason (design invariant 14).

Every case runs a whole study in which one of three hospitals misbehaves in every round, and compares the outcome, bit
for bit, with a study in which that hospital simply never answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from fedward_server.app import Pacing, run_study
from fedward_server.link.courier import Lost, Outcome
from fedward_server.link.grid import Patience
from fedward_server.rounds.loop import Conclusion, Pace
from fedward_shared.contracts.round import InstructionHead, RefusalCode, ReplyHead, Task
from fedward_shared.crypto.signing import Purpose, sign
from fedward_shared.wire.codec import decode_reply, encode_reply, refusal_body
from fedward_shared.wire.parcel import Parcel, Refused, seal
from fedward_shared.wire.tensors import layout
from tests.support.fake_sites import ROUND_KEY, FakeCourier, FakeSite, book_of, offer_of, sites_of, study_text

QUICK = Pacing(patience=Patience(again=0.01, again_most=0.01, absent=0.05, look=0.01), pace=Pace(look=0.01, settle=0.0))
OFFER = offer_of(study_text(rounds=3))
THIEF = Ed25519PrivateKey.from_private_bytes(b"t" * 32)

Floats = NDArray[np.float32]
Spoil = Callable[[FakeSite, InstructionHead, Parcel, Parcel], Outcome]


def run(spoil: Spoil | None = None, *, absent: bool = False) -> Conclusion:
    """A study of three rounds in which `west` misbehaves as told."""
    sites = sites_of(OFFER)
    courier = FakeCourier(sites, down={"west"} if absent else set())
    west = sites["west"]
    if spoil is not None:
        west.spoil = lambda head, asked, reply: spoil(west, head, asked, reply) if head.task is Task.TRAIN else reply
    return run_study(OFFER, courier=courier, key=ROUND_KEY, book=book_of(sites), pacing=QUICK, clock=lambda: 0.0)


def with_values(change: Callable[[Floats], None]) -> Spoil:
    """A reply, properly signed, whose float32 values were changed."""

    def spoil(site: FakeSite, _: InstructionHead, asked: Parcel, reply: Parcel) -> Outcome:
        assert site.study.resolved
        start = len(layout(site.study.resolved.tensors).header)
        payload = bytearray(reply.payload)
        change(np.frombuffer(payload, np.float32, offset=start))
        return site.reply(asked, bytes(payload))

    return spoil


def put(index: int, value: float) -> Spoil:
    def change(values: Floats) -> None:
        values[index] = value

    return with_values(change)


def blow_up(values: Floats) -> None:
    values *= np.float32(1e4)


def signed_by(key: Ed25519PrivateKey) -> Spoil:
    return lambda _site, _head, _asked, reply: seal(key, Purpose.REPLY, reply.head, reply.parts)


def other_purpose(site: FakeSite, _: InstructionHead, asked: Parcel, reply: Parcel) -> Outcome:
    return seal(site.key, Purpose.JOURNAL, reply.head, reply.parts)


def torn_seal(_: FakeSite, __: InstructionHead, asked: Parcel, reply: Parcel) -> Outcome:
    return replace(reply, head=reply.head + b"\0")


def truncated(site: FakeSite, _: InstructionHead, asked: Parcel, reply: Parcel) -> Outcome:
    return site.reply(asked, bytes(reply.payload)[:-4])


def longer(site: FakeSite, _: InstructionHead, asked: Parcel, reply: Parcel) -> Outcome:
    return site.reply(asked, bytes(reply.payload) + bytes(4))


def empty(site: FakeSite, _: InstructionHead, asked: Parcel, __: Parcel) -> Outcome:
    return site.reply(asked, b"")


def lying_size(site: FakeSite, _: InstructionHead, asked: Parcel, reply: Parcel) -> Outcome:
    head = encode_reply(ReplyHead(asked.digest, reply.payload_bytes + 1, decode_reply(reply.head).heads))
    return seal(site.key, Purpose.REPLY, head, reply.parts)


def other_shape(site: FakeSite, _: InstructionHead, asked: Parcel, reply: Parcel) -> Outcome:
    """The same number of bytes under a header that declares other tensors."""
    return site.reply(asked, bytes(reply.payload).replace(b"[1,5]", b"[5,1]"))


def pickled(site: FakeSite, _: InstructionHead, asked: Parcel, reply: Parcel) -> Outcome:
    size = reply.payload_bytes
    return site.reply(asked, (b"\x80\x04cos\nsystem\n(S'false'\ntR." + bytes(size))[:size])


def of_another_round(site: FakeSite, _: InstructionHead, asked: Parcel, reply: Parcel) -> Outcome:
    """A valid reply to something else, signed by the right vault."""
    head = ReplyHead(bytes(range(32)), reply.payload_bytes, decode_reply(reply.head).heads)
    return seal(site.key, Purpose.REPLY, encode_reply(head), reply.parts)


def of_another_site(site: FakeSite, head: InstructionHead, asked: Parcel, reply: Parcel) -> Outcome:
    """What `north` would answer."""
    north = FakeSite("north", site.study)
    return seal(north.key, Purpose.REPLY, reply.head, reply.parts)


BAD_UPDATES: dict[str, tuple[Spoil, str]] = {
    "NaN": (put(0, np.nan), "not finite"),
    "NaN in the last value": (put(-1, np.nan), "not finite"),
    "infinity": (put(2, np.inf), "not finite"),
    "minus infinity": (put(2, -np.inf), "not finite"),
    "the largest float32": (put(1, float(np.finfo(np.float32).max)), "L2 norm"),
    "over the norm": (with_values(blow_up), "L2 norm"),
    "truncated": (truncated, "bytes"),
    "longer": (longer, "bytes"),
    "empty": (empty, "bytes"),
    "a size that is not so": (lying_size, "bytes"),
    "another shape": (other_shape, "header"),
    "a pickle": (pickled, "header"),
    "signed by a thief": (signed_by(THIEF), "signature"),
    "signed by the round key": (signed_by(ROUND_KEY), "signature"),
    "signed for another purpose": (other_purpose, "signature"),
    "a head that was changed": (torn_seal, "seal"),
    "a reply to something else": (of_another_round, "another instruction"),
    "another site's reply": (of_another_site, "signature"),
}


@pytest.fixture(scope="module")
def without_west() -> Conclusion:
    """The study in which `west` never answers."""
    return run(absent=True)


def test_the_comparison_can_fail(without_west: Conclusion) -> None:
    honest = run()
    assert honest.attempts[0].took_part == ("north", "south", "west")
    assert any(not np.array_equal(honest.model[name], without_west.model[name]) for name in honest.model)


@pytest.mark.parametrize("case", BAD_UPDATES)
def test_a_bad_update_changes_nothing_and_is_named(case: str, without_west: Conclusion) -> None:
    spoil, reason = BAD_UPDATES[case]
    conclusion = run(spoil)
    for name, values in without_west.model.items():
        np.testing.assert_array_equal(conclusion.model[name], values)
    assert [attempt.enough for attempt in conclusion.attempts] == [True] * 3
    for attempt in conclusion.attempts:
        assert attempt.took_part == ("north", "south")
        (west,) = (entry for entry in attempt.sites if entry.site == "west")
        assert west.asked
        assert reason in west.reason


def replayer() -> Spoil:
    """Answers round 1 honestly and every later round with the reply of round 1."""
    first: list[Parcel] = []

    def spoil(_: FakeSite, __: InstructionHead, ___: Parcel, reply: Parcel) -> Outcome:
        first.append(reply)
        return first[0]

    return spoil


def test_a_replayed_reply_counts_once() -> None:
    conclusion = run(replayer())
    assert [attempt.took_part for attempt in conclusion.attempts] == [
        ("north", "south", "west"),
        ("north", "south"),
        ("north", "south"),
    ]
    assert "another instruction" in conclusion.attempts[1].sites[2].reason


def forged_refusal(code: RefusalCode, key: Ed25519PrivateKey | None) -> Spoil:
    def spoil(_: FakeSite, __: InstructionHead, asked: Parcel, ___: Parcel) -> Outcome:
        return Refused(code, sign(key, Purpose.REFUSAL, refusal_body(asked.digest, code)) if key else b"")

    return spoil


@pytest.mark.parametrize("key", [None, THIEF], ids=["unsigned", "signed by a thief"])
def test_a_refusal_that_the_vault_did_not_sign_is_not_reported_as_its_word(key: Ed25519PrivateKey | None) -> None:
    conclusion = run(forged_refusal(RefusalCode.WITHDRAWN, key))
    for attempt in conclusion.attempts:
        assert attempt.sites[2].asked, "a forged withdrawal must not take the site out for good"
        assert "does not count" in attempt.sites[2].reason


def test_a_signed_withdrawal_counts_from_then_on() -> None:
    key = FakeSite("west", sites_of(OFFER)["west"].study).key
    conclusion = run(forged_refusal(RefusalCode.WITHDRAWN, key))
    west = [attempt.sites[2] for attempt in conclusion.attempts]
    assert [entry.asked for entry in west] == [True, False, False]
    assert all("withdrew" in entry.reason for entry in west)


def test_a_gateway_that_loses_every_reply_delays_but_changes_nothing(without_west: Conclusion) -> None:
    conclusion = run(lambda *_: Lost("the gateway hung up"))
    for name, values in without_west.model.items():
        np.testing.assert_array_equal(conclusion.model[name], values)
    assert all(attempt.sites[2].reason == "the gateway hung up" for attempt in conclusion.attempts)
