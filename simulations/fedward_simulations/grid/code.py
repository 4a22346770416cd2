"""Which code a result was made with: a digest of everything that can change one."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import fedward_client
import fedward_server
import fedward_shared
import fedward_simulations
from fedward_shared.version import PROTOCOL, VERSION

__all__ = ["SOURCES", "code_digest", "source_files"]

_VAULT = ("dataset", "encoding", "features", "local_round", "reading", "repeated", "subgroups")
_GRID = ("bench", "cell", "engine", "opened", "plain", "result", "rows", "strategies", "work")
SOURCES = (
    (
        fedward_shared,
        (
            "contracts",
            "evaluation/scored.py",
            "flower",
            "manifest",
            "models",
            "privacy",
            "recipes/averaging.py",
            "units",
            "version.py",
            "wire/weight_file.py",
        ),
    ),
    (fedward_client, ("imported.py", "shards.py", *(f"vault/training/{name}.py" for name in _VAULT))),
    (fedward_server, ("rounds/checks.py", "rounds/strategies.py")),
    (fedward_simulations, ("baselines.py", "model_files.py", "randomness.py", *(f"grid/{name}.py" for name in _GRID))),
)
"""Modules that a cell's result can depend on: what reads rows, trains, averages and scores. Folders count whole."""
_LIBRARIES = ("flwr", "numpy", "polars", "scikit-learn", "torch", "opacus")


@lru_cache(maxsize=1)
def code_digest() -> bytes:
    """SHA-256 over these modules and the versions of the libraries below them; the same for the whole process."""
    digest = hashlib.sha256(f"{VERSION} {PROTOCOL}".encode())
    for name in _LIBRARIES:
        digest.update(f"\0{name} {_version(name)}".encode())
    for file in source_files():
        content = file.read_bytes()
        digest.update(f"\0{file.name} {len(content)}\0".encode() + content)
    return digest.digest()


def source_files() -> tuple[Path, ...]:
    """The files of `SOURCES`, in a fixed order."""
    files: list[Path] = []
    for package, places in SOURCES:
        root = Path(str(package.__file__)).parent
        for place in places:
            files += sorted((root / place).rglob("*.py")) if (root / place).is_dir() else [root / place]
    return tuple(files)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
