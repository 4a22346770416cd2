"""The grid over a courier that loses, delays and refuses."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable

import numpy as np
import pytest
from flwr.app import ConfigRecord, Message, MessageType, RecordDict
from flwr.serverapp.strategy import FedAvg

from fedward_server.link.courier import Lost, Outcome
from fedward_server.link.grid import CONCLUDE, STUDY, LinkGrid, Patience
from fedward_server.rounds.answers import ErrorCode, group, refusal_of
from fedward_server.rounds.desk import Desk
from fedward_server.rounds.store import MemoryStore
from fedward_shared.contracts.round import InstructionHead, RefusalCode, Task
from fedward_shared.crypto.signing import Purpose, sign
from fedward_shared.flower.records import record_of
from fedward_shared.manifest.parse import load
from fedward_shared.models.registry import initial_weights
from fedward_shared.wire.codec import refusal_body
from fedward_shared.wire.parcel import Parcel, Refused
from tests.support.fake_sites import ROUND_KEY, FakeCourier, book_of, offer_of, sites_of, study_text, train

QUICK = Patience(again=0.01, again_most=0.02, absent=0.1, look=0.01)
OFFER = offer_of(study_text(quorum=2, deadline_seconds=30))
STUDY_TERMS = load(OFFER.manifest)
WEIGHTS = initial_weights(STUDY_TERMS.model, STUDY_TERMS.data)


class Setting:
    """A grid, its courier and its sites."""

    def __init__(self, patience: Patience = QUICK) -> None:
        self.sites = sites_of(OFFER)
        self.courier = FakeCourier(self.sites)
        self.book = book_of(self.sites)
        self.desk = Desk(OFFER, STUDY_TERMS, key=ROUND_KEY, book=self.book, store=MemoryStore(), clock=lambda: 0.0)
        self.grid = LinkGrid(self.desk, self.courier, patience=patience)

    def ask(self, kind: str = MessageType.TRAIN, *, timeout: float = 20.0, round_number: int = 1) -> dict[str, Message]:
        """One message to every site, and the answers by site."""
        content = RecordDict({"arrays": record_of(WEIGHTS)})
        messages = [Message(content, node, kind, group_id=group(round_number, 1)) for node in (1, 2, 3)]
        answers = self.grid.send_and_receive(messages, timeout=timeout)
        return {self.grid.site(answer.metadata.src_node_id): answer for answer in answers}


def test_a_reply_is_what_flower_expects_of_a_node() -> None:
    setting = Setting()
    answers = setting.ask()
    assert list(answers) == ["north", "south", "west"]
    head = InstructionHead(bytes(32), "south", 1, 1, Task.TRAIN, 0, 0, setting.book.heads("south"), 0, 1)
    expected = train("south", head, WEIGHTS)
    content = answers["south"].content
    assert content.metric_records["metrics"]["num-examples"] == 100
    for name, array in content.array_records["arrays"].items():
        np.testing.assert_array_equal(array.numpy(), WEIGHTS[name] + expected[name])


def test_an_unmodified_flower_strategy_runs_on_the_grid() -> None:
    setting = Setting()
    strategy = FedAvg(fraction_evaluate=0.0, min_train_nodes=1, min_available_nodes=1)
    result = strategy.start(setting.grid, record_of(WEIGHTS), num_rounds=2, train_config=ConfigRecord())
    assert list(result.arrays) == list(WEIGHTS)
    rounds = [head.round for head in setting.sites["north"].seen if head.task is Task.TRAIN]
    assert rounds == [1, 2]


def test_node_ids_are_places_in_the_study_file() -> None:
    setting = Setting()
    setting.courier.down = {"south"}
    assert setting.grid.get_node_ids() == [1, 3]
    assert setting.grid.attached() == ("north", "west")
    with setting.grid.showing([2]):
        assert setting.grid.get_node_ids() == [2]
    assert [setting.grid.node(site) for site in STUDY_TERMS.site_names] == [1, 2, 3]


def test_a_lost_site_gets_the_same_bytes_again() -> None:
    setting = Setting()
    setting.courier.lose = {"north": 3}
    answers = setting.ask()
    assert answers["north"].has_content()
    digests = [digest for site, digest in setting.courier.posted if site == "north"]
    assert len(digests) == 4
    assert len(set(digests)) == 1


@pytest.mark.parametrize("code", [RefusalCode.BUSY, RefusalCode.DOOR_CLOSED])
def test_refusals_that_pass_are_tried_again(code: RefusalCode) -> None:
    setting = Setting()
    north = setting.sites["north"]
    left = [2]

    def spoil(_: InstructionHead, asked: Parcel, reply: Parcel) -> Outcome:
        left[0] -= 1
        if left[0] < 0:
            return reply
        return Refused(code) if code.by_gateway else north.refuse(asked, code)

    north.spoil = spoil
    assert setting.ask()["north"].has_content()
    assert len(north.seen) == 3


def test_refusals_that_stay_are_final_and_explained() -> None:
    setting = Setting()
    setting.sites["north"].refuses = {Task.TRAIN: RefusalCode.BUDGET}
    answer = setting.ask()["north"]
    assert refusal_of(answer) is RefusalCode.BUDGET
    assert answer.error.reason == RefusalCode.BUDGET.explanation
    assert len(setting.sites["north"].seen) == 1


def test_who_is_silent_is_cancelled_at_the_deadline() -> None:
    setting = Setting()
    setting.courier.silent = {"west"}
    answers = setting.ask(timeout=0.2)
    assert answers["west"].error.code == ErrorCode.LATE
    assert setting.courier.waiting == {}, "the site was told that nobody waits any more"


def test_a_late_answer_is_not_taken() -> None:
    setting = Setting()
    setting.courier.silent = {"west"}
    delivers: list[Callable[[Outcome], None]] = []
    setting.courier.cancel = lambda ticket: delivers.append(setting.courier.waiting[ticket])  # type: ignore[method-assign]
    setting.ask(timeout=0.2)
    delivers[0](Lost("late"))
    assert setting.grid.pull_messages(["1", "2", "3"]) == []


def test_what_came_in_time_counts_even_where_the_deadline_passes_meanwhile() -> None:
    answers = Setting().ask(timeout=-1.0)
    assert [answer.has_content() for answer in answers.values()] == [True] * 3


def test_with_a_quorum_an_absent_site_is_not_waited_for_until_the_deadline() -> None:
    setting = Setting()
    setting.courier.down = {"west"}
    answers = setting.ask(timeout=1000)
    assert answers["west"].error.code == ErrorCode.LOST
    assert answers["west"].error.reason == "not connected"


def test_without_a_quorum_absent_sites_are_waited_for() -> None:
    setting = Setting()
    setting.courier.down = {"west", "south"}
    back = threading.Timer(0.5, setting.courier.down.clear)
    back.start()
    answers = setting.ask(timeout=100)
    back.join()
    assert all(answer.has_content() for answer in answers.values())


def test_a_site_that_is_revoked_meanwhile_is_not_waited_for() -> None:
    setting = Setting(Patience(again=0.01, again_most=0.02, absent=1000.0, look=0.01))
    setting.courier.lose = {"west": 10**6}
    revoke = threading.Timer(0.2, setting.book.revoke, ["west"])
    revoke.start()
    answers = setting.ask(timeout=1000)
    revoke.join()
    assert answers["west"].error.code == ErrorCode.REVOKED
    assert answers["north"].has_content()


def test_offers_are_not_repeated_by_the_grid() -> None:
    setting = Setting()
    setting.courier.lose = {"west": 1}
    answers = setting.ask(STUDY)
    assert answers["north"].has_content()
    assert answers["west"].error.code == ErrorCode.LOST
    assert len(setting.courier.posted) == 3


def test_the_conclusion_delivers_the_weights_and_expects_nothing() -> None:
    setting = Setting()
    answers = setting.ask(CONCLUDE, round_number=3)
    assert all(answer.has_content() and not answer.content for answer in answers.values())
    (head,) = setting.sites["north"].seen
    assert (head.task, head.round, head.attempt) == (Task.CONCLUDE, 3, 1)
    assert head.payload_bytes == setting.desk.layout.payload_bytes


def test_answers_that_come_from_other_threads_are_collected() -> None:
    setting = Setting()
    post = setting.courier.post
    threads: list[threading.Thread] = []

    def threaded(site: str, parcel: Parcel, *, reply_limit: int, deliver: Callable[[Outcome], None]) -> int:
        assert reply_limit == setting.desk.layout.payload_bytes
        thread = threading.Thread(target=post, args=(site, parcel), kwargs={"reply_limit": 0, "deliver": deliver})
        threads.append(thread)
        thread.start()
        return len(threads)

    setting.courier.post = threaded  # type: ignore[method-assign]
    answers = setting.ask()
    for thread in threads:
        thread.join()
    assert [answer.has_content() for answer in answers.values()] == [True] * 3


def test_instructions_are_durable_before_the_first_is_posted() -> None:
    setting = Setting()
    kept: list[tuple[str, ...]] = []
    honest = setting.sites["north"].handle

    def handle(parcel: Parcel) -> Outcome:
        kept.append(setting.desk.in_flight(Task.TRAIN, 1, 1))
        return honest(parcel)

    setting.sites["north"].handle = handle  # type: ignore[method-assign]
    setting.ask()
    assert kept == [("north", "south", "west")]


def test_a_refusal_made_before_the_payload_came_is_signed_over_the_head() -> None:
    setting = Setting()
    north = setting.sites["north"]

    def spoil(_: InstructionHead, asked: Parcel, __: Parcel) -> Outcome:
        body = refusal_body(hashlib.sha256(asked.head).digest(), RefusalCode.TOO_LARGE)
        return Refused(RefusalCode.TOO_LARGE, sign(north.key, Purpose.REFUSAL, body))

    north.spoil = spoil
    assert refusal_of(setting.ask()["north"]) is RefusalCode.TOO_LARGE
