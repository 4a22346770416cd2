"""The private touches of flwr.

`Message(...)` reads a process-wide identity that only Flower's runtime sets; a `Grid` must be able to name its run.
"""

from __future__ import annotations

import logging

from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

__all__ = ["COORDINATOR_NODE", "Run", "empty_run", "set_identity"]

COORDINATOR_NODE = 2**32
"""The coordinator's Flower node id; sites count from 1 in the order of the study file."""

_RUN = 1
_TASK = 1


def set_identity(node_id: int) -> None:
    """Tells flwr which node this process is; messages can be made from then on.

    Routing never looks at Flower's run or task ids (studies are named by their hash), so both are constants.
    Also keeps Flower's own log to warnings: progress is ours to show.
    """
    TaskIdentity.task_id = _TASK
    TaskIdentity.run_id = _RUN
    TaskIdentity.node_id = node_id
    logging.getLogger("flwr").setLevel(logging.ERROR)


def empty_run() -> Run:
    """What a Grid answers when it is asked for its run: nothing but the constant id."""
    return Run.create_empty(run_id=_RUN)
