"""One vault and everything around it, for tests: a coordinator's keys, a clock that stands still, made-up training.

`Site` owns the durable things (folder or memory, keys, clock) and can be closed, crashed and opened again;
`Coordinator` signs instructions, honest or not. Training is a fake whose payloads are random, so that two different
releases are never equal; the accountant counts steps, so that a property can be tried a hundred times.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedward_client.vault.books.books import Books
from fedward_client.vault.books.store import Store
from fedward_client.vault.core import Identity, Vault
from fedward_client.vault.inbox import Imported
from fedward_client.vault.office.operations import Operations
from fedward_client.vault.policy import Policy
from fedward_client.vault.spending import Accountant
from fedward_client.vault.training.trainer import Order
from fedward_shared.contracts.round import Heads, InstructionHead, RefusalCode, ReplyHead, Task
from fedward_shared.contracts.study import Study
from fedward_shared.crypto import round_key
from fedward_shared.crypto.keys import public_bytes
from fedward_shared.crypto.signing import Purpose, sign, verify
from fedward_shared.manifest.contract import contract_digest
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.resolve import published
from fedward_shared.privacy.events import Event, NoPrivacy
from fedward_shared.version import PROTOCOL
from fedward_shared.wire.codec import StudyOffer, decode_reply, encode_instruction, encode_offer, refusal_body
from fedward_shared.wire.parcel import Parcel, Refused, seal
from fedward_shared.wire.tensors import Layout, encode, layout
from tests.support.samples import TWO_SITES

__all__ = [
    "DAY",
    "NOW",
    "POLICY",
    "ROUND_KEY",
    "SITE",
    "STUDY_KEY",
    "VAULT_KEY",
    "Coordinator",
    "FakeDataSets",
    "FakeTrainer",
    "Site",
    "manifest",
    "never",
    "step_count",
]

NOW = 1_800_000_000
DAY = 24 * 3600
SITE = "north"
STUDY_KEY = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
ROUND_KEY = Ed25519PrivateKey.from_private_bytes(b"r" * 32)
VAULT_KEY = Ed25519PrivateKey.from_private_bytes(b"v" * 32)
POLICY = Policy(max_epsilon=10.0, delta=1e-5)


@cache
def manifest(*changes: tuple[str, str]) -> bytes:
    """TWO_SITES as published, after replacing some of its text. σ is declared, so that publishing is quick."""
    text = TWO_SITES.replace("target_epsilon = 3.0", "noise_multiplier = 4.0")
    for old, new in changes:
        if old not in text:
            raise ValueError(f"the sample study has no {old!r}")
        text = text.replace(old, new)
    return published(text.encode())


def never() -> bool:
    """A coordinator that still waits."""
    return False


def step_count(events: Sequence[Event], delta: float) -> float:
    """An accountant for tests: a tenth for each step, infinite without privacy."""
    if any(isinstance(event, NoPrivacy) for event in events):
        return float("inf")
    return sum(event.steps for event in events) / 10


@dataclass(slots=True)
class FakeTrainer:
    """Gives random bytes of the declared size; `before` runs first and may raise or kill; counts its orders."""

    before: Callable[[Order], object] = lambda _: None
    orders: list[Order] = field(default_factory=list)
    closed: bool = False
    size: int | None = None
    """Bytes of a reply, where it is not the declared number."""

    def run(self, order: Order, cancelled: Callable[[], bool]) -> list[memoryview]:
        """A payload as long as the one that came, or nothing for CONCLUDE."""
        self.orders.append(order)
        self.before(order)
        size = order.payload.nbytes if self.size is None else self.size
        return [memoryview(os.urandom(size))] if order.task is Task.TRAIN else []

    def close(self) -> None:
        """Notes it."""
        self.closed = True


@dataclass(slots=True)
class FakeDataSets:
    """Imports as told."""

    imports: dict[str, Imported] = field(default_factory=dict)

    def names(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(sorted(self.imports))

    def newest(self, data_set: str) -> Imported | None:
        """The one under this name."""
        return self.imports.get(data_set)

    def add(self, data_set: str, version: str, study: Study) -> None:
        """Imports under the study's contract."""
        self.imports[data_set] = Imported(data_set, version, contract_digest(study.data), Path("/nowhere"))


class Site:
    """A site that can be opened, closed and opened again. Without a folder everything is in memory."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        policy: Policy = POLICY,
        accountant: Accountant = step_count,
        study: bytes | None = None,
        backbones: Path | None = None,
    ) -> None:
        self.folder = folder
        self.backbones = backbones
        self.policy = policy
        self.accountant = accountant
        self.now = NOW
        self.trainer = FakeTrainer()
        self.model_problem = ""
        self.data_sets = FakeDataSets()
        self.data_sets.add("cardiology", "v1", load(study or manifest()))
        self.open()

    def open(self) -> None:
        """Opens the books, as a vault does when it starts."""
        self.store = Store.open(self.folder) if self.folder else Store.in_memory()
        self.use(self.store)

    def use(self, store: Store) -> None:
        """Opens the books on a store."""
        study_key = public_bytes(STUDY_KEY)
        self.books = Books(store, site=SITE, study_key=study_key, key=VAULT_KEY, now=self.now)
        self.vault = Vault(
            Identity(SITE, VAULT_KEY, study_key),
            books=self.books,
            policy=self.policy,
            trainer=self.trainer,
            data_sets=self.data_sets,
            reports=Path("/nowhere"),
            backbones=self.backbones,
            clock=lambda: self.now,
            accountant=self.accountant,
        )
        self.operations = Operations(
            site=SITE,
            study_key=study_key,
            vault_key=public_bytes(VAULT_KEY),
            books=self.books,
            policy=self.policy,
            data_sets=self.data_sets,
            backbones=self.backbones,
            accountant=self.accountant,
            model_check=lambda _: self.model_problem,
        )

    def reopen(self) -> None:
        """Closes without a farewell, and starts again."""
        self.store.close()
        self.open()

    def handle(self, parcel: Parcel) -> Parcel | Refused | None:
        """What the door would get back."""
        return self.vault.handle(parcel, never)

    def code(self, parcel: Parcel) -> RefusalCode:
        """The code of a refusal, whose signature is checked."""
        answer = self.handle(parcel)
        if not isinstance(answer, Refused):
            raise AssertionError(f"expected a refusal, not {answer}")  # noqa: TRY004 - a test that fails
        verify(public_bytes(VAULT_KEY), Purpose.REFUSAL, refusal_body(parcel.digest, answer.code), answer.signature)
        return answer.code

    def reply(self, parcel: Parcel) -> Parcel:
        """The reply, whose signature, seal and head are checked."""
        answer = self.handle(parcel)
        if not isinstance(answer, Parcel):
            raise AssertionError(f"expected a reply, not {answer}")  # noqa: TRY004 - a test that fails
        answer.verify(public_bytes(VAULT_KEY), Purpose.REPLY)
        head = decode_reply(answer.head)
        payload = hashlib.sha256(answer.payload).digest()
        if (
            head.instruction != parcel.digest
            or answer.seal[32:] != payload
            or head.payload_bytes != len(answer.payload)
        ):
            raise AssertionError("the reply does not answer this instruction")
        return answer

    def spent(self) -> float:
        """What the ledger says of the data set."""
        return self.accountant(self.books.ledger.events("cardiology"), self.policy.delta)


class Coordinator:
    """Signs what it is told to."""

    def __init__(
        self,
        study: bytes | None = None,
        *,
        study_key: Ed25519PrivateKey = STUDY_KEY,
        round_key_: Ed25519PrivateKey = ROUND_KEY,
        certified: tuple[int, int] = (NOW - DAY, NOW + 90 * DAY),
    ) -> None:
        self.manifest = study or manifest()
        self.study = load(self.manifest)
        self.hash = hashlib.sha256(self.manifest).digest()
        self.key = round_key_
        body, signature = round_key.certify(study_key, public_bytes(round_key_), *certified)
        self.offer_ = StudyOffer(self.manifest, sign(study_key, Purpose.STUDY, self.manifest), body, signature)
        self.seen = Heads()

    @property
    def layout(self) -> Layout:
        """How the study's tensors travel."""
        if self.study.resolved is None:
            raise AssertionError("the study is not published")
        return layout(self.study.resolved.tensors)

    def head(self, task: Task = Task.TRAIN, **changes: object) -> InstructionHead:
        """An honest head, with some fields changed."""
        honest = InstructionHead(
            study=self.hash,
            site=SITE,
            round=0 if task is Task.STUDY else 1,
            attempt=1,
            task=task,
            payload_bytes=self.layout.payload_bytes,
            expires=NOW + 60,
            seen=self.seen,
            durable_through=0,
            protocol=PROTOCOL,
        )
        return replace(honest, **changes)  # type: ignore[arg-type]  # the tests name fields of the head

    def weights(self, value: float = 0.0) -> bytes:
        """A payload with every weight equal."""
        arrays = {spec.name: np.full(spec.shape, value, np.float32) for spec in self.layout.specs}
        return b"".join(encode(self.layout, arrays))

    def sealed(self, head: InstructionHead, payload: bytes) -> Parcel:
        """Signs whatever it is."""
        return seal(self.key, Purpose.INSTRUCTION, encode_instruction(head), [memoryview(payload)])

    def offer(self, **changes: object) -> Parcel:
        """The instruction that offers the study."""
        payload = encode_offer(self.offer_)
        return self.sealed(self.head(Task.STUDY, **{"payload_bytes": len(payload), **changes}), payload)

    def train(self, round_number: int = 1, attempt: int = 1, *, value: float = 0.0, **changes: object) -> Parcel:
        """An instruction to train."""
        return self.sealed(self.head(Task.TRAIN, round=round_number, attempt=attempt, **changes), self.weights(value))

    def conclude(self, **changes: object) -> Parcel:
        """The last instruction of a study."""
        rounds = self.study.strategy.rounds
        head = self.head(Task.CONCLUDE, **{"round": rounds, "durable_through": rounds, **changes})
        return self.sealed(head, self.weights())

    def admit(self, site: Site, data_set: str = "cardiology") -> None:
        """Offers the study and has a person approve it."""
        if site.code(self.offer()) is not RefusalCode.NOT_APPROVED:
            raise AssertionError("the study was offered before")
        site.operations.approve(self.hash.hex(), data_set, "Dr Ada Lind", site.now)

    def remember(self, reply: Parcel) -> ReplyHead:
        """Takes over the heads of a reply."""
        head = decode_reply(reply.head)
        self.seen = head.heads
        return head
