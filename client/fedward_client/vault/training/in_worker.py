"""Training in a worker process that the vault starts and looks after.

The parent imports neither torch nor flwr; the worker holds no key.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import IO, Self

from fedward_client.vault.training.pipes import Cancelled, Ended, frame, pull, push, read_head
from fedward_client.vault.training.trainer import Order
from fedward_shared.contracts.round import Task
from fedward_shared.errors import TrainingError

__all__ = ["WorkerTrainer"]

_GRACE_SECONDS = 2.0
_CALM = "The log of the vault says more. The next instruction starts a new worker."


class WorkerTrainer:
    """Trains in a worker process that starts at once and is started again after a crash or a cancelled order.

    The worker inherits this process's network namespace, so it has no network either.
    """

    def __init__(self) -> None:
        self._busy = threading.Lock()
        self._closed = False
        self._worker = _Worker()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def process(self) -> int:
        """The worker's process id."""
        return self._worker.process.pid

    def run(self, order: Order, cancelled: Callable[[], bool]) -> list[memoryview]:
        """The reply's payload ([] for CONCLUDE).

        Raises:
            TrainingError: it failed, the worker ended, or `cancelled` turned true.
        """
        with self._busy:
            if self._closed:
                raise TrainingError("the vault is closing")
            if not self._worker.alive:
                self._restart()
            try:
                return self._worker.run(order, cancelled)
            except Cancelled as error:
                self._restart()
                raise TrainingError("the order was cancelled") from error
            except Ended as error:
                how = self._worker.fate()
                self._restart()
                raise TrainingError(f"the training worker ended ({how})", hint=_CALM) from error
            except BaseException:
                self._worker.settle()
                raise

    def close(self) -> None:
        """Ends the worker; an order in progress fails."""
        self._closed = True
        self._worker.process.kill()
        with self._busy:
            self._worker.end()

    def _restart(self) -> None:
        self._worker.end()
        if not self._closed:
            self._worker = _Worker()


class _Worker:
    """One worker process and its pipes."""

    def __init__(self) -> None:
        environment = {**os.environ, "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "fedward_client.vault.training.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=environment,
        )
        self._in, self._out = _handle(self.process.stdin), _handle(self.process.stdout)
        os.set_blocking(self._in, False)
        self._idle = False

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def run(self, order: Order, cancelled: Callable[[], bool]) -> list[memoryview]:
        read = partial(pull, self._out, stop=cancelled)
        if not self._idle:
            read_head(read)
        self._idle = False
        head = {
            "site": order.site,
            "data_folder": str(order.data_folder),
            "task": int(order.task),
            "round": order.round,
            "attempt": order.attempt,
            "digest": order.digest.hex(),
            "reports": str(order.reports),
            "backbones": str(order.backbones) if order.backbones else "",
            "manifest_bytes": len(order.manifest),
            "payload_bytes": order.payload.nbytes,
        }
        push(self._in, (frame(head), order.manifest, order.payload), cancelled)
        answer = read_head(read)
        if "error" in answer:
            self._idle = True
            raise TrainingError(str(answer["error"]), hint=str(answer.get("hint", "")))
        size = answer.get("payload_bytes")
        if size != (order.payload.nbytes if order.task is Task.TRAIN else 0):
            raise TrainingError("the training worker's answer has another size than the study declares")
        payload = read(size)
        self._idle = True
        return [memoryview(payload).toreadonly()] if size else []

    def fate(self) -> str:
        """How a process that closed its pipe ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(_GRACE_SECONDS)
        return self.end()

    def settle(self) -> None:
        """After an error: a worker in the middle of something is of no more use."""
        if not self._idle:
            self.end()

    def end(self) -> str:
        """Kills the process if it still runs; how it ended."""
        code = self.process.poll()
        if code is None:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        if code is None:
            return "stopped"
        return f"signal {-code}" if code < 0 else f"exit status {code}"


def _handle(pipe: IO[bytes] | None) -> int:
    if pipe is None:
        raise TrainingError("the training worker has no pipe")
    return pipe.fileno()
