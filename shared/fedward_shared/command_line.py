"""The root that the three commands grow on: `--version`, `--help`, and no traceback for people."""

from __future__ import annotations

import typer

from fedward_shared.console import say
from fedward_shared.version import VERSION

__all__ = ["command_line"]


def command_line(name: str, purpose: str) -> typer.Typer:
    """An application without commands; `purpose` says what it is for and what to do first."""
    app = typer.Typer(
        name=name, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False, help=purpose
    )

    def show(wanted: bool) -> None:
        if wanted:
            say(f"{name} {VERSION}")
            raise typer.Exit

    def root(
        version: bool = typer.Option(False, "--version", callback=show, is_eager=True, help="Show the version."),
    ) -> None:
        pass

    app.callback()(root)
    return app
