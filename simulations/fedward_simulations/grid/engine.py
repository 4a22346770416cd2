"""Trains a study as the product does, without door, ledger, journal and signatures: what a grid runs thousands of.

The strategy, the private step, the checks of updates and models and the averaging of the last models are the real ones;
Flower's strategy sees a `Grid` whose sites are in this process. The final model is that of `inline.run_inline` with the
same seed to the bit, for every strategy (tests/integration/test_grid_engine.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid
from numpy.typing import NDArray

from fedward_client.vault.training.dataset import Part
from fedward_client.vault.training.local_round import load_weights, on_device, train_round
from fedward_server.rounds.checks import check_model, check_update
from fedward_server.rounds.strategies import build_strategy
from fedward_shared.contracts.study import Study
from fedward_shared.errors import StudyFailedError, TrainingError, WireError
from fedward_shared.flower.identity import COORDINATOR_NODE, Run, empty_run, set_identity
from fedward_shared.flower.records import SumArray, arrays_of, record_of
from fedward_shared.models.heads.head import head_for
from fedward_shared.models.registry import build, initial_weights
from fedward_shared.privacy.cohort import TrainingSet
from fedward_shared.privacy.randomness.noise import RandomSource
from fedward_simulations.randomness import SeededSource

__all__ = ["Weights", "federate", "scores"]

Weights = Mapping[str, NDArray[np.float32]]
_BATCH = 1024


@dataclass(frozen=True, slots=True)
class _Hospital:
    """Training rows on the device, and where randomness comes from."""

    data: TrainingSet
    source: Callable[[bytes], RandomSource]


class _Hospitals(Grid):
    """Flower's Grid over hospitals in this process; every one answers every time."""

    def __init__(self, study: Study, hospitals: Mapping[str, _Hospital]) -> None:
        set_identity(COORDINATOR_NODE)
        self._study = study
        self._hospitals = hospitals
        self._model = build(study.model, study.data).to(_device())
        self._run = empty_run()

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
        """Every site's node id."""
        return list(range(1, len(self._study.sites) + 1))

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Not used: `send_and_receive` does all."""
        raise NotImplementedError

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """Not used: `send_and_receive` does all."""
        raise NotImplementedError

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        """Trains at each site in the order of node ids, because floating-point sums depend on it."""
        del timeout
        ordered = sorted(messages, key=lambda message: message.metadata.dst_node_id)
        return [Message(self._trained(message), reply_to=message) for message in ordered]

    def _trained(self, message: Message) -> RecordDict:
        site = self._study.site_names[message.metadata.dst_node_id - 1]
        base = arrays_of(next(iter(message.content.array_records.values())))
        hospital = self._hospitals[site]
        change = train_round(
            self._study, site, model=self._model, data=hospital.data, weights=base, source=hospital.source(b"")
        )
        self._check(site, change)
        arrays = ArrayRecord()
        for name, values in change.items():
            arrays[name] = SumArray(base[name], values)
        return RecordDict({"arrays": arrays, "metrics": MetricRecord({"num-examples": self._study.sites[site].size})})

    def _check(self, site: str, change: Weights) -> None:
        resolved = self._study.resolved
        if resolved is None:
            raise TrainingError("the study has not been published", hint="fedward-coordinator study publish")
        try:
            check_update(resolved.tensors, change, resolved.sites[site].max_update_norm)
        except WireError as error:
            raise StudyFailedError(
                f"an update of {site} would not count: {error.message}", hint="Lower the learning rate."
            ) from error


def federate(study: Study, parts: Mapping[str, Part], *, seed: int, initial: Weights | None = None) -> Weights:
    """All rounds of a published study. UNSAFE: all randomness follows from `seed`.

    Args:
        study: published.
        parts: each site's training rows.
        seed: the same seed gives the same model.
        initial: the weights to start from; None: those of the manifest.

    Raises:
        StudyFailedError: an update or a model left what the study declares.
        TrainingError: the study has not been published.
    """
    hospitals = {
        site: _Hospital(on_device(parts[site], _device()), SeededSource(seed, site)) for site in study.site_names
    }
    grid, strategy = _Hospitals(study, hospitals), build_strategy(study)
    model: Weights = initial or initial_weights(study.model, study.data)
    last: list[Weights] = []
    for number in range(1, study.strategy.rounds + 1):
        messages = strategy.configure_train(number, record_of(model), ConfigRecord(), grid)
        with _determinism(study.training.deterministic):
            answers = grid.send_and_receive(messages)
        arrays, _ = strategy.aggregate_train(number, answers)
        model = _as_declared(study, number, arrays)
        last = [*last, model][-study.strategy.average_last :]
    if len(last) == 1:
        return model
    return {name: _mean([one[name] for one in last]) for name in model}


def scores(study: Study, weights: Weights, part: Part) -> NDArray[np.float64]:
    """What the model says of each row, (rows, columns): see `Head.scores`."""
    model = build(study.model, study.data).to(_device())
    load_weights(model, weights)
    model.eval()
    head = head_for(study.model, study.data)
    with torch.no_grad():
        told = [
            head.scores(model(torch.from_numpy(part.records[at : at + _BATCH]).to(_device())).double()).cpu().numpy()
            for at in range(0, max(1, len(part.records)), _BATCH)
        ]
    return np.concatenate(told)


def _as_declared(study: Study, number: int, arrays: ArrayRecord | None) -> Weights:
    """Float32 in the manifest's order, within the declared magnitude."""
    if arrays is None or study.resolved is None:
        raise StudyFailedError(f"strategy {study.strategy.name} made nothing of round {number}")
    values = arrays_of(arrays)
    with np.errstate(over="ignore"):
        model = {
            spec.name: np.ascontiguousarray(values[spec.name], dtype=np.float32).reshape(spec.shape)
            for spec in study.resolved.tensors
        }
    try:
        check_model(model, study.limits.max_weight)
    except WireError as error:
        raise StudyFailedError(
            f"round {number} gave a model that no site would accept: {error.message}",
            hint="Lower the learning rates, or raise [limits] max_weight.",
        ) from error
    return model


def _mean(values: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The mean in float64, added up in the order of the rounds as `RoundLoop` does."""
    total = values[0].astype(np.float64)
    for one in values[1:]:
        total = one + total
    return np.asarray(total / len(values), dtype=np.float32)


@contextmanager
def _determinism(wanted: bool) -> Iterator[None]:
    """Deterministic algorithms, where the study asks for them."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(wanted or before)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
