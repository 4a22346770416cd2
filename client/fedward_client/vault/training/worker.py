"""`python -m fedward_client.vault.training.worker`: the vault's training process. It holds no key and has no network.

Orders come through standard input, answers leave through what was standard output. What libraries print goes nowhere
from before the first record is read: polars, for one, puts cells into its messages, and the log must never hold a
patient's value. When the vault dies, the pipe ends, and with it this process, whatever it is doing.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
import traceback
import warnings
from functools import partial
from pathlib import Path

from fedward_client.vault.training.pipes import Ended, frame, pull, push, read_head
from fedward_client.vault.training.trainer import Order
from fedward_shared.allocator import keep_freed_memory
from fedward_shared.contracts.round import Task
from fedward_shared.errors import FedwardError

__all__ = ["main"]

_STUDIES_KEPT = 4
_LARGEST_MANIFEST = 1 << 24


def main() -> None:
    """Serves orders until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders_in, answers_out, log = _private_pipes()
    orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(orders_in, orders, log), daemon=True).start()
    warnings.filterwarnings("ignore", module=r"torch")
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"flwr")
    import polars  # noqa: ICN001  # imported to be warm, not to be used here

    from fedward_client.vault.training.session import Session
    from fedward_shared.privacy import step
    from fedward_shared.privacy.randomness.noise import KeystreamSource

    del polars, step
    keep_freed_memory()
    session = Session(KeystreamSource.fresh, kept=_STUDIES_KEPT)
    _mute()
    push(answers_out, [frame({"ready": True})])
    while True:
        order = orders.get()
        try:
            parts = session.run(order)
            answer: list[bytes | memoryview] = [frame({"payload_bytes": sum(part.nbytes for part in parts)}), *parts]
        except FedwardError as error:
            answer = [frame({"error": error.message, "hint": error.hint})]
        except BaseException as error:  # noqa: BLE001  # whatever it was; a panic in polars is no Exception
            _log(log, error)
            answer = [frame({"error": f"training failed ({type(error).__name__})"})]
        push(answers_out, answer)


def _private_pipes() -> tuple[int, int, int]:
    """Keeps pipes and log for ourselves: nothing else in this process can read or write them by accident."""
    orders_in, answers_out, log = os.dup(0), os.dup(1), os.dup(2)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return orders_in, answers_out, log


def _mute() -> None:
    """From here on nothing that this process prints, by whatever library or language, is kept."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    os.close(nothing)


def _receive(handle: int, orders: queue.SimpleQueue[Order], log: int) -> None:
    read = partial(pull, handle)
    try:
        while True:
            head = read_head(read)
            if not 0 <= head["manifest_bytes"] <= _LARGEST_MANIFEST:
                os._exit(1)
            manifest = bytes(read(head["manifest_bytes"]))
            orders.put(
                Order(
                    manifest=manifest,
                    site=head["site"],
                    data_folder=Path(head["data_folder"]),
                    task=Task(head["task"]),
                    round=head["round"],
                    attempt=head["attempt"],
                    digest=bytes.fromhex(head["digest"]),
                    payload=memoryview(read(head["payload_bytes"])),
                    reports=Path(head["reports"]),
                    backbones=Path(head["backbones"]) if head["backbones"] else None,
                )
            )
    except (Ended, OSError):
        os._exit(0)
    except BaseException as error:  # noqa: BLE001  # a reader that has lost its place must not go on
        _log(log, error)
        os._exit(1)


def _log(handle: int, error: BaseException) -> None:
    """Where it happened and of what kind, without the message: a library's message may hold a patient's value."""
    places = traceback.format_list(traceback.extract_tb(error.__traceback__))
    os.write(handle, f"{''.join(places)}{type(error).__name__}\n".encode())


if __name__ == "__main__":
    main()
