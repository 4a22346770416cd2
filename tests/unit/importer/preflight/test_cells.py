"""Single columns: what may be shown of a spelling, codes for missing, decimal signs, windows of time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from fedward_client.importer.mapping import Answer, Mapping
from fedward_client.importer.preflight.findings import Defect, Finding, Kind, Severity
from fedward_shared.contracts.cohort import Timing
from tests.support.preflighting import CONTRACT, found, judged, looked, number, people, with_columns


def _only(rows: pl.DataFrame, defect: Defect, mapping: Mapping | None = None) -> Finding:
    (finding,) = found(judged(rows, mapping=mapping), defect)
    return finding


def _spelt(texts: list[str], count: int = 400) -> pl.DataFrame:
    return people(count).with_columns(pl.Series("sex", (texts * count)[:count]))


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        (["W", "M"], ["M", "W"]),
        ([f"spelling {at}" for at in range(50)], 50),
        ([f"spelling {at}" for at in range(51)], 0),
        (["W", "M" * 41], ["W"]),
        (["W", "M\u202e"], ["W"]),
        ([*(["W"] * 199), "rare"], ["W"]),
    ],
    ids=["two", "fifty", "too many", "too long", "invisible", "rare"],
)
def test_a_spelling_is_shown_only_where_it_is_nobodys_own(texts: list[str], shown: list[str] | int) -> None:
    facts = looked(_spelt(texts)).categories[0]

    listed = sorted(unknown.text for unknown in facts.unknown)
    assert (len(listed) if isinstance(shown, int) else listed) == shown
    assert facts.unknown_cells == 400


def test_many_cells_of_one_patient_show_nothing() -> None:
    rows = _spelt(["Miller"], 40).with_columns(pl.lit("p1").alias("patient"))

    assert looked(rows).categories[0].unknown == ()


def test_a_proposal_takes_what_is_sure_and_marks_what_is_not() -> None:
    proposal = _only(_spelt(["W", "Male.", "masc", "unbekannt", "divers"]), Defect.SPELLINGS).proposal

    assert proposal is not None
    assert dict(proposal.values) == {"W": "female", "Male.": "male"}
    assert proposal.missing == ("unbekannt",)
    assert dict(proposal.surely().values) == {"W": "female", "Male.": "male"}


def test_no_finding_repeats_a_spelling() -> None:
    judgement = judged(_spelt(["Wxyzzy", "Mxyzzy"]))

    assert found(judgement, Defect.SPELLINGS)
    assert not any("xyzzy" in finding.text + finding.advice for finding in judgement.findings)


def test_label_and_split_are_asked_for_alike() -> None:
    contract = replace(CONTRACT, split="split")
    rows = people(400).with_columns(
        pl.when(pl.col("disease") == 1).then(pl.lit("ILL")).otherwise(pl.lit("Well")).alias("disease"),
        pl.Series("split", ["Training", "Testing"] * 200),
    )
    proposals = {finding.column: finding.proposal for finding in found(judged(rows, contract), Defect.SPELLINGS)}

    assert set(proposals) == {"disease", "split"}
    assert proposals["disease"] is not None
    assert dict(proposals["disease"].values) == {"ILL": "1", "Well": "0"}
    assert proposals["split"] is not None
    assert dict(proposals["split"].values) == {"Training": "train", "Testing": "test"}


@pytest.mark.parametrize("code", ["NA", "n/a", "-", "-999", "-9"])
def test_a_usual_code_for_missing_is_proposed_and_then_missing(code: str) -> None:
    rows = people(400).cast(pl.String)
    rows = rows.with_columns(
        pl.when(pl.int_range(400) % 8 == 0).then(pl.lit(code)).otherwise("glucose").alias("glucose")
    )
    finding = _only(rows, Defect.MISSING_CODES)

    assert finding.proposal is not None
    assert (finding.proposal.kind, finding.proposal.missing, finding.proposal.strong) == (Kind.SPELLINGS, (code,), True)
    mapping = Mapping(columns={"glucose": Answer(missing=(code,))})
    after = judged(rows, mapping=mapping)
    assert not found(after, Defect.MISSING_CODES)
    assert not after.stops


def test_an_unusual_number_out_of_range_is_no_code() -> None:
    rows = people(400).with_columns(
        pl.when(pl.int_range(400) % 50 == 0).then(731.5).otherwise("pressure").alias("pressure")
    )
    judgement = judged(rows)

    assert not found(judgement, Defect.MISSING_CODES)
    (finding,) = found(judgement, Defect.OUT_OF_RANGE)
    assert "8 values of pressure" in finding.text
    assert "731" not in finding.text


def test_thousands_separators_are_not_taken_for_decimal_commas_without_asking() -> None:
    contract = with_columns(CONTRACT, number("platelets", 1000, 999_000, 250_000, 60_000, higher_in=""))
    counts = np.random.default_rng(1).normal(250_000, 60_000, 400).clip(2000, 990_000).round().astype(int)
    rows = people(400).with_columns(pl.Series("platelets", [f"{count:,}" for count in counts]))
    (finding,) = found(judged(rows, contract), Defect.DECIMAL_SIGN)

    assert finding.proposal is None
    assert "thousands" in finding.text


def test_no_sign_is_proposed_where_columns_have_different_ones() -> None:
    rows = people(400).with_columns(pl.col("glucose").cast(pl.String).str.replace(".", ",", literal=True))
    for mapping in (Mapping(), Mapping(decimal=",")):
        finding = _only(rows, Defect.DECIMAL_SIGN, mapping)
        assert finding.proposal is None
        assert "the other sign" in finding.text


def test_points_are_proposed_where_the_mapping_says_comma() -> None:
    finding = _only(people(400), Defect.DECIMAL_SIGN, Mapping(decimal=","))

    assert finding.proposal is not None
    assert finding.proposal.decimal == "."


def test_numbers_with_signs_and_units_are_told_as_such() -> None:
    rows = people(400).cast(pl.String)
    signed = pl.when(pl.int_range(400) % 10 == 0).then(pl.lit("<3.5"))
    odd = signed.when(pl.int_range(400) % 10 == 1).then(pl.lit("6.1 mmol/L")).otherwise("glucose")
    finding = _only(rows.with_columns(odd.alias("glucose")), Defect.NOT_NUMBERS)

    assert "40 begin with < or >" in finding.text
    assert "40 are a number with text after it" in finding.text


def _timed(late: int) -> pl.DataFrame:
    taken = [f"2024-05-0{3 if at < late else 1}T12:00" for at in range(400)]
    return people(400).with_columns(pl.lit("2024-05-02T12:00").alias("admitted"), pl.Series("taken", taken))


@pytest.mark.parametrize(("late", "severity"), [(0, None), (10, None), (100, Severity.LOOK), (400, Severity.WRONG)])
def test_values_from_after_time_zero_are_told(late: int, severity: Severity | None) -> None:
    timed = number("glucose", 2, 40, 6, 1, unit="mmol/L", substance="glucose", timing=Timing((-48, 0), time="taken"))
    contract = replace(with_columns(CONTRACT, timed), time_zero="admitted")
    findings = found(judged(_timed(late), contract), Defect.OUTSIDE_WINDOW)

    assert [finding.severity for finding in findings] == ([severity] if severity else [])


def test_records_after_the_outcome_are_told() -> None:
    label = replace(CONTRACT.label, time="fell_ill")
    contract = replace(CONTRACT, label=label, time_zero="admitted")
    when = pl.when(pl.int_range(400) % 20 == 0).then(pl.lit("2024-05-01")).otherwise(pl.lit(""))
    rows = people(400).with_columns(pl.lit("2024-05-02").alias("admitted"), when.alias("fell_ill"))
    (finding,) = found(judged(rows, contract), Defect.AFTER_OUTCOME)

    assert finding.text.startswith("20 records begin at or after the outcome")
