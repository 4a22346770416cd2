"""Documentation pages as scripts: every console block is a step, and comments before it say how it is run.

::

    <!-- on: MACHINE -->                 the folder that stands for the machine; holds until the next one
    <!-- keeps running: NAME -->         the next block's command stays up
    <!-- not run: REASON -->             the next block is only for people
    <!-- carry: FROM TO -->              a file is handed over between machines (FROM may hold a *)
    <!-- data: FILE [FILE ...] -->       files of generated patients appear
    <!-- wait: WHAT -->                  what must have happened before the next block
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Step", "steps"]

_COMMENT = re.compile(r"^<!-- ([a-z ]+)(?:: (.*?))? -->$")
_DONE_AT_ONCE = {"carry", "data", "wait"}
_DIRECTIVES = {"on", "keeps running", "not run"} | _DONE_AT_ONCE
_OPEN = ("```console", "```sh", "```bash", "```shell")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: `verb` is run, start, carry, data or wait; `line` is where it stands in the page."""

    verb: str
    text: str
    machine: str
    line: int


def steps(page: Path) -> Iterator[Step]:
    """The steps of a page, in order.

    Raises:
        ValueError: a block is neither run nor excused, or a comment that looks like ours is not.
    """
    said: dict[str, str] = {}
    lines = iter(enumerate(page.read_text().splitlines(), start=1))
    for number, text in lines:
        if found := _COMMENT.match(text.strip()):
            word, rest = found.group(1), found.group(2) or "without a reason"
            if word not in _DIRECTIVES:
                raise ValueError(f"{page.name}:{number}: unknown comment {word!r}")
            if word in _DONE_AT_ONCE:
                yield Step(word, rest, said.get("on", ""), number)
            else:
                said[word] = rest
        elif text.startswith(_OPEN):
            verb = "start" if "keeps running" in said else "run"
            block = [Step(verb, command, said.get("on", ""), at) for at, command in _commands(lines)]
            if not block:
                raise ValueError(f"{page.name}:{number}: a console block without a line that begins with $")
            if "not run" not in said:
                yield from block
            said = {"on": said.get("on", "")}


def _commands(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    for number, text in lines:
        if text.startswith("```"):
            return
        if text.startswith("$ "):
            yield number, text[2:].split("   #")[0].strip()
