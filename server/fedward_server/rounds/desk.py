"""The desk: writes signed instructions and keeps them before they are sent; verifies what comes back.

Nothing here sends or waits; the courier carries, the grid collects.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from math import ceil

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from fedward_server.rounds.book import SiteBook
from fedward_server.rounds.checks import check_update
from fedward_server.rounds.store import Batch, BatchKey, InstructionStore, SealedHead
from fedward_shared.contracts.round import InstructionHead, Task
from fedward_shared.contracts.study import Resolved, Study
from fedward_shared.crypto.signing import Purpose, sign, verify
from fedward_shared.errors import FedwardError, SignatureError, StudyFileError, WireError
from fedward_shared.wire.codec import (
    StudyOffer,
    decode_instruction,
    decode_reply,
    encode_instruction,
    encode_offer,
    refusal_body,
)
from fedward_shared.wire.parcel import Parcel, Refused
from fedward_shared.wire.tensors import Layout, decode, encode, layout

__all__ = ["Desk"]

_GRACE_SECONDS = 600
"""How long past the deadline an instruction may still be begun: what a restart and two clocks may cost."""
_OFFER_SECONDS = 24 * 3600


class Desk:
    """One study's instructions and replies.

    `durable_through` is the last round whose result is in a durable checkpoint; whoever writes checkpoints sets it,
    and the next instructions carry it to the sites as the receipt that lets them prune.
    """

    def __init__(
        self,
        offer: StudyOffer,
        study: Study,
        *,
        key: Ed25519PrivateKey,
        book: SiteBook,
        store: InstructionStore,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if study.resolved is None:
            raise StudyFileError(
                f"study {study.name} is not published", hint="Run: fedward-coordinator study publish study.toml"
            )
        self.study = study
        self.resolved: Resolved = study.resolved
        self.layout: Layout = layout(self.resolved.tensors)
        self.durable_through = 0
        self._hash = hashlib.sha256(offer.manifest).digest()
        self._offer = memoryview(encode_offer(offer))
        self._offers: dict[str, tuple[Parcel, float]] = {}
        self._key = key
        self._book = book
        self._store = store
        self._clock = clock

    def in_flight(self, task: Task, round_number: int, attempt: int) -> tuple[str, ...]:
        """The sites whose instructions for this round and attempt are durable, in the study's order."""
        batch = self._store.load(BatchKey(task, round_number, attempt))
        return tuple(site for site in self.study.site_names if batch and site in batch.heads)

    def offer(self, site: str) -> Parcel:
        """The instruction that offers the study. It reserves nothing, so it is not kept over a restart."""
        parcel, expires = self._offers.get(site, (None, 0.0))
        if parcel is None or self._clock() > expires - _GRACE_SECONDS:
            expires = self._clock() + _OFFER_SECONDS
            digest = hashlib.sha256(self._offer).digest()
            key = BatchKey(Task.STUDY, 0, 1)
            sealed = self._seal(site, key, self._offer.nbytes, digest, int(expires))
            parcel = Parcel(sealed.head, (self._offer,), self._offer.nbytes, sealed.seal, sealed.signature)
            self._offers[site] = (parcel, expires)
        return parcel

    def instruct(
        self, key: BatchKey, sites: Sequence[str], weights: Mapping[str, NDArray[np.float32]]
    ) -> dict[str, Parcel]:
        """Signed instructions with these weights for these sites, durable when this returns.

        What was made before under the same key is given back byte for byte.

        Raises:
            FedwardError: instructions with other weights were made before under this key.
        """
        parts = encode(self.layout, weights)
        digest = _digest(parts)
        batch = self._store.load(key) or Batch(parts, digest, {})
        if batch.digest != digest:
            raise FedwardError(
                f"the instructions kept for round {key.round}, attempt {key.attempt} hold other weights than the "
                "checkpoint before them",
                hint="Checkpoints and instructions must come from one run: restore the study's folder as a whole.",
            )
        missing = [site for site in sites if site not in batch.heads]
        if missing:
            expires = ceil(self._clock() + self.study.strategy.deadline_seconds + _GRACE_SECONDS)
            size = self.layout.payload_bytes
            made = {site: self._seal(site, key, size, digest, expires) for site in missing}
            batch = Batch(batch.parts, digest, {**batch.heads, **made})
            self._store.save(key, batch)
        return {
            site: Parcel(sealed.head, batch.parts, self.layout.payload_bytes, sealed.seal, sealed.signature)
            for site, sealed in batch.heads.items()
            if site in sites
        }

    def read_reply(self, site: str, instruction: Parcel, reply: Parcel) -> dict[str, NDArray[np.float32]]:
        """The update in a site's reply (nothing for the tasks whose reply is empty).

        The site's heads are remembered as soon as its signature holds, whether or not the update counts.

        Raises:
            SignatureError: the reply is not signed by this site's vault.
            WireError: it answers another instruction, has another size, or its update must not count.
        """
        reply.verify(self._book.vault_key(site), Purpose.REPLY)
        head = decode_reply(reply.head)
        if head.instruction != instruction.digest:
            raise WireError("the reply answers another instruction than the one sent")
        self._book.remember(site, head.heads)
        expected = self.reply_bytes(decode_instruction(instruction.head).task)
        if not head.payload_bytes == reply.payload_bytes == expected:
            raise WireError(f"the reply's payload has {reply.payload_bytes} bytes; the study declares {expected}")
        if expected == 0:
            return {}
        update = decode(self.layout, reply.payload)
        check_update(self.resolved.tensors, update, self.resolved.sites[site].max_update_norm)
        return update

    def read_refusal(self, site: str, instruction: Parcel, refusal: Refused) -> None:
        """Checks who refused.

        Raises:
            SignatureError: a refusal with a vault's code is not signed by this site's vault.
        """
        if refusal.code.by_gateway:
            return
        key = self._book.vault_key(site)
        try:
            verify(key, Purpose.REFUSAL, refusal_body(instruction.digest, refusal.code), refusal.signature)
        except SignatureError:  # a payload refused before it came: only the head was known
            early = hashlib.sha256(instruction.head).digest()
            verify(key, Purpose.REFUSAL, refusal_body(early, refusal.code), refusal.signature)

    def reply_bytes(self, task: Task) -> int:
        """The exact size of a reply's payload."""
        return self.layout.payload_bytes if task is Task.TRAIN else 0

    def revoked(self, site: str) -> bool:
        """Whether the site may not take part any more."""
        return self._book.revoked(site)

    def checkpointed(self, round_number: int) -> None:
        """Says that the result of this round is durable: its instructions are no longer needed."""
        self.durable_through = round_number
        self._store.forget(round_number)

    def _seal(self, site: str, key: BatchKey, size: int, digest: bytes, expires: int) -> SealedHead:
        """`wire.parcel.seal` with the payload hashed once for all sites."""
        head = encode_instruction(
            InstructionHead(
                study=self._hash,
                site=site,
                round=key.round,
                attempt=key.attempt,
                task=key.task,
                payload_bytes=size,
                expires=expires,
                seen=self._book.heads(site),
                durable_through=self.durable_through,
                protocol=self.study.protocol,
            )
        )
        body = hashlib.sha256(head).digest() + digest
        return SealedHead(head, body, sign(self._key, Purpose.INSTRUCTION, body))


def _digest(parts: Sequence[memoryview]) -> bytes:
    hasher = hashlib.sha256()
    for part in parts:
        hasher.update(part)
    return hasher.digest()
