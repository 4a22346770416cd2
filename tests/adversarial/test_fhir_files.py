"""FHIR files as weapons: what is no honest resource is quarantined or told, in bounded memory, without its values."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fedward_client.importer.quarantine import Reason
from fedward_client.importer.sources import fhir_files
from fedward_client.importer.sources.fhir import FhirEvents, FhirSource
from fedward_client.importer.sources.source import EVENT_COLUMNS
from fedward_shared.errors import FedwardError, SourceDataError

SECRET = "Zebra-4711"
FINE = {
    "resourceType": "Observation",
    "id": "o1",
    "status": "final",
    "subject": {"reference": "Patient/p"},
    "code": {"coding": [{"system": "http://loinc.org", "code": "1"}]},
    "effectiveDateTime": "2024-03-01T10:00:00Z",
    "valueQuantity": {"value": 5, "unit": "g"},
}
GOOD = json.dumps(FINE).encode()
START = b'{"resourceType":"Observation","subject":{"reference":"Patient/p"},'


def _with(old: bytes, new: bytes) -> bytes:
    assert old in GOOD
    return GOOD.replace(old, new)


LINES = {
    "truncated": GOOD[:-10],
    "half a line of another type": b'{"resourceType":"Pati',
    "deep objects": START + b'"a":' * 5 + b"1}",
    "a nesting bomb": START + b'"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "an object bomb": START + b'"x":' + b'{"x":' * 50_000 + b"1" + b"}" * 50_000 + b"}",
    "a million elements": START + b'"x":[' + b"0," * 1_000_000 + b"0]}",
    "a name twice": START + b'"status":"final","status":"cancelled"}',
    "NaN": _with(b'"value": 5', b'"value": NaN'),
    "infinity": _with(b'"value": 5', b'"value": -Infinity'),
    "a number of 100,000 digits": _with(b'"value": 5', b'"value": ' + b"9" * 100_000),
    "a number as text": _with(b'"value": 5', b'"value": "5"'),
    "a number with a leading zero": _with(b'"value": 5', b'"value": 05'),
    "zero bytes": _with(b"Patient/p", b"Patient/\0"),
    "not UTF-8": _with(b"Patient/p", b"Patient/\xff"),
    "UTF-16": GOOD.decode().encode("utf-16-le"),
    "half of a surrogate pair": _with(b'"unit": "g"', b'"unit": "\\ud800"'),
    "a list": b"[" + GOOD + b"]",
    "a text": b'"resourceType"',
    "no type": b'{"id":"x"}',
    "a type that is no text": b'{"resourceType":["Observation"]}',
    "two lines in one": GOOD + GOOD,
    "a comment": GOOD + b"// fine",
    "a pickle": b"\x80\x04\x95\x10\x00\x00\x00",
    "only braces": b"{}{}{}",
    "an endless text": _with(b'"unit": "g"', b'"unit": "' + b"g" * 100_000 + b'"'),
}
"""Each is one line of NDJSON that is no Observation."""

TYPES: tuple[object, ...] = (1, 1.5, "text", True, [], [1], ["x"], {}, {"a": 1}, [{}], [[]], None)
PLACES = (
    *("status", "subject", "encounter", "code", "effectiveDateTime", "effectivePeriod", "valueQuantity", "component"),
    *("valueCodeableConcept", "valueInteger", "valueBoolean", "valueString", "modifierExtension", "verificationStatus"),
)


def _events(path: Path) -> tuple[int, list[Reason]]:
    batches = list(FhirEvents(path).batches(EVENT_COLUMNS))
    return sum(batch.table.height for batch in batches), [r.reason for batch in batches for r in batch.rejections]


@contextmanager
def _peak() -> Iterator[list[int]]:
    """Afterwards, the most bytes that Python held at once."""
    peak = [0]
    tracemalloc.start()
    try:
        yield peak
    finally:
        peak[0] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("line", LINES.values(), ids=LINES.keys())
def test_a_hostile_line_is_quarantined_and_the_next_is_read(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(GOOD + b"\n" + line + b"\n" + GOOD + b"\n")

    read, reasons = _events(path)

    assert read == 2
    assert reasons in ([Reason.UNREADABLE], [Reason.TOO_LARGE])


@pytest.mark.timeout(60)
@pytest.mark.parametrize("line", LINES.values(), ids=LINES.keys())
def test_a_hostile_file_is_quarantined(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(line)

    read, reasons = _events(path)

    assert read == 0
    assert reasons in ([Reason.UNREADABLE], [Reason.TOO_LARGE])


@pytest.mark.parametrize("place", PLACES)
def test_wrong_types_anywhere_never_crash(tmp_path: Path, place: str) -> None:
    path = tmp_path / "a.ndjson"
    bare = {key: value for key, value in FINE.items() if not (place.startswith("value") and key.startswith("value"))}
    wrong = [{**bare, place: value} for value in TYPES]
    nested = [{**bare, place: {"coding": value, "reference": value, "value": value, "end": value}} for value in TYPES]
    path.write_text("\n".join(map(json.dumps, [*wrong, *nested])))

    read, reasons = _events(path)

    assert read + len(reasons) >= 2 * len(TYPES) - 12
    assert set(reasons) <= {Reason.UNREADABLE, Reason.MODIFIED}
    assert Reason.UNREADABLE in reasons


@pytest.mark.parametrize("kind", ["Patient", "Encounter"])
def test_wrong_types_in_rows_never_crash(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.ndjson"
    places = ("id", "gender", "birthDate", "deceasedBoolean", "deceasedDateTime", "period", "class", "type", "subject")
    resources = [
        {"resourceType": kind, "id": f"{i}", place: value} for place in places for i, value in enumerate(TYPES)
    ]
    path.write_text("\n".join(map(json.dumps, resources)))

    source = FhirSource(path, rows=kind)
    batches = list(source.batches(source.columns()))

    reasons = [rejection.reason for batch in batches for rejection in batch.rejections]
    assert sum(batch.table.height for batch in batches) + len(reasons) == len(resources)
    assert Reason.UNREADABLE in reasons


BUNDLES: dict[str, object] = {
    "entries that are no list": {"entry": {"resource": FINE}},
    "an entry that is no object": {"entry": [FINE, 1]},
    "a resource that is a list": {"entry": [{"resource": [FINE]}]},
    "a resource without type": {"entry": [{"resource": {"id": "x"}}]},
    "one full URL for two": {"entry": [{"fullUrl": "urn:uuid:1", "resource": FINE}] * 2},
    "a full URL that is a number": {"entry": [{"fullUrl": 1, "resource": FINE}]},
    "an id that is a number": {"entry": [{"resource": {**FINE, "id": 1}}]},
}


@pytest.mark.parametrize("bundle", BUNDLES.values(), ids=BUNDLES.keys())
def test_a_malformed_bundle_is_quarantined(tmp_path: Path, bundle: dict[str, object]) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"resourceType": "Bundle", **bundle}))

    _, reasons = _events(path)

    assert Reason.UNREADABLE in reasons


def test_a_full_url_cannot_make_one_patient_another(tmp_path: Path) -> None:
    """Links hold in their own Bundle only, and lead to ids, never to other references."""
    first = {"fullUrl": "Patient/p", "resource": {"resourceType": "Patient", "id": "q"}}
    (tmp_path / "a.json").write_text(json.dumps({"resourceType": "Bundle", "entry": [first]}))
    (tmp_path / "b.ndjson").write_bytes(GOOD)

    (batch,) = FhirEvents(tmp_path).batches(("patient",))

    assert batch.table["patient"].to_list() == ["p"]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["a.ndjson.gz", "a.json.gz"])
@pytest.mark.parametrize(
    "content", [b" " * 63 + b"\n", b" " * 64, b"[" * 64], ids=["blank lines", "blanks", "brackets"]
)
def test_a_gzip_bomb_is_told_before_it_unpacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes
) -> None:
    monkeypatch.setattr(fhir_files, "_RATIO_COUNTS_FROM", 1 << 20)
    (tmp_path / name).write_bytes(gzip.compress(content * (1 << 17)))

    with pytest.raises(SourceDataError, match="inflates to more than 200 times"), _peak() as peak:
        _events(tmp_path)

    assert peak[0] < 1 << 26


@pytest.mark.parametrize("spoil", [lambda packed: packed[:-20], lambda _: b"\x1f\x8b" + b"\0" * 50, lambda _: b"plain"])
def test_a_damaged_gzip_file_is_told(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    lines = b"".join(json.dumps({**FINE, "id": f"{i}"}).encode() + b"\n" for i in range(100))
    (tmp_path / "a.ndjson.gz").write_bytes(spoil(gzip.compress(lines)))

    with pytest.raises(SourceDataError, match="no whole gzip file"):
        _events(tmp_path)


@pytest.mark.timeout(60)
def test_a_line_without_end_is_skipped_in_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fhir_files, "_LONGEST_LINE", 1 << 16)
    path = tmp_path / "a.ndjson"
    with path.open("wb") as file:
        for _ in range(64):
            file.write(b"a" * (1 << 20))
        file.write(b"\n" + GOOD)

    with _peak() as peak:
        read, reasons = _events(path)

    assert (read, reasons) == (1, [Reason.TOO_LARGE])
    assert peak[0] < 1 << 23


def test_a_large_bundle_is_refused_before_it_is_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fhir_files, "_LARGEST_FILE", 1 << 16)
    (tmp_path / "a.json").write_bytes(b'{"resourceType":"Bundle","entry":[' + GOOD + b"," * (1 << 16))

    assert _events(tmp_path) == (0, [Reason.TOO_LARGE])


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    outside, folder = tmp_path / "secret.ndjson", tmp_path / "export"
    outside.write_bytes(GOOD)
    folder.mkdir()
    (folder / "a.ndjson").symlink_to(outside)

    with pytest.raises(SourceDataError, match="lead out of the folder"):
        _events(folder)


@pytest.mark.parametrize("device", ["/dev/zero", "/proc/self/mem"])
def test_what_is_no_file_is_told(device: str) -> None:
    with pytest.raises(FedwardError, match=r"no regular file|cannot be read"):
        _events(Path(device))


def test_no_message_or_name_repeats_a_value(tmp_path: Path) -> None:
    (tmp_path / f"{SECRET}.ndjson.gz").write_bytes(gzip.compress(f'{{"x":"{SECRET}"}}\n'.encode() * 100)[:-9])

    with pytest.raises(SourceDataError) as failure:
        _events(tmp_path)

    assert SECRET not in failure.value.diagnostics()
