"""`study recipe`: lines that load, and a clear word about what was asked wrongly."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from fedward_server.cli.app import app
from fedward_shared.errors import UsageError
from fedward_shared.manifest.parse import load
from fedward_shared.recipes.schedules import FAMILIES

_HEAD = """\
[study]
name = "recipe"
title = "A recipe"
purpose = "Find out whether the lines load."
contact = "nobody@example.org"

[model]
name = "logistic"

[data]
kind = "tensor"
shape = [3]

[data.label]
column = "outcome"
classes = [["0"], ["1"]]
names = ["no", "yes"]

"""


def _run(*words: str) -> str:
    result = CliRunner().invoke(app, ["study", "recipe", *words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


@pytest.mark.parametrize("epsilon", ["3", "inf"])
def test_the_printed_lines_are_the_end_of_a_study_file(epsilon: str) -> None:
    printed = _run("gru", "--site", "north=4000", "--site", "south=90", "--epsilon", epsilon, "--strategy", "fedadam")

    study = load((_HEAD + printed[: printed.lower().index("next")]).encode())

    assert {name: site.size for name, site in study.sites.items()} == {"north": 4000, "south": 90}
    assert study.privacy.unsafe_no_privacy is (epsilon == "inf")
    assert study.strategy.name == "fedadam"


def test_all_models_are_listed() -> None:
    printed = _run("models")

    assert all(name in printed for name in FAMILIES)


@pytest.mark.parametrize("site", ["north", "north=", "north=-4", "=4", "north=0"])
def test_a_site_without_a_number_of_patients_is_refused(site: str) -> None:
    with pytest.raises(UsageError, match="does not say a site and its number"):
        _run("gru", "--site", site)


def test_a_site_named_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="does not say a site"):
        _run("gru", "--site", "north=4", "--site", "north=5")


def test_no_budget_is_refused() -> None:
    with pytest.raises(UsageError, match="is no budget"):
        _run("gru", "--epsilon", "0")
