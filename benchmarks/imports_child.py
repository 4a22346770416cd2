"""One import, or one bare script, in a process of its own: `benchmarks.imports` starts it and reads one JSON line.

    python -m benchmarks.imports_child import FOLDER WORK      WORK holds study.toml and mapping.toml
    python -m benchmarks.imports_child NAME FOLDER WORK        a function of benchmarks.imports_bare

Seconds count from the first import of a library to the last file that is in place; memory is the peak resident memory
of the whole process.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from pathlib import Path


def _import(folder: Path, work: Path) -> dict[str, int]:
    from fedward_client.importer.importing import import_here
    from fedward_client.importer.mapping_file import load_mapping
    from fedward_client.importer.order import ImportOrder, Limits

    limits = Limits(max_rejected=1.0)
    order = ImportOrder(
        (work / "study.toml").read_bytes(), load_mapping(work / "mapping.toml"), folder, "measured", limits
    )
    report = import_here(order, work / "inbox")
    return {"rows": report.accepted + report.rejected + report.excluded, "quarantined": report.rejected}


def _bare(name: str, folder: Path, work: Path) -> dict[str, int]:
    (work / "bare").mkdir()
    getattr(import_module("benchmarks.imports_bare"), name)(folder, work / "bare")
    return {}


def _peak() -> int:
    """Bytes. Not `getrusage`: it remembers the process that started this one."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def main() -> None:
    """Prints seconds, peak memory in bytes, and what an import reports."""
    what, folder, work = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    began = time.perf_counter()
    found = _import(folder, work) if what == "import" else _bare(what, folder, work)
    seconds = time.perf_counter() - began
    figures = {"seconds": seconds, "processor_seconds": time.process_time(), "peak_bytes": _peak(), **found}
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
