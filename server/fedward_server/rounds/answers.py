"""What Flower's messages carry between the grid and the round loop: round and attempt, and why a site gave nothing."""

from __future__ import annotations

from enum import IntEnum

from flwr.app import Message

from fedward_shared.contracts.round import RefusalCode

__all__ = ["ErrorCode", "group", "refusal_of", "round_and_attempt"]


class ErrorCode(IntEnum):
    """The code of an error Message; its reason is for people."""

    LATE = 1
    """No answer before the deadline."""
    LOST = 2
    """The connection ended, and the site did not come back in time."""
    REJECTED = 3
    """An answer came and did not count: signature, size, shape, a value that is not finite, norm."""
    REVOKED = 4
    """The site's certificate was revoked."""
    REFUSED = 1000
    """Plus the refusal's own code."""


def refusal_of(message: Message) -> RefusalCode | None:
    """The code with which the site refused, where that is what happened."""
    if message.has_error() and message.error.code > ErrorCode.REFUSED:
        return RefusalCode(message.error.code - ErrorCode.REFUSED)
    return None


def group(round_number: int, attempt: int) -> str:
    """The `group_id` of a message."""
    return f"{round_number}.{attempt}"


def round_and_attempt(message: Message) -> tuple[int, int]:
    """Round and attempt of an instruction; a strategy run without our loop names only the round, in its config."""
    number, _, attempt = message.metadata.group_id.partition(".")
    if number.isdigit() and attempt.isdigit():
        return int(number), int(attempt)
    for record in message.content.config_records.values():
        declared = record.get("server-round")
        if isinstance(declared, int):
            return declared, 1
    return 1, 1
