"""FHIR R4 as rows and as events: what each element becomes, references, bundles, what is withdrawn."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from fedward_client.importer.mapping import Option, SourceTerms
from fedward_client.importer.quarantine import Reason, Rejection
from fedward_client.importer.sources.registry import open_events, open_source
from fedward_client.importer.sources.source import EVENT_COLUMNS, ROW
from fedward_shared.errors import SourceDataError, UsageError

Json = dict[str, object]
SUBJECT: Json = {"reference": "Patient/p1"}
GLUCOSE: Json = {"coding": [{"system": "http://loinc.org", "code": "2345-7"}]}
MMOL: Json = {"value": 5.5, "unit": "mmol/l", "system": "http://unitsofmeasure.org", "code": "mmol/L"}


def _observation(**elements: object) -> Json:
    head: Json = {"resourceType": "Observation", "status": "final", "code": GLUCOSE, "subject": SUBJECT}
    return {**head, "effectiveDateTime": "2024-03-01T10:00:00Z", **elements}


def _patient(name: str, **elements: object) -> Json:
    return {"resourceType": "Patient", "id": name, **elements}


def _stay(name: str, **elements: object) -> Json:
    return {"resourceType": "Encounter", "id": name, "status": "finished", "subject": SUBJECT, **elements}


def _lines(path: Path, *resources: Json) -> None:
    path.write_text("".join(json.dumps(resource) + "\n" for resource in resources), encoding="utf-8")


def _terms(options: Mapping[str, Option]) -> SourceTerms:
    return SourceTerms("fhir", Path("export"), MappingProxyType(dict(options)))


def _read(folder: Path, **options: Option) -> tuple[list[Mapping[str, object]], list[Rejection]]:
    """Rows of a source, by column."""
    source = open_source(_terms(options), folder)
    batches = list(source.batches(source.columns()))
    return [row for batch in batches for row in batch.table.rows(named=True)], [
        r for b in batches for r in b.rejections
    ]


def _events(folder: Path, **options: Option) -> tuple[list[tuple[object, ...]], list[Rejection]]:
    source = open_events(_terms(options), folder)
    assert source.columns() == EVENT_COLUMNS
    batches = list(source.batches(EVENT_COLUMNS))
    return [row for batch in batches for row in batch.table.rows()], [r for b in batches for r in b.rejections]


@pytest.fixture
def export(tmp_path: Path) -> Path:
    folder = tmp_path / "export"
    folder.mkdir()
    return folder


def test_patients_are_rows(export: Path) -> None:
    _lines(
        export / "Patient.ndjson",
        _patient("a", gender="female", birthDate="1950-06", deceasedBoolean=False),
        _patient("b", deceasedDateTime="2024-03-01"),
        _patient("a", gender="male"),
        _stay("s"),
    )

    rows, rejections = _read(export.parent)

    assert rows == [
        {
            ROW: 1,
            "patient": "a",
            "gender": "female",
            "birthDate": "1950-06",
            "deceased": "false",
            "deceasedDateTime": None,
        },
        {
            ROW: 2,
            "patient": "b",
            "gender": None,
            "birthDate": None,
            "deceased": "true",
            "deceasedDateTime": "2024-03-01Z",
        },
    ]
    assert rejections == [Rejection(3, "(row)", Reason.DUPLICATE)]


def test_stays_are_rows_with_what_their_patient_says(export: Path) -> None:
    period = {"start": "2020-06-15T08:00:00+02:00", "end": "2020-06-20"}
    _lines(export / "Encounter.ndjson", _stay("s1", period=period, **{"class": {"code": "IMP"}}, type=[GLUCOSE]))
    _lines(
        export / "more.ndjson",
        _stay("s2", subject={"reference": "Patient/none"}, period={"start": "2020"}),
        _stay("s3", status="cancelled"),
        _patient("p1", gender="male", birthDate="1950-06-16"),
    )

    rows, rejections = _read(export.parent, rows="Encounter")

    assert [row["encounter"] for row in rows] == ["s1", "s2"]
    first, second = rows
    assert (first["patient"], first["gender"], first["age"]) == ("p1", "male", "69")
    assert (first["start"], first["end"]) == ("2020-06-15T08:00:00+02:00", "2020-06-20Z")
    assert (first["class"], first["type"], first["status"]) == ("IMP", "loinc:2345-7", "finished")
    assert (second["patient"], second["start"], second["age"]) == ("none", None, None)
    assert rejections == [Rejection(3, "(row)", Reason.WITHDRAWN)]


@pytest.mark.parametrize(
    ("elements", "value", "unit"),
    [
        ({"valueQuantity": MMOL}, "5.5", "mmol/L"),
        ({"valueQuantity": {"value": 5.50, "unit": "mg/dl"}}, "5.5", "mg/dl"),
        ({"valueQuantity": {"value": 1e3, "code": "g"}}, "1000.0", "g"),
        ({"valueQuantity": {**MMOL, "comparator": "<"}}, "<5.5", "mmol/L"),
        ({"valueQuantity": {"unit": "g"}}, None, "g"),
        ({"valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": "1"}]}}, "snomed:1", None),
        ({"valueCodeableConcept": {"text": "positive"}}, "positive", None),
        ({"valueInteger": 12345678901234567890}, "12345678901234567890", None),
        ({"valueBoolean": True}, "true", None),
        ({"valueString": "néant"}, "néant", None),
    ],
)
def test_values(export: Path, elements: Json, value: str | None, unit: str | None) -> None:
    _lines(export / "a.ndjson", _observation(**elements))

    events, rejections = _events(export.parent)

    assert events == [(1, "p1", "", "2024-03-01T10:00:00Z", "loinc:2345-7", value, unit)]
    assert rejections == []


def test_components_and_all_codes_are_events_of_their_own(export: Path) -> None:
    systolic: Json = {"code": {"coding": [{"system": "urn:other", "code": "sys"}]}, "valueQuantity": {"value": 120}}
    both: Json = {"coding": [{"system": "http://loinc.org", "code": "1"}, {"code": "local"}, {"display": "no code"}]}
    _lines(export / "a.ndjson", _observation(code=both, component=[systolic], encounter={"reference": "Encounter/e"}))

    events, _ = _events(export.parent)

    assert [(event[0], event[2], *event[4:]) for event in events] == [
        (1, "e", "loinc:1", None, None),
        (1, "e", "local", None, None),
        (1, "e", "urn:other|sys", "120", None),
    ]


@pytest.mark.parametrize(
    ("elements", "happened", "recorded"),
    [
        (
            {"effectiveDateTime": "2024-03-01", "issued": "2024-03-02T08:00:00Z"},
            "2024-03-01Z",
            "2024-03-02T08:00:00Z",
        ),
        ({"effectiveDateTime": "2024-03"}, None, None),
        ({"effectiveDateTime": None, "effectiveInstant": "2024-03-01T10:00:00.5Z"}, "2024-03-01T10:00:00.5Z", None),
        (
            {"effectiveDateTime": None, "effectivePeriod": {"start": "2024-03-01", "end": "2024-03-05"}},
            "2024-03-05Z",
            None,
        ),
        ({"effectiveDateTime": None, "effectivePeriod": {"start": "2024-03-01"}}, None, None),
        (
            {"resourceType": "Condition", "onsetDateTime": "2024-01-01", "recordedDate": "2024-02-01"},
            "2024-01-01Z",
            "2024-02-01Z",
        ),
        ({"resourceType": "Condition", "recordedDate": "2024-02-01"}, "2024-02-01Z", "2024-02-01Z"),
        ({"resourceType": "Condition", "onsetString": "as a child"}, None, None),
    ],
)
def test_times(export: Path, elements: Json, happened: str | None, recorded: str | None) -> None:
    _lines(export / "a.ndjson", _observation(**elements))

    assert [event[3] for event in _events(export.parent, time="happened")[0]] == [happened]
    assert [event[3] for event in _events(export.parent, time="recorded")[0]] == [recorded]


@pytest.mark.parametrize(
    ("onset", "recorded", "time"),
    [
        ("2024-01-01", "2024-02-01", "2024-02-01Z"),
        ("2024-02-01", "2024-01-01", "2024-02-01Z"),
        ("2024-02-01", "2024-02-01T10:00:00Z", "2024-02-01T10:00:00Z"),
        ("2024-02-01T23:00:00-05:00", "2024-02-02T03:00:00Z", "2024-02-01T23:00:00-05:00"),
        (None, "2024-02-01", "2024-02-01Z"),
        ("2024-01-01", None, "2024-01-01Z"),
        ("2024", "2024-02-01", "2024-02-01Z"),
    ],
)
def test_a_condition_is_known_when_it_has_begun_and_is_recorded(
    export: Path, onset: str | None, recorded: str | None, time: str
) -> None:
    _lines(export / "a.ndjson", _observation(resourceType="Condition", onsetDateTime=onset, recordedDate=recorded))

    assert [event[3] for event in _events(export.parent)[0]] == [time]


def test_only_confirmed_conditions_count_and_a_value_that_is_said_to_be_absent_is_no_event(export: Path) -> None:
    def condition(*status: str) -> Json:
        codes = [{"code": code} for code in status]
        return _observation(resourceType="Condition", verificationStatus={"coding": codes}, onsetDateTime="2024-01-01")

    absent: Json = {"dataAbsentReason": {"text": "unknown"}}
    component: Json = {"code": GLUCOSE, "valueInteger": 5}
    _lines(
        export / "a.ndjson",
        *(condition("confirmed"), condition("differential"), condition("provisional")),
        *(_observation(**absent), _observation(**absent, component=[component, {"code": GLUCOSE, **absent}])),
    )

    events, rejections = _events(export.parent)

    assert [(event[0], event[5]) for event in events] == [(1, None), (5, "5")]
    assert rejections == [Rejection(row, "(row)", Reason.UNCONFIRMED) for row in (2, 3)]


def test_a_zone_makes_times_local(export: Path) -> None:
    _lines(
        export / "a.ndjson",
        _observation(effectiveDateTime="2024-07-01T22:30:00Z"),
        _stay("s", period={"start": "2024-01-01T23:30:00Z"}),
    )

    assert [event[3] for event in _events(export.parent, zone="Europe/Berlin")[0]] == ["2024-07-02T00:30:00"]
    assert [row["start"] for row in _read(export.parent, rows="Encounter", zone="Europe/Berlin")[0]] == [
        "2024-01-02T00:30:00"
    ]
    with pytest.raises(UsageError, match="no time zone 'Nowhere/Here'"):
        _events(export.parent, zone="Nowhere/Here")


@pytest.mark.parametrize(
    "elements",
    [
        {"status": "entered-in-error"},
        {"status": "cancelled"},
        {"resourceType": "Condition", "verificationStatus": {"coding": [{"code": "refuted"}]}},
        {"resourceType": "Condition", "verificationStatus": {"coding": [{"code": "entered-in-error"}]}},
    ],
)
def test_what_was_withdrawn_is_counted_and_not_used(export: Path, elements: Json) -> None:
    _lines(export / "a.ndjson", _observation(**elements), _observation())

    events, rejections = _events(export.parent)

    assert [event[0] for event in events] == [2]
    assert rejections == [Rejection(1, "(row)", Reason.WITHDRAWN)]


@pytest.mark.parametrize(
    "elements",
    [
        {"modifierExtension": [{"url": "http://example.org/not", "valueBoolean": True}]},
        {"implicitRules": "http://example.org/rules"},
        {"component": [{"code": GLUCOSE}, {"code": GLUCOSE, "modifierExtension": [{"url": "u"}]}]},
    ],
)
def test_what_modifies_its_own_meaning_is_quarantined(export: Path, elements: Json) -> None:
    _lines(export / "a.ndjson", _observation(**elements))

    assert _events(export.parent) == ([], [Rejection(1, "(row)", Reason.MODIFIED)])


@pytest.mark.parametrize(
    ("reference", "patient"),
    [
        ("Patient/p1", "p1"),
        ("Patient/p1/_history/3", "p1"),
        ("https://ehr.example.org/fhir/Patient/p1", "p1"),
        ("https://elsewhere.example.org/fhir/Patient/p1", ""),
        ("Group/p1", ""),
        ("#p1", ""),
        ("urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", ""),
        ("Patient/../../p1", ""),
    ],
)
def test_references_are_never_followed_elsewhere(export: Path, reference: str, patient: str) -> None:
    _lines(export / "a.ndjson", _observation(subject={"reference": reference}))

    events, _ = _events(export.parent, base="https://ehr.example.org/fhir")

    assert events[0][1] == patient


def test_a_bundle_resolves_its_own_full_urls(export: Path) -> None:
    entries: list[Json] = [
        {"fullUrl": "urn:uuid:o", "resource": _observation(subject={"reference": "urn:uuid:1"})},
        {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Patient", "gender": "male"}},
        {"fullUrl": "https://x.example.org/Patient/7", "resource": _patient("7")},
        {"resource": _observation(subject={"reference": "https://x.example.org/Patient/7"})},
        {"request": {"method": "DELETE", "url": "Patient/8"}},
    ]
    (export / "b.json").write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}))
    (export / "c.json").write_text(json.dumps(_observation(subject={"reference": "urn:uuid:1"})))

    events, rejections = _events(export.parent)

    assert [(event[0], event[1]) for event in events] == [(1, "1"), (4, "7"), (6, "")]
    assert rejections == []
    assert [row["patient"] for row in _read(export.parent)[0]] == ["1", "7"]


def test_packed_files_marks_of_order_and_blank_lines_make_no_difference(export: Path) -> None:
    line = json.dumps(_observation()).encode()
    (export / "a.ndjson.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + line + b"\r\n\r\n" + line))
    (export / "notes.txt").write_text("not FHIR")

    events, rejections = _events(export.parent)

    assert [event[0] for event in events] == [1, 2]
    assert rejections == []


def test_a_single_file_can_be_named(tmp_path: Path) -> None:
    _lines(tmp_path / "one.ndjson", _patient("a"))

    source = open_source(SourceTerms("fhir", Path("one.ndjson")), tmp_path)

    (batch,) = source.batches(["patient"])
    assert batch.table["patient"].to_list() == ["a"]
    assert batch.done == batch.of > 0


def test_large_exports_come_in_batches(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedward_client.importer.sources.fhir._BATCH", 3)
    component: Json = {"code": GLUCOSE}
    _lines(export / "a.ndjson", *(_observation(component=[component, component]) for _ in range(4)))

    batches = list(open_events(_terms({}), export.parent).batches(("code",)))

    assert [batch.table[ROW].to_list() for batch in batches] == [[1] * 3, [2] * 3, [3] * 3, [4] * 3, []]


@pytest.mark.parametrize(
    ("options", "told"),
    [({"rows": "Device"}, "rows cannot be 'Device'"), ({"time": "later"}, "time cannot be 'later'")],
)
def test_options_that_mean_nothing_are_told(export: Path, options: Mapping[str, Option], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        (_read if "rows" in options else _events)(export.parent, **options)


def test_a_folder_without_such_files_is_told(export: Path) -> None:
    with pytest.raises(SourceDataError, match="there are no FHIR files"):
        _read(export.parent)
    with pytest.raises(UsageError, match="there is no file or folder"):
        _read(export)
