"""The round key's certificate: only the study key's word, only for its time."""

import pytest

from fedward_shared.crypto import keys, round_key
from fedward_shared.crypto.signing import Purpose, sign
from fedward_shared.errors import SignatureError
from fedward_shared.wire import door_pb2

STUDY_KEY = keys.new_signing_key()
STUDY = keys.public_bytes(STUDY_KEY)
ROUND = keys.public_bytes(keys.new_signing_key())
START, END = 1_000_000, 2_000_000
BODY, SIGNATURE = round_key.certify(STUDY_KEY, ROUND, START, END)


def vouched(body: bytes) -> tuple[bytes, bytes]:
    return body, sign(STUDY_KEY, Purpose.ROUND_KEY, body)


@pytest.mark.parametrize("now", [START, START + 0.5, END])
def test_a_certified_key_is_given_within_its_time(now: float) -> None:
    assert round_key.check(STUDY, BODY, SIGNATURE, now) == ROUND


@pytest.mark.parametrize("now", [0, START - 1, END + 1])
def test_outside_its_time_it_is_refused(now: float) -> None:
    with pytest.raises(SignatureError, match="not valid today"):
        round_key.check(STUDY, BODY, SIGNATURE, now)


def test_another_study_key_is_refused() -> None:
    with pytest.raises(SignatureError):
        round_key.check(keys.public_bytes(keys.new_signing_key()), BODY, SIGNATURE, START)


def test_a_changed_body_is_refused() -> None:
    longer = door_pb2.RoundKeyCertificate(public_key=ROUND, not_before=START, not_after=END * 2).SerializeToString()
    with pytest.raises(SignatureError):
        round_key.check(STUDY, longer, SIGNATURE, START)


def test_a_signature_for_another_purpose_is_refused() -> None:
    with pytest.raises(SignatureError):
        round_key.check(STUDY, BODY, sign(STUDY_KEY, Purpose.STUDY, BODY), START)


@pytest.mark.parametrize(
    "body",
    [b"\xff\xff", b"", door_pb2.RoundKeyCertificate(public_key=b"short").SerializeToString(), BODY + bytes(200)],
    ids=["no message", "empty", "short key", "oversized"],
)
def test_even_the_study_key_cannot_vouch_for_nonsense(body: bytes) -> None:
    with pytest.raises(SignatureError):
        round_key.check(STUDY, *vouched(body), START)


@pytest.mark.parametrize(
    ("public", "start", "end"),
    [(b"short", 1, 2), (ROUND, 2, 1), (ROUND, 1, 1), (ROUND, 0, 5)],
    ids=["short key", "backwards", "empty", "from the beginning of time"],
)
def test_nonsense_is_not_certified(public: bytes, start: int, end: int) -> None:
    with pytest.raises(SignatureError):
        round_key.certify(STUDY_KEY, public, start, end)


def test_people_are_told_when_it_ends() -> None:
    assert round_key.expiry(BODY) == END
    with pytest.raises(SignatureError):
        round_key.expiry(b"\xff\xff")
