"""From what a person types to one order for the importer: source, mapping and limits."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from fedward_client.importer.mapping import Mapping, SourceTerms
from fedward_client.importer.order import ImportOrder, Limits
from fedward_shared.contracts.study import LARGEST_MANIFEST
from fedward_shared.errors import UsageError
from fedward_shared.files import read_limited

__all__ = ["bytes_of", "memory_of", "order_of", "seconds_of"]

_BYTES = {"": 1, "b": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_SECONDS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_SMALLEST_MEMORY = 256_000_000


def order_of(
    source: str,
    contract: Path,
    data_set: str,
    *,
    mapping: Path | None,
    separator: str,
    limits: Limits,
    dry_run: bool,
) -> ImportOrder:
    """The order for a source (a path; "": the mapping's own) under a study file's contract.

    Paths in a mapping start at the mapping's folder, `source` at the current one.

    Raises:
        UsageError: a file cannot be read, or nothing says what to import.
    """
    from fedward_client.importer.mapping_file import load_mapping

    told = load_mapping(mapping) if mapping else Mapping()
    file = Path(source).absolute() if source else None
    terms = told.source or SourceTerms("")
    if file is None and told.source is None:
        raise UsageError(
            "nothing says what to import",
            hint="Name a file: fedward-site import FILE --contract study.toml --data-set NAME. Or write a [source] "
            "into a mapping, and name it with --mapping.",
        )
    if "://" in source:
        raise UsageError("a database is named in a mapping, as url in [source]", hint="See docs/data.md.")
    if file is not None:
        terms = replace(terms, path=file)
    if separator:
        terms = replace(terms, options=MappingProxyType({**terms.options, "separator": separator}))
    folder = mapping.absolute().parent if mapping else (file or Path.cwd()).parent
    return ImportOrder(
        manifest=read_limited(contract, LARGEST_MANIFEST),
        mapping=replace(told, source=terms),
        folder=folder,
        data_set=data_set,
        limits=limits,
        dry_run=dry_run,
    )


def bytes_of(text: str, option: str) -> int:
    """A size such as "4 GB", "500MB" or "1e9", in bytes.

    Raises:
        UsageError: it is something else.
    """
    number, unit = _parts(text, option, "a size, such as 4GB")
    factor = _BYTES.get(unit.lower().removesuffix("b").removesuffix("i"))
    if factor is None:
        raise UsageError(f"{option} is a size, such as 4GB")
    return int(number * factor)


def memory_of(text: str, option: str) -> int:
    """A size that a worker can start with.

    Raises:
        UsageError: it is something else, or too small.
    """
    size = bytes_of(text, option)
    if size < _SMALLEST_MEMORY:
        raise UsageError(f"{option} must be at least {_SMALLEST_MEMORY // 10**6} MB, which libraries need to start")
    return size


def seconds_of(text: str, option: str) -> float:
    """A time such as "90s", "30 min" or "6h", in seconds.

    Raises:
        UsageError: it is something else.
    """
    number, unit = _parts(text, option, "a time, such as 30min or 6h")
    factor = _SECONDS.get(unit.lower())
    if factor is None:
        raise UsageError(f"{option} is a time, such as 30min or 6h")
    return number * factor


def _parts(text: str, option: str, what: str) -> tuple[float, str]:
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?(?:e[0-9]{1,2})?)\s*([A-Za-z]*)\s*", text)
    if not found or not float(found[1]):
        raise UsageError(f"{option} is {what}")
    return float(found[1]), found[2]
