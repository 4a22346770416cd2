"""Reads a unit as people, laboratories and UCUM write it.

    unit    = term { ("·" | "." | "*" | " ") term } { "/" term }
    term    = [number] word [exponent]        as in: mg, 100 mL, m2, min-1, 10*9, x10^9

`{annotations}` are dropped, as UCUM says, and so are brackets around a word (`mm[Hg]`). Case counts where it must (mM
is not mm; G/L may be giga and MU mega) and is forgiven where it cannot be misread (MG/DL). Whatever
else is no known unit.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from fedward_shared.units.vocabulary import PHRASES, SPELLINGS

__all__ = ["Spelt", "spelt", "trimmed"]

_LONGEST = 60
_LARGEST_POWER = 18
_LARGEST_FACTOR = Fraction(10) ** 24
_LARGEST_EXPONENT = 4
_AMBIGUOUS = frozenset({"G/L", "A", "M"})
_AMBIGUOUS_WORDS = frozenset({"MU", "MIU", "Cal"})
_RAISED = re.compile(r"[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_SIGNS = str.maketrans({"−": "-", "–": "-", "·": ".", "⋅": ".", "∙": ".", "×": "x", "μ": "u", "µ": "u"})
_SURFACE = re.compile(r"\{?\s*1[.,]73[ _]?m(?:\^|\*\*)?2\}?")
_THOUSANDS = re.compile(r"(?:k|thou|thousand|thousands|th)/(?=(?:ul|mcl|mm3|mm\^3|cmm|cumm)$)", re.IGNORECASE)
_MILLIONS = re.compile(r"(?:m|mil|mill|million|millions)/(?=(?:ul|mcl|mm3|mm\^3|cmm|cumm)$)", re.IGNORECASE)
_PER = re.compile(r"\s+per\s+|\s*/\s*|^per\s+", re.IGNORECASE)
_POWER = re.compile(r"x?\s?10\s?(?:(?:\*\*|\*|\^|e)\s?|(?=\())\(?([+-]?[0-9]{1,2})\)?", re.IGNORECASE)
_TERM = re.compile(r"(?:([1-9][0-9]{0,4})\s?)?([A-Za-z%‰°][A-Za-z_']*)(?:\(?(?:\*\*|\^)?([+-]?[1-9])\)?)?")
_NUMBER = re.compile(r"1(?![0-9])")
_TIMES = re.compile(r"\s*[.*]\s*|\s+")


@dataclass(frozen=True, slots=True)
class Spelt:
    """A unit, read: a number times powers of pint's units. `moles` tells whether it is an amount for an amount."""

    factor: Fraction
    powers: tuple[tuple[str, int], ...]
    moles: bool

    @property
    def alone(self) -> str:
        """The unit's name where it is just one, to the first power; else empty."""
        return self.powers[0][0] if self.factor == 1 and len(self.powers) == 1 and self.powers[0][1] == 1 else ""


def trimmed(unit: str) -> str:
    """A unit as two spellings of it are compared: blanks around it, and runs of blanks, do not count."""
    return " ".join(unit.split())


@lru_cache(maxsize=4096)
def spelt(unit: str) -> Spelt | None:
    """Reads a unit; None for one that is not known ("" included: no unit is not the number 1)."""
    text = _plain(unit)
    if not text or len(text) > _LONGEST or text in _AMBIGUOUS:
        return None
    numerator, *denominators = _PER.split(text)
    above = _terms(numerator) if numerator else []
    below = [_terms(part) for part in denominators]
    if above is None or any(terms is None or sum(bool(term.word) for term in terms) > 1 for terms in below):
        return None
    terms = [*above, *(term.turned() for terms in below if terms for term in terms)]
    factor, powers = Fraction(1), dict[str, int]()
    for term in terms:
        factor *= term.number
        powers[term.word] = powers.get(term.word, 0) + term.exponent
    moles = {term.exponent > 0 for term in terms if term.word.endswith("mole")}
    sane = 1 / _LARGEST_FACTOR <= factor <= _LARGEST_FACTOR
    if not sane or max(map(abs, powers.values())) > _LARGEST_EXPONENT:
        return None
    kept = tuple((word, exponent) for word, exponent in powers.items() if word and exponent)
    return Spelt(factor, kept, moles=len(moles) > 1)


@dataclass(frozen=True, slots=True)
class _Term:
    """A number, times a unit (or what is only counted, "") to a power."""

    number: Fraction
    word: str = ""
    exponent: int = 1

    def turned(self) -> _Term:
        """The same below the line."""
        return _Term(1 / self.number, self.word, -self.exponent)


def _plain(unit: str) -> str:
    """The text in ASCII as far as it goes, without annotations and brackets."""
    text = _RAISED.sub(lambda raised: "^" + unicodedata.normalize("NFKC", raised[0]), unit[: 4 * _LONGEST])
    text = unicodedata.normalize("NFKC", text.translate(_SIGNS)).translate(_SIGNS)
    text = trimmed(text).rstrip(". ").replace("(s)", "s")
    text = _SURFACE.sub("bsa", text)
    text = re.sub(r"\{[^{}]*\}", "", text).replace("[", "").replace("]", "").strip()
    text = PHRASES.get(text.casefold(), text)
    text = _MILLIONS.sub("10^6/", _THOUSANDS.sub("10^3/", text))
    return re.sub("h2o", "water", text, flags=re.IGNORECASE)


def _terms(part: str) -> list[_Term] | None:
    """The factors of one side of a "/"; None where one of them is not known."""
    terms: list[_Term] = []
    at = 0
    while at < len(part):
        found = _term(part, at)
        if found is None:
            return None
        term, at = found
        terms.append(term)
        gap = _TIMES.match(part, at)
        if gap is None and at < len(part) and term.word:
            return None
        at = gap.end() if gap else at
    return terms or None


def _term(part: str, at: int) -> tuple[_Term, int] | None:
    """The factor that begins here, and where it ends."""
    power = _POWER.match(part, at)
    if power:
        size = int(power[1])
        return (_Term(Fraction(10) ** size), power.end()) if abs(size) <= _LARGEST_POWER else None
    term = _TERM.match(part, at)
    if term:
        word = _word(term[2])
        return (_Term(Fraction(term[1] or 1), word, int(term[3] or 1)), term.end()) if word is not None else None
    one = _NUMBER.match(part, at)
    return (_Term(Fraction(1)), one.end()) if one else None


def _word(word: str) -> str | None:
    if word in _AMBIGUOUS_WORDS:
        return None
    found = SPELLINGS.get(word)
    return found if found is not None else _caseless().get(word.casefold())


@lru_cache(maxsize=1)
def _caseless() -> Mapping[str, str | None]:
    """Spellings in small letters, where these mean one unit only."""
    found: dict[str, str | None] = {}
    for word, unit in SPELLINGS.items():
        key = word.casefold()
        found[key] = unit if found.get(key, unit) == unit else None
    return found
