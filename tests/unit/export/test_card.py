"""A model card says what the study, the report and a given file say, and nothing else."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from decimal import Decimal
from html import escape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedward_server.export.card.card import Card, OnnxFacts
from fedward_server.export.card.evaluation import MOST_FIGURES, read_evaluation
from fedward_server.export.card.facts import Export, make_card
from fedward_server.export.card.limits import NO_EVALUATION, limits_of
from fedward_server.export.card.sections import NOT_DECLARED, Table, number, sections, upwards
from fedward_server.export.card.texts import as_html, as_json, as_markdown, as_text, from_json
from fedward_server.export.finished import Finished
from fedward_server.rounds.participation import Attempt, Attendance
from fedward_shared.errors import UsageError
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.resolve import published
from tests.support.samples import TWO_SITES

NOW = 1_790_000_000
KEY = b"k" * 32
ONNX = OnnxFacts(18, {"torch": "2.13.0"}, "onnxruntime 1.32.0", 40, 6e-8, 1e-5)
PRIVATE = TWO_SITES.replace("target_epsilon = 3.0", "noise_multiplier = 8.0")
OPEN = PRIVATE.replace("noise_multiplier = 8.0", "").replace("_privacy = false", "_privacy = true")
NASTY = '<script>alert(1)</script> | *b* [x](http://y) `z` & "q"'


def attempts() -> tuple[Attempt, ...]:
    """Three rounds; south misses the second at its first attempt, and the third for good."""
    north = Attendance("north", asked=True, took_part=True)
    here, lost = Attendance("south", asked=True, took_part=True), Attendance("south", True, False, "not connected")
    late = Attendance("south", asked=True, took_part=False, reason="no answer in time")
    return (
        Attempt(1, 1, True, NOW - 500.0, 60.0, (north, here)),
        Attempt(2, 1, False, NOW - 400.0, 60.0, (north, lost)),
        Attempt(2, 2, True, NOW - 300.0, 60.0, (north, here)),
        Attempt(3, 1, True, NOW - 200.0, 61.5, (north, late)),
    )


def finished(text: str = PRIVATE) -> Finished:
    """A study that has ended; its weights play no part in the card."""
    manifest = published(text.encode())
    return Finished(manifest, bytes(64), load(manifest), {}, b"", attempts(), b"{}", {"north": "", "south": "expired"})


def card_of(text: str = PRIVATE, **changes: Any) -> Card:
    """Its card."""
    return make_card(finished(text), replace(Export("Cardiology group", KEY, NOW, ONNX), **changes))


CARD = card_of()


def said(card: Card, row: str) -> str:
    """What the card says in the row of this name."""
    tables = (part for section in sections(card) for part in section.parts if isinstance(part, Table))
    return next(" | ".join(cells[1:]) for table in tables for cells in table.rows if cells[0] == row)


def test_every_figure_of_the_card_is_its_sources() -> None:
    source = finished()
    study, told = source.study, json.loads(as_json(CARD))
    assert study.resolved
    assert told["identity"]["study"] == source.hash.hex()
    assert told["identity"]["parameters"] == study.resolved.parameters
    assert told["identity"]["exported"] == NOW
    assert told["use"]["purpose"] == study.purpose
    assert told["training"]["rounds_declared"] == study.strategy.rounds
    assert told["training"]["rounds_completed"] == 3
    assert told["training"]["attempts"] == 4
    assert (told["training"]["started"], told["training"]["ended"]) == (NOW - 500.0, NOW - 200.0 + 61.5)
    for key in ("local_steps", "learning_rate", "momentum", "weight_decay", "proximal_mu", "optimizer", "precision"):
        assert told["training"][key] == getattr(study.training, key)
    for key in ("delta", "clip_norm", "target_epsilon"):
        assert told["privacy"][key] == getattr(study.privacy, key)
    assert told["privacy"]["steps_per_site"] == study.steps_per_site
    for site in told["sites"]:
        declared, resolved = study.sites[site["name"]], study.resolved.sites[site["name"]]
        assert site["declared_size"] == declared.size
        assert site["sampling_rate"] == declared.sampling_rate
        assert site["noise_multiplier"] == resolved.noise_multiplier
        assert site["epsilon_at_most"] == resolved.epsilon
    north, south = told["sites"]
    assert (north["rounds_joined"], north["missed"], north["final_model"]) == (3, {}, "")
    assert (south["rounds_joined"], south["final_model"]) == (2, "expired")
    assert south["missed"] == {"no answer in time": 1, "not connected": 1}
    assert told["participation"]["attempts"][1] == [2, 1, False, ["north"]]
    assert told["evaluation"] is None
    assert told["provenance"]["onnx"]["largest_difference"] == 6e-8


@pytest.mark.parametrize("form", [as_markdown, as_html, as_text], ids=["markdown", "page", "terminal"])
def test_every_form_shows_every_row(form: Any) -> None:
    text = form(CARD).replace("\\", "")
    for section in sections(CARD):
        assert section.title.upper() in text.upper()
        for part in section.parts:
            cells = [cell for row in part.rows for cell in row] if isinstance(part, Table) else [part.text]
            assert not [cell for cell in cells if cell not in text and escape(cell) not in text]


def test_epsilon_is_never_shown_smaller_than_it_is() -> None:
    for site in CARD.sites:
        assert site.epsilon_at_most is not None
        assert f"{site.name}   {upwards(site.epsilon_at_most)}" in re.sub(" {2,}", "   ", as_text(CARD))


@given(st.floats(1e-6, 1e6))
def test_rounding_upwards_never_falls(epsilon: float) -> None:
    assert Decimal(epsilon) <= Decimal(upwards(epsilon)) < Decimal(epsilon) + Decimal("0.001")


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**12), 10**12).map(float))
def test_a_number_is_shown_with_all_its_digits(value: float) -> None:
    assert float(number(value)) == value


def test_what_nobody_declared_is_said_with_the_key_that_is_missing() -> None:
    for row, key in (
        ("Intended use", "intended_use"),
        ("Intended users", "intended_users"),
        ("Out of scope", "out_of_scope"),
        ("Licence", "licence"),
    ):
        assert said(CARD, row).startswith(NOT_DECLARED)
        assert f"add {key} under [study]" in said(CARD, row)


def test_what_was_declared_is_said_in_those_words() -> None:
    keys = (
        'intended_use = "Referral from primary care."\nintended_users = "General practitioners"\n'
        'out_of_scope = "Children"\nlicence = "CC-BY-4.0"\nprotocol = 1'
    )
    card = card_of(PRIVATE.replace("protocol = 1", keys))
    assert said(card, "Intended use") == "Referral from primary care."
    assert said(card, "Intended users") == "General practitioners"
    assert said(card, "Out of scope") == "Children"
    assert said(card, "Licence") == "CC-BY-4.0"


def test_the_card_can_be_read_again() -> None:
    assert as_json(from_json(as_json(CARD).encode())) == as_json(CARD)
    assert as_text(from_json(as_json(CARD).encode())) == as_text(CARD)
    with pytest.raises(UsageError, match="another version"):
        from_json(b'{"format": 2}')


def test_no_word_of_a_study_becomes_markup() -> None:
    identity = replace(CARD.identity, title=NASTY, coordinator=NASTY)
    card = replace(CARD, identity=identity, use=replace(CARD.use, purpose=NASTY + "\n# Heading\n\x1b[31mred"))
    page = as_html(card)
    assert "<script>" not in page
    assert escape(NASTY) in page
    text = as_markdown(card)
    assert "<script>" not in text
    assert "[x](" not in text
    assert "\n# Heading" not in text
    assert "\x1b" not in as_text(card)


def test_the_page_loads_nothing() -> None:
    page = as_html(CARD)
    assert "default-src 'none'" in page
    assert re.search(r"(src|href)\s*=", page) is None


# Warnings


@pytest.mark.parametrize(
    ("text", "change", "expected"),
    [
        (PRIVATE, {}, "ε bounds what the model can give away"),
        (PRIVATE, {}, "No subgroups were declared"),
        (PRIVATE, {}, "In some rounds only: south"),
        (PRIVATE, {}, NO_EVALUATION),
        (
            OPEN,
            {},
            "Treat the model file as patient data",
        ),
        (PRIVATE.replace('patient = "patient_id"\n', ""), {}, "ε is for one record"),
        (
            PRIVATE.replace("[data.label]", '[[data.include]]\ncolumn = "age"\nrange = [40, 80]\n\n[data.label]'),
            {},
            "only on records with age from 40 to 80",
        ),
    ],
)
def test_a_warning_is_there_where_its_reason_is(text: str, change: dict[str, Any], expected: str) -> None:
    card = card_of(text, **change)
    assert [warning for warning in card.limits if expected in warning]
    assert expected in as_text(card)


def test_a_warning_is_missing_where_its_reason_is() -> None:
    everybody = replace(CARD, sites=tuple(replace(site, rounds_joined=3) for site in CARD.sites), subgroups=("women",))
    told = " ".join(limits_of(everybody))
    assert "In some rounds only" not in told
    assert "No subgroups" not in told
    assert "unsafe_no_privacy" not in told
    assert "ε is for one record" not in told


def test_a_site_that_never_took_part_is_named() -> None:
    absent = replace(CARD, sites=(CARD.sites[0], replace(CARD.sites[1], rounds_joined=0)))
    assert [text for text in limits_of(absent) if "in no completed round: south" in text]


def test_without_privacy_no_bound_is_printed() -> None:
    card = card_of(OPEN)
    assert all(site.epsilon_at_most is None for site in card.sites)
    assert "ε at most" not in as_text(card)


def test_an_onnx_file_that_nobody_compared_is_said_to_be_that() -> None:
    assert "NOT compared" in as_text(card_of(onnx=replace(ONNX, runtime="", records=0)))
    assert "There is no ONNX file" in as_text(card_of(onnx=None))
    assert "6.0e-08" in as_text(CARD)


# Figures from a file

FIGURES = st.recursive(
    st.integers(-1000, 1000) | st.floats(-1e6, 1e6) | st.text(max_size=5) | st.booleans() | st.none(),
    lambda inner: st.dictionaries(st.text("abc", min_size=1, max_size=4), inner, max_size=4),
    max_leaves=12,
)


def numbers_in(value: Any) -> list[float]:
    """Every number of nested objects, in their order."""
    if isinstance(value, dict):
        return [one for inner in value.values() for one in numbers_in(inner)]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text("abc", min_size=1, max_size=4), FIGURES, max_size=4))
def test_figures_are_those_of_the_file(tmp_path_factory: pytest.TempPathFactory, found: dict[str, Any]) -> None:
    path = tmp_path_factory.mktemp("result") / "result.json"
    path.write_text(json.dumps({"study": "ab", "simulation": True, **found}))
    expected = numbers_in(found)
    if not expected:
        with pytest.raises(UsageError, match="no figure"):
            read_evaluation(path, "ab")
        return
    evaluation = read_evaluation(path, "ab")
    assert [json.loads(value) for _, value in evaluation.figures] == expected
    assert evaluation.same_study
    assert evaluation.simulation


def result(tmp_path: Path, **more: Any) -> Path:
    """A file as `fedward-sim` writes it."""
    path = tmp_path / "result.json"
    content = {"simulation": True, "study": CARD.identity.study, "seeds": [0, 1], "pooled": {"dp": {"mean": 0.8912}}}
    path.write_text(json.dumps({**content, **more}))
    return path


def test_a_card_with_figures_tells_where_they_come_from(tmp_path: Path) -> None:
    path = result(tmp_path, provenance={"dp": "this program's vaults"})
    evaluation = read_evaluation(path, CARD.identity.study)
    text = as_text(card_of(evaluation=evaluation))
    assert NO_EVALUATION not in text
    assert "0.8912" in text
    assert evaluation.sha256 in text
    assert "this program's vaults" in text
    assert "come from a simulation" in text
    assert "ANOTHER study" not in text


def test_a_comparison_is_told_by_the_titles_of_its_methods_with_intervals(tmp_path: Path) -> None:
    methods = [{"key": "dp3", "title": "FedAvg, ε = 3", "provenance": "the vaults of this program"}]
    pooled = {"auc": {"dp3": 0.8912}, "interval": {"dp3": [0.871, 0.9101]}}
    path = result(tmp_path, main="dp3", methods=methods, pooled=pooled, brier={"dp3": 0.13}, sites={"north": pooled})
    evaluation = read_evaluation(path, CARD.identity.study)
    assert dict(evaluation.figures) == {
        "seeds": "0, 1",
        "pooled · auc · FedAvg, ε = 3": "0.8912 (0.871 to 0.9101)",
        "brier · FedAvg, ε = 3": "0.13",
        "sites · north · auc · FedAvg, ε = 3": "0.8912 (0.871 to 0.9101)",
    }
    assert evaluation.provenance == (("FedAvg, ε = 3", "the vaults of this program"),)


def test_of_a_large_comparison_the_card_shows_what_it_is_about(tmp_path: Path) -> None:
    methods = [{"key": f"m{at}", "title": f"Way {at}"} for at in range(MOST_FIGURES + 9)]
    path = result(tmp_path, main="m7", methods=methods, brier={method["key"]: 0.1 for method in methods})
    assert dict(read_evaluation(path, "").figures) == {"brier · Way 7": "0.1"}


def test_figures_of_another_study_are_told_as_such(tmp_path: Path) -> None:
    evaluation = read_evaluation(result(tmp_path, study="00"), CARD.identity.study)
    text = as_text(card_of(evaluation=evaluation))
    assert "ANOTHER study" in text
    assert "are of another study than this one" in text


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"study": "ab"}',
        '{"study": 3, "auc": 0.5}',
        '{"study": "ab", "auc": NaN}',
        "[" * 100_000,
        json.dumps({"study": "ab", "all": {str(at): at for at in range(MOST_FIGURES + 1)}}),
    ],
    ids=["empty", "list", "nothing", "no figure", "no study", "NaN", "deep", "too many"],
)
def test_a_file_that_is_no_result_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(content)
    with pytest.raises(UsageError, match="cannot be used for the card"):
        read_evaluation(path, "ab")
