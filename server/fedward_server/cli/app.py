"""`fedward-coordinator`: the command tree. Each group of commands is one file."""

from __future__ import annotations

from fedward_server.cli import run, setup
from fedward_server.cli.model import model_app
from fedward_server.cli.recipe import recipe
from fedward_server.cli.study import study_app
from fedward_shared.command_line import command_line
from fedward_shared.console import run_command

__all__ = ["app", "main"]

app = command_line(
    "fedward-coordinator",
    "The coordinator of a consortium of hospitals. Start with: fedward-coordinator init --host NAME",
)
setup.register(app)
study_app.command("recipe")(recipe)
app.add_typer(study_app, name="study")
run.register(app)
app.add_typer(model_app, name="model")


def main() -> None:
    """The console script."""
    run_command(lambda: app(standalone_mode=True))
