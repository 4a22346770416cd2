"""Runs something and tells how far memory rose meanwhile."""

from __future__ import annotations

import resource
import tracemalloc
from collections.abc import Callable

__all__ = ["memory_taken"]


def memory_taken(action: Callable[[], object]) -> int:
    """Bytes that the process took at most: by Python's own count, or beyond its past peak, whichever is more."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    try:
        action()
        _, traced = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    return max(traced, grown)
