"""What a column seems to be, and the round figures, units and roles that its name and values suggest."""

from __future__ import annotations

import pytest

from fedward_server.inspection.guesses import (
    Figures,
    figures,
    guess_encounter,
    guess_label,
    guess_patient,
    guess_unit,
)
from fedward_server.inspection.naming import names_patients, names_something, names_stays, time_of
from fedward_server.inspection.profiles import Kind, Profile, profile, settled
from fedward_server.inspection.reading import Sample
from fedward_server.inspection.yes_no import guess_positive


def _one(cells: list[str], name: str = "column", decimal: str = ".") -> Profile:
    sample = Sample({name: cells}, len(cells), 0, (), complete=True, decimal=decimal)
    return profile(sample)[name]


AGES = [f"{28 + index % 50}" for index in range(100)]
CHOLESTEROL = [f"{120 + 7 * (index % 60)}" for index in range(200)]


@pytest.mark.parametrize(
    ("cells", "name", "kind"),
    [
        (AGES, "age", Kind.NUMBER),
        ([f"{index}.5" for index in range(20)], "x", Kind.NUMBER),
        (["0", "1"] * 20, "sex", Kind.CATEGORY),
        (["1.0", "2.0", "3.0"] * 20, "class", Kind.CATEGORY),
        (["male", "female"] * 5, "sex", Kind.CATEGORY),
        (["yes", "no", "?"] * 5, "smoker", Kind.CATEGORY),
        ([f"P{index:04}" for index in range(100)], "code", Kind.IDENTIFIER),
        ([f"{index}" for index in range(1, 101)], "row", Kind.IDENTIFIER),
        (["7", "7", "8", "9"] * 5, "patient", Kind.IDENTIFIER),
        ([f"{index % 90}" for index in range(100)], "Patient ID", Kind.IDENTIFIER),
        (["1001", "1001", "1002", "1003"] * 20, "PatNr", Kind.IDENTIFIER),
        (["7", "8", "9"] * 20, "Fallnummer", Kind.IDENTIFIER),
        (["7", "8", "9"] * 20, "ward_id", Kind.IDENTIFIER),
        (["3", "4", "5.5", "7", "9", "8", "1"] * 20, "stay", Kind.NUMBER),
        ([f"{index % 40:05}" for index in range(200)], "code", Kind.IDENTIFIER),
        (["01", "02", "03"] * 20, "ward", Kind.CATEGORY),
        ([f"2020-01-{index:02}" for index in range(1, 29)], "seen", Kind.DATE),
        (
            [f"2024-{1 + index // 28:02}-{1 + index % 28:02}T16:{index % 60:02}:00" for index in range(200)],
            "seen",
            Kind.DATE,
        ),
        ([f"{index}.3.2020 10:00" for index in range(1, 29)], "seen", Kind.DATE),
        ([f"patient was seen on day {index} and felt well" for index in range(40)], "note", Kind.TEXT),
        ([f"word{index % 45}" for index in range(90)], "ward", Kind.TEXT),
        (["a\x07", "b"] * 5, "bell", Kind.TEXT),
        (["1"] * 10, "constant", Kind.EMPTY),
        (["", "NA"] * 10, "empty", Kind.EMPTY),
        (["NA", "5"] * 10, "one", Kind.EMPTY),
    ],
)
def test_kinds(cells: list[str], name: str, kind: Kind) -> None:
    assert _one(cells, name).kind is kind


def test_spellings_of_missing_that_occur_are_kept_and_no_value() -> None:
    found = _one([*AGES, "", "n/a", "?"])

    assert found.missing == ("", "?", "n/a", "NA", "NaN")
    assert len(found.numbers) == 100
    assert _one(["none", "some", "NA"] * 4).values == ("none", "some")


def test_a_few_texts_among_numbers_are_counted() -> None:
    assert _one([*AGES, "<5", "old"]).odd == 2
    assert _one([*AGES[:10], "young", "old"] * 3).kind is Kind.CATEGORY


def test_a_decimal_comma_is_a_point_where_the_file_has_it() -> None:
    assert _one(["1,5", "2,25", "3,1", "4,7", "5,2", "6,4", "7,1"], decimal=",").numbers[:2] == (1.5, 2.25)


@pytest.mark.parametrize(
    ("cells", "codes"),
    [
        ([*CHOLESTEROL, *"00"], ("0",)),
        ([*AGES, "-9", "999"], ("-9", "999")),
        ([*AGES, "99"], ()),
        ([*[f"{index / 10}" for index in range(60)], "0"], ()),
        (["0", "1"] * 30, ()),
        ([*(["1", "2", "3"] * 10), "-9"], ("-9",)),
        ([f"{index - 20}" for index in range(60)], ()),
    ],
)
def test_numbers_far_from_all_others_may_mean_not_measured(cells: list[str], codes: tuple[str, ...]) -> None:
    found = _one(cells)

    assert found.sentinels == codes
    assert not set(map(float, codes)) & set(found.numbers)
    assert set(settled(found, ()).numbers) == set(map(float, cells))
    assert set(codes) <= set(settled(found, codes).missing)


def test_a_code_that_is_a_value_after_all_is_listed() -> None:
    assert settled(_one([*(["1", "2", "3"] * 10), "-9"]), ()).values == ("-9", "1", "2", "3")


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([float(28 + index % 50) for index in range(100)], Figures(10, 90, 53, 20)),
        ([index / 100 for index in range(100)], Figures(0, 1.1, 0.5, 0.3)),
        ([float(index) for index in range(-50, 51)], Figures(-100, 100, 0, 30)),
    ],
)
def test_figures_are_round_and_hold_all_values(values: list[float], found: Figures) -> None:
    assert figures(Profile("x", Kind.NUMBER, tuple(sorted(values)))) == found


def test_a_code_for_missing_stays_outside_the_range() -> None:
    found = figures(_one([*CHOLESTEROL, "0", "9999"]))

    assert 0 < found.minimum <= 120
    assert 533 <= found.maximum < 9999


@pytest.mark.parametrize(
    "values", [(1e-300, 2e-300), (-1e12, 1e12), (1e12, 1e12 + 1e-3), (0.1, 0.1 + 1e-16, 0.3), (0.0, *[1.0] * 98, 1e9)]
)
def test_odd_values_still_have_figures(values: tuple[float, ...]) -> None:
    found = figures(Profile("x", Kind.NUMBER, values))

    assert found.minimum <= values[0] < values[-1] <= found.maximum
    assert found.minimum < found.maximum
    assert max(abs(found.minimum - found.centre), abs(found.maximum - found.centre)) / found.scale < 1e6


@pytest.mark.parametrize(
    ("name", "middle", "guessed"),
    [
        ("age", 60, ("years", "")),
        ("age_days", 20_000, ("days", "")),
        ("Temp", 37, ("°C", "")),
        ("temperature", 98, ("°F", "")),
        ("chol", 240, ("mg/dL", "cholesterol")),
        ("Cholesterol", 5.2, ("mmol/L", "cholesterol")),
        ("fasting_glucose", 100, ("mg/dL", "glucose")),
        ("Glucose (mmol/L)", 100, ("mmol/L", "glucose")),
        ("Lipase [U/L]", 100, ("U/L", "")),
        ("Ferritin (ng/mL)", 100, ("ng/mL", "ferritin")),
        ("Hb", 14, ("g/dL", "haemoglobin")),
        ("stage", 2, ("", "")),
        ("manage (well)", 2, ("", "")),
    ],
)
def test_units_are_guessed_from_name_and_size(name: str, middle: float, guessed: tuple[str, str]) -> None:
    assert guess_unit(Profile(name, Kind.NUMBER, (middle,) * 3)) == guessed


def test_roles_are_guessed_from_names() -> None:
    columns = [Profile(name, Kind.CATEGORY, values=("0", "1")) for name in ("sex", "outcome", "smoker")]
    person = Profile("patient", Kind.IDENTIFIER)

    assert guess_label(columns) == "outcome"
    assert guess_label(columns[::2]) == "smoker"
    assert guess_label([person]) is None
    assert guess_patient([*columns, person]) == "patient"
    assert guess_patient(columns) is None


@pytest.mark.parametrize(
    "name",
    ["patient_id", "pid", "patnr", "PatNr", "Pat.-Nr.", "MRN", "subject", "SubjectID", "Versichertennummer", "patient"],
)
def test_names_of_patients_are_known(name: str) -> None:
    assert names_patients(name)
    assert names_something(name)


@pytest.mark.parametrize("name", ["Fallnummer", "fall_id", "stay_id", "VisitID", "encounter_id", "episode number"])
def test_names_of_stays_are_known_and_are_no_patients(name: str) -> None:
    assert names_stays(name)
    assert names_something(name)
    assert not names_patients(name)


@pytest.mark.parametrize("name", ["num", "age", "thyroid", "fall", "stay", "visits", "patient_age", "admission_type"])
def test_other_names_name_nobody(name: str) -> None:
    assert not names_something(name)


def test_a_patient_comes_before_a_stay_wherever_they_stand() -> None:
    names = [Profile(name, Kind.IDENTIFIER) for name in ("Fallnummer", "row_id", "PatNr")]

    assert guess_patient(names) == "PatNr"
    assert guess_encounter(names, "PatNr") == "Fallnummer"
    assert guess_patient(names[:2]) == "row_id"
    assert guess_patient(names[:1]) == "Fallnummer"
    assert guess_encounter(names[1:], "PatNr") is None


def test_the_time_of_a_value_is_known_by_its_name() -> None:
    assert [time_of(name) for name in ("crea_at", "hb_time", "seen", "at")] == ["crea", "hb", "", ""]


def test_percentages_stay_percentages_where_they_are() -> None:
    values = tuple(map(float, range(40, 100)))

    assert figures(Profile("spo2", Kind.NUMBER, values), "%").maximum == 100
    assert figures(Profile("x", Kind.NUMBER, (*values, 103.0)), "%").maximum > 103
    assert figures(Profile("weight", Kind.NUMBER, values), "kg").maximum > 100


@pytest.mark.parametrize(
    ("values", "ill"),
    [
        (("0", "1"), "1"),
        (("no", "yes"), "yes"),
        (("ja", "nein"), "ja"),
        (("Nein", "Ja"), "Ja"),
        (("non", "oui"), "oui"),
        (("no", "sí"), "sí"),
        (("nie", "tak"), "tak"),
        (("j", "n"), "j"),
        (("FALSE", "TRUE"), "TRUE"),
        (("Negative", "Positive"), "Positive"),
        (("gesund", "krank"), "krank"),
        (("Herzinfarkt", "kein Herzinfarkt"), "Herzinfarkt"),
        (("MI", "normal"), "MI"),
        (("1", "2"), ""),
        (("f", "m"), ""),
        (("A", "B"), ""),
        (("ja", "positive"), ""),
        (("0", "1", "2"), ""),
    ],
)
def test_the_value_that_means_ill_is_guessed_from_words_or_not_at_all(values: tuple[str, ...], ill: str) -> None:
    assert guess_positive(values) == ill
