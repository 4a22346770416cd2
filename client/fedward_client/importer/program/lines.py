"""What travels between the importer and its worker: one JSON document a line, of bounded length, never pickle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fedward_shared.errors import ImporterError

__all__ = ["LONGEST_LINE", "Lines", "line"]

LONGEST_LINE = 32 << 20
"""Bytes; an order holds a study file (at most 16 MiB, in base64), an answer some counts."""


def line(document: dict[str, Any]) -> bytes:
    """A document as it travels.

    Raises:
        ImporterError: it is too long.
    """
    text = json.dumps(document, separators=(",", ":")).encode() + b"\n"
    if len(text) > LONGEST_LINE:
        raise ImporterError("an order or answer of the importer's worker is too long")
    return text


class Lines:
    """Puts pieces of a stream together to documents."""

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self._longest = longest
        self._held = bytearray()

    def add(self, piece: bytes) -> Iterator[dict[str, Any]]:
        """The documents that this piece completes.

        Raises:
            ImporterError: a line is too long, or is no JSON object.
        """
        self._held += piece
        while (end := self._held.find(b"\n")) >= 0:
            text = bytes(self._held[:end])
            del self._held[: end + 1]
            yield _document(text)
        if len(self._held) > self._longest:
            raise ImporterError("the importer's worker sent a line without an end")


def _document(text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ImporterError("the importer's worker sent something else than JSON") from error
    if not isinstance(document, dict):
        raise ImporterError("the importer's worker sent something else than a JSON object")
    return document
