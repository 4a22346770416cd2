"""Where keys stand, whatever the style of the TOML around them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

import pytest

from fedward_shared.manifest.lines import TooDeepError, scan
from fedward_shared.manifest.template import KINDS, template
from tests.support.samples import TWO_SITES

TRICKY = '''\
# [not.a.table]
top = "# not a comment" # a comment = 1

[a."quoted.part".'literal']  # after
text = """
[not.a.table]
key = "no" \\"""
still text""""
other = \'\'\'
x = 1\'\'\'
list = [
  "]", # ] in a comment
  [1, 2], { b = "}" },
]
dotted.key . inner = 1
"escaped\\u0041" = 2
date = 2024-01-01T00:00:00Z

[[many]]
x = 1.5
[[many]]
x = 2
'''


def test_each_key_has_the_line_it_begins_on() -> None:
    lines = scan(TRICKY)

    table = ("a", "quoted.part", "literal")
    assert tomllib.loads(TRICKY)["a"]["quoted.part"]["literal"]["escapedA"] == 2
    assert lines.keys == {
        ("top",): 2,
        (*table, "text"): 5,
        (*table, "other"): 9,
        (*table, "list"): 11,
        (*table, "dotted", "key", "inner"): 15,
        (*table, "escapedA"): 16,
        (*table, "date"): 17,
        ("many", "#1", "x"): 20,
        ("many", "#2", "x"): 22,
    }
    assert lines.tables == {table: 4, ("many",): 19, ("many", "#1"): 19, ("many", "#2"): 21}
    assert lines.twice == []
    assert lines.headers == [(4, table), (19, ("many",)), (21, ("many",))]


def test_a_key_without_a_line_of_its_own_has_that_of_the_table_around_it() -> None:
    lines = scan("[a]\n[a.b]\nc = { d = 1 }\n")

    assert lines.of(("a", "b", "c", "d")) == 3
    assert lines.of(("a", "b", "x")) == 2
    assert lines.of(("x",)) is None


@pytest.mark.parametrize("text", [TWO_SITES, *(template(kind) for kind in KINDS), TWO_SITES.replace("\n", "\r\n")])
def test_every_key_of_a_real_study_is_found(text: str) -> None:
    lines = scan(text)

    assert set(_leaves(tomllib.loads(text))) == set(lines.keys)
    rows = text.replace("\r\n", "\n").split("\n")
    assert all(rows[line - 1].startswith(path[-1]) for path, line in lines.keys.items())


def test_what_is_given_twice_is_noticed() -> None:
    assert scan("a = 1\nb = 2\na = 3\n").twice == [(("a",), 1, 3)]
    assert scan("[t]\n[u]\n[t]\n").twice == [(("t",), 1, 3)]
    assert scan("[t]\na = 1\n[u]\na = 1\n").twice == []


@pytest.mark.parametrize(
    "text",
    [".".join(["a"] * 100) + " = 1", "[" + ".".join(["a"] * 100) + "]", "a = " + "[" * 100, "a = {" + "b." * 100],
)
def test_deep_nesting_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(TooDeepError) as failure:
        scan(f"\n\n{text}\n")

    assert failure.value.line == 3


@pytest.mark.parametrize(
    "text", ["", "=", "[", "[[", "a", "a =", 'a = "', "a = '''", "]", "\0", '"', "a.", "[a", "[a]]"]
)
def test_broken_text_ends_the_scan_quietly(text: str) -> None:
    assert scan(f"ok = 1\n{text}").keys[("ok",)] == 1


def _leaves(values: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for key, value in values.items():
        found += _leaves(value, (*prefix, key)) if isinstance(value, Mapping) else [(*prefix, key)]
    return found
