"""What a vault's durability adds to a round: both transactions, the payload's file, the anchor, on the real store."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.link_peers import KEY, PUBLIC_KEY
from fedward_client.vault.books.answers import sealed_reply
from fedward_client.vault.books.books import Books
from fedward_client.vault.books.ledger import Reservation
from fedward_client.vault.books.replies import hash_of
from fedward_client.vault.books.store import Store
from fedward_shared.manifest.parse import study_hash
from fedward_shared.privacy.events import SampledGaussian
from fedward_shared.wire.codec import StudyOffer

__all__ = ["seconds_per_round"]

_OFFER = StudyOffer(b"benchmark", bytes(64), b"benchmark", bytes(64))
_STUDY = study_hash(_OFFER.manifest)


def seconds_per_round(payload_bytes: int, rounds: int) -> float:
    """The median over `rounds` rounds, each with a reply of `payload_bytes`."""
    payload = memoryview(os.urandom(payload_bytes))
    with tempfile.TemporaryDirectory(prefix="fw-") as name:
        books = Books(Store.open(Path(name)), site="site-1", study_key=PUBLIC_KEY, key=KEY, now=0)
        with books.store.transaction() as transaction:
            books.studies.propose(transaction, _OFFER, 0)
        times = []
        for number in range(1, rounds + 2):
            began = time.perf_counter()
            _one_round(books, number, payload)
            times.append(time.perf_counter() - began)
        books.close()
    return statistics.median(times[1:])


def _one_round(books: Books, number: int, payload: memoryview) -> None:
    """What `vault.orders` does around a training (steps 2, 4, 5 and 6)."""
    digest = number.to_bytes(32, "big")
    reservation = Reservation(
        study=_STUDY,
        round=number,
        attempt=1,
        instruction=digest,
        data_set="benchmark",
        dataset_version="0",
        event=SampledGaussian(1.0, 0.1, 1),
        at=0,
    )
    with books.store.transaction() as transaction:
        books.journal.append(transaction, "instruction", 0, {"instruction": digest.hex(), "round": number})
        books.ledger.reserve(transaction, reservation)
    hashed = hash_of([payload])
    books.store.replies.write(digest, [payload])
    with books.store.transaction() as transaction:
        books.ledger.settle(transaction, reservation, hashed, "0", 0)
        books.journal.append(transaction, "reply", 0, {"instruction": digest.hex(), "payload": hashed.hex()})
        reply = sealed_reply(KEY, digest, books.heads(), [payload], hashed)
        books.answers.keep(transaction, digest, _STUDY, number, reply)
    books.anchor()
