"""What holds for every command of the three: help that is fast and says where to begin, exit codes, and `--home`."""

from __future__ import annotations

import importlib
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from fedward_shared.errors import FedwardError
from fedward_shared.version import VERSION

MODULES = {
    "fedward-site": "fedward_client.cli.app",
    "fedward-coordinator": "fedward_server.cli.app",
    "fedward-sim": "fedward_simulations.cli",
}
BEGINS = {
    "fedward-site": ("join",),
    "fedward-coordinator": ("init",),
    "fedward-sim": ("scenario",),
}
"""What a newcomer does first with each."""

HEAVY = ("torch", "flwr", "opacus", "dp_accounting", "polars", "grpc", "scipy", "sklearn", "matplotlib", "onnx")

_HELP_OF_ALL = """
import contextlib, importlib, io, json, sys
module, paths = sys.argv[1], json.loads(sys.argv[2])
main = importlib.import_module(module).main
codes = []
for path in paths:
    sys.argv = ["fedward", *path, "--help"]
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            main()
        except SystemExit as left:
            codes.append(left.code)
print(json.dumps({"codes": codes, "loaded": sorted(sys.modules)}))
"""


@dataclass(frozen=True)
class Spoken:
    """A command as it is typed: `fedward-site study list`."""

    script: str
    path: tuple[str, ...]
    command: click.Command

    def __str__(self) -> str:
        return " ".join((self.script, *self.path))

    def run(self, *arguments: str) -> tuple[int, str]:
        """Exit code and what was said."""
        done = CliRunner(env={"COLUMNS": "200"}).invoke(app_of(self.script), [*self.path, *arguments])
        code = done.exception.exit_code if isinstance(done.exception, FedwardError) else done.exit_code
        return code, done.output


@cache
def app_of(script: str) -> Any:
    """The typer application."""
    return importlib.import_module(MODULES[script]).app


def commands(script: str) -> Iterator[Spoken]:
    """The root and everything below it."""

    def below(path: tuple[str, ...], command: click.Command) -> Iterator[Spoken]:
        yield Spoken(script, path, command)
        if isinstance(command, click.Group):
            for name, one in command.commands.items():
                yield from below((*path, name), one)

    yield from below((), get_command(app_of(script)))


ALL = [one for script in MODULES for one in commands(script)]
GROUPS = [one for one in ALL if isinstance(one.command, click.Group)]
LEAVES = [one for one in ALL if not isinstance(one.command, click.Group)]


@pytest.mark.parametrize("one", ALL, ids=str)
def test_every_command_explains_itself(one: Spoken) -> None:
    code, output = one.run("--help")
    assert code == 0
    assert "Usage:" in output
    assert one.command.help
    context = click.Context(one.command)
    described = [option.get_help_record(context) for option in one.command.params]
    assert all(record and record[1] for record in described)


@pytest.mark.parametrize("script", MODULES)
def test_the_first_help_says_what_to_do_first(script: str) -> None:
    _, output = Spoken(script, (), get_command(app_of(script))).run("--help")
    words = " ".join(output.split())
    assert f"Start with: {script} {' '.join(BEGINS[script])}" in words
    assert BEGINS[script] in {one.path for one in LEAVES if one.script == script}


NOWHERE = {("study", "recipe")}
"""Commands that only print."""


@pytest.mark.parametrize("script", MODULES)
def test_version(script: str) -> None:
    assert Spoken(script, (), get_command(app_of(script))).run("--version") == (0, f"{script} {VERSION}\n")


@pytest.mark.parametrize(
    "one", [leaf for leaf in LEAVES if leaf.script != "fedward-sim" and leaf.path not in NOWHERE], ids=str
)
def test_every_command_that_works_in_a_folder_takes_home(one: Spoken) -> None:
    (home,) = [option for option in one.command.params if option.name == "home"]
    assert home.opts == ["--home"]
    assert home.envvar == "FEDWARD_HOME"


@pytest.mark.parametrize("one", LEAVES, ids=str)
def test_every_command_names_the_next_one(one: Spoken) -> None:
    assert one.command.callback
    source = inspect.getsource(inspect.unwrap(one.command.callback))
    assert any(call in source for call in ("next_step(", "_advise("))


@pytest.mark.parametrize("one", ALL, ids=str)
def test_a_usage_error_is_exit_code_2(one: Spoken) -> None:
    assert one.run("--no-such-option")[0] == 2


@pytest.mark.parametrize("one", GROUPS, ids=str)
def test_an_unknown_command_is_exit_code_2(one: Spoken) -> None:
    assert one.run("no-such-command")[0] == 2


@pytest.mark.parametrize("one", [group for group in GROUPS if group.command.no_args_is_help], ids=str)
def test_a_group_alone_shows_its_help(one: Spoken) -> None:
    assert "Usage:" in one.run()[1]


@pytest.mark.parametrize(
    "one", [group for group in GROUPS if any(option.name == "home" for option in group.command.params)], ids=str
)
def test_a_home_before_the_last_word_is_not_overlooked(one: Spoken, tmp_path: Path) -> None:
    code, output = one.run("--home", str(tmp_path), "revoke", "north", "--yes")
    assert code == 2
    assert "belongs behind" in output


@pytest.mark.processes
@pytest.mark.parametrize("script", MODULES)
def test_no_help_loads_anything_heavy(script: str) -> None:
    paths = [one.path for one in ALL if one.script == script]
    command = [sys.executable, "-c", _HELP_OF_ALL, MODULES[script], json.dumps(paths)]
    found = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=120).stdout)
    assert found["codes"] == [0] * len(paths)
    assert [name for name in HEAVY if name in found["loaded"]] == []


@pytest.mark.processes
@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("fedward-site", ("status", "--home", "nowhere")),
        ("fedward-coordinator", ("study", "check", "nowhere.toml")),
        ("fedward-sim", ("run", "nowhere.toml", "--data", "nowhere")),
    ],
)
def test_a_mistake_of_ours_to_know_is_two_lines_and_no_traceback(script: str, arguments: tuple[str, ...]) -> None:
    line = f"from {MODULES[script]} import main; main()"
    done = subprocess.run([sys.executable, "-c", line, *arguments], capture_output=True, check=False, timeout=120)
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: ")
    assert b"Traceback" not in done.stderr
