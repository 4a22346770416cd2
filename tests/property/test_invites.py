"""Invites: what is written is read, in one spelling only, and nothing that was changed on the way is."""

import os
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fedward_shared.crypto import certificates
from fedward_shared.crypto.invite import MAX_INVITE_BYTES, Invite, parse_invite
from fedward_shared.errors import UsageError

EXAMPLES = 1000 if os.environ.get("FEDWARD_LONG") else 100
AUTHORITY = certificates.to_der(certificates.make_ca("x", datetime(2026, 11, 22, tzinfo=UTC)).certificate)
KEYS = st.binary(min_size=32, max_size=32)
NAMES = st.text(min_size=1, max_size=100).filter(lambda name: name.isprintable() and name == name.strip())
HOSTS = st.sampled_from(["hub.example.org", "localhost", "192.0.2.7", "2001:db8::7", "a"])
INVITES = st.builds(
    Invite,
    coordinator=NAMES,
    site=st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True),
    host=HOSTS,
    enrolment_port=st.integers(1, 65535),
    link_port=st.integers(1, 65535),
    expires=st.integers(1, 253402300799),
    token=KEYS,
    study_key=KEYS,
    authority=st.just(AUTHORITY),
)
ONE = Invite("Verbund", "north", "localhost", 7444, 7443, 1_800_000_000, b"t" * 32, b"k" * 32, AUTHORITY)
LINES = ONE.text().splitlines()


@settings(max_examples=EXAMPLES)
@given(INVITES)
def test_what_is_written_is_read(invite: Invite) -> None:
    assert parse_invite(invite.text()) == invite


@settings(max_examples=EXAMPLES)
@given(INVITES, st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "  ", "\t"]))
def test_mail_may_indent_it_and_change_its_line_ends(invite: Invite, end: str, indent: str) -> None:
    lines = ["Dear colleague,", "", *(indent + line + indent for line in invite.text().splitlines()), "", "Yours"]
    assert parse_invite(end.join(lines)) == invite


@settings(max_examples=EXAMPLES)
@given(st.integers(0, len(ONE.text()) - 1), st.characters(codec="ascii", exclude_categories=["Zs", "Cc"]))
def test_one_changed_character_is_refused(place: int, character: str) -> None:
    text = ONE.text()
    assume(text[place] not in {character, "\n"})
    with pytest.raises(UsageError):
        parse_invite(text[:place] + character + text[place + 1 :])


@settings(max_examples=EXAMPLES)
@given(st.permutations(range(len(LINES))))
def test_lines_in_another_order_are_refused(order: list[int]) -> None:
    assume([LINES[place] for place in order] != LINES)
    with pytest.raises(UsageError):
        parse_invite("\n".join(LINES[place] for place in order))


@pytest.mark.parametrize("line", range(len(LINES)))
def test_a_missing_or_doubled_line_is_refused(line: int) -> None:
    for lines in (LINES[:line] + LINES[line + 1 :], LINES[: line + 1] + LINES[line:]):
        with pytest.raises(UsageError):
            parse_invite("\n".join(lines))


@settings(max_examples=EXAMPLES)
@given(st.text(max_size=300))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_invite(text)


def test_an_oversized_text_is_refused() -> None:
    with pytest.raises(UsageError, match="too long"):
        parse_invite(ONE.text() + "x" * MAX_INVITE_BYTES)


@pytest.mark.parametrize(
    "change",
    [
        {"coordinator": ""},
        {"coordinator": "a\nb"},
        {"coordinator": " a"},
        {"coordinator": "a" * 101},
        {"site": "North"},
        {"site": "a\n"},
        {"host": "a b"},
        {"host": ""},
        {"link_port": 0},
        {"enrolment_port": 65536},
        {"token": b"short"},
        {"study_key": b"k" * 33},
        {"expires": 0},
    ],
    ids=str,
)
def test_no_invite_holds_what_it_must_not(change: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        replace(ONE, **change)  # type: ignore[arg-type]  # one field at a time, of its own type


def test_a_certificate_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError):
        parse_invite(replace(ONE, authority=b"no certificate").text())
