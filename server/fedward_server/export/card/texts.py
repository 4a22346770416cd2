"""The card for each reader: a page for people, Markdown for repositories, JSON for programs, lines for a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from fedward_server.export.card.card import Card
from fedward_server.export.card.sections import Note, Section, Table, Warned, sections
from fedward_shared.drawing.page import Page
from fedward_shared.errors import UsageError

__all__ = ["as_html", "as_json", "as_markdown", "as_text", "from_json"]

_SPECIAL = frozenset("\\`*_{}[]<>#|~")


def as_json(card: Card) -> str:
    """card.json: every fact under its name."""
    return json.dumps(asdict(card), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(content: bytes) -> Card:
    """The card that `as_json` wrote.

    Raises:
        UsageError: it is none, or one of another version.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(Card).validate_json(content, strict=True, extra="forbid")
    except (ValidationError, ValueError) as error:
        raise UsageError(
            "card.json was written by another version of fedward", hint="Read card.md or card.html instead."
        ) from error


def as_html(card: Card) -> str:
    """card.html: one page that loads nothing from anywhere."""
    page = Page(f"Model card: {card.identity.title}", f"Study {card.identity.name}, {card.identity.study}")
    for section in sections(card):
        page.heading(section.title)
        for part in section.parts:
            match part:
                case Table(header, rows):
                    page.table(header, rows, kind="prose")
                case Warned(text):
                    page.box(text)
                case Note(text):
                    page.text(text)
    return page.render()


def as_markdown(card: Card) -> str:
    """card.md. Whatever people declared stands there as text: no character in it is markup."""
    lines = [f"# Model card: {_plain(card.identity.title)}", ""]
    for section in sections(card):
        lines += [f"## {section.title}", "", *_markdown(section)]
    return "\n".join(lines)


def as_text(card: Card) -> str:
    """Lines for a terminal, without control characters."""
    lines = [_printable(card.identity.title), f"study {card.identity.name}, {card.identity.study}"]
    for section in sections(card):
        lines += ["", section.title.upper(), *_lines(section)]
    return "\n".join(lines) + "\n"


def _markdown(section: Section) -> Iterator[str]:
    for part in section.parts:
        match part:
            case Table(header, rows):
                yield f"| {' | '.join(map(_plain, header))} |"
                yield f"|{' --- |' * len(header)}"
                yield from (f"| {' | '.join(map(_plain, row))} |" for row in rows)
            case Warned(text):
                yield f"> **{_plain(text)}**"
            case Note(text):
                yield _plain(text)
        yield ""


def _lines(section: Section) -> Iterator[str]:
    for part in section.parts:
        match part:
            case Table(header, rows):
                yield from _columns(rows if not any(header) else (header, *rows))
            case Warned(text):
                yield f"  ! {_printable(text)}"
            case Note(text):
                yield f"  {_printable(text)}"


def _columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    cells = [[_printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[at]) for row in cells) for at in range(len(cells[0]))] if cells else []
    for row in cells:
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield f"  {'   '.join(padded)}".rstrip()


def _plain(text: str) -> str:
    """Text without line ends, in which no character means anything to Markdown or HTML."""
    return "".join(f"\\{sign}" if sign in _SPECIAL else sign for sign in _printable(text).replace("&", "&amp;"))


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text)
