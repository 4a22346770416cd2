"""`fedward-site ledger`, `unsafe-unlock` and `journal`: what was spent, and what crossed the door."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from fedward_client.cli.options import DEFAULT_HOME, HomeOption
from fedward_shared.console import next_step, say

__all__ = ["register"]

_SHORT = 16
_NEWEST = 50

_journal = typer.Typer(no_args_is_help=True, help="The signed record of all that crossed the door and was decided.")

_JsonOption = Annotated[bool, typer.Option("--json", help="As JSON (null stands for ∞).")]


def register(app: typer.Typer) -> None:
    """Adds these commands to the command line."""
    app.command()(ledger)
    app.command("unsafe-unlock")(unsafe_unlock)
    app.add_typer(_journal, name="journal")


def ledger(json: _JsonOption = False, home: HomeOption = DEFAULT_HOME) -> None:
    """Shows what each data set has spent of its privacy budget, and on which studies."""
    from fedward_client.cli.words import say_json

    spending, rows = _ask(home, "spending"), _ask(home, "ledger")
    if json:
        say_json(
            {"data_sets": [{**one, "by_study": by_study(rows, one["data_set"])} for one in spending], "rows": rows}
        )
        return
    if not spending:
        say("Nothing was imported or spent yet.")
        next_step(f"fedward-site import FILE --contract STUDY.toml --data-set NAME --home {home}")
        return
    _show(spending, rows)
    next_step(f"fedward-site journal verify --home {home}", "is the record whole?")


def unsafe_unlock(
    *,
    by: Annotated[str, typer.Option("--by", help="Who answers for it; the journal keeps the name for ever.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="What happened, and why no newer backup is restored.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Ends a ledger's lock without a newer backup. UNSAFE: what was spent and then lost is never counted again."""
    from fedward_client.cli.words import epsilon
    from fedward_shared.errors import UsageError

    why_locked = _ask(home, "status")["locked"]
    if not why_locked:
        raise UsageError("the ledger is not locked", hint=f"See what was spent: fedward-site ledger --home {home}")
    if yes and not (by and reason):
        raise UsageError(
            "who answers for it, and why? The journal keeps both",
            hint='Add: --by "Your Name" --reason "What happened, and why no newer backup is restored"',
        )
    if not yes:
        say(f"The ledger is locked: {why_locked}.")
        for one in _ask(home, "spending"):
            known = f"ε = {epsilon(one['epsilon'])} of {epsilon(one['max_epsilon'])}"
            say(f"  {one['data_set']}: {known} is still on record; there may have been more")
        say("Restoring the newest backup of vault/ is safe. This is not: what was spent since is forgotten, so that")
        say("patients' records can be used beyond what the policy allows. Ask the data protection officer first.")
        by = by or str(typer.prompt("Your name, for the journal"))
        reason = reason or str(typer.prompt("What happened, and why no newer backup is restored"))
        typer.confirm("Unlock the ledger?", abort=True)
    _ask(home, "unsafe_unlock", by=by, reason=reason)
    say(f"Unlocked, in the name of {by.strip()}. The journal keeps the name and the reason.")
    next_step(f"fedward-site journal show --home {home}", "what is on record; studies go on when the site runs")


@_journal.command()
def verify(home: HomeOption = DEFAULT_HOME) -> None:
    """Recomputes both chains and checks every signature. Exit code 3 where the record was changed."""
    from fedward_shared.errors import LockedError

    found = _ask(home, "verify_journal")
    if not found["holds"]:
        raise LockedError(
            f"the record does not hold: {found['problem']}",
            hint="Stop the site, keep its folder as it is, and tell the coordinator.",
        )
    say(f"Whole: {found['journal_entries']} journal entries, each signed, and {found['ledger_rows']} ledger rows.")
    next_step(f"fedward-site journal show --home {home}", "what they say")


@_journal.command()
def show(
    newest: Annotated[int, typer.Option(min=1, help="How many entries, counted from the last.")] = _NEWEST,
    json: _JsonOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Shows the newest entries: what was asked, answered, refused and decided, and when."""
    from fedward_client.cli.words import say_json, when

    entries = _ask(home, "journal", newest=newest)
    if json:
        say_json(entries)
        return
    for one in entries:
        say(f"{one['sequence']:>6}  {when(one['at'])}  {one['kind']:<12} {one['says']}")
    next_step(f"fedward-site journal verify --home {home}", "is the record whole?")


def by_study(rows: Sequence[Mapping[str, Any]], data_set: str) -> list[dict[str, Any]]:
    """What each study reserved of a data set: rounds, the newest time, and what one round is charged."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["data_set"] != data_set:
            continue
        one = found.setdefault(
            row["study"],
            {"study": row["study"], "name": row["name"], "reservations": 0, "replies": 0, "event": row["event"]},
        )
        one["reservations"] += 1
        one["replies"] += row["replied"]
        one["latest"] = row["at"]
    return list(found.values())


def _show(spending: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    from fedward_client.cli.words import epsilon, when

    console = Console()
    for one in spending:
        left = max(0.0, one["max_epsilon"] - one["epsilon"])
        console.print(
            f"{one['data_set']}: ε = {epsilon(one['epsilon'])} spent of {epsilon(one['max_epsilon'])}"
            f" at δ = {one['delta']:g}, {epsilon(left)} left",
            highlight=False,
        )
        studies = by_study(rows, one["data_set"])
        if not studies:
            continue
        table = Table("study", "name", "reservations", "replies", "each charged", "latest")
        for study in studies:
            table.add_row(
                study["study"][:_SHORT],
                study["name"],
                str(study["reservations"]),
                str(study["replies"]),
                study["event"],
                when(study["latest"]),
            )
        console.print(table)
    console.print("ε is per patient and site: somebody treated at two sites adds both up.", highlight=False)


def _ask(home: Path, command: str, **arguments: int | str) -> Any:
    from fedward_client.home import SiteHome
    from fedward_client.vault.office.admin import call

    return call(SiteHome(home), command, **arguments)
