"""`fedward-site`: the command tree. Each group of commands is one file."""

from __future__ import annotations

from typing import Annotated

import typer

from fedward_client.cli import join, ledger, status, study
from fedward_client.cli.data import import_file
from fedward_client.cli.run import run
from fedward_shared.console import run_command, say
from fedward_shared.version import VERSION

__all__ = ["app", "main"]

app = typer.Typer(
    name="fedward-site",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="A hospital in a federation: its data never leave it. Start with: fedward-site join INVITE",
)
join.register(app)
app.command("import")(import_file)
study.register(app)
app.command()(run)
status.register(app)
ledger.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        say(f"fedward-site {VERSION}")
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
