"""What rows and events say of a FHIR R4 resource: Patient, Encounter, Observation, Condition.

Whatever has another type than FHIR gives it makes the resource unreadable; what is absent stays empty. A resource that
modifies its own meaning (`modifierExtension`, `implicitRules`) is not used, since nobody here knows how.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from fedward_client.importer.quarantine import Reason, UnreadableError
from fedward_client.importer.sources.fhir_files import Literal, Resource

__all__ = ["SYSTEMS", "FhirReader"]

SYSTEMS = {
    "http://loinc.org": "loinc",
    "http://snomed.info/sct": "snomed",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "rxnorm",
    "http://hl7.org/fhir/sid/icd-10": "icd10",
    "http://hl7.org/fhir/sid/icd-10-cm": "icd10cm",
    "http://hl7.org/fhir/sid/icd-9-cm": "icd9cm",
    "http://fhir.de/CodeSystem/bfarm/icd-10-gm": "icd10gm",
    "http://fhir.de/CodeSystem/bfarm/ops": "ops",
    "http://www.whocc.no/atc": "atc",
    "http://www.ama-assn.org/go/cpt": "cpt",
    "http://terminology.hl7.org/CodeSystem/v2-0203": "v2-0203",
}
"""Short names of code systems, as in ``loinc:2345-7``; a code of another system is ``<its URL>|<code>``."""

_UCUM = "http://unitsofmeasure.org"
_ID = r"([A-Za-z0-9.\-]{1,64})(?:/_history/[A-Za-z0-9.\-]{1,64})?"
_WITHDRAWN = frozenset({"entered-in-error", "cancelled", "refuted"})
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PARTIAL = re.compile(r"[0-9]{4}(?:-[0-9]{2})?")
_LONGEST_TEXT = 10_000

Node = Mapping[str, object]
Event = tuple[str, str, str | None, str, str | None, str | None]
"""patient, encounter, time, code, value, unit"""


class FhirReader:
    """Reads resources.

    `base` is the server's own URL, such as ``https://ehr.example.org/fhir``: references that begin with it are
    taken as relative to it, all other absolute ones lead nowhere. `time` says which time an event has: "happened"
    (effective; onset, else recordedDate), "recorded" (issued, recordedDate), or "": effective; of a Condition the later
    of its onset and recordedDate.
    """

    def __init__(self, *, base: str = "", time: str = "") -> None:
        self._base = base.rstrip("/") + "/" if base else ""
        self._time = time

    def patient(self, resource: Resource) -> dict[str, str | None]:
        """A Patient's row.

        Raises:
            UnreadableError: it is not as FHIR says, or is not to be used.
        """
        content = _usable(resource)
        died = _text(content, "deceasedDateTime")
        flag = content.get("deceasedBoolean")
        if not isinstance(flag, bool | None):
            raise UnreadableError(Reason.UNREADABLE)
        return {
            "patient": _text(content, "id"),
            "gender": _text(content, "gender"),
            "birthDate": _text(content, "birthDate"),
            "deceased": "true" if died or flag else None if flag is None else "false",
            "deceasedDateTime": instant(died),
        }

    def encounter(self, resource: Resource) -> dict[str, str | None]:
        """An Encounter's row, without what its patient says.

        Raises:
            UnreadableError: it is not as FHIR says, or is not to be used.
        """
        content = _usable(resource)
        period = _group(content, "period")
        kinds = _groups(content, "type")
        return {
            "encounter": _text(content, "id"),
            "patient": self._reference(content, "subject", "Patient", resource),
            "start": instant(_text(period, "start")),
            "end": instant(_text(period, "end")),
            "class": _text(_group(content, "class"), "code"),
            "type": next(codes(kinds[0]), None) if kinds else None,
            "status": _text(content, "status"),
        }

    def events(self, resource: Resource) -> Iterator[Event]:
        """An Observation's (and its components') or a Condition's events, one for each of their codes.

        Raises:
            UnreadableError: it is not as FHIR says, or is not to be used.
        """
        content = _usable(resource)
        patient = self._reference(content, "subject", "Patient", resource) or ""
        encounter = self._reference(content, "encounter", "Encounter", resource) or ""
        condition = content.get("resourceType") == "Condition"
        if condition:
            _check_confirmed(content)
        time = self._onset(content) if condition else self._effective(content)
        for part in (content, *(() if condition else _groups(content, "component"))):
            _check_modifiers(part)
            value, unit = _value(part)
            if value is None and not condition and _group(part, "dataAbsentReason"):
                continue
            for code in codes(_group(part, "code")):
                yield patient, encounter, time, code, value, unit

    def _effective(self, content: Node) -> str | None:
        if self._time == "recorded":
            return instant(_text(content, "issued"))
        period = _group(content, "effectivePeriod")
        at = _text(content, "effectiveDateTime") or _text(content, "effectiveInstant")
        return instant(at or _text(period, "end"))

    def _onset(self, content: Node) -> str | None:
        recorded = _text(content, "recordedDate")
        if self._time == "recorded":
            return instant(recorded)
        onset = _text(content, "onsetDateTime") or _text(_group(content, "onsetPeriod"), "start")
        if self._time == "happened":
            return instant(onset or recorded)
        return _later(instant(onset), instant(recorded))

    def _reference(self, content: Node, name: str, kind: str, resource: Resource) -> str | None:
        """The id that a reference leads to: in its Bundle, or ``Patient/123``; None where it leads elsewhere."""
        written = _text(_group(content, name), "reference") or ""
        written = resource.links.get(written, written)
        found = re.fullmatch(f"{kind}/{_ID}", written.removeprefix(self._base))
        return found.group(1) if found else None


def codes(concept: Node) -> Iterator[str]:
    """The codes of a CodeableConcept with their systems' short names, each once."""
    found: dict[str, None] = {}
    for coding in _groups(concept, "coding"):
        code, system = _text(coding, "code"), _text(coding, "system")
        if code:
            short = SYSTEMS.get(system or "")
            found[f"{short}:{code}" if short else f"{system}|{code}" if system else code] = None
    yield from found


def instant(written: str | None) -> str | None:
    """A FHIR dateTime; a date is a day in UTC (``2020-06-15Z``); less than a date is no time at all."""
    if not written or _PARTIAL.fullmatch(written):
        return None
    return f"{written}Z" if _DATE.fullmatch(written) else written


def _later(one: str | None, other: str | None) -> str | None:
    """The later of two instants, a day counting from its start; the other where one is None, one that is no time."""
    if one is None or other is None:
        return one or other
    moments = []
    for written in (one, other):
        try:
            at = datetime.fromisoformat(written[:10] if len(written) == len("2020-06-15Z") else written)
        except ValueError:
            return written
        moments.append(at if at.tzinfo else at.replace(tzinfo=UTC))
    return one if moments[0] >= moments[1] else other


def _check_confirmed(content: Node) -> None:
    status = _group(content, "verificationStatus")
    if status and "confirmed" not in set(_codes_of(content, "verificationStatus")):
        raise UnreadableError(Reason.UNCONFIRMED)


def _value(part: Node) -> tuple[str | None, str | None]:
    """Value and unit of an Observation or component, as text."""
    if "valueQuantity" in part:
        return _quantity(_group(part, "valueQuantity"))
    if "valueCodeableConcept" in part:
        concept = _group(part, "valueCodeableConcept")
        return next(codes(concept), None) or _text(concept, "text"), None
    if "valueInteger" in part:
        return _number(part, "valueInteger"), None
    if "valueBoolean" in part:
        flag = part["valueBoolean"]
        if not isinstance(flag, bool):
            raise UnreadableError(Reason.UNREADABLE)
        return str(flag).lower(), None
    return _text(part, "valueString") or _text(part, "valueDateTime"), None


def _quantity(quantity: Node) -> tuple[str | None, str | None]:
    """A comparator stays with the value, which is then no number by itself."""
    value = _number(quantity, "value")
    coded = _text(quantity, "system") == _UCUM
    unit = (_text(quantity, "code") if coded else None) or _text(quantity, "unit") or _text(quantity, "code")
    comparator = _text(quantity, "comparator")
    return (f"{comparator}{value}" if comparator and value else value), unit


def _usable(resource: Resource) -> Node:
    content = resource.content
    if resource.wrong:
        raise UnreadableError(resource.wrong)
    _check_modifiers(content)
    if content.get("implicitRules") is not None:
        raise UnreadableError(Reason.MODIFIED)
    states = [_text(content, "status"), *(_codes_of(content, "verificationStatus"))]
    if _WITHDRAWN.intersection(filter(None, states)):
        raise UnreadableError(Reason.WITHDRAWN)
    return content


def _codes_of(content: Node, name: str) -> Iterator[str | None]:
    for coding in _groups(_group(content, name), "coding"):
        yield _text(coding, "code")


def _check_modifiers(part: Node) -> None:
    if _groups(part, "modifierExtension"):
        raise UnreadableError(Reason.MODIFIED)


def _group(part: Node, name: str) -> Node:
    """An object, {} where absent."""
    found = part.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise UnreadableError(Reason.UNREADABLE)
    return found


def _groups(part: Node, name: str) -> Sequence[Node]:
    """A list of objects, empty where absent."""
    found = part.get(name)
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise UnreadableError(Reason.UNREADABLE)
    return found


def _text(part: Node, name: str) -> str | None:
    """A string that can be written down as UTF-8; None where absent or empty."""
    found = part.get(name)
    if found is None or found == "":
        return None
    if not isinstance(found, str):
        raise UnreadableError(Reason.UNREADABLE)
    if len(found) > _LONGEST_TEXT:
        raise UnreadableError(Reason.TOO_LARGE)
    if not found.isascii():
        try:
            found.encode()
        except UnicodeEncodeError as error:
            raise UnreadableError(Reason.UNREADABLE) from error
    return found


def _number(part: Node, name: str) -> str | None:
    """A number as it is written."""
    found = part.get(name)
    if found is None:
        return None
    if not isinstance(found, Literal):
        raise UnreadableError(Reason.UNREADABLE)
    return found.text
