"""The worker process: real, killed, cancelled, and gone when its parent is."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fedward_client.vault.training.in_worker import WorkerTrainer
from fedward_client.vault.training.trainer import Order
from fedward_shared.contracts.round import Task
from fedward_shared.errors import TrainingError
from fedward_shared.wire.tensors import decode
from tests.support.samples import TWO_SITES
from tests.support.training_orders import NO_PRIVACY, order_in, plan_of, published_study

pytestmark = pytest.mark.processes
LONG = NO_PRIVACY.replace("local_steps = 2", "local_steps = 1000000")
PATIENCE = 90


@pytest.fixture(scope="module")
def trainer() -> Iterator[WorkerTrainer]:
    with WorkerTrainer() as running:
        yield running


@pytest.fixture(scope="module")
def order(tmp_path_factory: pytest.TempPathFactory) -> Order:
    return order_in(tmp_path_factory.mktemp("orders"))


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Order:
    """An order that takes minutes."""
    return order_in(tmp_path_factory.mktemp("endless"), LONG)


def never() -> bool:
    return False


def gone(process: int) -> bool:
    """Whether the process ends within the patience of this test."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def test_rounds_have_fresh_noise_and_the_declared_layout(trainer: WorkerTrainer, order: Order) -> None:
    plan = plan_of(published_study()[1])
    first, second = (decode(plan, trainer.run(order, never)[0]) for _ in range(2))
    assert np.isfinite(first["linear.weight"]).all()
    assert not np.isclose(first["linear.weight"], second["linear.weight"]).any()


def test_concluding_leaves_a_report_and_answers_with_nothing(trainer: WorkerTrainer, order: Order) -> None:
    assert trainer.run(replace(order, task=Task.CONCLUDE), never) == []
    assert list(order.reports.glob("*/report.json"))


def test_what_fails_in_the_worker_is_told_and_the_worker_lives_on(trainer: WorkerTrainer, order: Order) -> None:
    process = trainer.process
    with pytest.raises(TrainingError, match="cannot read") as raised:
        trainer.run(replace(order, data_folder=order.data_folder / "nowhere"), never)
    assert raised.value.message
    assert trainer.run(order, never)
    assert trainer.process == process


def test_killed_in_the_middle_of_an_order_it_fails_and_the_next_order_has_a_new_worker(
    trainer: WorkerTrainer, order: Order, endless: Order
) -> None:
    trainer.run(order, never)
    process = trainer.process
    killer = threading.Timer(0.5, os.kill, (process, signal.SIGKILL))
    killer.start()
    with pytest.raises(TrainingError, match="signal 9"):
        trainer.run(endless, never)
    killer.join()
    assert trainer.run(order, never)
    assert trainer.process != process


def test_killed_between_orders_nobody_notices(trainer: WorkerTrainer, order: Order) -> None:
    trainer.run(order, never)
    os.kill(trainer.process, signal.SIGKILL)
    trainer._worker.process.wait(PATIENCE)
    assert trainer.run(order, never)


def test_cancelling_stops_it_at_once(trainer: WorkerTrainer, order: Order, endless: Order) -> None:
    trainer.run(order, never)
    process = trainer.process
    asked: list[float] = []

    def soon() -> bool:
        asked.append(time.monotonic())
        return time.monotonic() - asked[0] > 0.3

    with pytest.raises(TrainingError, match="cancelled"):
        trainer.run(endless, soon)
    assert gone(process)
    assert trainer.run(order, never)


def test_a_payload_larger_than_the_pipe_goes_through_whole(trainer: WorkerTrainer, tmp_path: Path) -> None:
    text = TWO_SITES.replace('name = "logistic"', 'name = "mlp"').replace(
        "[model.options]", "[model.options]\nhidden = [400, 400]"
    )
    big = order_in(tmp_path, text)
    (payload,) = trainer.run(big, never)
    assert payload.nbytes == big.payload.nbytes > 500_000
    decode(plan_of(published_study(text)[1]), payload)


def test_the_parent_needs_neither_torch_nor_flwr_nor_polars_and_its_death_ends_the_worker(tmp_path: Path) -> None:
    program = """
import json, os, sys
from fedward_client.vault.training.in_worker import WorkerTrainer
trainer = WorkerTrainer()
print(json.dumps([trainer.process, sorted({"torch", "flwr", "polars", "opacus"} & set(sys.modules))]), flush=True)
os.read(0, 1)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    process, imported = json.loads(parent.stdout.readline())
    try:
        assert imported == []
        assert Path(f"/proc/{process}").exists()
    finally:
        parent.kill()
        parent.communicate()
    assert gone(process)


def test_closing_ends_an_order_in_progress_and_the_worker(endless: Order) -> None:
    trainer = WorkerTrainer()
    process = trainer.process
    closer = threading.Timer(0.5, trainer.close)
    closer.start()
    with pytest.raises(TrainingError, match="ended"):
        trainer.run(endless, never)
    closer.join()
    assert gone(process)
    with pytest.raises(TrainingError, match="closing"):
        trainer.run(endless, never)
