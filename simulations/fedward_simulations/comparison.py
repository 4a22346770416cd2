"""The demo's simulations: its study alone, centralised, federated, and federated with privacy, as one small grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path

from fedward_simulations.grid.bench import Bench, Task
from fedward_simulations.grid.cell import Cell
from fedward_simulations.grid.command import own_epsilons
from fedward_simulations.grid.comparing import compared
from fedward_simulations.grid.plan import Way
from fedward_simulations.grid.running import Notify, quiet, run_grid
from fedward_simulations.report.compared import Compared
from fedward_simulations.report.figures import TITLES, method

__all__ = ["compare"]


def compare(
    manifest: bytes, folders: Mapping[str, Path], *, seeds: Sequence[int], cache: Path, notify: Notify = quiet
) -> Compared:
    """Trains the published study in these four ways (without privacy: three), in this process.

    Args:
        manifest: the published study.
        folders: each site's import.
        seeds: UNSAFE: all randomness follows from them.
        cache: the folder of finished cells.
        notify: told of progress.

    Raises:
        FedwardError: a cell failed.
    """
    bench = Bench.of(manifest, folders)
    cells = [("local", "local", inf), ("centralised", "centralised", inf), ("federated", "federated", inf)]
    cells += [("federated_dp_simulated", "federated", epsilon) for epsilon in own_epsilons(manifest) if epsilon < inf]
    ways = [
        Way(key, TITLES[key], "", tuple((Cell(name, seed, epsilon=epsilon),) for seed in seeds))
        for key, name, epsilon in cells
    ]
    finished = run_grid(
        [Task(bench, cell) for way in ways for (cell,) in way.cells], cache=cache, jobs=1, notify=notify
    )
    finished.check()
    told = compared(bench, ways, finished.results)
    named = (method(one.key, one.provenance, one.runs, one.spent) for one in told.methods)
    return replace(told, methods=tuple(named))
