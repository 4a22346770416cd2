"""Runs a grid: finds what is finished, trains the rest on all cores, and says how far it is.

Example: FedAvg and FedAdam, without privacy and at ε = 3, five seeds, beside a plain baseline::

    bench = Bench.of(Path("study.toml").read_bytes(), {"north": Path("data/north"), "south": Path("data/south")})
    cells = [
        Cell("federated", seed=seed, strategy=strategy, epsilon=epsilon)
        for strategy in ("fedavg", "fedadam") for epsilon in (inf, 3.0) for seed in range(5)
    ]
    tasks = [Task(bench, cell) for cell in (*cells, Cell("logistic_regression"))]
    finished = run_grid(tasks, cache=Path("cells"), jobs=2)
    finished.check()
    for task, result in finished.results.items():
        print(task.cell.title, result.run["north"].scores.shape, result.spent)

A second call with the same tasks trains nothing. Another learning rate for one ε is another variant of the study:
``Cell("federated", epsilon=3.0, variant=Variant.of("slow", {"training.learning_rate": 0.5}))``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from fedward_shared.errors import FedwardError
from fedward_shared.manifest.parse import load
from fedward_simulations.grid.bench import Task, studies_of
from fedward_simulations.grid.opened import open_data
from fedward_simulations.grid.pace import Pace
from fedward_simulations.grid.result import DamagedError, Result
from fedward_simulations.grid.store import Store, key_of
from fedward_simulations.grid.workers import Done, Order, here, processes

__all__ = ["Finished", "Notify", "State", "quiet", "run_grid"]


@dataclass(frozen=True, slots=True)
class State:
    """How far a grid is. `reused` cells were finished before it began; `redone` ones were found damaged.

    `seconds_left` is None until something is known about it. `megabytes` is the most that one process took.
    """

    total: int
    finished: int
    reused: int
    redone: int
    failed: int
    running: tuple[str, ...]
    seconds_left: float | None
    megabytes: int

    @property
    def remaining(self) -> int:
        """Cells that have not ended."""
        return self.total - self.finished - self.failed


Notify = Callable[[State], None]


def quiet(state: State) -> None:
    """Tells nobody."""
    del state


@dataclass(frozen=True, slots=True)
class Finished:
    """How a grid ended: what every trained cell gave, and why the others gave nothing."""

    results: Mapping[Task, Result]
    failures: Mapping[Task, str]

    def check(self) -> None:
        """Raises where a cell failed.

        Raises:
            FedwardError: names every such cell and its error.
        """
        if self.failures:
            lines = [f"  {task.cell.title}: {problem}" for task, problem in self.failures.items()]
            raise FedwardError(
                "\n".join([f"{len(lines)} of {len(lines) + len(self.results)} cells failed", *lines]),
                hint="What was trained is kept: mend the cause and run the same again.",
            )


def run_grid(tasks: Sequence[Task], *, cache: Path, jobs: int | None = None, notify: Notify = quiet) -> Finished:
    """Trains every task that was not trained before, and gives what all of them gave.

    UNSAFE with real patients' data: randomness follows from the cells' seeds.

    Args:
        tasks: what to train; tasks that come to the same are trained once.
        cache: the folder of finished cells (made where missing). Several runs may use it at once, and a killed run
            leaves nothing in it that counts.
        jobs: how many processes, each with one thread; None: one a core. 1 trains in this process.
        notify: told whenever something has begun or ended.

    Raises:
        UsageError: a task does not fit its study; nothing was trained.
        KeyboardInterrupt: Ctrl-C; finished cells are kept.
    """
    cache.mkdir(parents=True, exist_ok=True)
    grid = _Grid(tasks, Store(cache), jobs or len(os.sched_getaffinity(0)), notify)
    Store(cache).tidy()
    grid.look()
    grid.train()
    return grid.ended()


class _Grid:
    """A grid at work."""

    def __init__(self, tasks: Sequence[Task], store: Store, jobs: int, notify: Notify) -> None:
        self._manifests = {task: studies_of(task.bench, task.cell) for task in tasks}
        self._keys = {task: key_of(task, self._manifests[task]) for task in tasks}
        self._tasks: dict[str, Task] = {}
        for task, key in self._keys.items():
            self._tasks.setdefault(key, task)
        self._store = store
        self._jobs = jobs
        self._notify = notify
        self._pace = Pace(jobs)
        self._results: dict[str, Result] = {}
        self._problems: dict[str, str] = {}
        self._running: dict[str, str] = {}
        self._reused = self._redone = self._megabytes = 0

    def look(self) -> None:
        """Reads what is finished."""
        for key, task in self._tasks.items():
            try:
                found = self._store.find(key)
            except DamagedError:
                self._store.discard(key)
                self._redone += 1
                continue
            if found is not None:
                self._reused += 1
                self._took(key, task, found)
        self._tell()

    def train(self) -> None:
        """Trains the rest."""
        missing = [(key, task) for key, task in self._tasks.items() if key not in self._results]
        if not missing:
            return
        with open_data(self._store.folder) as data:
            for _, task in missing:
                study = load(next(iter(self._manifests[task].values())))
                data.add(study, (folder for _, folder in task.bench.folders), task.bench.files.backbones)
            orders = [Order(task, self._manifests[task], data.folder, self._store.folder, key) for key, task in missing]
            jobs = min(self._jobs, len(orders))
            with closing(self._conveyed(orders, jobs)) as ended:
                for done in ended:
                    self._end(done)

    def ended(self) -> Finished:
        """What came of every task."""
        return Finished(
            {task: self._results[key] for task, key in self._keys.items() if key in self._results},
            {task: self._problems[key] for task, key in self._keys.items() if key in self._problems},
        )

    def _conveyed(self, orders: Sequence[Order], jobs: int) -> Generator[Done, None, None]:
        return here(orders, self._begin) if jobs == 1 else processes(orders, self._begin, jobs=jobs)

    def _begin(self, order: Order) -> None:
        self._running[order.key] = order.task.cell.title
        self._pace.begin(order.key)
        self._tell()

    def _end(self, done: Done) -> None:
        key, problem = done.order.key, done.problem
        self._running.pop(key, None)
        self._pace.end(key)
        self._megabytes = max(self._megabytes, done.megabytes)
        result = None if problem else self._read(key)
        if result is None:
            self._problems[key] = problem or "its result was damaged or removed right after it was written"
        else:
            self._took(key, done.order.task, result)
        self._tell()

    def _read(self, key: str) -> Result | None:
        try:
            return self._store.find(key)
        except DamagedError:
            return None

    def _took(self, key: str, task: Task, result: Result) -> None:
        self._results[key] = result
        self._pace.learn(task.cell.kind, result.seconds)

    def _tell(self) -> None:
        open_keys = [key for key in self._tasks if key not in self._results and key not in self._problems]
        self._notify(
            State(
                total=len(self._tasks),
                finished=len(self._results),
                reused=self._reused,
                redone=self._redone,
                failed=len(self._problems),
                running=tuple(self._running.values()),
                seconds_left=self._pace.left({key: self._tasks[key].cell.kind for key in open_keys}),
                megabytes=self._megabytes,
            )
        )
