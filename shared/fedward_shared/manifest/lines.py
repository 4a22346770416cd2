"""Where each key of a TOML text stands, and a guard against texts that are cheap to send and dear to parse.

`tomllib` gives values but no lines, and its time grows with the square of a key's depth, so this scanner runs
first. On valid TOML it is exact; on anything else it stops, and `tomllib` says what is wrong.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field

__all__ = ["Lines", "TooDeepError", "scan"]

_DEEPEST = 16
_BASIC = r'"(?:[^"\\\n]|\\.)*+"'
_LITERAL = r"'[^'\n]*+'"
_LONG_BASIC = r'"""(?:[^\\"]++|\\(?s:.)|"(?!""))*+"""(?:"{0,2})'
_LONG_LITERAL = r"'''(?:[^']++|'(?!''))*+'''(?:'{0,2})"
_BLANK = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*+")
_KEY_PART = re.compile(rf"[ \t]*+([A-Za-z0-9_-]++|{_BASIC}|{_LITERAL})[ \t]*+")
_STRING = re.compile(rf"{_LONG_BASIC}|{_LONG_LITERAL}|{_BASIC}|{_LITERAL}")
_PLAIN = re.compile(r"[^\"'\[\]{},=.#\n]++")
_COMMENT = re.compile(r"#[^\n]*+")

Path = tuple[str, ...]


class TooDeepError(Exception):
    """A key or a value is nested deeper than any study needs; `line` says where."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line}")
        self.line = line


@dataclass(slots=True)
class Lines:
    """Line numbers, counted from 1. `twice` lists what is given a second time: path, first line, second line.

    The keys of the n-th table of a list (`[[data.include]]`) stand below a part "#n", counted from 1.
    """

    keys: dict[Path, int] = field(default_factory=dict)
    tables: dict[Path, int] = field(default_factory=dict)
    headers: list[tuple[int, Path]] = field(default_factory=list)
    twice: list[tuple[Path, int, int]] = field(default_factory=list)

    def of(self, path: Path) -> int | None:
        """The line of a key or table, or of the nearest table around it that has one."""
        for length in range(len(path), 0, -1):
            line = self.keys.get(path[:length]) or self.tables.get(path[:length])
            if line:
                return line
        return None

    def note(self, path: Path, line: int, *, table: bool) -> None:
        """Remembers where a path stands."""
        known = self.tables if table else self.keys
        if path in known:
            self.twice.append((path, known[path], line))
            return
        known[path] = line


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.lines = Lines()
        self.lists: dict[Path, int] = {}

    def run(self) -> Lines:
        prefix: Path = ()
        while True:
            self._pass(_BLANK)
            if self.at >= len(self.text):
                return self.lines
            start = self.line
            if self.text[self.at] == "[":
                header = self._header(start)
                if header is None:
                    return self.lines
                prefix = header
            else:
                key = self._key()
                if key is None or not self._skip("="):
                    return self.lines
                self.lines.note((*prefix, *key), start, table=False)
                if not self._value():
                    return self.lines

    def _pass(self, pattern: re.Pattern[str]) -> bool:
        match = pattern.match(self.text, self.at)
        if match is None:
            return False
        self.line += self.text.count("\n", self.at, match.end())
        self.at = match.end()
        return True

    def _skip(self, sign: str) -> bool:
        if not self.text.startswith(sign, self.at):
            return False
        self.at += len(sign)
        return True

    def _header(self, line: int) -> Path | None:
        several = self._skip("[[")
        if not several:
            self._skip("[")
        path = self._key()
        if path is None or not self._skip("]]" if several else "]"):
            return None
        self.lines.headers.append((line, path))
        if several:
            path = (*self._numbered(path[:-1]), path[-1])
            self.lines.tables.setdefault(path, line)
            self.lists[path] = self.lists.get(path, 0) + 1
            path = (*path, f"#{self.lists[path]}")
        else:
            path = self._numbered(path)
        self.lines.note(path, line, table=True)
        return path

    def _numbered(self, path: Path) -> Path:
        """A header's path, with the number of its current table after each part that is a list of tables."""
        full: Path = ()
        for part in path:
            full = (*full, part)
            if full in self.lists:
                full = (*full, f"#{self.lists[full]}")
        return full

    def _key(self) -> Path | None:
        parts: list[str] = []
        while True:
            match = _KEY_PART.match(self.text, self.at)
            if match is None:
                return None
            self.at = match.end()
            parts.append(_plain(match.group(1)))
            if len(parts) > _DEEPEST:
                raise TooDeepError(self.line)
            if not self._skip("."):
                return tuple(parts)

    def _value(self) -> bool:
        """Passes one value, up to the end of its line; False where it does not end properly."""
        depth = dots = 0
        while self.at < len(self.text):
            sign = self.text[self.at]
            if sign == "\n" and depth == 0:
                return True
            if sign in "\"'":
                if not self._pass(_STRING):
                    return False
                continue
            if sign == "#":
                self._pass(_COMMENT)
                continue
            if self._pass(_PLAIN):
                continue
            depth += (sign in "[{") - (sign in "]}")
            dots = dots + 1 if sign == "." else 0
            if max(depth, dots) > _DEEPEST:
                raise TooDeepError(self.line)
            self.line += sign == "\n"
            self.at += 1
        return True


def _plain(part: str) -> str:
    if part[0] == "'":
        return part[1:-1]
    if part[0] != '"':
        return part
    if "\\" not in part:
        return part[1:-1]
    try:
        return str(tomllib.loads(f"key = {part}")["key"])
    except ValueError:
        return part


def scan(text: str) -> Lines:
    """Finds the lines of all keys and tables.

    Raises:
        TooDeepError: something is nested deeper than 16 levels.
    """
    return _Scanner(text.replace("\r\n", "\n")).run()
