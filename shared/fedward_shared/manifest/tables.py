"""The tables of one study file, read one by one; what is wrong with one never hides what is wrong with the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from fedward_shared.manifest.findings import Findings, shown
from fedward_shared.manifest.schema import Table

__all__ = ["Tables", "Values"]

Values = Mapping[str, Any]
Path = tuple[str, ...]
Read = TypeVar("Read", bound=Table)


@dataclass(frozen=True, slots=True)
class Tables:
    """A file's values; `findings` tells what was wrong with them."""

    values: Values
    findings: Findings

    def at(self, path: Path, holds: str = "", *, optional: bool = False) -> Values | None:
        """The raw values at `path`; notes a table that is missing, or that is no table."""
        at: Any = self.values
        for depth, part in enumerate(path):
            if part not in at:
                if not optional and (depth == len(path) - 1 or depth == 0):
                    self.findings.add(path, None, f"the table is missing; it holds {holds}")
                return None
            at = at[part]
            if not isinstance(at, Mapping):
                if depth == len(path) - 1:
                    self.findings.add(path, None, f"is {shown(at)}; must be a table")
                return None
        return at  # type: ignore[no-any-return]  # tomllib's tables are dicts

    def read(self, kind: type[Read], path: Path, *inner: str, optional: bool = False) -> Read | None:
        """The table at `path` without its inner tables, as its class; None where it is missing or was wrong."""
        needed = [name for name, field in kind.model_fields.items() if field.is_required()]
        values = self.at(path, ", ".join(needed), optional=optional)
        if values is None:
            return None
        own = {key: value for key, value in values.items() if key not in inner}
        return self.findings.read(kind, path, own, *inner)

    def entries(self, path: Path, *, most: int) -> list[tuple[Path, Values]]:
        """The tables of a list `[[path]]` and where each is; none where it is missing, no such list, or too long."""
        values = self.at(path[:-1], optional=True) or {}
        entries = values.get(path[-1], [])
        if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
            header = ".".join(path)
            self.findings.add(path[:-1], path[-1], f"is {shown(entries)}; must be tables with the header [[{header}]]")
            return []
        if len(entries) > most:
            self.findings.add(path[:-1], path[-1], f"has {len(entries)} entries; the most is {most}")
            return []
        return [((*path, f"#{index}"), entry) for index, entry in enumerate(entries, start=1)]

    def count(self, *path: str) -> int:
        """How many tables are declared at `path`, right or wrong."""
        at: Any = self.values
        for part in path:
            at = at.get(part) if isinstance(at, Mapping) else None
        return len(at) if isinstance(at, Mapping) else 0

    def holds(self, *path: str) -> bool:
        """Whether there is anything at `path`, right or wrong."""
        at: Any = self.values
        for part in path:
            if not isinstance(at, Mapping) or part not in at:
                return False
            at = at[part]
        return True
