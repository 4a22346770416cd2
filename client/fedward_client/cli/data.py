"""`fedward-site import`: from a source file to checked data that the vault can open."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedward_client.cli.options import DEFAULT_HOME, HomeOption
from fedward_shared.console import next_step, say
from fedward_shared.contracts.study import LARGEST_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fedward_client.importer.table import ImportReport

__all__ = ["import_file"]


def import_file(
    file: Annotated[Path, typer.Argument(help="A CSV file in UTF-8 whose first line names the columns.")],
    *,
    contract: Annotated[Path, typer.Option("--contract", help="The study file (study.toml) that says what fits.")],
    data_set: Annotated[
        str, typer.Option("--data-set", help="Your name for these data. Import again under the same name.")
    ],
    home: HomeOption = DEFAULT_HOME,
    separator: Annotated[str, typer.Option("--separator", help="Between cells: , or ; or tab.")] = ",",
    max_rejected: Annotated[
        float, typer.Option("--max-rejected", help="The largest share of rows that may be rejected.")
    ] = 0.2,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check only; write nothing.")] = False,
) -> None:
    """Check a CSV file against a study's data contract and put what fits into the vault's inbox. Nothing is sent."""
    from fedward_client.home import SiteHome
    from fedward_client.importer.table import import_table
    from fedward_shared.files import read_limited

    site = SiteHome(home)
    if not dry_run:
        site.load()
    with _progress(file) as progress:
        report = import_table(
            file,
            read_limited(contract, LARGEST_MANIFEST),
            data_set,
            site.inbox,
            separator="\t" if separator == "tab" else separator,
            max_rejected=max_rejected,
            dry_run=dry_run,
            progress=progress,
        )
    _show(report)
    if dry_run:
        say("A dry run: nothing was written.")
        next_step(f"fedward-site import {file} --contract {contract} --data-set {data_set} --home {home}")
        return
    say(f"Imported as {data_set}, version {(report.version or '')[:16]}")
    if report.rejected:
        say(f"Row numbers and reasons (no values): {(report.folder or Path()) / 'quarantine.csv'}")
    next_step(f"fedward-site study show --home {home}", "what the study asks and what it costs, before you approve")


@contextmanager
def _progress(file: Path) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    total = file.stat().st_size if file.is_file() else None
    columns = (TextColumn("Checking rows"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda position: bar.update(task, completed=position)


def _show(report: ImportReport) -> None:
    from rich.console import Console
    from rich.table import Table

    say(f"{report.accepted} rows fit the contract, {report.rejected} were rejected")
    if report.reasons:
        table = Table("column", "why rejected", "rows", "such as row")
        for (column, reason), count in sorted(report.reasons.items(), key=lambda item: -item[1]):
            table.add_row(column, reason, str(count), ", ".join(map(str, report.examples[column, reason])))
        Console().print(table)
    if report.straddling:
        say(f"warning: {report.straddling} patients have rows both for training and for testing; test figures flatter")
