"""Scores come out of a site's report as the model gave them."""

from pathlib import Path

import pytest

from fedward_shared.errors import UsageError
from fedward_simulations.scores import read_scores


def write(folder: Path, *lines: str) -> None:
    (folder / "test_scores.csv").write_text("\n".join(lines) + "\n")


def test_two_classes_are_written_as_one_score(tmp_path: Path) -> None:
    write(tmp_path, "row,label,score,group_0,unit", "4,1,0.4,1,7", "0,0,0.1,0,7")
    scored = read_scores(tmp_path, ["women"])
    assert scored.scores.tolist() == [[0.9, 0.1], [0.6, 0.4]]
    assert (scored.labels.tolist(), scored.units.tolist()) == ([0, 1], [7, 7])
    assert scored.groups["women"].tolist() == [False, True]


def test_more_classes_have_a_column_each(tmp_path: Path) -> None:
    write(tmp_path, "row,label,score_0,score_1,score_2,unit", "0,2,.1,.2,.7,0")
    assert read_scores(tmp_path).scores.tolist() == [[0.1, 0.2, 0.7]]


def test_a_study_without_a_report_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no report"):
        read_scores(tmp_path)


def test_a_report_of_other_subgroups_is_told(tmp_path: Path) -> None:
    write(tmp_path, "row,label,score,unit", "0,0,0.1,0")
    with pytest.raises(UsageError, match="other subgroups"):
        read_scores(tmp_path, ["women"])
