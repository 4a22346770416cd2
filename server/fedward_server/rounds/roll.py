"""The roll: which sites are attached and have approved the study, and why the others are missing.

Offers reserve nothing at a site, so they are repeated until a person there has decided.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from flwr.app import ConfigRecord, Message, RecordDict

from fedward_server.link.grid import STUDY, LinkGrid
from fedward_server.rounds.answers import refusal_of
from fedward_shared.contracts.round import RefusalCode

__all__ = ["OfferPace", "Roll"]

_ASK_AGAIN = frozenset({RefusalCode.UNKNOWN_STUDY, RefusalCode.NOT_APPROVED, RefusalCode.BUDGET, RefusalCode.POLICY})
"""A site that refuses to train with one of these gets the offer again before it is asked to train again."""


@dataclass(frozen=True, slots=True)
class OfferPace:
    """Seconds: how long an offer may take, and the shortest and longest pause before it is repeated."""

    answer: float = 5.0
    again: float = 0.25
    again_most: float = 2.0
    silent: float = 30.0


@dataclass(slots=True)
class _Entry:
    approved: bool = False
    gone: bool = False
    attached: bool = False
    reason: str = "not asked yet"
    offers: int = 0
    next_offer: float = 0.0


class Roll:
    """The sites of one study, as they stand now."""

    def __init__(
        self, grid: LinkGrid, *, pace: OfferPace | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._grid = grid
        self._pace = pace or OfferPace()
        self._now = monotonic
        self._entries = {site: _Entry() for site in grid.desk.study.site_names}

    def call(self) -> tuple[str, ...]:
        """Offers the study to attached sites whose turn it is, and returns those that are ready now."""
        attached = self._grid.attached()
        for site, entry in self._entries.items():
            if site in attached and not entry.attached:
                entry.next_offer, entry.offers = 0.0, 0
            entry.attached = site in attached
        now = self._now()
        asked = [
            site
            for site, entry in self._entries.items()
            if entry.attached and not entry.approved and not entry.gone and now >= entry.next_offer
        ]
        if asked:
            self._offer(asked)
        return self.ready()

    def note(self, answer: Message) -> None:
        """Learns from a site's refusal to train that it must be asked again, or never again."""
        entry = self._entries[self._grid.site(answer.metadata.src_node_id)]
        code = refusal_of(answer)
        if code is RefusalCode.WITHDRAWN:
            entry.gone, entry.approved = True, False
        elif code in _ASK_AGAIN:
            entry.approved = False
        if code is not None:
            entry.reason = code.explanation

    def reason(self, site: str) -> str:
        """Why this site is not ready."""
        entry = self._entries[site]
        if self._grid.desk.revoked(site):
            return "its certificate was revoked"
        return entry.reason if entry.attached or entry.gone else "not connected"

    def missing(self) -> str:
        """One line for people: who is not ready, and why."""
        ready = self.ready()
        return "; ".join(f"{site}: {self.reason(site)}" for site in self._entries if site not in ready)

    def ready(self) -> tuple[str, ...]:
        """The sites that are attached and have approved."""
        attached = self._grid.attached()
        return tuple(site for site, entry in self._entries.items() if entry.approved and site in attached)

    def possible(self) -> int:
        """How many sites may still become ready: all but those that withdrew or were revoked."""
        return sum(not (entry.gone or self._grid.desk.revoked(site)) for site, entry in self._entries.items())

    def _offer(self, sites: list[str]) -> None:
        content = RecordDict({"config": ConfigRecord()})
        messages = [Message(content, self._grid.node(site), STUDY) for site in sites]
        for answer in self._grid.send_and_receive(messages, timeout=self._pace.answer):
            entry = self._entries[self._grid.site(answer.metadata.src_node_id)]
            entry.approved = not answer.has_error()
            entry.offers += 1
            if entry.approved:
                continue
            code = refusal_of(answer)
            entry.gone = code is RefusalCode.WITHDRAWN
            entry.reason = code.explanation if code is not None else str(answer.error.reason)
            pause = min(self._pace.again * 2 ** min(entry.offers, 8), self._pace.again_most)
            entry.next_offer = self._now() + (pause if code is not None else self._pace.silent)
