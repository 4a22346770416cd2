"""What crosses between coordinator and site in a round, after decoding."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

__all__ = ["Heads", "InstructionHead", "RefusalCode", "ReplyHead", "Task"]


class Task(IntEnum):
    """What an instruction asks for. Numbers are those of door.proto."""

    STUDY = 1
    TRAIN = 2
    CONCLUDE = 3


class RefusalCode(IntEnum):
    """Why a site refused: a closed list, decided before any patient's record is read (design invariant 1)."""

    UNKNOWN_STUDY = 1
    NOT_APPROVED = 2
    WITHDRAWN = 3
    BAD_SIGNATURE = 4
    WRONG_SITE = 5
    EXPIRED = 6
    WRONG_ROUND = 7
    CONFLICT = 8
    BUDGET = 9
    POLICY = 10
    CODE_VERSION = 11
    BAD_PAYLOAD = 12
    TOO_LARGE = 13
    LEDGER_LOCKED = 14
    PRUNED = 15
    NO_DATA = 16
    BUSY = 17
    DOOR_CLOSED = 64
    GATEWAY_LIMIT = 65

    @property
    def by_gateway(self) -> bool:
        """True for what a gateway answers by itself; such a refusal carries no signature."""
        return self >= RefusalCode.DOOR_CLOSED

    @property
    def explanation(self) -> str:
        """One sentence for people, with what to do next."""
        return _EXPLANATIONS[self]


_EXPLANATIONS = {
    RefusalCode.UNKNOWN_STUDY: "the site has not been offered this study yet",
    RefusalCode.NOT_APPROVED: "nobody at the site has approved the study yet (fedward-site study approve)",
    RefusalCode.WITHDRAWN: "the site rejected the study or withdrew from it",
    RefusalCode.BAD_SIGNATURE: "a signature does not hold; site and coordinator do not share one study key",
    RefusalCode.WRONG_SITE: "the instruction is for another site",
    RefusalCode.EXPIRED: "the instruction reached the site after its deadline; check both clocks (fedward-site doctor)",
    RefusalCode.WRONG_ROUND: "the round, attempt or task is outside what the study declares",
    RefusalCode.CONFLICT: "the same round and attempt was asked before with another payload",
    RefusalCode.BUDGET: "the site's privacy budget does not cover it (fedward-site ledger)",
    RefusalCode.POLICY: "the site's policy forbids it (policy.toml)",
    RefusalCode.CODE_VERSION: "the site runs another version than the study declares",
    RefusalCode.BAD_PAYLOAD: "the weights are misshaped, not finite, or larger than the study declares",
    RefusalCode.TOO_LARGE: "the payload is larger than the study declares",
    RefusalCode.LEDGER_LOCKED: (
        "the site's ledger is locked after a roll-back (fedward-site doctor; at worst fedward-site unsafe-unlock)"
    ),
    RefusalCode.PRUNED: "the round is over: the coordinator itself said that its result is durable",
    RefusalCode.NO_DATA: (
        "no data were imported under the study's contract (fedward-site import), or its backbone's weights are "
        "missing (fedward-site backbone add)"
    ),
    RefusalCode.BUSY: "the site is still working on another instruction",
    RefusalCode.DOOR_CLOSED: "the site's gateway cannot reach its vault",
    RefusalCode.GATEWAY_LIMIT: "the site's gateway refused the size or the form of the message",
}


@dataclass(frozen=True, slots=True)
class Heads:
    """Where a site's ledger and journal stand: how many entries, and the hash of the last (32 bytes; zeros at 0)."""

    ledger_sequence: int = 0
    ledger: bytes = bytes(32)
    journal_sequence: int = 0
    journal: bytes = bytes(32)


@dataclass(frozen=True, slots=True)
class InstructionHead:
    """The signed head of an instruction.

    `study` is the study hash (32 bytes); `expires` is in seconds since 1970 (UTC); `seen` are the heads that the
    coordinator last saw from this site, which must be ancestors of the site's own; every round up to and including
    `durable_through` is in a durable checkpoint (the receipt that lets the site prune its stored replies).
    """

    study: bytes
    site: str
    round: int
    attempt: int
    task: Task
    payload_bytes: int
    expires: int
    seen: Heads
    durable_through: int
    protocol: int


@dataclass(frozen=True, slots=True)
class ReplyHead:
    """The signed head of a reply: which instruction it answers (digest, 32 bytes), its size, the site's heads."""

    instruction: bytes
    payload_bytes: int
    heads: Heads
