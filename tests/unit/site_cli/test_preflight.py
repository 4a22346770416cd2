"""`fedward-site preflight`: what a data manager sees, what is asked and kept, how it ends."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from click.testing import Result
from typer.testing import CliRunner

from fedward_client.cli import preflight as command
from fedward_client.cli.app import app
from fedward_client.home import SiteHome, SiteIdentity
from fedward_client.importer.mapping_file import load_mapping
from fedward_client.importer.order import ImportOrder
from fedward_client.importer.preflight import running
from fedward_client.importer.preflight.profile import Profile
from fedward_client.importer.preflight.profiling import profile_source
from fedward_shared.errors import UsageError
from tests.support.samples import TWO_SITES

HEADER = ("patient_id", "split", "age", "chest_pain", "disease")


@pytest.fixture(autouse=True)
def _in_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same work without a worker, in the test's own folder."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.chdir(tmp_path)

    def measured(order: ImportOrder, **_: object) -> Profile:
        return profile_source(order, scratch)

    monkeypatch.setattr(running, "preflight_confined", measured)


def _rows(count: int = 150) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "patient_id": [f"p{at}" for at in range(count)],
            "split": ["test" if at % 5 == 0 else "train" for at in range(count)],
            "age": [str(30 + at % 50) for at in range(count)],
            "chest_pain": [str(at // 2 % 4 + 1) for at in range(count)],
            "disease": [str(at % 2) for at in range(count)],
        }
    )


def _run(rows: pl.DataFrame | None, *more: str, typed: str | None = None) -> Result:
    Path("study.toml").write_text(TWO_SITES)
    if rows is not None:
        rows.write_csv("export.csv")
    return CliRunner(env={"COLUMNS": "300"}).invoke(app, ["preflight", "study.toml", *more], input=typed)


def _at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_at_terminal", lambda: True)


def test_a_fitting_source_is_ready_and_the_next_command_imports_it() -> None:
    result = _run(_rows(), "export.csv", "--site", "north")

    assert result.exit_code == 0, result.exception
    assert "Ready: an import would take this source." in result.output
    assert "declared for north: 150" in result.output
    assert "Next: fedward-site import export.csv --contract study.toml" in result.output
    assert not Path("mapping.toml").exists()
    assert not Path("mapping.proposed.toml").exists()


def test_the_page_is_the_owners_alone_and_says_not_to_send_it() -> None:
    result = _run(_rows(), "export.csv", "--out", "report.html")

    page = Path("report.html")
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert "do not send" in page.read_text()
    assert "report.html" in result.output


def test_a_joined_site_is_known_and_its_report_lies_in_its_folder() -> None:
    home = SiteHome(Path("north"))
    home.make_folders()
    home.save(SiteIdentity("north", "consortium", "localhost", 1, 2, "ab", "cd", 3))

    result = _run(_rows(), "export.csv", "--home", "north")

    assert result.exit_code == 0, result.exception
    assert "declared for north: 150" in result.output
    assert (home.reports / "preflight" / "heart-disease.html").exists()


def test_what_stops_an_import_ends_with_1_and_tells_how_to_go_on() -> None:
    result = _run(_rows().with_columns(pl.lit("999").alias("age")), "export.csv")

    assert result.exit_code == 1
    assert "150 of 150 rows would be rejected" in result.output
    assert "Next: fedward-site preflight study.toml export.csv --mapping mapping.toml" in result.output


def test_without_a_terminal_proposals_go_to_a_file_of_their_own() -> None:
    rows = _rows().rename({"age": "AGE"}).with_columns(pl.col("split").str.to_uppercase())
    result = _run(rows, "export.csv")

    assert result.exit_code == 1
    assert "age is the source's 'AGE'" in result.output
    assert "the verdict would be: ready" in result.output
    assert not Path("mapping.toml").exists()
    proposed = load_mapping(Path("mapping.proposed.toml"))
    assert proposed.answer("age").source == "AGE"
    assert dict(proposed.answer("split").values) == {"TEST": "test", "TRAIN": "train"}
    assert stat.S_IMODE(Path("mapping.proposed.toml").stat().st_mode) == 0o600


def test_yes_takes_strong_proposals_saves_them_and_says_what_became_better() -> None:
    rows = _rows().rename({"age": "AGE"}).with_columns(pl.col("split").str.to_uppercase())
    result = _run(rows, "export.csv", "--yes")

    assert result.exit_code == 0, result.output
    assert "With the answers 150 of 150 rows fit, where 0 did before." in result.output
    mapping = load_mapping(Path("mapping.toml"))
    assert mapping.answer("age").source == "AGE"
    assert mapping.source is not None
    assert mapping.source.path == Path("export.csv")


def test_a_saved_mapping_is_used_again_without_naming_anything() -> None:
    _run(_rows().rename({"age": "AGE"}), "export.csv", "--yes")
    again = _run(None)

    assert again.exit_code == 0, again.output
    assert "Answers in mapping.toml are used." in again.output


def test_yes_leaves_weak_proposals_alone() -> None:
    result = _run(_rows().rename({"age": "age_at_visit"}), "export.csv", "--yes")

    assert result.exit_code == 1
    assert not Path("mapping.toml").exists()


def test_at_a_terminal_one_question_comes_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    _at_a_terminal(monkeypatch)
    rows = (
        _rows()
        .rename({"age": "age_at_visit"})
        .with_columns(pl.col("chest_pain").replace({"1": "typical", "4": "none at all"}))
    )
    # the column (the first offered), then the two spellings by number: typical is 1, the other is not known
    result = _run(rows, "export.csv", typed="1\n1\n5\n")

    assert result.exit_code == 0, result.output
    assert "Which column of the source is it?" in result.output
    assert "'typical' stands in 38 cells. What does it mean?" in result.output
    mapping = load_mapping(Path("mapping.toml"))
    assert mapping.answer("age").source == "age_at_visit"
    assert dict(mapping.answer("chest_pain").values) == {"typical": "1"}
    assert mapping.answer("chest_pain").missing == ("none at all",)


def test_a_wrong_number_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    _at_a_terminal(monkeypatch)
    result = _run(_rows().rename({"age": "AGE"}), "export.csv", typed="77\nwhat?\n1\n")

    assert result.exit_code == 0, result.output
    assert "A number from 1 to" in result.output


def test_every_row_can_be_another_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    _at_a_terminal(monkeypatch)
    chosen: list[str] = []

    def ask(question: str, choices: Sequence[str], default: str) -> str:
        chosen.append(question)
        return next(choice for choice in choices if "another patient" in choice)

    monkeypatch.setattr(command, "_ask", ask)
    result = _run(_rows().drop("patient_id"), "export.csv")

    assert result.exit_code == 0, result.output
    assert len(chosen) == 1
    assert load_mapping(Path("mapping.toml")).answer("patient_id").source == "(row)"


def test_a_mapping_that_is_changed_is_kept_beside() -> None:
    before = '# my words\n[source]\ntype = "csv"\npath = "export.csv"\n'
    Path("mapping.toml").write_text(before)
    result = _run(_rows().rename({"age": "AGE"}), "--yes")

    assert result.exit_code == 0, result.output
    assert Path("mapping.toml.bak").read_text() == before
    assert "mapping.toml.bak" in result.output


def test_an_answer_that_is_skipped_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    _at_a_terminal(monkeypatch)
    monkeypatch.setattr(command, "_ask", lambda _question, choices, _default: choices[-1])
    result = _run(_rows().rename({"age": "AGE"}), "export.csv")

    assert result.exit_code == 1
    assert not Path("mapping.toml").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("export.csv", "--site", "nowhere"), "no site"),
        ((), "nothing says what to import"),
        (("export.csv", "--max-rejected", "2"), "max-rejected"),
    ],
)
def test_what_is_used_wrongly_is_told(more: tuple[str, ...], said: str) -> None:
    result = _run(_rows(), *more)

    assert isinstance(result.exception, UsageError)
    assert said in result.exception.message


def test_a_share_of_rejected_rows_can_be_allowed() -> None:
    rows = _rows().with_columns(pl.when(pl.int_range(150) < 60).then(pl.lit("999")).otherwise("age").alias("age"))

    assert _run(rows, "export.csv").exit_code == 1
    assert _run(rows, "export.csv", "--max-rejected", "0.5").exit_code == 0


def test_help_says_what_is_done_and_what_is_not() -> None:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["preflight", "--help"])

    assert "nothing is imported and nothing is sent" in result.output


def test_paths_in_a_saved_mapping_start_at_its_folder() -> None:
    Path("data").mkdir()
    _rows().rename({"age": "AGE"}).write_csv("data/export.csv")
    result = _run(None, "data/export.csv", "--yes")

    assert result.exit_code == 0, result.output
    mapping = load_mapping(Path("mapping.toml"))
    assert mapping.source is not None
    assert mapping.source.path == Path("data/export.csv")
    assert mapping.files is None
    assert _run(None).exit_code == 0
