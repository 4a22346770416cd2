"""Hospitals without a vault, for tests of the rounds: they keep a vault's promises (or break one) over any transport.

A fake site signs with a key of its own, keeps its replies by round and attempt, gives the same bytes again for the
same instruction, and refuses another instruction for the same round and attempt. With a folder, all of that outlives
the process, as a vault would.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from fedward_server.link.courier import Lost, Outcome
from fedward_server.rounds.book import MemoryBook
from fedward_shared.contracts.round import Heads, InstructionHead, RefusalCode, ReplyHead, Task
from fedward_shared.contracts.study import Study
from fedward_shared.crypto.signing import Purpose, sign
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.resolve import published
from fedward_shared.wire.codec import StudyOffer, decode_instruction, encode_reply, refusal_body
from fedward_shared.wire.parcel import Parcel, Refused, seal
from fedward_shared.wire.tensors import decode, encode, layout
from tests.support.samples import TWO_SITES

__all__ = ["ROUND_KEY", "FakeCourier", "FakeSite", "book_of", "offer_of", "sites_of", "study_text", "train"]

Weights = Mapping[str, NDArray[np.float32]]
Trainer = Callable[[str, InstructionHead, Weights], Weights]
ROUND_KEY = Ed25519PrivateKey.from_private_bytes(b"r" * 32)


def study_text(**changes: str | float) -> str:
    """TWO_SITES with a third site, no noise (so that publishing is quick), and these keys changed."""
    text = TWO_SITES.replace(
        "[training]", "[sites.west]\nsize = 30\nsampling_rate = 0.5\nnormaliser = 15.0\n\n[training]"
    )
    text = text.replace("target_epsilon = 3.0\nunsafe_no_privacy = false", "unsafe_no_privacy = true")
    text = text.replace("max_weight = 100.0", "max_weight = 100.0\nmax_update_norm = 5.0")
    for key, value in changes.items():
        lines = [line for line in text.splitlines() if line.startswith(f"{key} = ")]
        written = value if isinstance(value, str) and value.startswith("[") else json.dumps(value)
        table = key.removesuffix("_options")
        if key.endswith("_options"):
            text = text.replace(f"[{table}.options]", f"[{table}.options]\n{value}")
        else:
            text = text.replace(lines[-1], f"{key} = {written}")
    return text


@cache
def _published(text: str) -> bytes:
    return published(text.encode())


def offer_of(text: str) -> StudyOffer:
    """A published study; nobody in these tests looks at the study key's signatures."""
    return StudyOffer(_published(text), bytes(64), b"certificate", bytes(64))


def train(site: str, head: InstructionHead, weights: Weights) -> Weights:
    """A deterministic update: a pull towards zero plus a step that depends on site and round only."""
    seed = hashlib.sha256(f"{site} {head.round}".encode()).digest()
    source = np.random.default_rng(int.from_bytes(seed[:8], "big"))
    return {
        name: (source.standard_normal(values.shape) * 0.05 - values * 0.1).astype(np.float32)
        for name, values in weights.items()
    }


@dataclass
class FakeSite:
    """One hospital. `refuses` names a refusal for a task; `spoil` changes a finished reply before it leaves."""

    name: str
    study: Study
    trainer: Trainer = train
    refuses: dict[Task, RefusalCode] = field(default_factory=dict)
    spoil: Callable[[InstructionHead, Parcel, Parcel], Outcome] | None = None
    folder: Path | None = None
    now: Callable[[], float] = lambda: 0.0
    replies: dict[str, tuple[str, str]] = field(default_factory=dict)
    seen: list[InstructionHead] = field(default_factory=list)

    @property
    def key(self) -> Ed25519PrivateKey:
        """The vault key."""
        return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(self.name.encode()).digest())

    def handle(self, parcel: Parcel) -> Outcome:
        """What the site answers."""
        parcel.verify(ROUND_KEY.public_key().public_bytes_raw(), Purpose.INSTRUCTION)
        head = decode_instruction(parcel.head)
        assert head.site == self.name
        self.seen.append(head)
        if (code := self.refuses.get(head.task)) is not None:
            return self.refuse(parcel, code)
        kept = self._kept()
        place = f"{head.task.name}-{head.round}-{head.attempt}"
        digest = parcel.digest.hex()
        if place in kept and kept[place][0] != digest:
            return self.refuse(parcel, RefusalCode.CONFLICT)
        if place not in kept and self.now() > head.expires:
            return self.refuse(parcel, RefusalCode.EXPIRED)
        payload = bytes.fromhex(kept[place][1]) if place in kept else self._work(head, parcel)
        if head.task is not Task.STUDY:
            kept[place] = (digest, payload.hex())
            self._keep(kept)
        heads = Heads(len(kept), hashlib.sha256(place.encode()).digest()) if kept else Heads()
        reply = self.reply(parcel, payload, heads)
        return self.spoil(head, parcel, reply) if self.spoil else reply

    def reply(self, parcel: Parcel, payload: bytes, heads: Heads | None = None) -> Parcel:
        """A signed reply with this payload."""
        head = ReplyHead(parcel.digest, len(payload), heads or Heads())
        return seal(self.key, Purpose.REPLY, encode_reply(head), [memoryview(payload)])

    def refuse(self, parcel: Parcel, code: RefusalCode) -> Refused:
        """A signed refusal."""
        return Refused(code, sign(self.key, Purpose.REFUSAL, refusal_body(parcel.digest, code)))

    def _work(self, head: InstructionHead, parcel: Parcel) -> bytes:
        if head.task is not Task.TRAIN:
            return b""
        assert self.study.resolved
        plan = layout(self.study.resolved.tensors)
        weights = decode(plan, parcel.payload)
        return b"".join(
            encode(plan, {name: np.asarray(v) for name, v in self.trainer(self.name, head, weights).items()})
        )

    def _kept(self) -> dict[str, tuple[str, str]]:
        path = self.folder / f"{self.name}.json" if self.folder else None
        if path is None:
            return self.replies
        return json.loads(path.read_text()) if path.exists() else {}

    def _keep(self, kept: dict[str, tuple[str, str]]) -> None:
        if self.folder is None:
            self.replies = kept
            return
        draft = self.folder / f"{self.name}.draft"
        draft.write_text(json.dumps(kept))
        draft.replace(self.folder / f"{self.name}.json")


@dataclass
class FakeCourier:
    """Calls the sites in this process. `down` are not attached; `silent` never answer; `lose` loses that many posts."""

    sites: Mapping[str, FakeSite]
    down: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    lose: dict[str, int] = field(default_factory=dict)
    posted: list[tuple[str, bytes]] = field(default_factory=list)
    waiting: dict[int, Callable[[Outcome], None]] = field(default_factory=dict)

    def attached(self) -> frozenset[str]:
        """Everybody who is not down."""
        return frozenset(self.sites) - self.down

    def post(self, site: str, parcel: Parcel, *, reply_limit: int, deliver: Callable[[Outcome], None]) -> int:
        """Hands the parcel over and delivers the answer at once."""
        self.posted.append((site, parcel.digest))
        ticket = len(self.posted)
        if site in self.down:
            deliver(Lost("not connected"))
        elif self.lose.get(site, 0) > 0:
            self.lose[site] -= 1
            deliver(Lost("the connection ended"))
        elif site in self.silent and decode_instruction(parcel.head).task is not Task.STUDY:
            self.waiting[ticket] = deliver
        else:
            deliver(self.sites[site].handle(parcel))
        return ticket

    def cancel(self, ticket: int) -> None:
        """Delivers that the post is lost."""
        if deliver := self.waiting.pop(ticket, None):
            deliver(Lost("cancelled"))


def sites_of(offer: StudyOffer, folder: Path | None = None) -> dict[str, FakeSite]:
    """One honest site for each that the study declares."""
    study = load(offer.manifest)
    return {name: FakeSite(name, study, folder=folder) for name in study.site_names}


def book_of(sites: Mapping[str, FakeSite]) -> MemoryBook:
    """Their vault keys."""
    return MemoryBook({name: site.key.public_key().public_bytes_raw() for name, site in sites.items()})


def other_payload(
    site: FakeSite, change: Callable[[bytes], bytes]
) -> Callable[[InstructionHead, Parcel, Parcel], Outcome]:
    """A spoiler that signs a changed payload."""

    def spoil(head: InstructionHead, instruction: Parcel, reply: Parcel) -> Outcome:
        if head.task is not Task.TRAIN:
            return reply
        return site.reply(instruction, change(bytes(reply.payload)))

    return spoil
