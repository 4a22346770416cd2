"""Any interleaving of instructions, crashes, restarts, imports, receipts and decisions, against a model of six lines.

What must hold after every step: no round and attempt has released two different payloads; the ledger has charged at
least every release, and never un-charges; a coordinator that sends the same bytes gets the same bytes.
"""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fedward_client.vault.books.store import Store
from fedward_client.vault.training.trainer import Order
from fedward_shared.contracts.round import Heads, RefusalCode
from fedward_shared.errors import TrainingError
from fedward_shared.wire.codec import decode_reply
from fedward_shared.wire.parcel import Parcel, Refused
from tests.support.vaults import Coordinator, Site

EXAMPLES = 300 if os.environ.get("FEDWARD_LONG") else 30
CHARGE = 0.2
Key = tuple[int, int]


class Killed(BaseException):
    """As SIGKILL, but seen by the test: nobody in the vault may catch it."""


CRASHES = ("reserved", "trained", "filed", "settled", "anchored")


class Vaults(RuleBasedStateMachine):
    """One site on a real folder. A crash drops everything that was not committed, and opens the folder again."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="fedward-")
        self.coordinator = Coordinator()
        self.released: dict[Key, set[bytes]] = defaultdict(set)
        self.first: dict[bytes, bytes] = {}
        self.highest = 0.0
        self.durable = 0

    @initialize()
    def approve(self) -> None:
        self.site = Site(Path(self.folder.name))
        self.coordinator.admit(self.site)

    def teardown(self) -> None:
        if hasattr(self, "site"):
            self.site.store.close()
        self.folder.cleanup()

    def ask(self, parcel: Parcel, key: Key) -> Parcel | Refused | None:
        """Sends an instruction; whatever comes back has left."""
        answer = self.site.handle(parcel)
        if isinstance(answer, Parcel):
            payload = bytes(answer.payload)
            self.released[key].add(payload)
            assert self.first.setdefault(parcel.digest, payload) == payload
            self.coordinator.seen = max(
                self.coordinator.seen, decode_reply(answer.head).heads, key=lambda heads: heads.journal_sequence
            )
        return answer

    def instruction(self, round_number: int, attempt: int, value: int) -> Parcel:
        """Without heads and receipts, so that equal arguments give equal bytes."""
        return self.coordinator.train(round_number, attempt, value=float(value), seen=Heads())

    keys = (st.integers(1, 3), st.integers(1, 2), st.integers(0, 1))

    @rule(round_number=keys[0], attempt=keys[1], value=keys[2])
    def train(self, round_number: int, attempt: int, value: int) -> None:
        before = self.site.books.ledger.find(self.coordinator.hash, round_number, attempt)
        answer = self.ask(self.instruction(round_number, attempt, value), (round_number, attempt))
        assert answer is not None
        if isinstance(answer, Parcel):
            assert self.site.books.ledger.find(self.coordinator.hash, round_number, attempt) is not None
        elif before is None and round_number > self.durable:
            assert answer.code is RefusalCode.WRONG_ROUND
            assert self.site.books.ledger.count(self.coordinator.hash) == 4

    @rule(round_number=keys[0], attempt=keys[1], value=keys[2], point=st.sampled_from(CRASHES))
    def train_and_crash(self, round_number: int, attempt: int, value: int, point: str) -> None:
        self._arm(point)
        parcel = self.instruction(round_number, attempt, value)
        try:
            self.ask(parcel, (round_number, attempt))
        except Killed:
            pass
        finally:
            self.site.trainer.before = lambda _: None
            self.site.store._connection.close()
            self.site.open()
        assert self.site.books.ledger.locked() is None

    @rule(round_number=keys[0], attempt=keys[1], value=keys[2])
    def train_in_vain(self, round_number: int, attempt: int, value: int) -> None:
        def fail(_: Order) -> None:
            raise TrainingError("the worker ended")

        self.site.trainer.before = fail
        self.ask(self.instruction(round_number, attempt, value), (round_number, attempt))
        self.site.trainer.before = lambda _: None

    @rule(through=st.integers(1, 2))
    def receipt(self, through: int) -> None:
        """The coordinator's checkpoint is durable, and says so in the next round's instruction."""
        parcel = self.coordinator.train(through + 1, 2, value=7.0, durable_through=through)
        if isinstance(self.ask(parcel, (through + 1, 2)), Parcel):
            self.durable = max(self.durable, through)

    @rule()
    def restart(self) -> None:
        self.site.reopen()
        assert self.site.books.ledger.locked() is None

    @rule(version=st.sampled_from(["v1", "v2", "v3"]))
    def import_again(self, version: str) -> None:
        self.site.data_sets.add("cardiology", version, self.coordinator.study)

    @rule()
    def withdraw_and_approve(self) -> None:
        self.site.operations.withdraw("heart-disease", "Ada", self.site.now)
        self.site.operations.approve("heart-disease", "cardiology", "Ada", self.site.now)

    @invariant()
    def one_release_for_each_round_and_attempt(self) -> None:
        assert all(len(payloads) == 1 for payloads in self.released.values())

    @invariant()
    def every_release_is_charged_and_no_charge_is_taken_back(self) -> None:
        if not hasattr(self, "site"):
            return
        spent = self.site.spent()
        assert spent >= CHARGE * len(self.released) - 1e-9
        assert spent >= self.highest
        assert spent <= CHARGE * self.coordinator.study.strategy.charged_rounds + 1e-9
        self.highest = spent

    @invariant()
    def the_chains_hold(self) -> None:
        if hasattr(self, "site"):
            assert self.site.books.ledger.verify() == self.site.books.ledger.tip()
            anchored = self.site.store.anchor.read()
            assert anchored is not None
            assert self.site.books.hold(anchored)

    def _arm(self, point: str) -> None:
        def die(*_: object) -> None:
            raise Killed

        store: Store = self.site.store
        honest = store.replies.write
        match point:
            case "reserved":
                self.site.trainer.before = die
            case "trained":
                store.replies.write = die  # type: ignore[method-assign, assignment]
            case "filed":

                def write(instruction: bytes, parts: list[memoryview]) -> None:
                    honest(instruction, parts)
                    raise Killed

                store.replies.write = write  # type: ignore[method-assign, assignment]
            case "settled":
                store.anchor.write = die  # type: ignore[method-assign, assignment]
            case _:
                written = store.anchor.write

                def anchor(heads: Heads) -> None:
                    written(heads)
                    raise Killed

                store.anchor.write = anchor  # type: ignore[method-assign]


TestVaults = Vaults.TestCase
TestVaults.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=12, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
