"""Flower's five strategies through our loop: against plain numpy, and resumed in the middle to the same bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flwr.serverapp.strategy import FedAvgM
from numpy.typing import NDArray

from fedward_server.app import run_study
from fedward_server.rounds.checkpoint import FolderCheckpoints
from fedward_server.rounds.progress import Notice, Phase
from fedward_server.rounds.store import FolderStore
from fedward_server.rounds.strategies import build_strategy, check_options
from fedward_server.rounds.strategy_state import capture, restore
from fedward_shared.contracts.round import InstructionHead, Task
from fedward_shared.contracts.study import StrategyTerms
from fedward_shared.errors import FedwardError, StudyFileError
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.strategies import STRATEGIES
from fedward_shared.models.registry import initial_weights
from tests.support.fake_sites import ROUND_KEY, FakeCourier, book_of, offer_of, sites_of, study_text, train

Model = dict[str, NDArray[np.float64]]
OPTIONS = {
    "fedavg": "",
    "fedprox": "",
    "fedadam": "eta = 0.05\neta_l = 0.1\nbeta_1 = 0.8\nbeta_2 = 0.95\ntau = 0.01",
    "fedyogi": "eta = 0.05\neta_l = 0.1\nbeta_1 = 0.8\nbeta_2 = 0.95\ntau = 0.01",
    "fedavgm": "server_learning_rate = 0.7\nserver_momentum = 0.6",
}
ROUNDS = 4


def text_of(strategy: str) -> str:
    text = study_text(rounds=ROUNDS, strategy_options=OPTIONS[strategy])
    return text.replace('name = "fedavg"', f'name = "{strategy}"')


class Reference:
    """The server steps of McMahan 2017, Reddi 2020 and Hsu 2019, written out in float64."""

    def __init__(self, name: str) -> None:
        self._step: Callable[[NDArray[np.float64], dict[str, NDArray[np.float64]], int], NDArray[np.float64]]
        self._step = {
            "fedavg": lambda mean, _, __: mean,
            "fedprox": lambda mean, _, __: mean,
            "fedadam": self._adam,
            "fedyogi": self._yogi,
            "fedavgm": self._momentum,
        }[name]
        self._memory: dict[str, dict[str, NDArray[np.float64]]] = {}

    def next(self, model: Model, updates: list[Model], sizes: list[int], number: int) -> Model:
        weights = np.array(sizes) / sum(sizes)
        after: Model = {}
        for name, values in model.items():
            mean = sum((w * update[name] for w, update in zip(weights, updates, strict=True)), np.zeros(values.shape))
            memory = self._memory.setdefault(name, {})
            after[name] = values + self._step(mean, memory, number)
        return {name: values.astype(np.float32).astype(np.float64) for name, values in after.items()}

    @staticmethod
    def _adam(mean: NDArray[np.float64], memory: dict[str, NDArray[np.float64]], number: int) -> NDArray[np.float64]:
        memory["m"] = 0.8 * memory.get("m", 0 * mean) + 0.2 * mean
        memory["v"] = 0.95 * memory.get("v", 0 * mean) + 0.05 * mean**2
        rate = 0.05 * np.sqrt(1 - 0.95 ** (number + 1)) / (1 - 0.8 ** (number + 1))
        return np.asarray(rate * memory["m"] / (np.sqrt(memory["v"]) + 0.01))

    @staticmethod
    def _yogi(mean: NDArray[np.float64], memory: dict[str, NDArray[np.float64]], _: int) -> NDArray[np.float64]:
        memory["m"] = 0.8 * memory.get("m", 0 * mean) + 0.2 * mean
        old = memory.get("v", 0 * mean)
        memory["v"] = old - 0.05 * mean**2 * np.sign(old - mean**2)
        return np.asarray(0.05 * memory["m"] / (np.sqrt(memory["v"]) + 0.01))

    @staticmethod
    def _momentum(mean: NDArray[np.float64], memory: dict[str, NDArray[np.float64]], _: int) -> NDArray[np.float64]:
        memory["m"] = 0.6 * memory.get("m", 0 * mean) - mean
        return -0.7 * memory["m"]


def reference(text: str, name: str) -> Model:
    study = load(offer_of(text).manifest)
    model: Model = {key: v.astype(np.float64) for key, v in initial_weights(study.model, study.data).items()}
    rule = Reference(name)
    for number in range(1, ROUNDS + 1):
        head = InstructionHead(bytes(32), "", number, 1, Task.TRAIN, 0, 0, None, 0, 1)  # type: ignore[arg-type]
        start = {key: values.astype(np.float32) for key, values in model.items()}
        updates = [
            {key: v.astype(np.float64) for key, v in train(site, head, start).items()} for site in study.site_names
        ]
        model = rule.next(model, updates, [study.sites[site].size for site in study.site_names], number)
    return model


@pytest.mark.parametrize("name", STRATEGIES)
def test_each_strategy_does_what_its_paper_says(name: str) -> None:
    text = text_of(name)
    offer = offer_of(text)
    sites = sites_of(offer)
    conclusion = run_study(offer, courier=FakeCourier(sites), key=ROUND_KEY, book=book_of(sites), clock=lambda: 0.0)
    for key, values in reference(text, name).items():
        np.testing.assert_allclose(conclusion.model[key], values, rtol=2e-5, atol=2e-6)
        assert conclusion.model[key].dtype == np.float32


class StoppedError(Exception):
    """What ends a run in the middle."""


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("stop_after", [1, 2])
def test_half_restore_and_the_other_half_give_the_same_bits(name: str, stop_after: int, tmp_path: Path) -> None:
    offer = offer_of(text_of(name))
    straight_sites = sites_of(offer)
    straight = run_study(
        offer, courier=FakeCourier(straight_sites), key=ROUND_KEY, book=book_of(straight_sites), clock=lambda: 0.0
    )
    sites = sites_of(offer)

    def stop(notice: Notice) -> None:
        if notice.phase is Phase.ROUND_DONE and notice.round == stop_after:
            raise StoppedError

    for notify in (stop, lambda _: None):
        try:
            resumed = run_study(
                offer,
                courier=FakeCourier(sites),
                key=ROUND_KEY,
                book=book_of(sites),
                store=FolderStore(tmp_path / "instructions"),
                checkpoints=FolderCheckpoints(tmp_path / "checkpoints"),
                notify=notify,
                clock=lambda: 0.0,
            )
        except StoppedError:
            continue
    for key, values in straight.model.items():
        np.testing.assert_array_equal(resumed.model[key], values)
    assert [attempt.round for attempt in resumed.attempts] == list(range(1, ROUNDS + 1))


def test_unknown_strategies_and_options_are_named() -> None:
    terms = StrategyTerms("fedavg", rounds=1, quorum=1, deadline_seconds=1.0)
    with pytest.raises(StudyFileError, match="no strategy 'scaffold'"):
        check_options(replace(terms, name="scaffold"))
    with pytest.raises(StudyFileError) as caught:
        check_options(replace(terms, name="fedadam", options={"eta": 0.1, "gamma": 1.0, "beta_1": 1.0}))
    assert "gamma" in caught.value.problems[0]
    assert "beta_1" in caught.value.problems[1]
    assert len(caught.value.problems) == 2


def test_a_state_that_cannot_be_kept_is_an_error() -> None:
    strategy = build_strategy(load(offer_of(study_text()).manifest))
    strategy.surprise = {"a": object()}  # type: ignore[attr-defined]  # what a future strategy might do
    with pytest.raises(FedwardError, match="surprise"):
        capture(strategy)


def test_numpy_numbers_keep_their_type() -> None:
    study = load(offer_of(text_of("fedavgm")).manifest)
    before, after = build_strategy(study), build_strategy(study)
    assert isinstance(before, FedAvgM)
    assert isinstance(after, FedAvgM)
    before.server_momentum = np.float64(0.25)
    before.momentum_vector = [np.arange(3, dtype=np.float32)]
    restore(after, capture(before))
    assert isinstance(after.server_momentum, np.float64)
    assert after.server_momentum == 0.25
    assert after.momentum_vector is not None
    np.testing.assert_array_equal(after.momentum_vector[0], before.momentum_vector[0])
