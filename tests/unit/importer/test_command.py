"""`fedward-site import`: what people see, and what stays unsaid."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from fedward_client.cli.app import app
from fedward_client.home import SiteHome, SiteIdentity
from fedward_shared.errors import FedwardError, SourceDataError, UsageError
from tests.support.samples import TWO_SITES

ROWS = "".join(f"p{row},train,50,1,{row % 2}\n" for row in range(40))
HEADER = "patient_id,split,age,chest_pain,disease\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    site = SiteHome(tmp_path / "north")
    site.make_folders()
    site.save(SiteIdentity("north", "consortium", "localhost", 1, 2, "ab", "cd", 3))
    return site.root


def _run(tmp_path: Path, home: Path, content: str, *more: str) -> Result:
    source, study = tmp_path / "cohort.csv", tmp_path / "study.toml"
    source.write_text(content)
    study.write_text(TWO_SITES)
    arguments = ["import", source, "--contract", study, "--data-set", "heart", "--home", home, *more]
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, list(map(str, arguments)))


def test_an_import_is_reported_and_names_the_next_command(tmp_path: Path, home: Path) -> None:
    result = _run(tmp_path, home, HEADER + ROWS + "Zebra,train,999,1,1\n")

    assert result.exit_code == 0, result.exception
    assert "40 rows fit the contract, 1 were rejected" in result.output
    assert "is outside its range" in result.output
    assert "quarantine.csv" in result.output
    assert f"Next: fedward-site study show --home {home}" in result.output
    assert "Zebra" not in result.output
    assert "999" not in result.output
    assert len(list((home / "inbox" / "heart").iterdir())) == 1


def test_a_dry_run_needs_no_site_and_writes_nothing(tmp_path: Path) -> None:
    result = _run(tmp_path, tmp_path / "none", HEADER + ROWS, "--dry-run")

    assert result.exit_code == 0, result.exception
    assert "nothing was written" in result.output
    assert not (tmp_path / "none").exists()


def test_patients_on_both_sides_of_the_split_are_warned_of(tmp_path: Path, home: Path) -> None:
    result = _run(tmp_path, home, HEADER + ROWS + "p1,test,50,1,1\n")

    assert "warning: 1 patients have rows both for training and for testing" in result.output


def test_tabs_are_spelt_out(tmp_path: Path, home: Path) -> None:
    result = _run(tmp_path, home, (HEADER + ROWS).replace(",", "\t"), "--separator", "tab")

    assert result.exit_code == 0, result.exception


@pytest.mark.parametrize(
    ("content", "more", "kind"),
    [
        (HEADER + "p,train,999,1,1\n", (), SourceDataError),
        (HEADER.replace("age", "years") + ROWS, (), SourceDataError),
        (HEADER + ROWS, ("--max-rejected", "2"), UsageError),
    ],
)
def test_failures_are_used_wrongly(
    tmp_path: Path, home: Path, content: str, more: tuple[str, ...], kind: type[FedwardError]
) -> None:
    result = _run(tmp_path, home, content, *more)

    assert isinstance(result.exception, kind)
    assert result.exception.exit_code == 2
    assert list((home / "inbox").glob("heart/*")) == []


def test_before_joining_the_message_says_to_begin_with_it(tmp_path: Path) -> None:
    result = _run(tmp_path, tmp_path / "none", HEADER + ROWS)

    assert isinstance(result.exception, UsageError)
    assert "fedward-site join" in result.exception.hint
