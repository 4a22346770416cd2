"""Study files under arbitrary changes: nothing but StudyFileError, and publishing loses nothing."""

from __future__ import annotations

import contextlib
import json
import os
import tomllib
from dataclasses import replace
from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from fedward_shared.contracts.study import Study
from fedward_shared.errors import StudyFileError
from fedward_shared.manifest.contract import contract_digest
from fedward_shared.manifest.lines import TooDeepError, scan
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.resolve import check_resolved, published
from fedward_shared.manifest.template import KINDS, template
from tests.support.rich_study import RICH
from tests.support.samples import TWO_SITES

EXAMPLES = 1000 if os.environ.get("FEDWARD_LONG") else 100

TEXTS = (TWO_SITES, RICH, *(template(kind) for kind in KINDS))
KEYS = sorted({path for text in TEXTS for path in scan(text).keys if path[-2] != "options" and len(path[-1]) > 5})
PIECES = st.sampled_from(
    [
        "=",
        "[",
        "]",
        "[[",
        "{",
        "}",
        '"',
        "'",
        '"""',
        "#",
        "\n",
        "\r",
        ",",
        ".",
        "-",
        "nan",
        "inf",
        "1e999",
        "\0",
        "é",
        "\\",
    ]
)
VALUES = st.one_of(
    st.integers(-(10**400), 10**400),
    st.floats(),
    st.booleans(),
    st.text(max_size=20),
    st.lists(st.one_of(st.integers(), st.text(max_size=5), st.lists(st.integers(), max_size=3)), max_size=4),
    st.dictionaries(st.text(min_size=1, max_size=5), st.integers(), max_size=3),
    st.dates(),
    st.datetimes(),
)


def _load(text: str | bytes) -> Study | None:
    try:
        return load(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    except StudyFileError as error:
        told = error.diagnostics()
        assert told.replace("\n", "").isprintable(), told
        return None


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    text=st.sampled_from(TEXTS),
    at=st.floats(0, 1),
    cut=st.integers(0, 30),
    piece=st.one_of(PIECES, st.text(max_size=8)),
)
def test_any_splice_is_read_or_told(text: str, at: float, cut: int, piece: str) -> None:
    start = int(at * len(text))

    _load(text[:start] + piece + text[start + cut :])


@settings(max_examples=EXAMPLES, deadline=None)
@given(content=st.binary(max_size=300))
def test_any_bytes_are_told(content: bytes) -> None:
    assert _load(content) is None


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=st.sampled_from(TEXTS), data=st.data())
def test_any_value_in_any_place_is_read_or_told(text: str, data: st.DataObject) -> None:
    lines = scan(text)
    path = data.draw(st.sampled_from(sorted(lines.keys)))
    rows = text.split("\n")
    rows[lines.keys[path] - 1] = f"{path[-1]} = {_toml(data.draw(VALUES))}"

    _load("\n".join(rows))


def _problems(text: str) -> tuple[str, ...]:
    try:
        load(text.encode())
    except StudyFileError as error:
        return error.problems
    return ()


def _toml(value: object) -> str:
    """A value as TOML; close enough is good enough, because what is not TOML must be told, too."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, date):
        return value.isoformat()
    return json.dumps(value).replace("NaN", "nan").replace("Infinity", "inf")


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=st.sampled_from(TEXTS), data=st.data())
def test_a_key_taken_out_is_either_optional_or_named(text: str, data: st.DataObject) -> None:
    lines = scan(text)
    path = data.draw(st.sampled_from(sorted(lines.keys)))
    rows = text.split("\n")
    rows.pop(lines.keys[path] - 1)

    problems = _problems("\n".join(rows))

    derived = f"as [{'.'.join(path[:2])}] says"
    assert not problems or any(path[-1] in problem or derived in problem for problem in problems)


@settings(max_examples=EXAMPLES, deadline=None)
@given(path=st.sampled_from(KEYS), data=st.data())
def test_a_misspelt_key_is_named_with_the_right_one(path: tuple[str, ...], data: st.DataObject) -> None:
    key = path[-1]
    at = data.draw(st.integers(1, len(key) - 1))
    wrong = key[:at] + key[at + 1 :]
    text = next(one for one in TEXTS if path in scan(one).keys)
    rows = text.split("\n")
    line = scan(text).keys[path] - 1
    rows[line] = rows[line].replace(key, wrong, 1)

    told = f"{wrong} (line {line + 1}): is not known here; did you mean {key}?"
    assert any(told in problem for problem in _problems("\n".join(rows)))


numbers = st.floats(0.05, 50.0).map(lambda value: round(value, 6))


@settings(max_examples=max(10, EXAMPLES // 10), deadline=None)
@given(
    noise=numbers,
    clip=numbers,
    rate=st.sampled_from([1.0, 0.75, 0.1]),
    size=st.integers(1, 10**6),
    steps=st.integers(1, 9),
    momentum=st.floats(0.0, 0.99),
    comment=st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=40),
)
def test_published_and_read_back_says_the_same(
    *, noise: float, clip: float, rate: float, size: int, steps: int, momentum: float, comment: str
) -> None:
    text = f"# {comment}\n{TWO_SITES}"
    for old, new in (
        ("target_epsilon = 3.0", f"noise_multiplier = {noise!r}"),
        ("clip_norm = 1.0", f"clip_norm = {clip!r}"),
        ("sampling_rate = 1.0", f"sampling_rate = {rate!r}"),
        ("size = 150", f"size = {size}"),
        ("local_steps = 2", f"local_steps = {steps}"),
        ("momentum = 0.0", f"momentum = {momentum!r}"),
    ):
        text = text.replace(old, new, 1)
    draft = load(text.encode())

    content = published(text.encode())
    study = load(content)

    assert content.decode().startswith(text.rstrip())
    assert replace(study, resolved=None) == draft
    assert contract_digest(study.data) == contract_digest(draft.data)
    assert published(content) == content
    check_resolved(study)


@settings(max_examples=EXAMPLES, deadline=None)
@given(content=st.text(st.sampled_from("ab.= []{}\"'#\n\\01,"), max_size=60))
def test_the_scanner_finds_exactly_the_keys_of_valid_toml(content: str) -> None:
    try:
        values = tomllib.loads(content)
    except ValueError:
        with contextlib.suppress(TooDeepError):
            scan(content)
        return

    assert {path[0] for path in (*scan(content).keys, *scan(content).tables)} == set(values)
