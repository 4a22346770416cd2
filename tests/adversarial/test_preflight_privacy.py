"""Preflight reads every cell and repeats none: no report, proposal, error or log holds one; nor does it obey one.

Every kind of cell holds a marker of its own, and everything that preflight says is searched for them. The one exception
is declared: category spellings that many patients share are shown where a person must answer (terminal and
mapping), and never in the report.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from fedward_client.cli.app import app
from fedward_client.importer.order import ImportOrder
from fedward_client.importer.preflight import running
from fedward_client.importer.preflight.profile import Profile
from fedward_client.importer.preflight.profiling import profile_source
from fedward_shared.errors import FedwardError
from tests.support.samples import TWO_SITES

HEADER = "patient_id,split,age,chest_pain,disease"
MARKER = "Zebra"
NUMBER = "73.918264"
ROWS = [f"p{at},{'test' if at % 5 == 0 else 'train'},{30 + at % 50},{at // 2 % 4 + 1},{at % 2}" for at in range(150)]
INJECTION = "<script>alert('x')</script><img src=x onerror=alert(1)>\"'&[red]\x1b[31m"


@pytest.fixture(autouse=True)
def _in_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.chdir(tmp_path)
    Path("study.toml").write_text(TWO_SITES)

    def measured(order: ImportOrder, **_: object) -> Profile:
        return profile_source(order, scratch)

    monkeypatch.setattr(running, "preflight_confined", measured)


def _run(content: str, *more: str, name: str = "export.csv") -> Result:
    Path(name).write_text(content)
    arguments = ["preflight", "study.toml", name, "--out", "report.html", "--site", "north", *more]
    return CliRunner(env={"COLUMNS": "300"}).invoke(app, arguments)


def _said(result: Result) -> Iterator[str]:
    """Everything that anybody can read afterwards, the source itself apart."""
    yield result.output
    yield repr(result.exception)
    if isinstance(result.exception, FedwardError):
        yield result.exception.diagnostics()
    for path in Path().rglob("*"):
        if path.is_file() and path.name not in {"export.csv", "study.toml"}:
            yield path.read_text(errors="replace")


def _with(column: int, cell: str, count: int) -> str:
    rows = [row.split(",") for row in ROWS]
    for row in rows[:count]:
        row[column] = cell
    return "\n".join([HEADER, *(",".join(row) for row in rows)]) + "\n"


RARE = [(column, count) for column in range(5) for count in (1, 4)]
FREQUENT = [(0, 150), (2, 150)]  # the one name of all rows, and a number that is none


@pytest.mark.parametrize(("column", "count"), [*RARE, *FREQUENT])
@pytest.mark.parametrize("way", [(), ("--yes",)], ids=["proposed", "accepted"])
def test_no_cell_is_repeated(column: int, count: int, way: tuple[str, ...]) -> None:
    result = _run(_with(column, MARKER, count), *way)

    for text in _said(result):
        assert MARKER.lower() not in text.lower()


@pytest.mark.parametrize("column", [0, 1, 2, 3, 4], ids=HEADER.split(","))
def test_no_cell_with_control_signs_is_repeated(column: int) -> None:
    result = _run(_with(column, f"{MARKER}\x07", 3))

    for text in _said(result):
        assert MARKER not in text


@pytest.mark.parametrize("cell", [NUMBER, f"-{NUMBER}e3", NUMBER.replace(".", ","), f"{NUMBER} kg", f"<{NUMBER}"])
@pytest.mark.parametrize("count", [1, 12])
def test_no_number_is_repeated(cell: str, count: int) -> None:
    result = _run(_with(2, f'"{cell}"', count))

    for text in _said(result):
        assert NUMBER.split(".")[1] not in text


@pytest.mark.parametrize("column", [1, 3, 4])
def test_a_frequent_spelling_is_in_the_question_and_the_mapping_but_never_in_the_report(column: int) -> None:
    spelt = {1: "TRAIN", 3: "02", 4: "no disease"}[column]
    result = _run(_with(column, spelt, 100))

    assert spelt in result.output
    assert spelt in Path("mapping.proposed.toml").read_text()
    page = Path("report.html").read_text()
    assert spelt not in re.sub(r"<td>class no disease</td>", "", page) or spelt.isdecimal()
    assert "unknown spelling" in page


def test_a_column_of_names_that_was_mapped_by_mistake_shows_none_of_them() -> None:
    content = "\n".join(
        [HEADER.replace("chest_pain", "cp") + ",chest_pain", *(f"{row},Name{at}" for at, row in enumerate(ROWS))]
    )
    result = _run(content + "\n")

    for text in _said(result):
        assert not re.search(r"Name\d", text)


def test_a_file_without_header_does_not_show_its_first_patient() -> None:
    result = _run("\n".join([f"{MARKER},train,73.918264,4,1", *ROWS]) + "\n")

    for text in _said(result):
        assert MARKER not in text
        assert NUMBER.split(".")[1] not in text


@pytest.mark.parametrize(
    "content", ["", "\0" * 1000, "a" * 100_000, HEADER + "\n" + '"' + ROWS[0]], ids=["empty", "zeros", "a", "open"]
)
def test_what_is_no_table_is_told_without_a_traceback(content: str) -> None:
    result = _run(content)

    assert result.exit_code != 0
    assert result.exception is None or isinstance(result.exception, FedwardError | SystemExit)


def _injected() -> str:
    name = '"' + INJECTION.replace('"', '""') + '"'
    return "\n".join([HEADER.replace("age", name), *ROWS]) + "\n"


def test_a_columns_name_is_text_and_no_markup() -> None:
    result = _run(_injected())

    page = Path("report.html").read_text()
    assert not re.search(r"<(script|img)", page)
    assert "onerror=alert(1)>" not in page
    for text in (page, result.output):
        assert "\x1b" not in text


def test_a_study_and_a_file_with_hostile_names_are_text_too() -> None:
    Path("study.toml").write_text(
        TWO_SITES.replace("Coronary heart disease from routine findings", "<script>alert(1)</script>").replace(
            "columns.age", "columns.'<b onload=x>'"
        )
    )
    name = "<img src=x onerror=alert(1)>[bold].csv"
    result = _run("\n".join([HEADER.replace("age", "<b onload=x>"), *ROWS]) + "\n", name=name)

    assert result.exit_code in {0, 1}, result.exception
    page = Path("report.html").read_text()
    assert not re.search(r"<(script|img|b)\b", page)


def test_the_report_of_another_is_not_followed_through_a_link(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("data")
    Path("report.html").symlink_to(precious)
    _run("\n".join([HEADER, *ROWS]) + "\n")

    assert precious.read_text() == "data"
    assert not Path("report.html").is_symlink()
