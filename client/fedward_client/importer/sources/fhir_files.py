"""FHIR R4 resources in files: NDJSON (bulk data export) line by line, Bundles and single resources as a whole.

Everything is bounded before it is parsed: bytes, and how many things they can hold. JSON is read strictly: no name
twice in an object, no NaN, no number of more than 40 characters, nothing nested deeper than Python allows. Numbers
stay as they are written. No reference is ever followed out of the file.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from fedward_client.importer.quarantine import Reason, UnreadableError
from fedward_client.importer.sources.files import open_regular
from fedward_shared.errors import SourceDataError

__all__ = ["FhirFiles", "Literal", "Resource"]

_LINES = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz")
_WHOLE = (".json", ".json.gz")
_LONGEST_LINE = 8 << 20
_LARGEST_FILE = 64 << 20
_PIECE = 1 << 20
_MOST_THINGS = 100_000
_MOST_THINGS_WHOLE = 4_000_000
_MOST_RATIO = 200
_RATIO_COUNTS_FROM = 1 << 26
_LONGEST_NUMBER = 40
_TYPE = re.compile(rb'"resourceType"\s*:\s*"([A-Za-z]{1,64})"')
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Literal:
    """A JSON number as it is written."""

    text: str


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource, or why there is none.

    `number` counts resources (lines, a Bundle's entries) over all files in the order of their names, from 1. `links`
    leads from the full URLs of its Bundle to what they are, such as ``Patient/123``. `wrong` says why it cannot be
    read.
    """

    number: int
    content: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    links: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    wrong: Reason | None = None


class FhirFiles:
    """One file, or those of a folder (not of folders in it) whose names end like FHIR's, in the order of names.

    `done` is how many bytes were read so far, of `size`.
    """

    def __init__(self, path: Path) -> None:
        self._name = path.name
        self._files = _files(path)
        self.size = sum(file.stat().st_size for file in self._files)
        self.done = 0

    def resources(self, types: frozenset[str]) -> Iterator[Resource]:
        """Every resource of one of the types, and everything that cannot be read.

        Raises:
            SourceDataError: a file is damaged as a whole, or inflates to absurd sizes.
            UsageError: a file cannot be opened.
        """
        number, before = 0, 0
        for path in self._files:
            with open_regular(path) as file:
                for resource in self._of(path, file, types, number):
                    number = resource.number
                    self.done = before + min(file.tell(), path.stat().st_size)
                    if resource.content or resource.wrong:
                        yield resource
            before += path.stat().st_size
            self.done = before

    def _of(self, path: Path, file: BinaryIO, types: frozenset[str], number: int) -> Iterator[Resource]:
        name = path.name.lower()
        stream = _Inflated(file, path.name) if name.endswith(".gz") else file
        try:
            if name.endswith(_LINES):
                yield from _lines(stream, types, number)
            else:
                yield from _whole(stream, types, number)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise SourceDataError(
                f"{self._name}: the file with resource {number + 1} is no whole gzip file",
                hint="Was it copied to its end? Try gunzip --test on the files.",
            ) from error
        except OSError as error:
            raise SourceDataError(f"{self._name}: the file with resource {number + 1} cannot be read") from error


class _Inflated:
    """A gzip file's content, as long as it is of a believable size."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._packed = file
        self._file = io.BufferedReader(gzip.GzipFile(fileobj=file), _PIECE)
        self._name = name
        self._total = 0
        self._looked = 0

    def readline(self, size: int) -> bytes:
        return self._counted(self._file.readline(size))

    def read(self, size: int) -> bytes:
        return self._counted(self._file.read(size))

    def _counted(self, piece: bytes) -> bytes:
        self._total += len(piece)
        if self._total - self._looked < _PIECE:
            return piece
        self._looked = self._total
        if self._total > max(_RATIO_COUNTS_FROM, _MOST_RATIO * self._packed.tell()):
            raise SourceDataError(
                f"a FHIR file inflates to more than {_MOST_RATIO} times its size",
                hint="Is it the file you mean? If so, unpack it yourself.",
            )
        return piece


def _files(path: Path) -> tuple[Path, ...]:
    if not path.is_dir():
        return (path,)
    found = sorted(entry for entry in path.iterdir() if entry.name.lower().endswith((*_LINES, *_WHOLE)))
    if not found:
        raise SourceDataError(
            f"{path.name}: there are no FHIR files in this folder",
            hint="Their names end in .ndjson or .json, or either with .gz.",
        )
    outside = [file for file in found if not file.resolve().is_relative_to(path.resolve())]
    if outside:
        raise SourceDataError(
            f"{path.name}: {len(outside)} of its files are links that lead out of the folder",
            hint="Put the files themselves there.",
        )
    return tuple(found)


def _lines(stream: BinaryIO | _Inflated, types: frozenset[str], number: int) -> Iterator[Resource]:
    first = True
    while line := stream.readline(_LONGEST_LINE + 1):
        content = line.removeprefix(_BOM) if first else line
        first = False
        if len(line) > _LONGEST_LINE:
            while line and not line.endswith(b"\n"):
                line = stream.readline(_LONGEST_LINE + 1)
            number += 1
            yield Resource(number, wrong=Reason.TOO_LARGE)
        elif not content.isspace():
            number += 1
            yield _resource(content, types, number)


def _resource(line: bytes, types: frozenset[str], number: int) -> Resource:
    """One line. Where it names its type plainly, and holds none that is wanted, it is not parsed."""
    named = {name.decode() for name in _TYPE.findall(line)}
    if named and not named & types and b"\\u" not in line:
        return Resource(number)
    try:
        content = _parsed(line, _MOST_THINGS)
    except UnreadableError as error:
        return Resource(number, wrong=error.reason)
    kind = content.get("resourceType")
    if not isinstance(kind, str):
        return Resource(number, wrong=Reason.UNREADABLE)
    return Resource(number, content) if kind in types else Resource(number)


def _whole(stream: BinaryIO | _Inflated, types: frozenset[str], number: int) -> Iterator[Resource]:
    """A Bundle's entries, or one resource."""
    pieces, size = [], 0
    while size <= _LARGEST_FILE and (piece := stream.read(_PIECE)):
        pieces.append(piece)
        size += len(piece)
    if size > _LARGEST_FILE:
        yield Resource(number + 1, wrong=Reason.TOO_LARGE)
        return
    content = b"".join(pieces)
    try:
        parsed = _parsed(content.removeprefix(_BOM), _MOST_THINGS_WHOLE)
    except UnreadableError as error:
        yield Resource(number + 1, wrong=error.reason)
        return
    kind = parsed.get("resourceType")
    if kind != "Bundle":
        yield _single(parsed, types, number + 1, large=_things(content) > _MOST_THINGS)
        return
    entries = parsed.get("entry", [])
    if not isinstance(entries, list):
        yield Resource(number + 1, wrong=Reason.UNREADABLE)
        return
    links: dict[str, str] = {}
    read = [_entry(entry, links) for entry in entries]
    for place, entry in enumerate(read, start=number + 1):
        if entry is None:
            yield Resource(place, wrong=Reason.UNREADABLE)
        else:
            yield Resource(place, entry if entry.get("resourceType") in types else {}, links)


def _single(parsed: dict[str, object], types: frozenset[str], number: int, *, large: bool) -> Resource:
    """A file that is one resource."""
    kind = parsed.get("resourceType")
    if not isinstance(kind, str):
        return Resource(number, wrong=Reason.UNREADABLE)
    if kind not in types:
        return Resource(number)
    return Resource(number, wrong=Reason.TOO_LARGE) if large else Resource(number, parsed)


def _entry(entry: object, links: dict[str, str]) -> dict[str, object] | None:
    """A Bundle entry's resource ({} where it has none), with the id that its full URL gives it; None if malformed."""
    if not isinstance(entry, dict):
        return None
    resource, url = entry.get("resource", {}), entry.get("fullUrl", "")
    if not isinstance(resource, dict) or not isinstance(url, str):
        return None
    kind = resource.get("resourceType")
    if not resource:
        return {}
    if not isinstance(kind, str):
        return None
    name = resource.setdefault("id", url.rpartition(":" if url.startswith("urn:") else "/")[2])
    if not isinstance(name, str) or url in links:
        return None
    if url:
        links[url] = f"{kind}/{name}"
    return resource


def _parsed(content: bytes, most_things: int) -> dict[str, object]:
    """An object of JSON; raises UnreadableError."""
    if _things(content) > most_things:
        raise UnreadableError(Reason.TOO_LARGE)
    try:
        parsed = json.loads(
            content.decode(),
            object_pairs_hook=_object,
            parse_float=_number,
            parse_int=_number,
            parse_constant=_constant,
        )
    except (ValueError, RecursionError) as error:
        raise UnreadableError(Reason.UNREADABLE) from error
    if not isinstance(parsed, dict):
        raise UnreadableError(Reason.UNREADABLE)
    return parsed


def _things(content: bytes) -> int:
    """At least as many as the values that the text holds."""
    return content.count(b",") + content.count(b"[") + content.count(b"{")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice")
    return found


def _number(text: str) -> Literal:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError("a number of absurd length")
    return Literal(text)


def _constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")
