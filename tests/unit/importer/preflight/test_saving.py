"""What a person wrote is not lost, what is taken is told, and questions are whole sentences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from fedward_client.cli import preflight as command
from fedward_client.importer.mapping import Mapping
from fedward_client.importer.preflight.answers import save_mapping
from fedward_client.importer.preflight.findings import Defect, Finding, Kind, Proposal, Severity
from fedward_client.importer.preflight.judge import judge
from fedward_client.importer.preflight.looking import Look
from fedward_client.importer.preflight.questions import ask_all
from fedward_shared.errors import UsageError
from tests.support.preflighting import CONTRACT, SITE, looked, people


def test_no_earlier_mapping_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "mapping.toml"
    path.write_text("# mine\n")
    first = save_mapping(path, Mapping(decimal=","), CONTRACT)
    second = save_mapping(path, Mapping(), CONTRACT)
    assert first is not None
    assert second is not None
    assert (first.name, second.name) == ("mapping.toml.bak", "mapping.toml.bak2")
    assert first.read_text() == "# mine\n"


def test_what_yes_takes_is_told() -> None:
    rows = people().with_columns(pl.col("sex").replace({"female": "W", "male": "M"}))
    profile = looked(rows)
    look = Look(Mapping(), profile, judge(profile, CONTRACT, Mapping(), SITE, 0.2))
    said: list[str] = []
    assert command._taken(look, said) != Mapping()
    assert any(line.startswith("sex: ") for line in said)


@pytest.mark.parametrize(
    ("text", "start"), [("means: not measured", "means: not measured. "), ("is it 'a'?", "is it 'a'? ")]
)
def test_questions_are_whole_sentences(text: str, start: str) -> None:
    asked: list[str] = []
    proposal = Proposal(Kind.COLUMN, "age", source="a", choices=("a",))
    finding = Finding(Severity.STOPS, Defect.ABSENT_COLUMN, "age", text, "", proposal)

    def ask(question: str, choices: Sequence[str], default: str) -> str:
        asked.append(question)
        return default

    ask_all([finding], looked(people()), CONTRACT, Mapping(), ask)
    assert asked[0].startswith(start)


def test_a_report_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "report.html"
    with pytest.raises(UsageError, match=r"cannot write the report .*report\.html"):
        command._write_report(path, "page")
