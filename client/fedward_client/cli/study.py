"""`fedward-site study list, add, show, approve, reject` and `withdraw`: what a person at the hospital decides."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedward_client.cli.options import DEFAULT_HOME, HomeOption
from fedward_shared.console import next_step, say

if TYPE_CHECKING:
    from fedward_client.home import SiteHome

__all__ = ["register"]

_SHORT = 16

_study = typer.Typer(
    no_args_is_help=True,
    help="Studies that were offered to this site: look, then approve or reject. Start with: fedward-site study list",
)

_StudyArgument = Annotated[
    str, typer.Argument(help="The study's name, or how its hash begins. May be left out where only one is meant.")
]
_ByOption = Annotated[str, typer.Option("--by", help="Who decides; the journal keeps the name.")]
_YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
_JsonOption = Annotated[bool, typer.Option("--json", help="As JSON (null stands for ∞).")]


def register(app: typer.Typer) -> None:
    """Adds these commands to the command line."""
    app.add_typer(_study, name="study")
    app.command()(withdraw)


@_study.command("list")
def list_studies(json: _JsonOption = False, home: HomeOption = DEFAULT_HOME) -> None:
    """Lists the studies that reached this site, and what was decided."""
    from fedward_client.cli.words import say_json, when

    studies = _ask(home, "proposals")
    if json:
        say_json(studies)
        return
    if not studies:
        say("No study has reached this site yet. The coordinator offers them while this site runs.")
        next_step(f"fedward-site run --home {home}", "or `fedward-site status`, if it runs already")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("study", "name", "state", "data set", "rounds reserved", "offered")
    for one in studies:
        state = "concluded" if one["concluded"] else one["state"]
        rounds = f"{one['rounds_reserved']} of {one['rounds']}"
        table.add_row(one["study"][:_SHORT], one["name"], state, one["data_set"], rounds, when(one["offered_at"]))
    Console().print(table)
    waiting = [one for one in studies if one["state"] == "proposed"]
    if waiting:
        next_step(f"fedward-site study show {waiting[0]['study'][:_SHORT]} --home {home}", "what it asks for")
    else:
        next_step(f"fedward-site status --home {home}")


@_study.command()
def add(
    file: Annotated[Path, typer.Argument(help="The coordinator's study.offer, which `study publish` wrote.")],
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Takes in a study that came as a file, as if the coordinator had offered it. Nothing is approved by this."""
    from base64 import b64encode

    from fedward_shared.files import read_limited
    from fedward_shared.wire.codec import MAX_OFFER_BYTES

    content = read_limited(file, MAX_OFFER_BYTES)
    added = _ask(home, "add_study", offer=b64encode(content).decode())
    name = added["study"][:_SHORT]
    if added["known"]:
        say(f"{added['name']} ({name}) had reached this site before; it is {added['state']}.")
    else:
        say(f"{added['name']} ({name}): {added['title']}")
        say("Signed by the study key that this site knows, and made for this site. Nobody has approved it yet.")
    next_step(f"fedward-site study show {name} --home {home}", "what it asks for")


@_study.command()
def show(study: _StudyArgument = "", json: _JsonOption = False, home: HomeOption = DEFAULT_HOME) -> None:
    """Shows a study before anybody approves it: who asks, what is trained, what leaves, what it costs."""
    from fedward_client.cli.words import say_json

    view = _view(home, study)
    if json:
        say_json(view)
        return
    _preview(view, home)
    name = view["study"][:_SHORT]
    fitting = [choice["data_set"] for choice in view["data_sets"] if choice["covered"]]
    if view["state"] == "approved":
        next_step(f"fedward-site status --home {home}", f"to stop taking part: fedward-site withdraw {name}")
    elif not view["data_sets"]:
        next_step(f"fedward-site import FILE --contract STUDY.toml --data-set NAME --home {home}", "data first")
    else:
        names = fitting or [choice["data_set"] for choice in view["data_sets"]]
        if len(names) > 1:
            say(f"\nIt may train on one of: {', '.join(names)}")
        chosen = names[0] if len(names) == 1 else "NAME"
        next_step(
            f'fedward-site study approve {name} --data-set {chosen} --by "YOUR NAME" --home {home}',
            f"or: fedward-site study reject {name}",
        )


@_study.command()
def approve(
    study: _StudyArgument = "",
    data_set: Annotated[
        str, typer.Option("--data-set", help="The data it may train on. May be left out where only one fits.")
    ] = "",
    by: _ByOption = "",
    yes: _YesOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Lets a study train here, in the name of the person who decides; signed, and kept in the journal."""
    from fedward_client.cli.words import epsilon

    view = _view(home, study)
    chosen = data_set or _only_data_set(view)
    if not yes:
        _preview(view, home)
        say("")
        typer.confirm(f"Let this study train on {chosen}?", abort=True)
    done = _ask(home, "approve", study=view["study"], data_set=chosen, by=_person(by, yes))
    cost = epsilon(done["epsilon"])
    say(f"{done['by']} approved {done['name']} on {done['data_set']}, at a cost of at most ε = {cost}.")
    next_step(f"fedward-site status --home {home}", "the site must be running: fedward-site run")


@_study.command()
def reject(
    study: _StudyArgument = "", by: _ByOption = "", yes: _YesOption = False, home: HomeOption = DEFAULT_HOME
) -> None:
    """Says no to a study that nobody approved. The coordinator is told; nothing was spent."""
    view = _view(home, study)
    if not yes:
        typer.confirm(f"Reject {view['name']}?", abort=True)
    done = _ask(home, "reject", study=view["study"], by=_person(by, yes))
    say(f"{done['by']} rejected {done['name']}.")
    next_step(f"fedward-site study list --home {home}")


def withdraw(
    study: _StudyArgument = "", by: _ByOption = "", yes: _YesOption = False, home: HomeOption = DEFAULT_HOME
) -> None:
    """Ends an approval: nothing more is trained or sent for the study. What was spent stays spent."""
    view = _view(home, study, state="approved")
    if not yes:
        typer.confirm(f"Withdraw from {view['name']}? What has left cannot be called back.", abort=True)
    done = _ask(home, "withdraw", study=view["study"], by=_person(by, yes))
    say(f"{done['by']} withdrew from {done['name']}. Replies that were not fetched yet are deleted.")
    next_step(f"fedward-site ledger --home {home}", "what was spent")


def _view(home: Path, study: str, *, state: str = "proposed") -> dict[str, Any]:
    """The study that is meant: named, or the only one in `state`, or the only one at all."""
    from fedward_shared.errors import UsageError

    if not study:
        all_of_them = _ask(home, "proposals")
        meant = [one for one in all_of_them if one["state"] == state] or all_of_them
        if len(meant) != 1:
            raise UsageError(
                "which study? " + (", ".join(one["study"][:_SHORT] for one in meant) or "none has reached this site"),
                hint=f"See: fedward-site study list --home {home}",
            )
        study = meant[0]["study"]
    view: dict[str, Any] = _ask(home, "show", study=study)
    return view


def _only_data_set(view: dict[str, Any]) -> str:
    from fedward_shared.errors import UsageError

    names = [choice["data_set"] for choice in view["data_sets"]]
    if len(names) == 1:
        return str(names[0])
    raise UsageError(
        f"which data set? {', '.join(names)} fit the study" if names else "no imported data fit the study's contract",
        hint="Add: --data-set NAME" if names else "Import them: fedward-site import FILE --contract STUDY.toml",
    )


def _person(by: str, yes: bool) -> str:
    from fedward_shared.errors import UsageError

    if by or not yes:
        return by or str(typer.prompt("Your name, for the journal"))
    raise UsageError("who decides? A decision carries a name", hint='Add: --by "Your Name"')


def _preview(view: dict[str, Any], home: Path) -> None:
    from fedward_client.cli.preview import describe

    for line in describe(view, _site(home).load().site):
        say(line)


def _site(home: Path) -> SiteHome:
    from fedward_client.home import SiteHome

    return SiteHome(home)


def _ask(home: Path, command: str, **arguments: str) -> Any:
    from fedward_client.vault.office.admin import call

    return call(_site(home), command, **arguments)
