"""`fedward-coordinator`: the command tree. Each group of commands is one file."""

from __future__ import annotations

from typing import Annotated

import typer

from fedward_server.cli import run, setup
from fedward_server.cli.study import study_app
from fedward_shared.console import run_command, say
from fedward_shared.version import VERSION

__all__ = ["app", "main"]

app = typer.Typer(
    name="fedward-coordinator",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="The coordinator of a consortium of hospitals. Start with: fedward-coordinator init --host NAME",
)
setup.register(app)
app.add_typer(study_app, name="study")
run.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        say(f"fedward-coordinator {VERSION}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """The console script."""
    run_command(lambda: app(standalone_mode=True))
