"""What an approver reads, line by line: built from a study as published, without a vault around it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from fedward_client.cli import ledger as ledger_cli
from fedward_client.cli import status as status_cli
from fedward_client.cli import study as study_cli
from fedward_client.cli.app import app
from fedward_client.cli.preview import describe, percent
from fedward_client.cli.words import epsilon, size
from fedward_client.vault.office.preview import _also_read, _follow_up, _rules, _uses
from fedward_shared.contracts.cohort import DataContract, DataKind, FollowUp, Holdout, Label, NumberColumn, Rule, Timing
from fedward_shared.errors import FedwardError
from fedward_shared.manifest.parse import load
from tests.support.samples import TWO_SITES

VIEW: dict[str, Any] = {
    "study": "ab" * 32,
    "name": "heart",
    "title": "Heart disease",
    "purpose": "To find out.",
    "contact": "office@example.org",
    "state": "proposed",
    "decided_by": "",
    "decided_at": 0,
    "data_set": "",
    "study_key": "1234 5678",
    "model": "logistic",
    "model_options": [],
    "label": "disease",
    "classes": ["no disease", "disease"],
    "columns": [{"name": "age", "type": "number", "unit": "years", "values": "18 to 110"}],
    "shape": [1],
    "unit": "patient",
    "patient_column": "patient_id",
    "split_column": "split",
    "sites": ["north", "south"],
    "rounds": 3,
    "spare_attempts": 1,
    "local_steps": 2,
    "sampling_rate": 0.05,
    "clip_norm": 1.0,
    "noise_multiplier": 3.9,
    "tensors": [
        {"name": "linear.weight", "shape": [1, 1], "bytes": 4},
        {"name": "linear.bias", "shape": [1], "bytes": 4},
    ],
    "bytes_in_per_round": 200,
    "bytes_out_per_round": 200,
    "epsilon": 2.995,
    "delta": 1e-5,
    "unsafe_no_privacy": False,
    "data_sets": [
        {"data_set": "cardio", "version": "v", "spent": 1.0, "after": 3.5, "max_epsilon": 10.0, "covered": True}
    ],
    "problems": [],
}


def text(**changes: Any) -> str:
    return "\n".join(describe({**VIEW, **changes}, "north"))


@pytest.mark.parametrize(
    "words",
    [
        "1234 5678",
        "office@example.org",
        "With     south",
        "no disease from disease",
        "age  18 to 110 years",
        "patient_id",
        "2 numbers",
        "200 bytes",
        "linear.weight",
        "3.9 times",
        "probability 5 %",
        "ε = 2.995 at δ = 1e-05 for each patient",
        "factor of at most 20",
        "ε 1.000 spent so far, 3.500 once",
        "fits",
        "up to 1 repeated",
    ],
)
def test_the_approver_reads(words: str) -> None:
    assert words in text()


def test_a_study_without_noise_says_so_where_nobody_can_miss_it() -> None:
    said = text(unsafe_no_privacy=True, epsilon=float("inf"))
    assert "WITHOUT NOISE" in said
    assert "ε is infinite" in said
    assert "random noise" not in said


def test_the_record_as_unit_is_said() -> None:
    assert "RECORD" in text(patient_column="", unit="record")


def test_what_does_not_fit_and_what_stands_in_the_way_is_said() -> None:
    choice = {**VIEW["data_sets"][0], "covered": False}
    said = text(data_sets=[choice], problems=["another version runs here"])
    assert "DOES NOT FIT" in said
    assert "WHAT STANDS IN THE WAY\n  - another version runs here" in said
    assert "WHAT STANDS IN THE WAY" not in text()


def test_a_decision_carries_its_name() -> None:
    said = text(state="approved", decided_by="Dr A", decided_at=1_800_000_000, data_set="cardio")
    assert "approved on cardio by Dr A, 2027-01-15 08:00 UTC" in said


def test_many_columns_are_cut_short() -> None:
    columns = [{"name": f"c{n}", "type": "number", "unit": "", "values": "0 to 1"} for n in range(60)]
    assert "and 20 more" in text(columns=columns)


def test_numbers_for_people() -> None:
    assert (size(0), size(999), size(1000), size(2_500_000)) == ("0 bytes", "999 bytes", "1 kB", "2.5 MB")
    assert (epsilon(2.0), epsilon(float("inf"))) == ("2.000", "∞")
    assert percent(0.05) == "5 %"


# The commands, with the vault's answers made up


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the vault says to each command; what was asked is under `asked`."""
    made: dict[str, Any] = {"show": VIEW, "proposals": [], "asked": []}

    def ask(_home: object, command: str, **arguments: Any) -> Any:
        made["asked"].append((command, arguments))
        return made[command]

    monkeypatch.setattr(study_cli, "_ask", ask)
    monkeypatch.setattr(ledger_cli, "_ask", ask)
    monkeypatch.setattr(study_cli, "_preview", lambda *_: None)
    return made


def run(*arguments: str) -> str:
    outcome = CliRunner().invoke(app, [*arguments])
    if isinstance(outcome.exception, FedwardError):
        raise outcome.exception
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


def test_the_only_study_that_waits_is_meant_where_none_is_named(answers: dict[str, Any]) -> None:
    done = {"by": "A", "name": "heart", "data_set": "cardio", "epsilon": 2.995}
    answers["proposals"] = [{"study": "cd" * 32, "state": "approved"}, {"study": "ab" * 32, "state": "proposed"}]
    answers["approve"] = done
    run("study", "approve", "--yes", "--by", "A")
    assert answers["asked"][-1] == ("approve", {"study": "ab" * 32, "data_set": "cardio", "by": "A"})


def test_several_studies_must_be_named(answers: dict[str, Any]) -> None:
    answers["proposals"] = [{"study": "cd" * 32, "state": "proposed"}, {"study": "ab" * 32, "state": "proposed"}]
    with pytest.raises(FedwardError, match="which study"):
        run("study", "show")


def test_a_decision_without_a_name_is_not_made(answers: dict[str, Any]) -> None:
    with pytest.raises(FedwardError, match="who decides"):
        run("study", "reject", "abab", "--yes")
    assert [command for command, _ in answers["asked"]] == ["show"]


def test_saying_no_at_the_question_approves_nothing(answers: dict[str, Any]) -> None:
    outcome = CliRunner().invoke(app, ["study", "approve", "abab", "--by", "A"], input="n\n")
    assert outcome.exit_code != 0
    assert [command for command, _ in answers["asked"]] == ["show"]


def test_show_ends_with_the_command_that_approves(answers: dict[str, Any]) -> None:
    last = run("study", "show", "abab").strip().splitlines()[-1]
    assert last.startswith(f"Next: fedward-site study approve {'ab' * 8} --data-set cardio --by")


def test_several_data_sets_that_fit_are_left_to_the_person(answers: dict[str, Any]) -> None:
    (one,) = VIEW["data_sets"]
    answers["show"] = {**VIEW, "data_sets": [one, {**one, "data_set": "renal"}]}
    told = run("study", "show", "abab")
    assert "cardio, renal" in told
    assert "--data-set NAME --by" in told.strip().splitlines()[-1]


def test_what_else_is_read_and_the_rules_are_said() -> None:
    told = text(also_read=[["drawn_at", "when age was taken"]], rules=["Only records whose age is at least 18"])
    assert "drawn_at  when age was taken" in told
    assert "Only records whose age is at least 18" in told
    assert "also reads" not in text()


def test_what_the_model_is_for_is_said_in_one_line_each() -> None:
    told = text(uses=[["Use", "Referral.\nWHAT LEAVES: nothing"], ["Not for", "Children"]])
    assert "Use      Referral. WHAT LEAVES: nothing" in told
    assert "Not for  Children" in told
    assert "Not for" not in text()


def test_only_what_a_study_declares_of_its_use_is_in_the_view() -> None:
    declared = TWO_SITES.replace("protocol = 1", 'protocol = 1\nintended_use = "Referral."\nlicence = "CC-BY-4.0"')
    assert tuple(_uses(load(declared.encode()))) == (("Use", "Referral."), ("Licence", "CC-BY-4.0"))
    assert tuple(_uses(load(TWO_SITES.encode()))) == ()


def test_the_view_has_all_columns_that_are_read_and_all_rules() -> None:
    timed = NumberColumn("crea", "mg/dL", 0.0, 20.0, 1.0, 1.0, timing=Timing((-24.0, 0.0), "crea_at"))
    label = Label("died", (("0",), ("1",)), ("no", "yes"), time="died_at", window=(0.0, 720.0))
    data = DataContract(
        DataKind.TABLE,
        label,
        (timed,),
        patient="p",
        encounter="stay",
        time_zero="admitted",
        holdout=Holdout(0.2, "k"),
        include=(Rule("age", minimum=18.0), Rule("ward", values=("a", "b"))),
    )
    assert [name for name, _ in _also_read(data)] == ["stay", "admitted", "died_at", "crea_at", "age", "ward"]
    assert list(_rules(data)) == [
        "crea counts from -24 to 0 hours after time zero",
        "died counts from 0 to 720 hours after time zero",
        "Only records whose age is at least 18",
        "Only records whose ward is a or b",
        "20 % of patients are held out for testing, by a hash of their names",
    ]


def test_survival_is_said_in_its_own_words() -> None:
    label = Label("dead", (("0",), ("1",)), ("alive", "dead"), follow_up=FollowUp("days", "days", 3650.0))
    data = DataContract(DataKind.TABLE, label, (NumberColumn("crea", "mg/dL", 0.0, 20.0, 1.0, 1.0),), patient="p")

    told = text(
        classes=["alive", "dead"],
        label="dead",
        follow_up=_follow_up(data),
        also_read=[list(one) for one in _also_read(data)],
    )

    assert "that predicts the time until: dead (column dead; up to 3650 days)" in told
    assert "days  how long each patient was watched; from 3650 days on, as if 3650 days without the event" in told
    assert "that tells alive from dead" in text(classes=["alive", "dead"])


def test_the_ledger_tells_infinity_as_null_in_json_and_as_a_sign_to_people(answers: dict[str, Any]) -> None:
    answers["spending"] = [
        {
            "data_set": "cardio",
            "epsilon": float("inf"),
            "max_epsilon": 10.0,
            "delta": 1e-5,
            "reservations": 2,
            "studies": 1,
        }
    ]
    row = {"study": "ab" * 32, "name": "heart", "data_set": "cardio", "event": "2 steps", "at": 0}
    answers["ledger"] = [{**row, "round": 1, "replied": True}, {**row, "round": 2, "replied": False}]
    (found,) = json.loads(run("ledger", "--json"))["data_sets"]
    assert found["epsilon"] is None
    assert [(one["reservations"], one["replies"]) for one in found["by_study"]] == [(2, 1)]
    assert "ε = ∞ spent of 10.000" in run("ledger")


def test_a_record_that_was_changed_is_exit_code_three(answers: dict[str, Any]) -> None:
    answers["verify_journal"] = {"holds": False, "ledger_rows": 1, "journal_entries": 1, "problem": "entry 1"}
    with pytest.raises(FedwardError, match="entry 1") as caught:
        run("journal", "verify")
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "fedward-site ledger"),
        ({"studies": [{"state": "proposed", "study": "ab" * 32}]}, f"fedward-site study show {'ab' * 8}"),
        ({"gateway": {"process": 2, "attached": False}}, "fedward-site doctor"),
        ({"vault": {"process": None}}, "fedward-site run"),
        ({"certificate_days": 3}, "invite SITE --renew"),
        ({"books": {"locked": "rolled back"}}, "fedward-site doctor"),
    ],
)
def test_status_advises_what_matters_most(
    changes: dict[str, Any], expected: str, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    found = {
        "books": {"locked": ""},
        "certificate_days": 80,
        "vault": {"process": 1},
        "gateway": {"process": 2, "attached": True},
        "studies": [],
        **changes,
    }
    status_cli._advise(found, tmp_path)
    assert expected in capsys.readouterr().out


def test_a_process_without_interfaces_beside_loopback_has_no_network() -> None:
    assert status_cli._has_network(2**22 + 1), "where nothing can be found out, the worse is assumed"


@pytest.mark.parametrize("command", [[], ["study"], ["journal"], ["run"], ["status"], ["ledger"], ["withdraw"]])
def test_help_is_there(command: list[str]) -> None:
    assert "Usage" in run(*command, "--help")
