"""Heads and study offers as bytes, strict both ways.

Decoding accepts exactly what encoding writes: unknown or repeated fields, another order, or a longer spelling of
the same number are refused, so that a signed head has one meaning and one form. Whether a well-formed
instruction is *allowed* is the vault's admission to say, not this module's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from google.protobuf.message import DecodeError

from fedward_shared.contracts.round import Heads, InstructionHead, RefusalCode, ReplyHead, Task
from fedward_shared.contracts.study import LARGEST_MANIFEST
from fedward_shared.crypto.certificates import valid_site_name
from fedward_shared.crypto.signing import SIGNATURE_BYTES
from fedward_shared.errors import WireError
from fedward_shared.wire import door_pb2 as pb

__all__ = [
    "MAX_HEAD_BYTES",
    "MAX_OFFER_BYTES",
    "MAX_PAYLOAD_BYTES",
    "StudyOffer",
    "decode_instruction",
    "decode_offer",
    "decode_reply",
    "encode_instruction",
    "encode_offer",
    "encode_reply",
    "refusal_body",
]

MAX_HEAD_BYTES = 1024
MAX_OFFER_BYTES = LARGEST_MANIFEST + 1024
MAX_PAYLOAD_BYTES = 1 << 36
"""No study is larger (64 GiB); each end has a tighter limit of its own."""

_DIGEST_BYTES = 32
_MAX_COUNT = (1 << 32) - 1
_MAX_SEQUENCE = (1 << 63) - 1
_MAX_CERTIFICATE_BYTES = 256

_REMEMBERED = 64
"""Heads that need not be decoded again: each is looked at several times on its way."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StudyOffer:
    """How a study reaches a site: the manifest as published, its signature, and the round key's certificate."""

    manifest: bytes
    signature: bytes
    round_key_body: bytes
    round_key_signature: bytes


def encode_instruction(head: InstructionHead) -> bytes:
    """The canonical bytes of an instruction's head.

    Raises:
        WireError: a field is outside what the protocol allows.
    """
    _check_instruction(head)
    return pb.InstructionHead(
        protocol=head.protocol,
        study=head.study,
        site=head.site,
        round=head.round,
        attempt=head.attempt,
        task=pb.Task.ValueType(head.task.value),
        payload_bytes=head.payload_bytes,
        expires=head.expires,
        seen=_heads_message(head.seen),
        durable_through=head.durable_through,
    ).SerializeToString(deterministic=True)


@lru_cache(maxsize=_REMEMBERED)
def decode_instruction(raw: bytes) -> InstructionHead:
    """What `raw` says, if `encode_instruction` could have written it.

    Raises:
        WireError: it could not.
    """
    message = _parse(pb.InstructionHead, raw, MAX_HEAD_BYTES)
    try:
        task = Task(message.task)
    except ValueError:
        raise WireError(f"an instruction asks for the unknown task {message.task}") from None
    head = InstructionHead(
        study=message.study,
        site=message.site,
        round=message.round,
        attempt=message.attempt,
        task=task,
        payload_bytes=message.payload_bytes,
        expires=message.expires,
        seen=_heads(message.seen),
        durable_through=message.durable_through,
        protocol=message.protocol,
    )
    return _canonical(head, encode_instruction, raw)


def encode_reply(head: ReplyHead) -> bytes:
    """The canonical bytes of a reply's head.

    Raises:
        WireError: a field is outside what the protocol allows.
    """
    _length("the instruction's digest", head.instruction, _DIGEST_BYTES)
    _within("payload_bytes", head.payload_bytes, MAX_PAYLOAD_BYTES)
    _check_heads(head.heads)
    return pb.ReplyHead(
        instruction=head.instruction, payload_bytes=head.payload_bytes, heads=_heads_message(head.heads)
    ).SerializeToString(deterministic=True)


@lru_cache(maxsize=_REMEMBERED)
def decode_reply(raw: bytes) -> ReplyHead:
    """What `raw` says, if `encode_reply` could have written it.

    Raises:
        WireError: it could not.
    """
    message = _parse(pb.ReplyHead, raw, MAX_HEAD_BYTES)
    head = ReplyHead(message.instruction, message.payload_bytes, _heads(message.heads))
    return _canonical(head, encode_reply, raw)


def encode_offer(offer: StudyOffer) -> bytes:
    """The payload of a STUDY instruction.

    Raises:
        WireError: a part is empty or too long.
    """
    if not 0 < len(offer.manifest) <= LARGEST_MANIFEST:
        raise WireError(f"a manifest has 1 to {LARGEST_MANIFEST} bytes, not {len(offer.manifest)}")
    if not 0 < len(offer.round_key_body) <= _MAX_CERTIFICATE_BYTES:
        raise WireError("the round key's certificate is missing or too long")
    _length("the manifest's signature", offer.signature, SIGNATURE_BYTES)
    _length("the round key's signature", offer.round_key_signature, SIGNATURE_BYTES)
    return pb.StudyOffer(
        manifest=offer.manifest,
        signature=offer.signature,
        round_key=pb.Signed(body=offer.round_key_body, signature=offer.round_key_signature),
    ).SerializeToString(deterministic=True)


def decode_offer(raw: bytes) -> StudyOffer:
    """What `raw` says, if `encode_offer` could have written it.

    Raises:
        WireError: it could not.
    """
    message = _parse(pb.StudyOffer, raw, MAX_OFFER_BYTES)
    offer = StudyOffer(message.manifest, message.signature, message.round_key.body, message.round_key.signature)
    return _canonical(offer, encode_offer, raw)


def refusal_body(instruction_digest: bytes, code: RefusalCode) -> bytes:
    """What a vault signs (`Purpose.REFUSAL`) when it refuses: the instruction's digest and the code, big-endian."""
    _length("the instruction's digest", instruction_digest, _DIGEST_BYTES)
    return instruction_digest + int(code).to_bytes(4, "big")


M = TypeVar("M", pb.InstructionHead, pb.ReplyHead, pb.StudyOffer)


def _parse(kind: type[M], raw: bytes, limit: int) -> M:
    if len(raw) > limit:
        raise WireError(f"{kind.__name__} has {len(raw)} bytes; at most {limit} are allowed")
    try:
        return kind.FromString(raw)
    except DecodeError as error:
        raise WireError(f"{kind.__name__} cannot be read") from error


def _canonical(value: T, encode: Callable[[T], bytes], raw: bytes) -> T:
    if encode(value) != raw:
        raise WireError("a message holds unknown fields or is not in its canonical form")
    return value


def _check_instruction(head: InstructionHead) -> None:
    _length("the study hash", head.study, _DIGEST_BYTES)
    if not valid_site_name(head.site):
        raise WireError("a site's name is made of a-z, 0-9 and '-', at most 63 of them")
    _within("protocol", head.protocol, _MAX_COUNT, least=1)
    _within("attempt", head.attempt, _MAX_COUNT, least=1)
    if head.task is Task.STUDY:
        _within("round of a study offer", head.round, 0)
        _within("payload_bytes of a study offer", head.payload_bytes, MAX_OFFER_BYTES)
    else:
        _within("round", head.round, _MAX_COUNT, least=1)
        _within("payload_bytes", head.payload_bytes, MAX_PAYLOAD_BYTES)
    _within("expires", head.expires, _MAX_SEQUENCE)
    _within("durable_through", head.durable_through, _MAX_COUNT)
    _check_heads(head.seen)


def _check_heads(heads: Heads) -> None:
    for name, sequence, tip in (
        ("ledger", heads.ledger_sequence, heads.ledger),
        ("journal", heads.journal_sequence, heads.journal),
    ):
        _within(f"{name} sequence", sequence, _MAX_SEQUENCE)
        _length(f"the {name} head", tip, _DIGEST_BYTES)
        if sequence == 0 and any(tip):
            raise WireError(f"an empty {name} has a head of zeros")


def _heads_message(heads: Heads) -> pb.Heads:
    return pb.Heads(
        ledger_sequence=heads.ledger_sequence,
        ledger=heads.ledger,
        journal_sequence=heads.journal_sequence,
        journal=heads.journal,
    )


def _heads(message: pb.Heads) -> Heads:
    return Heads(message.ledger_sequence, message.ledger, message.journal_sequence, message.journal)


def _length(what: str, value: bytes, size: int) -> None:
    if len(value) != size:
        raise WireError(f"{what} has {size} bytes, not {len(value)}")


def _within(what: str, value: int, most: int, *, least: int = 0) -> None:
    if not least <= value <= most:
        raise WireError(f"{what} must be between {least} and {most}, not {value}")
