"""What the worker is told to run; see `worker.Task`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fedward_client.importer.program.order_document import order_from, written_to

__all__ = ["examine", "import_"]


def import_(order: dict[str, Any], staging: Path, progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Imports into `staging`; the answer is what was written (see `order_document`)."""
    from fedward_client.importer.importing import import_data

    return written_to(import_data(order_from(order), staging, progress))


def examine(order: dict[str, Any], staging: Path, progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Nothing: the worker was confined and has tried it before this is called."""
    del order, staging, progress
    return {}
