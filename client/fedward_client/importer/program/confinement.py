"""What the importer's worker may read, write, reach and use up; and what came of holding it to that."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fedward_client.importer.order import Limits

__all__ = ["NOTHING", "SCRATCH", "Confined", "Confinement", "Forbidden", "confinement_from", "confinement_to"]

SCRATCH = ".scratch"
"""The folder below staging for temporary files, which nobody keeps."""


@dataclass(frozen=True, slots=True)
class Forbidden:
    """What the worker must not reach, and tries to: private files and sockets, and the folders to cover beforehand."""

    files: tuple[Path, ...] = ()
    sockets: tuple[Path, ...] = ()
    folders: tuple[Path, ...] = ()


NOTHING = Forbidden()
"""Where there is no site, such as in a dry run."""


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a worker may do. Paths are absolute and resolved.

    `reads` are files and folders of the source; everything written goes below `staging`. `ports` are the TCP ports of
    a database and `sockets` folders or files of Unix sockets that it listens on; with neither there is no network.
    `unsafe` goes on although something forbidden can be reached.
    """

    staging: Path
    reads: tuple[Path, ...] = ()
    ports: tuple[int, ...] = ()
    sockets: tuple[Path, ...] = ()
    forbidden: Forbidden = NOTHING
    limits: Limits = field(default_factory=Limits)
    unsafe: bool = False

    @property
    def networked(self) -> bool:
        """Whether it may reach a database at all."""
        return bool(self.ports or self.sockets)


@dataclass(frozen=True, slots=True)
class Confined:
    """What the worker found by trying: protections that hold, what this system lacks, forbidden things reached."""

    holds: tuple[str, ...]
    lacks: tuple[str, ...]
    reached: tuple[str, ...]


def confinement_to(terms: Confinement) -> dict[str, Any]:
    """As it travels to the worker."""
    return {
        "staging": str(terms.staging),
        "reads": _texts(terms.reads),
        "ports": list(terms.ports),
        "sockets": _texts(terms.sockets),
        "forbidden": [_texts(terms.forbidden.files), _texts(terms.forbidden.sockets), _texts(terms.forbidden.folders)],
        "limits": asdict(terms.limits),
        "unsafe": terms.unsafe,
    }


def confinement_from(document: dict[str, Any]) -> Confinement:
    """As `confinement_to` wrote it; only the parent's own words are ever read here."""
    return Confinement(
        staging=Path(document["staging"]),
        reads=_paths(document["reads"]),
        ports=tuple(document["ports"]),
        sockets=_paths(document["sockets"]),
        forbidden=Forbidden(*map(_paths, document["forbidden"])),
        limits=Limits(**document["limits"]),
        unsafe=document["unsafe"],
    )


def _texts(paths: tuple[Path, ...]) -> list[str]:
    return [str(path) for path in paths]


def _paths(texts: list[str]) -> tuple[Path, ...]:
    return tuple(map(Path, texts))
