"""Flower's Grid over any courier, for one study.

A message of type `train` becomes a signed instruction to train; `query.study` offers the study; `query.conclude`
delivers the final weights. Round and attempt travel in the message's `group_id` ("3.1"). A reply that was verified
and checked becomes a Message with `arrays` (the weights sent plus the update, added up on demand) and `num-examples`
(the site's declared size); everything else becomes an error Message that names the site and the reason.

A site's Flower node id is its place in the study file, from 1.
"""

from __future__ import annotations

import itertools
import queue
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from flwr.app import ArrayRecord, Error, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid

from fedward_server.link.courier import Courier, Lost, Outcome
from fedward_server.link.pending import Patience, Pending, Weights, grouped
from fedward_server.rounds.answers import ErrorCode, round_and_attempt
from fedward_server.rounds.desk import Desk
from fedward_server.rounds.store import BatchKey
from fedward_shared.contracts.round import RefusalCode, Task
from fedward_shared.errors import FedwardError
from fedward_shared.flower.identity import COORDINATOR_NODE, Run, empty_run, set_identity
from fedward_shared.flower.records import SumArray, arrays_of
from fedward_shared.wire.parcel import Parcel, Refused

__all__ = ["CONCLUDE", "STUDY", "LinkGrid", "Patience"]

STUDY = f"{MessageType.QUERY}.study"
CONCLUDE = f"{MessageType.QUERY}.conclude"
_TASKS = {STUDY: Task.STUDY, CONCLUDE: Task.CONCLUDE, MessageType.TRAIN: Task.TRAIN}
_PASSING = frozenset({RefusalCode.BUSY, RefusalCode.DOOR_CLOSED})
"""Refusals after which the same instruction is worth posting again before the deadline."""


class LinkGrid(Grid):
    """Flower's Grid for one study. Use it from one thread; the courier may deliver from any."""

    def __init__(
        self,
        desk: Desk,
        courier: Courier,
        *,
        patience: Patience | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        set_identity(COORDINATOR_NODE)
        self.desk = desk
        self._courier = courier
        self._patience = patience or Patience()
        self._now = monotonic
        self._names = desk.study.site_names
        self._ids = itertools.count(1)
        self._pending: dict[str, Pending] = {}
        self._settled: dict[str, Message] = {}
        self._arrivals: queue.SimpleQueue[tuple[str, int, Outcome]] = queue.SimpleQueue()
        self._shown: tuple[int, ...] | None = None
        self._run = empty_run()

    # ---- flwr.serverapp.Grid

    def set_run(self, run: Run) -> None:
        """Keeps Flower's run; nothing here reads it."""
        self._run = run

    @property
    def run(self) -> Run:
        """Flower's run."""
        return self._run

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Message:
        """A message to one site."""
        return Message(content, dst_node_id, message_type, group_id=group_id, ttl=ttl)

    def get_node_ids(self) -> list[int]:
        """The node ids of the attached sites, in the study's order; inside `showing`, those that were given."""
        if self._shown is not None:
            return list(self._shown)
        attached = self._courier.attached()
        return [node for node, site in enumerate(self._names, 1) if site in attached]

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Makes the instructions durable, all of them, and then posts each."""
        made: list[str] = []
        for batch in grouped(messages):
            for message, parcel, base in self._instructions(batch):
                name = str(next(self._ids))
                task = _TASKS[message.metadata.message_type]
                self._pending[name] = Pending(message, self.site(message.metadata.dst_node_id), task, parcel, base)
                made.append(name)
        for name in made:
            self._post(name)
        return made

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """The answers that are there; each is given once."""
        self._take_all()
        return [self._settled.pop(name) for name in message_ids if name in self._settled]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        """Posts and waits for the answers, at most `timeout` seconds (the study's deadline by default).

        A site that is lost meanwhile gets the same bytes again when it is back. Once the quorum has answered, sites
        that stay away are waited for only as long as `Patience.absent` says. Every message gets an answer: late and
        lost ones an error. The answers are ordered by node id, because floating-point sums depend on their order.
        """
        limit = self.desk.study.strategy.deadline_seconds if timeout is None else timeout
        names = self.push_messages(messages)
        deadline = self._now() + limit
        while waiting := [name for name in names if name in self._pending]:
            left = deadline - self._now()
            if left <= 0 or self._only_absent(waiting, names):
                break
            try:
                self._take(*self._arrivals.get(timeout=min(left, self._patience.look)))
            except queue.Empty:
                self._post_again(waiting)
        self._take_all()  # what came before the deadline counts, however long the others took to check
        for name in names:
            self._give_up(name)
        answers = self.pull_messages(names)
        return sorted(answers, key=lambda answer: answer.metadata.src_node_id)

    # ---- what the round loop asks beyond Flower's interface

    @contextmanager
    def showing(self, nodes: Sequence[int]) -> Iterator[None]:
        """Fixes what `get_node_ids` answers: a strategy's sampling must not depend on who comes or goes meanwhile."""
        self._shown = tuple(nodes)
        try:
            yield
        finally:
            self._shown = None

    def attached(self) -> tuple[str, ...]:
        """The study's sites that can be reached now."""
        attached = self._courier.attached()
        return tuple(site for site in self._names if site in attached)

    def site(self, node_id: int) -> str:
        """The site with this node id."""
        return self._names[node_id - 1]

    def node(self, site: str) -> int:
        """The node id of this site."""
        return self._names.index(site) + 1

    # ---- out

    def _instructions(self, batch: Sequence[Message]) -> Iterable[tuple[Message, Parcel, Weights]]:
        first = batch[0]
        task = _TASKS[first.metadata.message_type]
        sites = [self.site(message.metadata.dst_node_id) for message in batch]
        if task is Task.STUDY:
            for message, site in zip(batch, sites, strict=True):
                yield message, self.desk.offer(site), {}
            return
        base = arrays_of(next(iter(first.content.array_records.values())))
        key = BatchKey(task, *round_and_attempt(first))
        parcels = self.desk.instruct(key, sites, base)
        for message, site in zip(batch, sites, strict=True):
            yield message, parcels[site], base

    def _post(self, name: str) -> None:
        pending = self._pending[name]
        if self.desk.revoked(pending.site):
            self._settle(name, Error(ErrorCode.REVOKED, "its certificate was revoked"))
            return
        pending.posts += 1
        pending.posted_at = self._now()
        post = pending.posts
        pending.ticket = self._courier.post(
            pending.site,
            pending.parcel,
            reply_limit=self.desk.reply_bytes(pending.task),
            deliver=lambda outcome: self._arrivals.put((name, post, outcome)),
        )

    def _post_again(self, waiting: Sequence[str]) -> None:
        attached = self._courier.attached()
        for name in waiting:
            pending = self._pending[name]
            if pending.ticket is not None or self._now() < pending.next_post:
                continue
            if pending.site in attached or self.desk.revoked(pending.site):
                self._post(name)

    # ---- in

    def _take_all(self) -> None:
        while not self._arrivals.empty():
            self._take(*self._arrivals.get())

    def _take(self, name: str, post: int, outcome: Outcome) -> None:
        pending = self._pending.get(name)
        if pending is None or pending.posts != post:
            return
        pending.ticket = None
        if isinstance(outcome, Lost):
            self._lost(pending, Error(ErrorCode.LOST, outcome.reason), name)
        elif isinstance(outcome, Refused):
            self._refused(name, pending, outcome)
        else:
            try:
                update = self.desk.read_reply(pending.site, pending.parcel, outcome)
            except FedwardError as error:
                self._settle(name, Error(ErrorCode.REJECTED, error.message))
            else:
                self._settle(name, self._content(pending, update))

    def _refused(self, name: str, pending: Pending, refusal: Refused) -> None:
        try:
            self.desk.read_refusal(pending.site, pending.parcel, refusal)
        except FedwardError as error:
            self._settle(name, Error(ErrorCode.REJECTED, f"a refusal that does not count: {error.message}"))
            return
        trouble = Error(ErrorCode.REFUSED + refusal.code, refusal.code.explanation)
        if refusal.code in _PASSING:
            self._lost(pending, trouble, name)
        else:
            self._settle(name, trouble)

    def _lost(self, pending: Pending, trouble: Error, name: str) -> None:
        """No answer from this post: an offer can wait for the next one, work is posted again."""
        if pending.task is Task.STUDY:
            self._settle(name, trouble)
            return
        pending.trouble = trouble
        now = self._now()
        if pending.away_since is None or now - pending.posted_at > self._patience.absent:
            pending.away_since = now
        pause = self._patience.again * 2 ** min(pending.posts - 1, 8)
        pending.next_post = now + min(pause, self._patience.again_most)

    def _content(self, pending: Pending, update: Weights) -> RecordDict:
        if pending.task is not Task.TRAIN:
            return RecordDict()
        arrays = ArrayRecord()
        for name, change in update.items():
            arrays[name] = SumArray(pending.base[name], change)
        size = self.desk.study.sites[pending.site].size
        return RecordDict({"arrays": arrays, "metrics": MetricRecord({"num-examples": size})})

    def _settle(self, name: str, answer: RecordDict | Error) -> None:
        pending = self._pending.pop(name)
        self._settled[name] = Message(answer, reply_to=pending.message)

    def _give_up(self, name: str) -> None:
        """Takes no later answer, and tells the site so."""
        pending = self._pending.get(name)
        if pending is None:
            return
        if pending.ticket is not None:
            self._courier.cancel(pending.ticket)
        self._settle(name, pending.trouble)

    def _only_absent(self, waiting: Sequence[str], names: Sequence[str]) -> bool:
        """Whether all that are missing have been lost for longer than patience allows, and a quorum has trained."""
        good = sum(1 for name in names if name in self._settled and self._settled[name].has_content())
        missing = [self._pending[name] for name in waiting]
        if good < self.desk.study.strategy.quorum and any(pending.task is Task.TRAIN for pending in missing):
            return False
        longest = self._now() - self._patience.absent
        return all(
            pending.ticket is None and pending.away_since is not None and pending.away_since <= longest
            for pending in missing
        )
