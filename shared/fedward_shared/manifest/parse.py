"""From the bytes of study.toml to a `Study`. All mistakes are told at once; nothing but `StudyFileError` is raised."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from fedward_shared.contracts.study import LARGEST_MANIFEST, Study
from fedward_shared.errors import StudyFileError
from fedward_shared.manifest.agreement import resolved_agrees
from fedward_shared.manifest.findings import Findings, shown
from fedward_shared.manifest.lines import Lines, TooDeepError, scan
from fedward_shared.manifest.reader import Reader

__all__ = ["load", "load_and", "study_hash"]

"""Bytes that a study file may have."""
_KEPT = 16
_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def study_hash(manifest: bytes) -> bytes:
    """What names a study everywhere: SHA-256 of the published bytes (32 bytes)."""
    return hashlib.sha256(manifest).digest()


@lru_cache(maxsize=_KEPT)
def load(manifest: bytes) -> Study:
    """Reads and checks a study file, published or not. A `Study` is immutable, so the same bytes give the same one.

    A published one carries `[resolved]`, which must agree with what the file declares as far as that can be told
    without computing (`resolve.check_resolved` computes). The model's name and options are left to `resolve`, which
    loads torch. The declared code version is not compared with this program's: a vault does that itself, and answers
    in its own way.

    Raises:
        StudyFileError: with every mistake in `problems`, in the order of the file.
    """
    return load_and(manifest, lambda _study, _findings: None)


def load_and(manifest: bytes, look: Callable[[Study, Findings], None]) -> Study:
    """`load`, with a further look at what was read, so that its findings are told together with all others.

    Raises:
        StudyFileError: as `load`.
    """
    values, lines = _parse(manifest)
    reader = Reader(values, Findings(lines))
    study = reader.study()
    if study is not None:
        resolved_agrees(study, reader.findings)
        look(study, reader.findings)
    reader.findings.stop()
    if study is None:  # pragma: no cover - a part that cannot be read is always a finding
        raise StudyFileError("the study file cannot be read")
    return study


def _parse(manifest: bytes) -> tuple[dict[str, Any], Lines]:
    if len(manifest) > LARGEST_MANIFEST:
        raise StudyFileError(
            f"the study file has {len(manifest)} bytes; the most is {LARGEST_MANIFEST}",
            hint="Shorten lists and comments.",
        )
    try:
        text = manifest.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = manifest.count(b"\n", 0, error.start) + 1
        raise StudyFileError(
            f"the study file is not UTF-8 (line {line})", hint="Save it as UTF-8 in your editor."
        ) from error
    try:
        lines = scan(text)
    except TooDeepError as error:
        raise StudyFileError(
            f"the study file is nested deeper than any study needs (line {error.line})",
            hint="Start again from: fedward-coordinator study init FILE",
        ) from error
    findings = Findings(lines)
    for path, first, second in lines.twice:
        table = lines.tables.get(path) == first
        (lines.tables if table else lines.keys)[path] = second
        where = path if table else path[:-1]
        findings.add(where, None if table else path[-1], f"was already given on line {first}; keep one of the two")
    findings.stop()
    try:
        return tomllib.loads(text), lines
    except (ValueError, RecursionError, OverflowError) as error:
        raise _syntax(error, text) from error


def _syntax(error: Exception, text: str) -> StudyFileError:
    message = str(error)
    place = _PLACE.search(message)
    what = message[: place.start()] if place else message
    what = what if what.isprintable() else ascii(what)
    where = f"line {place[1]}, column {place[2]}" if place and place[1] else "the end of the file"
    if place and place[1]:
        row = text.split("\n")[int(place[1]) - 1 :][:1]
        what = f"{what} in: {shown(row)[1:-1]}"
    return StudyFileError(
        "the study file is not valid TOML",
        problems=(f"{where if place else 'a value'}: {what[:200]}",),
        hint="Texts need quotes, tables look like [privacy], true and false are small. See https://toml.io",
    )
