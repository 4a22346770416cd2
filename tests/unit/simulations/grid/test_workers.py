"""A worker that is killed takes one cell with it."""

import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from fedward_simulations.grid import workers
from fedward_simulations.grid.bench import Bench, Task
from fedward_simulations.grid.cell import Cell
from fedward_simulations.grid.workers import Order, processes
from tests.support.grids import STUDY


def orders(folder: Path, count: int) -> list[Order]:
    bench = Bench(STUDY, (("north", folder), ("south", folder)))
    return [Order(Task(bench, Cell("federated", seed)), {}, folder, folder, f"{seed:064x}") for seed in range(count)]


@pytest.mark.processes
def test_a_killed_worker_is_told_and_the_next_cell_gets_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_serve", _die_once)
    asked = orders(tmp_path, 3)
    done = list(processes(asked, lambda _: None, jobs=1))
    assert [one.order.key for one in done] == [order.key for order in asked]
    assert "killed (SIGKILL); perhaps memory ran out" in done[1].problem
    assert [done[0].problem, done[2].problem] == ["fine", "fine"]


def _die_once(pipe: Connection) -> None:
    """A worker whose second seed kills it."""
    while True:
        order = pipe.recv()
        if order.task.cell.seed == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        pipe.send(("fine", 1))
