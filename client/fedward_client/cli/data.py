"""`fedward-site import`: from what a hospital has to checked data that the vault can open."""

from __future__ import annotations

import shlex
import signal
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedward_client.cli.options import DEFAULT_HOME, HomeOption
from fedward_shared.console import next_step, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fedward_client.importer.program.in_worker import Outcome
    from fedward_client.importer.report import ImportReport

__all__ = ["import_file", "import_progress"]

_LIMITS = "Limits"
_REJECTED = 0.2
_ENDED = 128 + signal.SIGTERM


def import_file(
    source: Annotated[
        str,
        typer.Argument(
            help="A file or folder: CSV, Parquet, Excel, FHIR, OMOP, DICOM. Left out: what the mapping names.",
            show_default=False,
        ),
    ] = "",
    *,
    contract: Annotated[Path, typer.Option("--contract", help="The study file (study.toml) that says what fits.")],
    data_set: Annotated[
        str, typer.Option("--data-set", help="Your name for these data. Import again under the same name.")
    ],
    mapping: Annotated[
        Path | None, typer.Option("--mapping", help="mapping.toml: how your data say what the study asks.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    separator: Annotated[str, typer.Option("--separator", help="Between cells, if not found: , or ; or tab.")] = "",
    max_rejected: Annotated[
        float, typer.Option("--max-rejected", help="The largest share of rows that may be rejected.")
    ] = _REJECTED,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check only; write nothing.")] = False,
    memory_limit: Annotated[
        str, typer.Option("--memory-limit", help="Memory that reading may take.", rich_help_panel=_LIMITS)
    ] = "4GB",
    time_limit: Annotated[
        str, typer.Option("--time-limit", help="How long it may take.", rich_help_panel=_LIMITS)
    ] = "12h",
    output_limit: Annotated[
        str, typer.Option("--output-limit", help="How much it may write.", rich_help_panel=_LIMITS)
    ] = "1TB",
    file_limit: Annotated[
        str,
        typer.Option("--file-limit", help="The largest picture or recording to open.", rich_help_panel=_LIMITS),
    ] = "1GB",
    row_limit: Annotated[
        int, typer.Option("--row-limit", min=1, help="The most rows.", rich_help_panel=_LIMITS)
    ] = 200_000_000,
    unsafe_unconfined_importer: Annotated[
        bool,
        typer.Option(
            "--unsafe-unconfined-importer",
            help="UNSAFE: go on although the program that reads your files could open the vault's key.",
            rich_help_panel=_LIMITS,
        ),
    ] = False,
) -> None:
    """Check a source against a study's data contract and put what fits into the vault's inbox. Nothing is sent."""
    from fedward_client.cli.import_order import bytes_of, memory_of, order_of, seconds_of
    from fedward_client.home import SiteHome
    from fedward_client.importer.order import Limits
    from fedward_client.importer.program.in_worker import forbidden_of, import_confined

    limits = Limits(
        seconds=seconds_of(time_limit, "--time-limit"),
        memory_bytes=memory_of(memory_limit, "--memory-limit"),
        output_bytes=bytes_of(output_limit, "--output-limit"),
        file_bytes=bytes_of(file_limit, "--file-limit"),
        records=row_limit,
        max_rejected=max_rejected,
    )
    site = SiteHome(home)
    if not dry_run:
        site.load()
    order = order_of(source, contract, data_set, mapping=mapping, separator=separator, limits=limits, dry_run=dry_run)
    with _with_preflight(source, contract, mapping), import_progress("Checking rows") as progress:
        report = import_confined(
            order,
            site.inbox,
            forbidden=forbidden_of(site),
            unsafe=unsafe_unconfined_importer,
            progress=progress,
            told=_warn,
        )
    _show(report)
    if dry_run:
        say("A dry run: nothing was written.")
        words = ["fedward-site", "import", *([source] if source else []), "--contract", str(contract)]
        words += ["--data-set", data_set, *(["--mapping", str(mapping)] if mapping else [])]
        words += ["--separator", separator] if separator else []
        words += ["--max-rejected", f"{max_rejected:g}"] if max_rejected != _REJECTED else []
        words += ["--home", str(home)]
        next_step(shlex.join(words))
        return
    say(f"Imported as {data_set}, version {(report.version or '')[:16]}")
    if report.rejected or report.duplicates or report.lost_events:
        say(f"Row numbers and reasons (no values): {(report.folder or Path()) / 'quarantine.csv'}")
    next_step(f"fedward-site study show --home {home}", "what the study asks and what it costs, before you approve")


@contextmanager
def import_progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error while a source is read; what it yields is told how far, and of how much (0: unknown).

    SIGTERM ends what runs meanwhile as Ctrl-C does: everything is cleaned up, and the exit status is 143.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), TaskProgressColumn(show_speed=True), TimeRemainingColumn())
    try:
        with _told_to_end(), Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("", total=None)
            yield lambda done, of: bar.update(task, completed=done, total=of or None)
    except (KeyboardInterrupt, SystemExit):
        say("stopped. Nothing was written. Run the same command again.")
        raise


@contextmanager
def _with_preflight(source: str, contract: Path, mapping: Path | None) -> Iterator[None]:
    """Says of data that do not fit which command tells why."""
    from fedward_shared.errors import SourceDataError

    words = ["fedward-site", "preflight", str(contract), *([source] if source else [])]
    words += ["--mapping", str(mapping)] if mapping else []
    try:
        yield
    except SourceDataError as error:
        told = f"{shlex.join(words)} says which columns and why."
        raise SourceDataError(error.message, hint="\n".join(filter(None, (error.hint, told)))) from error


@contextmanager
def _told_to_end() -> Iterator[None]:
    """Makes SIGTERM an exception, once, so that folders and the worker are cleaned up on the way out."""

    def end(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise SystemExit(_ENDED)

    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread alone
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _warn(outcome: Outcome) -> None:
    """What does not hold, of what should keep the vault from the program that read the source."""
    for path in outcome.confined.reached:
        say(f"warning: the program that read the source could open {path}")
    for lacking in outcome.confined.lacks:
        say(f"note: this system does not hold the importer by {lacking}; other protections do (fedward-site doctor)")


def _show(report: ImportReport) -> None:
    from rich.console import Console
    from rich.table import Table

    say(f"{report.accepted} rows fit the contract, {report.rejected} were rejected")
    if report.excluded:
        say(f"{report.excluded} rows are not of the study's cohort")
    if report.duplicates:
        say(f"{report.duplicates} rows repeat a record of their patient, which counts once")
    if report.reasons:
        table = Table("column", "why rejected", "rows", "such as row")
        for (column, reason), count in sorted(report.reasons.items(), key=lambda item: -item[1]):
            table.add_row(column, reason, str(count), ", ".join(map(str, report.examples[column, reason])))
        Console(markup=False).print(table)
    if report.lost_events:
        table = Table("column", "why an event was not used", "events")
        for (column, reason), count in sorted(report.lost_events.items(), key=lambda item: -item[1]):
            table.add_row(column, reason, str(count))
        Console(markup=False).print(table)
    converted = {name: counts.converted for name, counts in report.counts.items() if counts.converted}
    for name, count in converted.items():
        say(f"{name}: {count} values converted to the study's unit")
    if report.straddling:
        say(f"warning: {report.straddling} patients have rows both for training and for testing; test figures flatter")
