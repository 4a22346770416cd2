"""What carries parcels to sites and brings back what they answer: the link, or an in-memory one in simulations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from fedward_shared.wire.parcel import Parcel, Refused

__all__ = ["Courier", "Lost", "Outcome"]


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer will come for this post. The site may or may not have worked on it: post the same bytes again."""

    reason: str


Outcome = Parcel | Refused | Lost


class Courier(Protocol):
    """Posts parcels to sites. Safe to use from any thread."""

    def attached(self) -> frozenset[str]:
        """The sites that can be reached now."""
        ...

    def post(self, site: str, parcel: Parcel, *, reply_limit: int, deliver: Callable[[Outcome], None]) -> int:
        """Sends `parcel` and returns a ticket for `cancel`.

        `deliver` is called exactly once, from any thread, perhaps before this returns; it must not block. A reply whose
        payload is larger than `reply_limit` bytes ends the connection (`Lost`). A reply's payload is the one that
        its seal names; the seal's signature, and a refusal's, are for the caller to check.
        """
        ...

    def cancel(self, ticket: int) -> None:
        """Stops waiting: delivers `Lost` unless an outcome was delivered before, and tells the site."""
        ...
