"""What the demo reads from ledgers and reports."""

import json
from pathlib import Path
from typing import Any

import pytest

from fedward_shared.errors import FedwardError
from fedward_simulations.demo.results import read_ledger, read_participation

STUDY = "ab" * 32


def row(number: int, attempt: int = 1, study: str = STUDY) -> dict[str, Any]:
    return {"study": study, "round": number, "attempt": attempt, "data_set": "heart"}


def ledger(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"data_sets": [{"data_set": "other", "epsilon": 9.0}, {"data_set": "heart", "epsilon": 2.5}], "rows": rows}


def test_a_ledger_is_summed_up_for_the_study_alone() -> None:
    found = read_ledger(ledger([row(1), row(2), row(2, 2), row(1, study="cd" * 32)]), STUDY)
    assert (found.epsilon, found.charged, found.distinct) == (2.5, 3, 3)


def test_a_round_charged_twice_would_show() -> None:
    found = read_ledger(ledger([row(1), row(1)]), STUDY)
    assert found.charged > found.distinct


def test_a_ledger_that_does_not_know_the_study_is_an_error() -> None:
    with pytest.raises(FedwardError, match="no spending"):
        read_ledger(ledger([]), STUDY)


def test_only_rounds_that_counted_count(tmp_path: Path) -> None:
    sites = {"north": {"took_part": True}, "south": {"took_part": False}}
    attempts = [
        {"round": 1, "enough": False, "sites": sites},
        {"round": 1, "enough": True, "sites": {**sites, "south": {"took_part": True}}},
        {"round": 2, "enough": True, "sites": sites},
    ]
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"rounds_completed": 2, "sites": sites, "attempts": attempts}))
    assert read_participation(report) == (2, {"north": (1, 2), "south": (1,)})
