"""`fedward-coordinator run, status`: train what was published, see how far it is."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Annotated

import typer

from fedward_server.cli.options import DEFAULT_HOME, HomeOption
from fedward_shared.console import next_step, say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from types import FrameType

    from rich.table import Table

    from fedward_server.daemon import Told
    from fedward_server.home import CoordinatorHome
    from fedward_server.status import Running
    from fedward_server.studies import Studies, StudyFolder

__all__ = ["register"]

_INTERRUPTED = 130


def register(app: typer.Typer) -> None:
    """Adds these commands to the command line."""
    app.command()(run)
    app.command()(status)


def run(
    *,
    study: Annotated[
        str, typer.Option(help="Run only this study (name or id). One that failed goes on from its last round.")
    ] = "",
    until_done: Annotated[bool, typer.Option("--until-done", help="End when no study is left to run.")] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Serves the sites and trains published studies, one after the other. Goes on by itself after a crash."""
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    from fedward_server.daemon import Coordinator
    from fedward_server.home import CoordinatorHome
    from fedward_server.studies import Studies

    place = CoordinatorHome(home)
    place.load()
    studies = Studies(place.studies_dir)
    only = studies.find(study) if study else None
    signal.signal(signal.SIGTERM, _terminated)
    try:
        with _telling() as tell:
            coordinator = Coordinator(place, tell)
            with coordinator.serving():
                failed = coordinator.run(only, until_done=until_done)
    except KeyboardInterrupt as stopped:
        _say_what_remains(studies)
        next_step(f"fedward-coordinator run --home {home}", "goes on where it was")
        raise typer.Exit(0 if stopped.args == ("terminated",) else _INTERRUPTED) from None
    if failed:
        next_step(f"fedward-coordinator status --home {home}", "what failed and why")
        raise typer.Exit(1)
    done = [folder for folder in studies.all() if folder.model.is_dir()]
    if not done:
        say("No study was published yet.")
        next_step(f"fedward-coordinator study init --home {home}", "begin with a commented file")
        return
    next_step(f"fedward-coordinator model export {done[-1].study().name} --home {home}", "take the model out")


def status(home: HomeOption = DEFAULT_HOME) -> None:
    """Shows whether the coordinator runs, which study and round it is at, who is attached, and who is missing."""
    from rich.console import Console

    from fedward_server.home import CoordinatorHome
    from fedward_server.status import is_running, read_status
    from fedward_server.studies import Studies

    place = CoordinatorHome(home)
    place.load()
    latest = read_status(home)
    running = is_running(home)
    if running and latest is not None:
        say(f"running (process {latest.pid}), link port {latest.link_port}, enrolment port {latest.enrolment_port}")
        _show_sites(place, latest)
        if latest.study:
            seconds = max(0, round(time.time() - latest.updated))
            say(f"{latest.name}: round {latest.round} of {latest.rounds}, {latest.phase} ({seconds} s ago)")
            say(f"  {latest.text}")
    else:
        say("not running")
    studies = Studies(place.studies_dir)
    if not studies.all():
        next_step(f"fedward-coordinator study init --home {home}", "no study was published yet")
        return
    Console().print(_table(studies))
    for folder in studies.all():
        if reason := folder.standing().reason:
            say(f"{folder.id}: {reason}")
    if not running:
        next_step(f"fedward-coordinator run --home {home}", "serves the sites and trains")
    else:
        next_step("fedward-coordinator model export STUDY", "once a study is done")


def _telling() -> AbstractContextManager[Told]:
    """Lines for a log, and on a terminal a bar that moves with the rounds."""
    from contextlib import contextmanager

    from rich import progress
    from rich.console import Console

    from fedward_server.rounds.progress import Notice, Phase

    @contextmanager
    def telling() -> Iterator[Told]:
        console = Console(soft_wrap=True, highlight=False)
        columns = (progress.SpinnerColumn(), progress.TextColumn("{task.description}"), progress.BarColumn())
        ends = (progress.MofNCompleteColumn(), progress.TimeElapsedColumn())
        with progress.Progress(*columns, *ends, console=console, disable=not console.is_terminal) as bars:
            tasks: dict[str, progress.TaskID] = {}

            def tell(name: str, notice: Notice | None, text: str) -> None:
                at = time.strftime("%H:%M:%S")
                if notice is None:
                    console.print(f"{at} {name} {text}" if name else f"{at} {text}", markup=False)
                    return
                if name not in tasks:
                    tasks[name] = bars.add_task(name, total=notice.rounds)
                task = tasks[name]
                completed = notice.round - (notice.phase not in {Phase.ROUND_DONE, Phase.CONCLUDING, Phase.DONE})
                bars.update(task, completed=completed, description=f"{name}: {notice.phase.value}")
                where = f"round {notice.round} of {notice.rounds}"
                again = f", attempt {notice.attempt}" if notice.attempt > 1 else ""
                console.print(f"{at} {name} {where}{again}, {notice.phase.value}: {text}", markup=False)

            yield tell

    return telling()


def _terminated(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt("terminated")


def _say_what_remains(studies: Studies) -> None:
    from fedward_server.studies import StudyState

    open_states = {StudyState.PUBLISHED, StudyState.RUNNING}
    remaining = [folder for folder in studies.all() if folder.standing().state in open_states]
    names = ", ".join(folder.study().name for folder in remaining) or "nothing"
    say(f"Stopped. Every completed round is safe; still to do: {names}.")


def _show_sites(home: CoordinatorHome, latest: Running) -> None:
    from fedward_server.registry import Registry

    registry = Registry(home.registry_db)
    try:
        names = [site.name for site in registry.sites() if site.revoked is None]
    finally:
        registry.close()
    say(f"attached: {', '.join(latest.attached) or 'nobody'}")
    away = [name for name in names if name not in latest.attached]
    if away:
        say(f"not attached: {', '.join(away)}")


def _table(studies: Studies) -> Table:
    from rich.table import Table

    table = Table("id", "study", "state", "rounds done")
    for folder in studies.all():
        study = folder.study()
        table.add_row(
            folder.id, study.name, folder.standing().state.value, f"{_done(folder)} of {study.strategy.rounds}"
        )
    return table


def _done(folder: StudyFolder) -> int:
    files = (folder.rounds / "checkpoints").glob("round-*.safetensors")
    return max((int(path.stem.removeprefix("round-")) for path in files), default=0)
