"""Which of a label's two values means ill: words for yes and no, ill and well, in the common European languages."""

from __future__ import annotations

from fedward_server.inspection.naming import words_of

__all__ = ["guess_positive"]

_YES_WORDS = """
yes ja oui si sim tak ano igen kylla da true wahr vrai vero verdadero verdadeiro waar sant sann prawda jah taip
positive positiv positif positivo pos positief present vorhanden ill sick krank malade enfermo malato ziek sjuk syk
disease diseased case died dead deceased death verstorben gestorben tot exitus decede fallecido deceduto overleden dod
event
"""
_NO_WORDS = """
no nein non nee nej nei nie ne nem ei nu nao false falsch faux falso onwaar falskt usant negative negativ negatif
negativo neg negatief absent healthy well gesund sain sano gezond frisk zdrowy normal alive living survived survivor
lebt lebend lebendig ueberlebt uberlebt vivant vivo vivente levend control kontrolle none kein keine not nicht ohne
without sans sin senza geen utan uten uden pas
"""
_YES, _NO = frozenset(_YES_WORDS.split()), frozenset(_NO_WORDS.split())
_LETTERS = (("0", "1"), ("n", "y"), ("n", "j"), ("n", "o"), ("n", "s"), ("n", "t"), ("f", "t"), ("f", "w"), ("n", "a"))
"""What means nothing by itself (`f` is also female): no and yes, known as pairs only."""


def guess_positive(values: tuple[str, ...]) -> str:
    """The one of two values that means ill; "" where the words do not tell, or where there are not two values."""
    if len(values) != 2:  # noqa: PLR2004 - ill or not
        return ""
    plain = ["".join(words_of(value)) for value in values]
    for no, yes in _LETTERS:
        if sorted(plain) == sorted((no, yes)):
            return values[plain.index(yes)]
    says = [_side(value) for value in values]
    if says[0] == says[1]:
        return ""
    if 1 in says:
        return values[says.index(1)]
    return values[1 - says.index(-1)]


def _side(value: str) -> int:
    """1 for ill, -1 for well, 0 where it does not say: by the only word, or by a "no" in front of others."""
    words = words_of(value)
    if not words:
        return 0
    if words[0] in _NO:
        return -1
    return int(len(words) == 1 and words[0] in _YES)
