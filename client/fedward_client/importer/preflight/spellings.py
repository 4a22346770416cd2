"""What an unknown spelling of a category probably means, and which spellings a person may be shown.

Which may be shown is decided where they are counted (`category_sketch`); here they are only compared with the allowed
values: the same but for case, accents and punctuation; a leading zero; a well-known word for the same thing (`w` and
`weiblich` for `female`); the value's beginning, or nearly the same letters. Only the first three are strong evidence.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["CODES", "MISSING", "SpellingGuess", "guess_spelling", "stands_for_missing"]

MISSING = ""
"""What a guess says instead of an allowed value where a spelling stands for "not known"."""

_GROUPS = (
    {"female", "f", "fem", "w", "weiblich", "frau", "woman", "women", "femme", "feminin", "femenino", "mujer", "donna",
     "femmina", "vrouw", "kvinna", "kvinne", "kobieta", "k", "girl"},
    {"male", "m", "man", "men", "mann", "männlich", "maennlich", "homme", "masculin", "masculino", "hombre", "uomo",
     "maschio", "herr", "mężczyzna", "boy"},
    {"yes", "y", "ja", "j", "oui", "o", "si", "true", "t", "wahr", "1", "positive", "positiv", "pos", "present", "tak"},
    {"no", "n", "nein", "non", "nee", "false", "f", "falsch", "0", "negative", "negativ", "neg", "absent", "nie"},
    {"train", "training", "development", "derivation"},
    {"test", "testing", "holdout", "held out", "hold out"},
)  # fmt: skip
_UNKNOWN = frozenset({
    "na", "n a", "nan", "null", "none", "missing", "unknown", "unk", "unbekannt", "inconnu", "desconocido",
    "not known", "not recorded", "not available", "not documented", "ka", "k a", "keine angabe", "ohne angabe",
    "non renseigne", "nd",
})  # fmt: skip
_SIGNS = frozenset({"-", "--", ".", "..", "?", "*", "/", "\\N"})
CODES = (-1, -2, -7, -8, -9, -99, -999, -9999, -99999, 99, 999, 9999, 99999, 88, 888, 8888, 77, 777, 7777, 0)
"""Numbers that exports write for "not measured"."""
_ALIKE = 0.85
_SHORTEST = 3
_WORDS = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class SpellingGuess:
    """`value` is one of the allowed ones, or `MISSING`."""

    value: str
    strong: bool


def guess_spelling(text: str, known: Mapping[str, str]) -> SpellingGuess | None:
    """What `text` most probably stands for; None where nothing, or more than one thing, is close.

    `known` has every spelling that the contract allows, and what each stands for.
    """
    plain = _plain(text)
    spelt = [(_plain(spelling), value) for spelling, value in known.items()]
    for same, strong in ((_equal, True), (_same_number, True), (_same_word, True), (_begins, False), (_alike, False)):
        found = {value for spelling, value in spelt if same(plain, spelling)}
        if len(found) == 1:
            return SpellingGuess(found.pop(), strong)
        if found:
            return None
    return SpellingGuess(MISSING, strong=True) if stands_for_missing(text) else None


def stands_for_missing(text: str) -> bool:
    """Whether a text is one of a closed list of ways to say "not known", so that it is no patient's value."""
    return text == "" or text in _SIGNS or _plain(text) in _UNKNOWN


def _plain(text: str) -> str:
    """Small letters without accents, words one blank apart."""
    bare = "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))
    return _WORDS.sub(" ", bare.casefold()).strip()


def _equal(text: str, spelling: str) -> bool:
    return bool(text) and text == spelling


def _same_number(text: str, spelling: str) -> bool:
    return text.isdecimal() and spelling.isdecimal() and int(text) == int(spelling)


def _same_word(text: str, spelling: str) -> bool:
    return any(text in group and spelling in group for group in _PLAIN_GROUPS)


def _begins(text: str, spelling: str) -> bool:
    """One begins with the other, or with the other's code: `2` and `2 - atypical`, `fem` and `female`."""
    if not text or not spelling:
        return False
    if spelling.isdecimal() or text.isdecimal():
        return text.partition(" ")[0] == spelling.partition(" ")[0]
    return min(len(text), len(spelling)) >= _SHORTEST and (text.startswith(spelling) or spelling.startswith(text))


def _alike(text: str, spelling: str) -> bool:
    longest = max(len(text), len(spelling))
    return longest > _SHORTEST and difflib.SequenceMatcher(None, text, spelling).ratio() >= _ALIKE


_PLAIN_GROUPS = tuple(frozenset(map(_plain, group)) for group in _GROUPS)
