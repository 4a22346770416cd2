"""What a column's name alone says: that it names patients, their stays, or something else that is no measurement."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["names_patients", "names_something", "names_stays", "time_of", "words_of"]

_PATIENT = (
    "patient|patienten|pat|person|personen|subject|subj|participant|proband|probanden|versicherten|versicherter|"
    "pseudonym|member|insured|paciente|paziente|patienta|kv|krankenversicherten|krankenversicherung"
)
_STAY = "fall|stay|visit|encounter|episode|admission|aufnahme|aufenthalt|hadm|icustay|hospitalisation|hospitalization"
_ENDING = "ids?|uid|uuid|nr|no|nummer|numero|number|num|key|kennung|pseudonym"
_BEFORE = "id|nr|numero|nummer"
_PATIENTS = re.compile(
    rf"({_PATIENT})({_ENDING})|({_BEFORE})({_PATIENT})|pid|(patient|subject|person|participant)s?|mrn|pseudonym"
    r"|.*(patient|subject|versicherten)[a-z]*(id|nr|nummer|number)"
)
_STAYS = re.compile(rf"({_STAY})({_ENDING})|({_BEFORE})({_STAY})|.*({_STAY})(id|nr|nummer|number)")
_ALWAYS = frozenset({"id", "ids", "uid", "uuid", "guid", "mrn"})
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SIGNS = re.compile(r"[^a-z0-9]+")
_PARTED = re.compile(r"(.+)[ _-](?:at|time|date|zeit|datum|zeitpunkt)", re.IGNORECASE)


def words_of(name: str) -> tuple[str, ...]:
    """A name's words in small letters without accents: `PatNr`, `pat_nr` and `Pat.-Nr.` have the same two."""
    bare = "".join(sign for sign in unicodedata.normalize("NFKD", name) if not unicodedata.combining(sign))
    return tuple(word for word in _SIGNS.split(_CAMEL.sub(" ", bare).casefold()) if word)


def names_patients(name: str) -> bool:
    """Whether a column of this name tells patients apart, however often its values come."""
    return bool(_PATIENTS.fullmatch("".join(words_of(name)))) and not names_stays(name)


def names_stays(name: str) -> bool:
    """Whether a column of this name tells a patient's stays apart."""
    return bool(_STAYS.fullmatch("".join(words_of(name))))


def names_something(name: str) -> bool:
    """Whether a column of this name holds names or numbers of anything: never a measurement."""
    words = words_of(name)
    if not words:
        return False
    if words[-1] in _ALWAYS or words[0] == "id" or words[-1].endswith("nummer"):
        return True
    return names_patients(name) or names_stays(name)


def time_of(name: str) -> str:
    """The column whose time this one holds, by its name: `crea_at` is the time of `crea`; "" where it is of none."""
    found = _PARTED.fullmatch(name)
    return found[1] if found else ""
