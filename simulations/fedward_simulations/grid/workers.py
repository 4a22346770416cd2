"""Trains cells in processes of their own, or in this one; one thread each.

A worker that is killed takes only its cell with it. When this process ends, however it ends, its workers do too.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING

from fedward_shared.errors import FedwardError

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

    from fedward_simulations.grid.bench import Task

__all__ = ["Done", "Order", "here", "processes"]

_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")
_MEGABYTE = 1024
_TOLD = (RuntimeError, MemoryError, ImportError)
"""Errors of libraries whose messages tell of shapes and sizes, never of a patient."""


@dataclass(frozen=True, slots=True)
class Order:
    """One cell to train: the task and its studies, the data that were opened, and where the result goes."""

    task: Task
    manifests: Mapping[str, bytes]
    data: Path
    cache: Path
    key: str


@dataclass(frozen=True, slots=True)
class Done:
    """A cell that has ended. `problem` is empty, or why it could not be trained. `megabytes`: its process's most."""

    order: Order
    problem: str
    megabytes: int = 0


Starting = Callable[[Order], None]


def here(orders: Iterable[Order], started: Starting) -> Generator[Done, None, None]:
    """Trains one after the other in this process."""
    with _single_thread():
        for order in orders:
            started(order)
            yield Done(order, _attempt(order), _megabytes())


def processes(orders: Iterable[Order], started: Starting, *, jobs: int) -> Generator[Done, None, None]:
    """Trains in `jobs` processes at once; gives each cell as it ends. Closing the iterator stops them."""
    waiting, workers = deque(orders), [_Worker() for _ in range(jobs)]
    try:
        while True:
            for worker in workers:
                if waiting and worker.order is None:
                    started(waiting[0])
                    worker.give(waiting.popleft())
            busy = {worker.pipe: worker for worker in workers if worker.order is not None}
            if not busy:
                return
            for pipe in wait(list(busy)):
                yield busy[pipe].take()  # type: ignore[index]  # `wait` gives back what it was given
    finally:
        for worker in workers:
            worker.stop()


class _Worker:
    """One process, which is started with its first cell and again after it was killed."""

    def __init__(self) -> None:
        self.order: Order | None = None
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None

    @property
    def pipe(self) -> Connection:
        """Where its answers come from."""
        if self._pipe is None:
            raise FedwardError("the worker was not started")
        return self._pipe

    def give(self, order: Order) -> None:
        if self._process is None or not self._process.is_alive():
            self._start()
        self.order = order
        with suppress(OSError):  # it died meanwhile: `take` says so
            self.pipe.send(order)

    def take(self) -> Done:
        order = self.order
        self.order = None
        if order is None or self._process is None:
            raise FedwardError("the worker has nothing to tell")
        try:
            problem, megabytes = self.pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            return Done(order, _ending(self._process.exitcode))
        return Done(order, problem, megabytes)

    def stop(self) -> None:
        """Ends it, in the middle of a cell if need be: the cell leaves nothing behind."""
        if self._process is not None:
            self._process.terminate()
            self._process.join()

    def _start(self) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _one_thread_each(), _deaf_to_interrupts():
            self._process.start()
        theirs.close()


def _serve(pipe: Connection) -> None:
    """The worker's life."""
    threading.Thread(target=_follow_parent, daemon=True).start()
    with _single_thread(), suppress(EOFError, KeyboardInterrupt):
        while True:
            order = pipe.recv()
            pipe.send((_attempt(order), _megabytes()))


def _follow_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _attempt(order: Order) -> str:
    """Trains and keeps one cell; says what went wrong, if anything did."""
    from fedward_simulations.grid.opened import OpenData
    from fedward_simulations.grid.store import Store
    from fedward_simulations.grid.work import train

    store = Store(order.cache)
    try:
        with store.claimed(order.key):
            if not store.intact(order.key):
                result = train(order.task, order.manifests, OpenData(order.data))
                store.keep(order.key, result, {"cell": order.task.cell.title})
    except FedwardError as error:
        return error.diagnostics()
    except Exception as error:  # noqa: BLE001  # one cell's failure is told at the end, and the others go on
        return _told(error)
    return ""


def _told(error: Exception) -> str:
    """What an unexpected error was and where; its message only where it cannot hold a patient's value."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    message = f": {error}" if isinstance(error, _TOLD) else ""
    return f"{type(error).__name__}{message} ({Path(frame.filename).name}, line {frame.lineno})"


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return f"its process was killed ({signal.Signals(-code).name}); perhaps memory ran out: try fewer --jobs"
    return f"its process ended with exit code {code}"


def _megabytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kilobytes; on macOS bytes
    return int(peak // _MEGABYTE // (_MEGABYTE if sys.platform == "darwin" else 1))


@contextmanager
def _single_thread() -> Iterator[None]:
    """One thread for torch and for what scikit-learn calls, so that a result has the same bits everywhere."""
    import torch
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn brings it; it has no stubs

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """What a process started now finds in its environment."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """A process started now does not hear Ctrl-C: who started it ends it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
