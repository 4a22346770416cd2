"""WFDB records: read as wfdb reads them, leads found by name, one rate and unit, what is missing is 0."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import wfdb

from fedward_client.importer.arrays.registry import decode, inside
from fedward_client.importer.arrays.wfdb_record import read_header, read_lead
from fedward_client.importer.quarantine import Reason, UnreadableError
from fedward_shared.contracts.arrays import Signal
from tests.support.record_files import LEADS, record

RNG = np.random.default_rng(4)
WAVES = RNG.normal(size=(1000, 12)).cumsum(axis=0) * 0.02
FORM = Signal("file", LEADS, rate=100, seconds=10, limit=1000)
LARGEST = 10_000_000


def refused(path: Path, form: Signal = FORM, largest: int = LARGEST) -> Reason:
    with pytest.raises(UnreadableError) as refusal:
        decode(path, form, largest=largest)
    return refusal.value.reason


@pytest.mark.parametrize("form", ["16", "24", "32", "80", "212"])
def test_read_as_wfdb_reads_it(tmp_path: Path, form: str) -> None:
    path = record(tmp_path, "ecg", WAVES, form=form)

    found = decode(path, FORM, largest=LARGEST)

    assert np.allclose(found, wfdb.rdrecord(str(tmp_path / "ecg")).p_signal, atol=1e-5)


def written(folder: Path, form: str, leads: int, packed: bytes | bytearray, frames: int) -> Path:
    lines = [f"any {leads} 100 {frames}"]
    lines += [f"any.dat {form} 200(3)/mV 16 0 0 0 0 {LEADS[lead]}" for lead in range(leads)]
    (folder / "any.hea").write_text("\n".join(lines) + "\n")
    (folder / "any.dat").write_bytes(packed)
    return folder / "any.hea"


@pytest.mark.parametrize("leads", [1, 2, 3, 5])
@pytest.mark.parametrize(
    ("form", "samples", "width"),
    [
        ("16", 1, 2),
        ("24", 1, 3),
        ("32", 1, 4),
        ("61", 1, 2),
        ("80", 1, 1),
        ("160", 1, 2),
        ("212", 2, 3),
        ("310", 3, 4),
        ("311", 3, 4),
    ],
)
def test_every_format_of_arbitrary_bytes(tmp_path: Path, form: str, samples: int, width: int, leads: int) -> None:
    """The two unused bits of format 311 are 0: wfdb takes them for part of a sample."""
    frames = 60
    packed = bytearray(RNG.bytes(-(-frames * leads // samples) * width))
    if form == "311":
        packed[3::4] = bytes(value & 0x3F for value in packed[3::4])
    path = written(tmp_path, form, leads, packed, frames)

    header = read_header(path, largest=LARGEST)
    found = np.stack([read_lead(header, lead, frames, largest=LARGEST) for lead in header.leads], axis=1)

    assert np.allclose(found, wfdb.rdrecord(str(path.with_suffix(""))).p_signal, equal_nan=True, rtol=1e-12)


def test_several_samples_a_frame_skew_and_offset(tmp_path: Path) -> None:
    stored = RNG.integers(-2000, 2000, (100, 3)).astype("<i2")
    (tmp_path / "two.hea").write_text(
        "two 2 50 100\ntwo.dat 16x2:4+24 100/mV 16 0 0 0 0 II\ntwo.dat 16+24 100/uV 16 0 0 0 0 V1\n"
    )
    (tmp_path / "two.dat").write_bytes(b"x" * 24 + stored.tobytes())

    header = read_header(tmp_path / "two.hea", largest=LARGEST)
    fast, slow = (read_lead(header, lead, 100, largest=LARGEST) for lead in header.leads)

    assert np.allclose(fast, stored[4:, :2].reshape(-1) / 100)
    assert np.allclose(slow, stored[:, 2] / 100)
    form = replace(FORM, leads=("II", "V1"), seconds=1.5, limit=1e9)
    found = decode(tmp_path / "two.hea", form, largest=LARGEST)
    assert np.allclose(found[:, 0], stored[4:79, :2].reshape(-1) / 100, atol=1e-4)
    assert np.abs(found[:, 1]).max() < 0.1


def test_leads_are_found_by_name_in_any_spelling(tmp_path: Path) -> None:
    path = record(tmp_path, "ecg", WAVES[:, :3], leads=("Lead V2", "avr", "ECG_I"))

    found = decode(path, form_of("I", "aVR", "v2"), largest=LARGEST)

    assert np.allclose(found, WAVES[:, [2, 1, 0]], atol=1e-3)


def form_of(*leads: str) -> Signal:
    return replace(FORM, leads=leads)


def test_a_lead_that_is_not_there_or_twice(tmp_path: Path) -> None:
    path = record(tmp_path, "ecg", WAVES[:, :3], leads=("I", "II", "ii"))

    assert refused(path, form_of("I", "V1")) is Reason.WRONG_SHAPE
    assert refused(path, form_of("I", "II")) is Reason.WRONG_SHAPE
    assert decode(path, form_of("I"), largest=LARGEST).any()


@pytest.mark.parametrize(("unit", "factor"), [("uV", 1e-3), ("µV", 1e-3), ("mV", 1.0), ("V", 1e3)])
def test_units(tmp_path: Path, unit: str, factor: float) -> None:
    path = record(tmp_path, "ecg", WAVES[:, :2] / factor)
    path.write_text(path.read_text().replace("/mV", f"/{unit}"))

    assert np.allclose(decode(path, form_of("I", "II"), largest=LARGEST), WAVES[:, :2], atol=1e-3)


@pytest.mark.parametrize("unit", ["mmHg", "adu", "NU", "°"])
def test_units_that_are_no_voltage(tmp_path: Path, unit: str) -> None:
    path = record(tmp_path, "ecg", WAVES[:, :2])
    path.write_text(path.read_text().replace("/mV", f"/{unit}"))

    assert refused(path, form_of("I")) is Reason.UNIT_UNKNOWN


@pytest.mark.parametrize("gain", ["0", "", "0(0)/mV"])
def test_without_a_gain_there_is_no_unit(tmp_path: Path, gain: str) -> None:
    (tmp_path / "ecg.hea").write_text(f"ecg 1 100 500\necg.dat 16 {gain}\n")
    (tmp_path / "ecg.dat").write_bytes(bytes(1000))

    assert refused(tmp_path / "ecg.hea", form_of("")) is Reason.UNIT_UNKNOWN


@pytest.mark.parametrize("rate", [50, 125, 250, 257, 360, 500, 1000, 128.5])
def test_a_slow_wave_survives_any_rate(tmp_path: Path, rate: float) -> None:
    times = np.arange(round(12 * rate)) / rate
    path = record(tmp_path, "ecg", np.sin(2 * np.pi * 3 * times)[:, None] + 0.5, rate=rate)

    found = decode(path, form_of("I"), largest=LARGEST)[:, 0]

    expected = np.sin(2 * np.pi * 3 * np.arange(1000) / 100) + 0.5
    assert np.abs(found - expected)[20:-20].max() < 0.01


def test_what_is_faster_than_the_rate_does_not_alias(tmp_path: Path) -> None:
    times = np.arange(12_000) / 1000
    path = record(tmp_path, "ecg", np.sin(2 * np.pi * 97 * times)[:, None], rate=1000)

    assert np.abs(decode(path, form_of("I"), largest=LARGEST)[20:-20]).max() < 0.01


def test_a_long_record_is_cut_and_a_short_one_padded(tmp_path: Path) -> None:
    path = record(tmp_path, "ecg", WAVES)

    assert np.allclose(decode(path, replace(FORM, seconds=4), largest=LARGEST), WAVES[:400], atol=1e-3)
    longer = decode(path, replace(FORM, seconds=12, centre=1.0), largest=LARGEST)
    assert np.allclose(longer[:1000], WAVES - 1, atol=1e-3)
    assert not longer[1000:].any()


def test_only_what_is_kept_is_read(tmp_path: Path) -> None:
    """The part that is cut off may hold anything; the part that is kept is the same."""
    path = record(tmp_path, "ecg", WAVES)
    form = replace(FORM, seconds=5, rate=50)
    whole = decode(path, form, largest=LARGEST)
    content = bytearray((tmp_path / "ecg.dat").read_bytes())
    content[-3000:] = b"\x55" * 3000
    (tmp_path / "ecg.dat").write_bytes(content)

    assert np.array_equal(decode(path, form, largest=LARGEST), whole)


def test_clipped_then_centred_and_scaled(tmp_path: Path) -> None:
    path = record(tmp_path, "ecg", WAVES * 10)

    found = decode(path, replace(FORM, limit=1.5, centre=0.5, scale=2.0), largest=LARGEST)

    assert np.allclose(found, (np.clip(WAVES * 10, -1.5, 1.5) - 0.5) / 2, atol=1e-3)


@pytest.mark.parametrize("rate", [100, 200])
def test_missing_samples_are_0(tmp_path: Path, rate: float) -> None:
    waves = np.full((1000, 1), 0.8)
    waves[0] = -1
    waves[200:240] = np.nan
    path = record(tmp_path, "ecg", waves, rate=rate)

    found = decode(path, replace(form_of("I"), seconds=5, centre=0.3), largest=LARGEST)[:, 0]

    step = round(rate / 100)
    assert not found[200 // step : 240 // step].any()
    assert np.allclose(found[300 // step :], 0.5, atol=1e-3)


def test_a_lead_that_is_mostly_missing(tmp_path: Path) -> None:
    waves = WAVES.copy()
    waves[300:410, 1] = np.nan
    path = record(tmp_path, "ecg", waves)

    assert refused(path) is Reason.MISSING
    assert decode(path, form_of("I", "V1"), largest=LARGEST).any()


def test_several_segments_are_refused(tmp_path: Path) -> None:
    (tmp_path / "ecg.hea").write_text("ecg/2 12 100 2000\npart1 1000\npart2 1000\n")

    assert refused(tmp_path / "ecg.hea") is Reason.WRONG_SHAPE


@pytest.mark.parametrize("form", ["8", "508", "516", "524", "17"])
def test_other_formats_are_refused(tmp_path: Path, form: str) -> None:
    assert refused(written(tmp_path, form, 1, bytes(400), 100), form_of("I")) is Reason.UNREADABLE


def test_a_record_may_be_named_without_its_ending(tmp_path: Path) -> None:
    record(tmp_path, "ecg", WAVES)

    assert np.allclose(decode(inside(tmp_path, "ecg"), FORM, largest=LARGEST), WAVES, atol=1e-3)
