"""`fedward-site`: the command tree. Each group of commands is one file."""

from __future__ import annotations

from fedward_client.cli import backbone, join, ledger, status, study
from fedward_client.cli.data import import_file
from fedward_client.cli.preflight import preflight
from fedward_client.cli.run import run
from fedward_shared.command_line import command_line
from fedward_shared.console import run_command

__all__ = ["app", "main"]

app = command_line(
    "fedward-site",
    "A hospital in a federation: its data never leave it. Start with: fedward-site join INVITE",
)
join.register(app)
app.command("import")(import_file)
app.command()(preflight)
study.register(app)
backbone.register(app)
app.command()(run)
status.register(app)
ledger.register(app)


def main() -> None:
    """The console script."""
    run_command(lambda: app(standalone_mode=True))
