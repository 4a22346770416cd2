"""A study file as a weapon: against the parser's time and memory, the reader's eyes, and the promise that it makes."""

from __future__ import annotations

import pytest

from fedward_shared.contracts.study import LARGEST_MANIFEST
from fedward_shared.crypto.keys import new_signing_key, public_bytes
from fedward_shared.crypto.signing import Purpose, sign, verify
from fedward_shared.errors import SignatureError, StudyFileError
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.resolve import check_resolved, published
from tests.support.samples import TWO_SITES

BOMBS = {
    "a key of many parts": "a." * 300_000 + "a = 1",
    "a table of many parts": "[" + "a." * 300_000 + "a]",
    "a key of many parts inside a value": "x = {" + "a." * 300_000 + "a = 1}",
    "lists in lists": "x = " + "[" * 400_000,
    "lists in lists, closed": "x = " + "[" * 400_000 + "]" * 400_000,
    "tables in tables": "x = " + "{a = " * 100_000,
    "a number without end": "x = " + "9" * 900_000,
    "a fraction without end": "x = 0." + "9" * 900_000,
    "an exponent without end": "x = 1e" + "9" * 900_000,
    "an open text": 'x = """' + "a" * 900_000,
    "many quotes": "x = " + '"' * 900_000,
    "many backslashes": 'x = "' + "\\" * 900_000,
    "many tables": "\n".join(f"[t{number}]" for number in range(60_000)),
    "many keys": "\n".join(f"k{number} = 1" for number in range(60_000)),
    "many keys in one table": "[privacy]\n" + "\n".join(f"k{number} = 1" for number in range(60_000)),
    "many sites": "\n".join(f"[sites.s{number}]" for number in range(40_000)),
    "many columns": "\n".join(f"[data.columns.c{number}]" for number in range(30_000)),
    "one key many times": "x = 1\n" * 100_000,
    "one table many times": "[x]\n" * 100_000,
    "only line ends": "\n" * 900_000,
    "only a comment": "#" * 900_000,
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_a_text_made_to_be_dear_to_parse_is_refused(bomb: str) -> None:
    assert len(bomb) <= LARGEST_MANIFEST

    with pytest.raises(StudyFileError) as failure:
        load(bomb.encode())

    assert len(failure.value.diagnostics()) < 50_000


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Coronary heart disease from routine findings", "Harmless\\u001b[2J\\u001b[H"),
        ("trial-office@example.org", "office\\u202egro.elpmaxe"),
        ("Find out whether", "Find out\\u0000 whether"),
        ("Find out whether", "Find out\\r whether"),
        ("Coronary heart", "Coronary\\nheart"),
        ('unit = "years"', 'unit = "years\\u200b"'),
        ('names = ["no disease", "disease"]', 'names = ["no disease", "no disease\\u200d"]'),
        ("[data.columns.age]", '[data.columns."age\\u200b"]'),
    ],
)
def test_nothing_invisible_reaches_the_eyes_of_who_approves(old: str, new: str) -> None:
    assert old in TWO_SITES

    with pytest.raises(StudyFileError):
        load(TWO_SITES.replace(old, new, 1).encode())


def test_a_study_cannot_claim_less_epsilon_than_its_noise_costs() -> None:
    honest = published(TWO_SITES.replace("target_epsilon = 3.0", "noise_multiplier = 0.5").encode()).decode()
    rows = ["epsilon = 0.5" if row.startswith("epsilon = ") else row for row in honest.splitlines()]

    with pytest.raises(StudyFileError, match="does not follow"):
        check_resolved(load("\n".join(rows).encode()))


def test_a_study_cannot_hide_that_it_has_no_privacy() -> None:
    honest = published(TWO_SITES.encode()).decode()
    rows = ["noise_multiplier = 0.0" if row.startswith("noise_multiplier") else row for row in honest.splitlines()]

    with pytest.raises(StudyFileError) as failure:
        load("\n".join(rows).encode())

    assert "asks for privacy" in failure.value.problems[0]


def test_a_second_privacy_table_cannot_shadow_the_first() -> None:
    with pytest.raises(StudyFileError, match="mistake"):
        load(f"{TWO_SITES}\n[privacy]\nunsafe_no_privacy = true\n".encode())


@pytest.mark.parametrize("at", range(0, 3000, 211))
def test_one_changed_byte_ends_the_signature(at: int) -> None:
    key, manifest = new_signing_key(), published(TWO_SITES.encode())
    signature = sign(key, Purpose.STUDY, manifest)
    changed = bytearray(manifest)
    changed[at % len(manifest)] ^= 1

    verify(public_bytes(key), Purpose.STUDY, manifest, signature)
    with pytest.raises(SignatureError):
        verify(public_bytes(key), Purpose.STUDY, bytes(changed), signature)
