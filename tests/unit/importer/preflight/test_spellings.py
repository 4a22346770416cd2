"""What an unknown spelling means, where it means one thing only."""

from __future__ import annotations

import pytest

from fedward_client.importer.preflight.spellings import MISSING, guess_spelling, stands_for_missing

SEX = {"female": "female", "male": "male"}
PAIN = {"1": "1", "2": "2", "3": "3", "4": "4"}
SMOKING = {"no": "no", "yes": "yes", "never": "no", "current": "yes"}
STAGE = {"stage one": "stage one", "stage two": "stage two"}


@pytest.mark.parametrize(
    ("text", "known", "value", "strong"),
    [
        ("FEMALE", SEX, "female", True),
        (" Male ", SEX, "male", True),
        ("F", SEX, "female", True),
        ("w", SEX, "female", True),
        ("Weiblich", SEX, "female", True),
        ("MÄNNLICH", SEX, "male", True),
        ("homme", SEX, "male", True),
        ("fema", SEX, "female", False),
        ("femal", SEX, "female", False),
        ("unbekannt", SEX, MISSING, True),
        ("?", SEX, MISSING, True),
        ("", SEX, MISSING, True),
        ("01", PAIN, "1", True),
        ("3 - non-anginal", PAIN, "3", False),
        ("Y", SMOKING, "yes", True),
        ("Nein", SMOKING, "no", True),
        ("CURRENT", SMOKING, "yes", True),
        ("stagetwo", STAGE, "stage two", False),
        ("Training", {"train": "train", "test": "test"}, "train", True),
        ("holdout", {"train": "train", "test": "test"}, "test", True),
    ],
)
def test_a_spelling_is_guessed(text: str, known: dict[str, str], value: str, strong: bool) -> None:
    guess = guess_spelling(text, known)

    assert guess is not None
    assert (guess.value, guess.strong) == (value, strong)


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("divers", SEX),
        ("x", SEX),
        ("5", PAIN),
        ("stage", STAGE),
        ("f", {"female": "female", "false": "false"}),
        ("12", PAIN),
    ],
)
def test_what_could_be_several_things_or_none_is_left_to_a_person(text: str, known: dict[str, str]) -> None:
    assert guess_spelling(text, known) is None


@pytest.mark.parametrize("text", ["NA", "n/a", "-", "NULL", "k.A.", "Not recorded", "."])
def test_ways_to_say_not_known_are_a_closed_list(text: str) -> None:
    assert stands_for_missing(text)


@pytest.mark.parametrize("text", ["Miller", "0", "12", "negative", "- -3", ":", "!!!"])
def test_values_are_not_on_it(text: str) -> None:
    assert not stands_for_missing(text)
