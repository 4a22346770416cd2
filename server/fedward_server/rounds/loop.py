"""The round loop: our own, around the strategy's public `configure_train` and `aggregate_train`.

Flower's `Strategy.start` has no quorum, no checkpoint, no second attempt, and keeps the old weights in silence when
nothing valid came. This loop asks a cohort, counts what holds, and either takes a whole step or none:

1. whoever is attached and has approved is asked (at least the quorum; else the loop waits and says for whom);
2. instructions are durable, then sent; answers are collected until all are there or the deadline has passed;
3. quorum: the strategy aggregates, and one checkpoint makes the round durable;
   no quorum: a spare attempt where the study has one left, otherwise `StudyFailedError`.

Starting again after any crash goes on from the last checkpoint, with the identical instructions for the round
in flight.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.serverapp.strategy import Strategy
from numpy.typing import NDArray

from fedward_server.link.grid import CONCLUDE, LinkGrid
from fedward_server.rounds.answers import group
from fedward_server.rounds.checkpoint import Checkpoint, CheckpointStore
from fedward_server.rounds.checks import check_model
from fedward_server.rounds.participation import Attempt, Attendance
from fedward_server.rounds.progress import Notice, Notify, Phase, silent
from fedward_server.rounds.roll import Roll
from fedward_server.rounds.strategy_state import capture, restore
from fedward_shared.contracts.round import Task
from fedward_shared.errors import StudyFailedError, WireError
from fedward_shared.flower.records import arrays_of, record_of

__all__ = ["Conclusion", "Pace", "RoundLoop"]

Weights = Mapping[str, NDArray[np.float32]]
_LARGE_MODEL = 1 << 24


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: between looks at who is there; for stragglers once the quorum is there; for a quorum (None: ever)."""

    look: float = 0.25
    settle: float = 1.0
    quorum: float | None = None


@dataclass(frozen=True, slots=True)
class Conclusion:
    """How a study ended. `delivered`: for each site "" or why it did not take the final model."""

    model: Weights
    attempts: tuple[Attempt, ...]
    delivered: Mapping[str, str]


class RoundLoop:
    """Runs one study to its end. Use it once, from one thread."""

    def __init__(
        self,
        grid: LinkGrid,
        strategy: Strategy,
        checkpoints: CheckpointStore,
        *,
        initial: Callable[[], Weights],
        roll: Roll | None = None,
        notify: Notify = silent,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._grid = grid
        self._desk = grid.desk
        self._study = grid.desk.study
        self._strategy = strategy
        self._checkpoints = checkpoints
        self._initial = initial
        self._roll = roll or Roll(grid, monotonic=monotonic)
        self._notify = notify
        self._pace = pace or Pace()
        self._clock = clock
        self._now = monotonic
        self._pause = pause
        self._settled = False

    def run(self) -> Conclusion:
        """Every round that is missing, and then the conclusion.

        Raises:
            StudyFailedError: a round fell short with no spare attempt left, or the weights left the declared range.
        """
        state = self._resume()
        while state.round < self._study.strategy.rounds:
            state = self._attempt(state)
            if self._desk.layout.payload_bytes > _LARGE_MODEL:
                gc.collect()  # Flower's messages form cycles that hold every update
        final = self._released(state)
        delivered = self._conclude(state, final)
        self._say(Phase.DONE, state, "the final model is there")
        return Conclusion(final, state.attempts, delivered)

    # ---- the state between rounds

    def _resume(self) -> Checkpoint:
        state = self._checkpoints.latest()
        if state is None:
            state = Checkpoint(0, dict(self._initial()), capture(self._strategy))
            self._checkpoints.save(state)
        else:
            restore(self._strategy, state.strategy)
        self._desk.checkpointed(state.round)
        return state

    def _keep(self, state: Checkpoint) -> Checkpoint:
        self._checkpoints.save(state)
        self._desk.checkpointed(state.round)
        return state

    # ---- one attempt

    def _attempt(self, state: Checkpoint) -> Checkpoint:
        number, attempt = state.round + 1, state.attempt
        cohort = self._desk.in_flight(Task.TRAIN, number, attempt) or self._cohort(state)
        self._say(Phase.TRAINING, state, f"asked {', '.join(cohort)}")
        started, begun = self._clock(), self._now()
        answers = self._ask(number, attempt, cohort, state.model)
        for answer in answers:
            self._roll.note(answer)
        record = Attempt(
            round=number,
            attempt=attempt,
            enough=sum(answer.has_content() for answer in answers) >= self._study.strategy.quorum,
            started=started,
            seconds=self._now() - begun,
            sites=self._attendance(answers),
        )
        state = replace(state, attempts=(*state.attempts, record))
        return self._take_step(state, answers) if record.enough else self._fall_short(state, record)

    def _ask(self, number: int, attempt: int, cohort: Sequence[str], model: Weights) -> list[Message]:
        with self._grid.showing([self._grid.node(site) for site in cohort]):
            configured = self._strategy.configure_train(number, record_of(model), ConfigRecord(), self._grid)
        messages = sorted(configured, key=lambda message: message.metadata.dst_node_id)  # Flower samples at random
        for message in messages:
            message.metadata.group_id = group(number, attempt)
        return self._grid.send_and_receive(messages)

    def _take_step(self, state: Checkpoint, answers: Sequence[Message]) -> Checkpoint:
        number = state.round + 1
        arrays, _ = self._strategy.aggregate_train(number, [answer for answer in answers if answer.has_content()])
        if arrays is None:
            raise StudyFailedError(f"strategy {self._study.strategy.name} made nothing of round {number}")
        model = self._as_declared(arrays)
        try:
            check_model(model, self._study.limits.max_weight)
        except WireError as error:
            raise StudyFailedError(
                f"round {number} gave a model that no site would accept: {error.message}",
                hint="Lower the learning rates, or raise [limits] max_weight, in a new study.",
            ) from error
        average, averaged = self._averaged(state, model)
        state = self._keep(
            Checkpoint(
                round=number,
                model=model,
                strategy=capture(self._strategy),
                spare_used=state.spare_used,
                average=average,
                averaged=averaged,
                attempts=state.attempts,
            )
        )
        record = state.attempts[-1]
        away = "; ".join(f"{entry.site}: {entry.reason}" for entry in record.sites if not entry.took_part)
        self._say(Phase.ROUND_DONE, state, f"{len(record.took_part)} took part" + (f"; {away}" if away else ""))
        return state

    def _fall_short(self, state: Checkpoint, record: Attempt) -> Checkpoint:
        terms = self._study.strategy
        sentence = record.shortfall(terms.quorum)
        if state.spare_used >= terms.spare_attempts:
            self._keep(state)
            raise StudyFailedError(
                sentence,
                hint="No spare attempt is left ([strategy] spare_attempts). Mend the cause, then run "
                "`fedward-coordinator run --study` for this study: sites that have trained give their stored replies.",
            )
        self._say(Phase.FELL_SHORT, state, sentence)
        return self._keep(replace(state, attempt=state.attempt + 1, spare_used=state.spare_used + 1))

    def _as_declared(self, arrays: ArrayRecord) -> dict[str, NDArray[np.float32]]:
        """Float32 in manifest order: some of Flower's strategies give float64."""
        values = arrays_of(arrays)
        with np.errstate(over="ignore"):
            return {
                spec.name: np.ascontiguousarray(values[spec.name], dtype=np.float32).reshape(spec.shape)
                for spec in self._desk.layout.specs
            }

    # ---- who is asked

    def _cohort(self, state: Checkpoint) -> tuple[str, ...]:
        """All that are ready, once the quorum is; before the first round stragglers get a moment to join."""
        since, quorum_since, said = self._now(), None, ""
        while True:
            ready = self._roll.call()
            if len(ready) < self._study.strategy.quorum:
                quorum_since = None
            elif quorum_since is None:
                quorum_since = self._now()
            self._settled |= len(ready) >= self._roll.possible()
            if quorum_since is not None and (self._settled or self._now() - quorum_since >= self._pace.settle):
                self._settled = True
                return ready
            waited = self._now() - since
            self._check_possible(state, len(ready), waited)
            text = f"{len(ready)} of {self._study.strategy.quorum} ready; {self._roll.missing()}"
            if text != said:
                self._say(Phase.GATHERING, state, text)
                said = text
            self._pause(self._pace.look)

    def _check_possible(self, state: Checkpoint, ready: int, waited: float) -> None:
        quorum, limit = self._study.strategy.quorum, self._pace.quorum
        too_long = limit is not None and waited >= limit and ready < quorum
        if self._roll.possible() < quorum or too_long:
            raise StudyFailedError(
                f"round {state.round + 1} needs {quorum} hospitals; ready: {ready}. {self._roll.missing()}",
                hint="Nothing was asked of anybody in this round. Run the study again when they are back.",
            )

    def _attendance(self, answers: Sequence[Message]) -> tuple[Attendance, ...]:
        by_site = {self._grid.site(answer.metadata.src_node_id): answer for answer in answers}
        entries = []
        for site in self._study.site_names:
            answer = by_site.get(site)
            if answer is None:
                entries.append(Attendance(site, asked=False, took_part=False, reason=self._roll.reason(site)))
            elif answer.has_error():
                entries.append(Attendance(site, asked=True, took_part=False, reason=str(answer.error.reason)))
            else:
                entries.append(Attendance(site, asked=True, took_part=True))
        return tuple(entries)

    # ---- the end

    def _averaged(self, state: Checkpoint, model: Weights) -> tuple[dict[str, NDArray[np.float64]], int]:
        """Float64 sums over the last `average_last` models."""
        terms = self._study.strategy
        if terms.average_last <= 1 or state.round + 1 <= terms.rounds - terms.average_last:
            return {}, 0
        sums = {
            name: values + state.average[name] if state.averaged else values.astype(np.float64)
            for name, values in model.items()
        }
        return sums, state.averaged + 1

    def _released(self, state: Checkpoint) -> Weights:
        if state.averaged <= 1:
            return state.model
        return {name: (total / state.averaged).astype(np.float32) for name, total in state.average.items()}

    def _conclude(self, state: Checkpoint, final: Weights) -> dict[str, str]:
        """Delivers the final weights. A site that does not take them changes nothing but the report."""
        trained = {site for attempt in state.attempts if attempt.enough for site in attempt.took_part}
        since = self._now()
        while True:
            ready = self._roll.call()
            if trained <= set(ready) or self._now() - since >= self._pace.settle:
                break
            self._pause(self._pace.look)
        asked = [site for site in self._study.site_names if site in trained or site in ready]
        self._say(Phase.CONCLUDING, state, f"to {', '.join(asked)}")
        content = RecordDict({"arrays": record_of(final)})
        name = group(self._study.strategy.rounds, 1)
        messages = [Message(content, self._grid.node(site), CONCLUDE, group_id=name) for site in asked]
        reasons = {site: self._roll.reason(site) for site in self._study.site_names if site not in asked}
        for answer in self._grid.send_and_receive(messages):
            site = self._grid.site(answer.metadata.src_node_id)
            reasons[site] = str(answer.error.reason) if answer.has_error() else ""
        return {site: reasons[site] for site in self._study.site_names}

    def _say(self, phase: Phase, state: Checkpoint, text: str) -> None:
        ahead = phase in {Phase.GATHERING, Phase.TRAINING, Phase.FELL_SHORT}
        number = state.round + 1 if ahead else state.round
        self._notify(Notice(phase, number, self._study.strategy.rounds, state.attempt, text))
