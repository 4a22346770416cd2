"""The importer's worker on a system that lacks some protections: named as arguments, so that each is tried alone."""

from __future__ import annotations

import sys

from fedward_client.importer.program import filtering, landlock, worker


def _not_here(families: tuple[int, ...] = ()) -> bool:
    del families
    return False


if __name__ == "__main__":
    if "landlock" in sys.argv[1:]:
        landlock.version = lambda: 0
    if "filter" in sys.argv[1:]:
        filtering.filter_calls = _not_here
    worker.main()
