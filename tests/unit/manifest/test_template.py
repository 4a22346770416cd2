"""Templates: what is only shown, as a comment, is right too."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from fedward_shared.errors import StudyFileError
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.template import KINDS, template

SHOWN = re.compile(r"# (\[|[a-z_]+ = )")


def _shown() -> Iterator[tuple[str, int]]:
    """Each commented key or header of each template, by kind and line."""
    for kind in KINDS:
        for number, line in enumerate(template(kind).split("\n")):
            if SHOWN.match(line):
                yield kind, number


def _problems(text: str) -> tuple[str, ...]:
    try:
        load(text.encode())
    except StudyFileError as error:
        return error.problems
    return ()


@pytest.mark.parametrize(("kind", "number"), list(_shown()))
def test_what_is_commented_is_a_key_where_it_stands(kind: str, number: int) -> None:
    rows = template(kind).split("\n")
    first = number
    while SHOWN.match(rows[first - 1]) and not rows[first].startswith("# ["):
        first -= 1
    last = number
    if rows[first].startswith("# ["):
        while SHOWN.match(rows[last + 1]):
            last += 1
    for at in range(first if rows[first].startswith("# [") else number, last + 1):
        rows[at] = rows[at].removeprefix("# ")

    assert not [problem for problem in _problems("\n".join(rows)) if "known" in problem or "; must be" in problem]


def test_a_table_with_all_that_belongs_together_is_right() -> None:
    text = template("table")
    for line in (
        "time_zero",
        "encounter",
        "reference",
        "higher_in",
        "synonyms",
        "outside",
        "codes = [",
        "window",
        "pick",
    ):
        text = text.replace(f"# {line}", line)
    for line in ("[[data.include]]", 'column = "age"', "range = [18, 90]", "[training.augment]", "copies", "noise"):
        text = text.replace(f"# {line}", line)

    assert _problems(text) == ()


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        ("images", ("[training.augment]", "copies", "flip", "rotate", "shift", "intensity", "noise", "window = [-600")),
        ("series", ("[training.augment]", "copies", "intensity", "noise", "time", "encounter")),
        ("signals", ("[training.augment]", "copies", "shift", "intensity", "drop", "noise", "reference")),
        ("text", ("[training.augment]", "copies", "noise", "reference")),
    ],
)
def test_other_templates_with_all_that_belongs_together_are_right(kind: str, lines: tuple[str, ...]) -> None:
    text = template(kind)
    for line in lines:
        assert f"\n# {line}" in text
        text = text.replace(f"\n# {line}", f"\n{line}", 1)

    assert _problems(text) == ()
