"""Preflight through the confined worker that imports use, under the same limits; and in this process, for tests."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from fedward_client.importer.order import ImportOrder
from fedward_client.importer.preflight.profile import Profile
from fedward_client.importer.preflight.profile_document import profile_from, profile_to
from fedward_client.importer.program.confinement import NOTHING, Forbidden
from fedward_client.importer.program.in_worker import confinement_of, passwords_of
from fedward_client.importer.program.order_document import order_from, order_to
from fedward_client.importer.program.running import Outcome, run_confined
from fedward_shared.contracts.arrays import Series, Text
from fedward_shared.contracts.cohort import DataKind
from fedward_shared.manifest.parse import load

__all__ = ["preflight", "preflight_confined"]

_TASK = "fedward_client.importer.preflight.running:preflight"

Progress = Callable[[int, int], None]


def preflight_confined(
    order: ImportOrder,
    *,
    forbidden: Forbidden = NOTHING,
    unsafe: bool = False,
    progress: Progress = lambda _done, _of: None,
    told: Callable[[Outcome], None] = lambda _outcome: None,
) -> Profile:
    """Measures a source in a worker of its own; see `profiling.profile_source`.

    Args:
        order: as for an import; nothing is written but scratch files, which are removed.
        forbidden: what the worker must not be able to reach.
        unsafe: go on although it can reach it.
        progress: called with how much of the source was read, and of how much.
        told: called with how the worker was confined and what it used.

    Raises:
        as `run_confined`.
    """
    contract = load(order.manifest).data
    order = replace(order, folder=order.folder.resolve())
    files = contract.kind is DataKind.TENSOR and not isinstance(contract.form, Series | Text)
    with tempfile.TemporaryDirectory(prefix="fedward-") as scratch:
        terms = confinement_of(order, Path(scratch).resolve(), forbidden, files=files, unsafe=unsafe)
        outcome = run_confined(_TASK, order_to(order), terms, progress=progress, environment=passwords_of(order))
    told(outcome)
    return profile_from(outcome.answer)


def preflight(order: dict[str, Any], staging: Path, progress: Progress) -> dict[str, Any]:
    """The worker's task."""
    from fedward_client.importer.preflight.profiling import profile_source

    return profile_to(profile_source(order_from(order), staging, progress))
