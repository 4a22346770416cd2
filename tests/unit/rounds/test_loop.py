"""The round loop: quorum, spare attempts, late joiners, averages, restarts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from fedward_server.app import Pacing, run_study
from fedward_server.link.courier import Outcome
from fedward_server.link.grid import Patience
from fedward_server.rounds.checkpoint import MemoryCheckpoints
from fedward_server.rounds.loop import Conclusion, Pace, Weights
from fedward_server.rounds.progress import Notice, Phase
from fedward_server.rounds.roll import OfferPace
from fedward_server.rounds.store import MemoryStore
from fedward_shared.contracts.round import InstructionHead, RefusalCode, Task
from fedward_shared.errors import StudyFailedError
from fedward_shared.wire.codec import decode_instruction
from fedward_shared.wire.parcel import Parcel
from tests.support.fake_sites import ROUND_KEY, FakeCourier, FakeSite, book_of, offer_of, sites_of, study_text

PACING = Pacing(
    patience=Patience(again=0.01, again_most=0.01, absent=0.05, look=0.01),
    offers=OfferPace(answer=1.0, again=0.01, again_most=0.01, silent=0.01),
    pace=Pace(look=0.01, settle=0.0, quorum=5.0),
)


@dataclass
class Trial:
    """A coordinator and its hospitals; `run` may be called again, as after a restart."""

    text: str
    time: float = 0.0
    store: MemoryStore = field(default_factory=MemoryStore)
    checkpoints: MemoryCheckpoints = field(default_factory=MemoryCheckpoints)
    notices: list[Notice] = field(default_factory=list)
    on_notice: Callable[[Notice], None] = lambda _: None

    def __post_init__(self) -> None:
        self.offer = offer_of(self.text)
        self.sites = sites_of(self.offer)
        for site in self.sites.values():
            site.now = lambda: self.time
        self.courier: FakeCourier = FakeCourier(self.sites)
        self.book = book_of(self.sites)

    def run(self) -> Conclusion:
        def notify(notice: Notice) -> None:
            self.notices.append(notice)
            self.on_notice(notice)

        return run_study(
            self.offer,
            courier=self.courier,
            key=ROUND_KEY,
            book=self.book,
            store=self.store,
            checkpoints=self.checkpoints,
            notify=notify,
            pacing=PACING,
            clock=lambda: self.time,
        )

    def asked(self, site: str) -> list[tuple[int, int]]:
        """The rounds and attempts for which this site saw an instruction to train."""
        return [(head.round, head.attempt) for head in self.sites[site].seen if head.task is Task.TRAIN]


def refuse_when(site: FakeSite, code: RefusalCode, when: Callable[[InstructionHead], bool]) -> None:
    """Makes a site refuse to train in some rounds."""

    def spoil(head: InstructionHead, asked: Parcel, reply: Parcel) -> Outcome:
        return site.refuse(asked, code) if head.task is Task.TRAIN and when(head) else reply

    site.spoil = spoil


class DyingCourier(FakeCourier):
    """Takes the coordinator down after so many answers to `train`."""

    trained_left = 0

    def post(self, site: str, parcel: Parcel, *, reply_limit: int, deliver: Callable[[Outcome], None]) -> int:
        """Hands the parcel over, or dies."""
        if decode_instruction(parcel.head).task is Task.TRAIN:
            if self.trained_left == 0:
                raise KeyboardInterrupt
            self.trained_left -= 1
        return super().post(site, parcel, reply_limit=reply_limit, deliver=deliver)


def test_too_few_updates_fail_loudly_and_say_who_and_why() -> None:
    trial = Trial(study_text(rounds=3, spare_attempts=0, quorum=3))
    refuse_when(trial.sites["south"], RefusalCode.BUDGET, lambda head: head.round == 2)
    with pytest.raises(StudyFailedError) as caught:
        trial.run()
    assert "round 2" in caught.value.message
    assert "north, west" in caught.value.message
    assert "south: the site's privacy budget" in caught.value.message
    assert "spare_attempts" in caught.value.hint
    kept = trial.checkpoints.latest()
    assert kept is not None
    assert kept.round == 1, "a round that fell short changes nothing"
    assert [attempt.enough for attempt in kept.attempts] == [True, False]


def test_a_spare_attempt_repeats_the_round_once_with_new_instructions() -> None:
    trial = Trial(study_text(rounds=3, spare_attempts=1, quorum=3))
    refuse_when(trial.sites["south"], RefusalCode.LEDGER_LOCKED, lambda head: (head.round, head.attempt) == (2, 1))
    conclusion = trial.run()
    assert [(entry.round, entry.attempt, entry.enough) for entry in conclusion.attempts] == [
        (1, 1, True),
        (2, 1, False),
        (2, 2, True),
        (3, 1, True),
    ]
    assert trial.asked("north") == [(1, 1), (2, 1), (2, 2), (3, 1)]
    assert Phase.FELL_SHORT in {notice.phase for notice in trial.notices}


def test_spare_attempts_are_for_the_whole_study_not_for_each_round() -> None:
    trial = Trial(study_text(rounds=3, spare_attempts=1, quorum=3))
    refuse_when(trial.sites["south"], RefusalCode.LEDGER_LOCKED, lambda head: head.attempt == 1)
    with pytest.raises(StudyFailedError, match="round 2, attempt 1"):
        trial.run()
    kept = trial.checkpoints.latest()
    assert kept is not None
    assert (kept.round, kept.spare_used) == (1, 1)


def test_a_failed_study_goes_on_when_it_is_run_again() -> None:
    trial = Trial(study_text(rounds=2, spare_attempts=0, quorum=3))
    trial.sites["west"].refuses = {Task.TRAIN: RefusalCode.NO_DATA}
    with pytest.raises(StudyFailedError):
        trial.run()
    trial.sites["west"].refuses = {}
    conclusion = trial.run()
    assert [(entry.round, entry.attempt, entry.enough) for entry in conclusion.attempts] == [
        (1, 1, False),
        (1, 1, True),
        (2, 1, True),
    ]
    assert trial.asked("north") == [(1, 1), (1, 1), (2, 1)]
    assert conclusion.attempts[1].took_part == ("north", "south", "west"), "north and south gave their stored replies"


def test_an_instruction_that_expired_over_a_long_outage_needs_a_spare_attempt() -> None:
    trial = Trial(study_text(rounds=2, spare_attempts=1, quorum=2))
    courier = DyingCourier(trial.sites, down={"west"})
    courier.trained_left = 3
    trial.courier = courier
    with pytest.raises(KeyboardInterrupt):
        trial.run()
    trial.courier = FakeCourier(trial.sites, down={"west"})
    trial.time = 10**6
    conclusion = trial.run()
    assert [(entry.round, entry.attempt, entry.took_part) for entry in conclusion.attempts] == [
        (1, 1, ("north", "south")),
        (2, 1, ("north",)),
        (2, 2, ("north", "south")),
    ], "north had a stored reply, which is served past expiry; south had none"
    assert "deadline" in conclusion.attempts[1].sites[1].reason


def test_a_site_that_is_away_at_first_joins_later() -> None:
    trial = Trial(study_text(rounds=3))
    trial.courier.down = {"west"}

    def come_back(notice: Notice) -> None:
        if notice.phase is Phase.ROUND_DONE and notice.round == 1:
            trial.courier.down = set()

    trial.on_notice = come_back
    conclusion = trial.run()
    assert [entry.took_part for entry in conclusion.attempts] == [
        ("north", "south"),
        ("north", "south", "west"),
        ("north", "south", "west"),
    ]
    west = conclusion.attempts[0].sites[2]
    assert (west.asked, west.reason) == (False, "not connected")
    assert set(conclusion.delivered.values()) == {""}


def test_the_loop_waits_for_approvals_and_says_for_whom() -> None:
    trial = Trial(study_text(rounds=1, quorum=3))
    trial.sites["west"].refuses = {Task.STUDY: RefusalCode.NOT_APPROVED}

    def approve(notice: Notice) -> None:
        if notice.phase is Phase.GATHERING:
            trial.sites["west"].refuses = {}

    trial.on_notice = approve
    conclusion = trial.run()
    (waiting,) = (notice for notice in trial.notices if notice.phase is Phase.GATHERING)
    assert waiting.text.startswith("2 of 3 ready; west: nobody at the site has approved")
    assert conclusion.attempts[0].took_part == ("north", "south", "west")


def test_withdrawals_that_leave_no_quorum_end_the_study_at_once() -> None:
    trial = Trial(study_text(rounds=1, quorum=3))
    trial.sites["west"].refuses = {Task.STUDY: RefusalCode.WITHDRAWN}
    with pytest.raises(StudyFailedError, match="west: the site rejected"):
        trial.run()
    assert trial.asked("north") == []


def test_a_quorum_that_never_comes_is_not_waited_for_beyond_patience() -> None:
    trial = Trial(study_text(rounds=1, quorum=3))
    trial.courier.down = {"west"}
    pacing = PACING
    with pytest.raises(StudyFailedError, match="west: not connected"):
        run_study(
            trial.offer,
            courier=trial.courier,
            key=ROUND_KEY,
            book=trial.book,
            pacing=Pacing(pacing.patience, pacing.offers, Pace(look=0.01, settle=0.0, quorum=0.05)),
            clock=lambda: 0.0,
        )


def test_a_revoked_site_is_not_asked_and_not_waited_for() -> None:
    trial = Trial(study_text(rounds=2))

    def revoke(notice: Notice) -> None:
        if notice.phase is Phase.ROUND_DONE and notice.round == 1:
            trial.book.revoke("west")
            trial.courier.down = {"west"}

    trial.on_notice = revoke
    conclusion = trial.run()
    assert [entry.took_part for entry in conclusion.attempts] == [("north", "south", "west"), ("north", "south")]
    assert conclusion.attempts[1].sites[2].reason == "its certificate was revoked"
    assert conclusion.delivered["west"] == "its certificate was revoked"


def test_the_mean_of_the_last_models_is_released_and_training_goes_on_from_the_last() -> None:
    models = [Trial(study_text(rounds=rounds)).run().model for rounds in (1, 2, 3)]
    averaged = Trial(study_text(rounds=3, average_last=2)).run().model
    for name, values in averaged.items():
        expected = (models[1][name].astype(np.float64) + models[2][name]) / 2
        np.testing.assert_array_equal(values, expected.astype(np.float32))


def test_weights_beyond_the_declared_range_end_the_study() -> None:
    trial = Trial(study_text(rounds=3, max_weight=0.5))

    def push(_site: str, _head: InstructionHead, weights: Weights) -> Weights:
        return {name: np.full(values.shape, 0.3, np.float32) for name, values in weights.items()}

    for site in trial.sites.values():
        site.trainer = push
    with pytest.raises(StudyFailedError, match=r"round 2 .* no site would accept"):
        trial.run()


def test_heads_and_receipts_travel_with_the_next_instruction() -> None:
    trial = Trial(study_text(rounds=3))
    trial.run()
    heads = [head for head in trial.sites["north"].seen if head.task is not Task.STUDY]
    assert [head.durable_through for head in heads] == [0, 1, 2, 3]
    assert [head.seen.ledger_sequence for head in heads] == [0, 1, 2, 3]
    assert [head.task for head in heads][-1] is Task.CONCLUDE
    assert (heads[-1].round, heads[-1].attempt) == (3, 1)
