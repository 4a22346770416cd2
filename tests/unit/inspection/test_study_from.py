"""`fedward-coordinator study init --from`: the conversation, and the file that comes of it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from fedward_server.cli import study as command
from fedward_server.cli.app import app
from fedward_shared.contracts.cohort import CategoryColumn, DataContract, NumberColumn
from fedward_shared.errors import FedwardError, SourceDataError, UsageError
from fedward_shared.manifest.notices import warnings
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.resolve import load_draft

HEART = ("patient_id", "age", "sex", "chol", "oldpeak", "seen", "note", "num")


@pytest.fixture
def heart(tmp_path: Path) -> Path:
    """A generated table like those of the four heart hospitals: 0 for a cholesterol that was not measured."""
    chance = random.Random(5)
    rows = [",".join(HEART)]
    for patient in range(300):
        cholesterol = 0 if patient % 7 == 0 else chance.randrange(150, 400)
        cells = (
            *(f"P{patient:04}", chance.randrange(30, 78), chance.choice("01"), cholesterol),
            *(chance.choice(("NaN", f"{chance.randrange(0, 62) / 10}")), f"2020-03-{1 + patient % 28:02}"),
            *(f"felt unwell after breakfast on day {patient}, then better", chance.choice("01234")),
        )
        rows.append(",".join(f'"{cell}"' for cell in cells))
    path = tmp_path / "Heart (raw).csv"
    path.write_text("\n".join(rows))
    return path


def _run(*arguments: str | Path, answers: str | None = None) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["study", *map(str, arguments)], input=answers)


@pytest.fixture
def at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_somebody_answers", lambda: True)


def _failure(result: Result) -> FedwardError:
    assert isinstance(result.exception, FedwardError), result.output
    return result.exception


def _contract(file: Path) -> DataContract:
    return load(file.read_bytes()).data


def test_with_yes_every_default_is_taken_and_the_file_is_right(tmp_path: Path, heart: Path) -> None:
    file = tmp_path / "study.toml"

    result = _run("init", file, "--from", heart, "--yes")

    assert result.exit_code == 0, result.exception
    assert "Read 300 rows of Heart (raw).csv" in result.output
    assert "a study file is public" in result.output
    assert "?" not in result.output
    assert f"Next: fedward-coordinator study check {file}" in result.output
    study = load_draft(file.read_bytes())
    assert study.name == "heart-raw"
    assert warnings(study) == ()
    assert study.data.patient == "patient_id"
    assert study.data.holdout is not None
    assert study.data.holdout.share == 0.2
    assert study.data.label.classes == (("0",), ("1",), ("2",), ("3",), ("4",))
    assert '"num" has 5 values: each is a class of its own' in result.output
    assert [column.missing_indicator for column in study.data.columns] == [False, False, True, True]
    assert [column.name for column in study.data.columns] == ["age", "sex", "chol", "oldpeak"]
    assert _run("check", file, "--home", tmp_path / "none").exit_code == 0


def test_columns_are_described_in_round_figures(tmp_path: Path, heart: Path) -> None:
    file = tmp_path / "study.toml"
    _run("init", file, "--from", heart, "--yes")

    age, sex, cholesterol, depression = _contract(file).columns

    assert isinstance(age, NumberColumn)
    assert isinstance(sex, CategoryColumn)
    assert isinstance(cholesterol, NumberColumn)
    assert isinstance(depression, NumberColumn)
    assert (age.unit, age.minimum, age.maximum) == ("years", 20.0, 90.0)
    assert sex.values == ("0", "1")
    assert (cholesterol.unit, cholesterol.substance, cholesterol.missing[-1]) == ("mg/dL", "cholesterol", "0")
    assert 0 < cholesterol.minimum <= 150
    assert "NaN" in depression.missing
    assert depression.unit == ""


def test_dates_texts_and_reasons_are_told_in_the_file_but_no_cell_of_them(tmp_path: Path, heart: Path) -> None:
    file = tmp_path / "study.toml"
    _run("init", file, "--from", heart, "--yes")

    text = file.read_text()
    assert '#   "seen": it holds dates' in text
    assert '#   "note": it holds free text' in text
    assert "breakfast" not in text
    assert "2020-03" not in text
    assert "P0001" not in text


def test_two_drafts_have_keys_of_their_own(tmp_path: Path, heart: Path) -> None:
    for name in ("one", "two"):
        _run("init", tmp_path / f"{name}.toml", "--from", heart, "--yes")

    first, second = (_contract(tmp_path / f"{name}.toml").holdout for name in ("one", "two"))
    assert first
    assert second
    assert first.key != second.key


@pytest.mark.usefixtures("at_a_terminal")
def test_the_conversation_asks_one_thing_at_a_time(tmp_path: Path, heart: Path) -> None:
    file = tmp_path / "study.toml"
    answers = [
        *("patient", "patient_id"),  # there is no column "patient"
        "num",
        *("5", "0, 1, 2, 3, 4", "3, 4"),  # not a value; not everybody; right
        *("half", "none"),
        "no",  # 0 is a real cholesterol
        "months",
        *("mmol/L", "gluten", "ldl"),
        "stages",
    ]

    result = _run("init", file, "--from", heart, answers="\n".join(answers) + "\n")

    assert result.exit_code == 0, result.output
    data = _contract(file)
    assert (data.patient, data.split, data.holdout) == ("patient_id", None, None)
    assert data.label.classes == (("0", "1", "2"), ("3", "4"))
    age, _, cholesterol, depression = data.columns
    assert isinstance(age, NumberColumn)
    assert isinstance(cholesterol, NumberColumn)
    assert isinstance(depression, NumberColumn)
    assert age.unit == "months"
    assert (cholesterol.unit, cholesterol.substance, cholesterol.minimum) == ("mmol/L", "ldl cholesterol", 0.0)
    assert "0" not in cholesterol.missing
    assert depression.unit == "stages"
    for told in (
        "did you mean patient_id?",
        "5: not among the values",
        "Somebody must be well, too",
        'A split column holds "train" and "test"',
        "Not known; ",
        '"stages" is not a known unit',
    ):
        assert told in result.output


@pytest.mark.usefixtures("at_a_terminal")
def test_enter_takes_each_answer_in_brackets(tmp_path: Path, heart: Path) -> None:
    asked, taken = tmp_path / "asked.toml", tmp_path / "taken.toml"

    assert _run("init", asked, "--from", heart, answers="\n" * 30).exit_code == 0
    assert _run("init", taken, "--from", heart, "--yes").exit_code == 0

    differ = [
        pair
        for pair in zip(asked.read_text().split("\n"), taken.read_text().split("\n"), strict=True)
        if pair[0] != pair[1]
    ]
    assert len(differ) == 1
    assert differ[0][0].startswith("holdout = ")


@pytest.mark.usefixtures("at_a_terminal")
def test_an_exclamation_mark_takes_all_that_follow(tmp_path: Path, heart: Path) -> None:
    file = tmp_path / "study.toml"

    result = _run("init", file, "--from", heart, answers="none\n!\n")

    assert result.exit_code == 0, result.output
    assert _contract(file).patient is None
    assert result.output.count("?") == 2


@pytest.mark.usefixtures("at_a_terminal")
def test_each_value_may_be_a_class(tmp_path: Path, heart: Path) -> None:
    file = tmp_path / "study.toml"

    _run("init", file, "--from", heart, answers="\n\neach\n!\n")

    assert _contract(file).label.names == ("0", "1", "2", "3", "4")


@pytest.mark.usefixtures("at_a_terminal")
def test_when_answers_end_nothing_is_written(tmp_path: Path, heart: Path) -> None:
    file = tmp_path / "study.toml"

    assert _run("init", file, "--from", heart, answers="\n").exit_code == 1
    assert not file.exists()


def test_without_a_terminal_yes_is_needed(tmp_path: Path, heart: Path) -> None:
    failure = _failure(_run("init", tmp_path / "study.toml", "--from", heart))

    assert failure.message == "nobody is there to answer"
    assert "--yes" in failure.hint


def test_a_split_made_beforehand_is_used(tmp_path: Path) -> None:
    rows = "".join(f"{30 + index},{index % 2},{('train', 'test')[index % 3 == 0]}\n" for index in range(40))
    (tmp_path / "t.csv").write_text("age,outcome,part\n" + rows)

    assert _run("init", tmp_path / "study.toml", "--from", tmp_path / "t.csv", "--yes").exit_code == 0
    data = _contract(tmp_path / "study.toml")
    assert (data.split, data.holdout, data.patient) == ("part", None, None)
    assert [column.name for column in data.columns] == ["age"]


def test_a_decimal_comma_is_told(tmp_path: Path) -> None:
    rows = "".join(f"{index % 9},{index % 7};{index % 2}\n" for index in range(63))
    (tmp_path / "t.csv").write_text("depth;outcome\n" + rows)
    result = _run("init", tmp_path / "study.toml", "--from", tmp_path / "t.csv", "--yes")

    assert 'write decimal = "," at the top of their mapping.toml' in result.output
    (depth,) = _contract(tmp_path / "study.toml").columns
    assert isinstance(depth, NumberColumn)
    assert (depth.minimum, depth.maximum) == (0.0, 10.0)
    assert 'decimal = ","' in (tmp_path / "study.toml").read_text()


def test_several_rows_of_one_patient_are_all_used(tmp_path: Path) -> None:
    rows = "".join(f"{index // 3},{30 + index},{index % 2}\n" for index in range(40))
    (tmp_path / "t.csv").write_text("patient,age,outcome\n" + rows)
    _run("init", tmp_path / "study.toml", "--from", tmp_path / "t.csv", "--yes")

    assert _contract(tmp_path / "study.toml").records_per_patient == 5


def test_names_of_patients_and_stays_are_no_inputs_however_often_they_come(tmp_path: Path) -> None:
    rows = "".join(
        f"{index // 2:06};{1000 + index // 6};{30 + index % 40};{('ja', 'nein')[index % 2]}\n" for index in range(60)
    )
    (tmp_path / "t.csv").write_text("Fallnummer;PatNr;age;Infarkt\n" + rows)
    _run("init", tmp_path / "study.toml", "--from", tmp_path / "t.csv", "--yes")

    data = _contract(tmp_path / "study.toml")
    assert (data.patient, data.encounter) == ("PatNr", "Fallnummer")
    assert [column.name for column in data.columns] == ["age"]
    assert (data.label.classes, data.label.names) == ((("nein",), ("ja",)), ("not Infarkt", "Infarkt"))


@pytest.fixture
def unclear(tmp_path: Path) -> Path:
    """A label of which no word says what it means, and a value with its time."""
    rows = "".join(f"p{index},{index / 7:.2f},2024-01-{1 + index % 28:02},{'AB'[index % 2]}\n" for index in range(60))
    (tmp_path / "t.csv").write_text("patient,crea,crea_at,outcome\n" + rows)
    return tmp_path / "t.csv"


def test_where_no_word_says_ill_nothing_is_guessed_and_that_is_told(tmp_path: Path, unclear: Path) -> None:
    result = _run("init", tmp_path / "study.toml", "--from", unclear, "--yes")

    assert 'CHECK: which value of "outcome" means ill?' in result.output
    assert "# CHECK: which of these means ill?" in (tmp_path / "study.toml").read_text()
    assert _contract(tmp_path / "study.toml").label.names == ("A", "B")


@pytest.mark.usefixtures("at_a_terminal")
def test_where_no_word_says_ill_enter_is_no_answer(tmp_path: Path, unclear: Path) -> None:
    result = _run("init", tmp_path / "study.toml", "--from", unclear, answers="\n\n\nA\n!\n")

    assert result.exit_code == 0, result.output
    assert "nothing is proposed" in result.output
    assert _contract(tmp_path / "study.toml").label.classes == (("B",), ("A",))
    assert "CHECK" not in (tmp_path / "study.toml").read_text()


def test_a_time_beside_a_number_is_proposed_as_its_own(tmp_path: Path, unclear: Path) -> None:
    _run("init", tmp_path / "study.toml", "--from", unclear, "--yes")

    text = (tmp_path / "study.toml").read_text()
    assert '# time = "crea_at"' in text
    assert "# window = " in text.split('# time = "crea_at"')[1].split("[data.columns")[0]


def test_odd_names_and_values_are_quoted(tmp_path: Path) -> None:
    rows = "".join(f'{index},"say ""{"ab"[index % 2]}"" \\",{index % 2}\n' for index in range(40))
    (tmp_path / "t.csv").write_text('"=1+1","a ""quoted"" \\name é",outcome\n' + rows)

    assert _run("init", tmp_path / "study.toml", "--from", tmp_path / "t.csv", "--yes").exit_code == 0
    first, second = _contract(tmp_path / "study.toml").columns
    assert (first.name, second.name) == ("=1+1", 'a "quoted" \\name é')
    assert isinstance(second, CategoryColumn)
    assert second.values == ('say "a" \\', 'say "b" \\')


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a,b\n1.5,2.5\n3.5,4.5\n", "no column can be predicted"),
        ("outcome,note\n" + "0,same\n1,same\n" * 5, "no column is left to predict from"),
        ("", "is empty"),
    ],
)
def test_a_table_that_makes_no_study_is_told(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "t.csv").write_text(content)

    failure = _failure(_run("init", tmp_path / "study.toml", "--from", tmp_path / "t.csv", "--yes"))

    assert isinstance(failure, SourceDataError)
    assert told in failure.message
    assert not (tmp_path / "study.toml").exists()


def test_a_table_too_wide_for_a_study_file_is_told(tmp_path: Path) -> None:
    names = [f"{index:04}{'x' * 190}" for index in range(1990)]
    values = [f"{'spelt-at-length-' * 6}{index}" for index in range(4)]
    rows = [",".join([*[value] * 1990, f"{index % 2}"]) for index, value in enumerate(values)]
    (tmp_path / "t.csv").write_text("\n".join([",".join([*names, "outcome"]), *rows]))

    failure = _failure(_run("init", tmp_path / "study.toml", "--from", tmp_path / "t.csv", "--yes"))

    assert "Cut the table down" in failure.hint


def test_from_and_a_template_exclude_each_other_and_nothing_is_overwritten(tmp_path: Path, heart: Path) -> None:
    file = tmp_path / "study.toml"

    both = _failure(_run("init", file, "--from", heart, "--from-template", "images"))
    file.write_text("mine")
    again = _failure(_run("init", file, "--from", heart, "--yes"))

    assert isinstance(both, UsageError)
    assert "--from-template" in both.message
    assert again.message == f"{file} exists already"
    assert file.read_text() == "mine"
