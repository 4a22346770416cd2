"""`fedward-site import`: what people see, and what stays unsaid."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from fedward_client.cli.app import app
from fedward_client.cli.import_order import bytes_of, seconds_of
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


def test_the_command_after_a_dry_run_is_the_same_one(tmp_path: Path) -> None:
    content = (HEADER + ROWS).replace(",", ";")
    result = _run(tmp_path, tmp_path / "none", content, "--dry-run", "--separator", ";", "--max-rejected", "0.5")

    last = result.output.strip().splitlines()[-1]
    assert "--separator ';' --max-rejected 0.5 --home" in last


def test_data_that_do_not_fit_lead_to_preflight(tmp_path: Path, home: Path) -> None:
    result = _run(tmp_path, home, HEADER.replace("age", "years") + ROWS)

    assert isinstance(result.exception, SourceDataError)
    assert f"fedward-site preflight {tmp_path / 'study.toml'} {tmp_path / 'cohort.csv'}" in result.exception.hint


def test_patients_on_both_sides_of_the_split_are_warned_of(tmp_path: Path, home: Path) -> None:
    result = _run(tmp_path, home, HEADER + ROWS + "p1,test,51,1,1\n")

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


def _import(home: Path, *arguments: object) -> Result:
    line = ["import", *map(str, arguments), "--data-set", "heart", "--home", str(home)]
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, line)


def test_a_mapping_names_the_source_and_says_what_its_columns_mean(tmp_path: Path, home: Path) -> None:
    study, mapping, folder = tmp_path / "study.toml", tmp_path / "site" / "mapping.toml", tmp_path / "site"
    study.write_text(TWO_SITES)
    folder.mkdir()
    (folder / "export.txt").write_text((HEADER + ROWS).replace(",", ";").replace("age", "ALTER"))
    mapping.write_text('[source]\ntype = "csv"\npath = "export.txt"\n\n[columns.age]\nsource = "ALTER"\n')

    result = _import(home, "--contract", study, "--mapping", mapping)

    assert result.exit_code == 0, result.exception
    assert "40 rows fit the contract, 0 were rejected" in result.output
    assert "quarantine.csv" not in result.output


def test_the_command_line_may_name_another_file_than_the_mapping(tmp_path: Path, home: Path) -> None:
    study, mapping, other = tmp_path / "study.toml", tmp_path / "mapping.toml", tmp_path / "other.csv"
    study.write_text(TWO_SITES)
    other.write_text(HEADER + ROWS)
    mapping.write_text('[source]\ntype = "csv"\npath = "export.txt"\nseparator = ";"\n')

    result = _import(home, other, "--contract", study, "--mapping", mapping, "--separator", ",")

    assert result.exit_code == 0, result.exception


def test_a_database_is_imported_by_its_mapping(tmp_path: Path, home: Path) -> None:
    study, mapping = tmp_path / "study.toml", tmp_path / "mapping.toml"
    study.write_text(TWO_SITES)
    with closing(sqlite3.connect(tmp_path / "ward.db")) as ward:
        ward.execute("CREATE TABLE visits (patient_id, split, age, chest_pain, disease)")
        ward.executemany(
            "INSERT INTO visits VALUES (?, 'train', ?, 1, ?)", [(f"p{row}", 40 + row, row % 2) for row in range(30)]
        )
        ward.commit()
    mapping.write_text('[source]\ntype = "sql"\nurl = "sqlite:///ward.db"\ntable = "visits"\n')

    result = _import(home, "--contract", study, "--mapping", mapping)

    assert result.exit_code == 0, result.exception
    assert "30 rows fit the contract, 0 were rejected" in result.output


def test_with_nothing_to_import_the_message_says_how_to_name_it(tmp_path: Path, home: Path) -> None:
    (tmp_path / "study.toml").write_text(TWO_SITES)
    for more in ((), ("postgresql://reader@db/ward",)):
        result = _import(home, *more, "--contract", tmp_path / "study.toml")

        assert isinstance(result.exception, UsageError)
        assert "[source]" in result.exception.diagnostics()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--memory-limit", "much"),
        ("--memory-limit", "1MB"),
        ("--time-limit", "0s"),
        ("--time-limit", "3 weeks"),
        ("--output-limit", "-1"),
        ("--file-limit", "1XB"),
    ],
)
def test_limits_are_sizes_and_times(tmp_path: Path, home: Path, option: str, value: str) -> None:
    result = _run(tmp_path, home, HEADER + ROWS, option, value)

    assert isinstance(result.exception, UsageError)
    assert option in result.exception.message


@pytest.mark.parametrize(
    ("more", "kind"),
    [(("--row-limit", "39"), SourceDataError), (("--output-limit", "10"), FedwardError)],
)
def test_a_limit_that_is_passed_leaves_nothing(
    tmp_path: Path, home: Path, more: tuple[str, ...], kind: type[FedwardError]
) -> None:
    result = _run(tmp_path, home, HEADER + ROWS, *more)

    assert isinstance(result.exception, kind)
    assert list((home / "inbox").glob("heart/*")) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [("4GB", 4e9), ("4 GB", 4e9), ("1.5g", 1.5e9), ("300MB", 3e8), ("512 MiB", 512e6), ("1e9", 1e9), ("2tb", 2e12)],
)
def test_sizes_are_written_in_several_ways(text: str, expected: float) -> None:
    assert bytes_of(text, "--output-limit") == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("90", 90), ("90s", 90), ("30 min", 1800), ("6h", 21600), ("1d", 86400)]
)
def test_times_are_written_in_several_ways(text: str, expected: float) -> None:
    assert seconds_of(text, "--time-limit") == expected


def test_before_joining_the_message_says_to_begin_with_it(tmp_path: Path) -> None:
    result = _run(tmp_path, tmp_path / "none", HEADER + ROWS)

    assert isinstance(result.exception, UsageError)
    assert "fedward-site join" in result.exception.hint
