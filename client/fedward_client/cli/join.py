"""`fedward-site join` and `doctor`: becoming part of a federation, and finding out what is wrong."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedward_client.cli.options import DEFAULT_HOME, HomeOption
from fedward_shared.console import next_step, say

if TYPE_CHECKING:
    from fedward_client.enrolment.doctor import Finding
    from fedward_shared.crypto.invite import Invite

__all__ = ["register"]

_STANDARD_INPUT = "-"


def register(app: typer.Typer) -> None:
    """Adds these commands to the command line."""
    # A pasted invite begins with dashes; it is no option.
    app.command(context_settings={"ignore_unknown_options": True})(join)
    app.command()(doctor)


def join(
    invite: Annotated[str, typer.Argument(help="The invite: a file, the pasted text, or - for standard input.")],
    again: Annotated[
        bool, typer.Option("--again", help="For a site that has joined: a new certificate, with a new invite.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="The fingerprints were compared; do not ask.")] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Joins a federation: makes this site's keys here, and has the coordinator certify it. Begin here."""
    from fedward_client.enrolment import joining
    from fedward_client.home import SiteHome
    from fedward_shared.crypto.invite import parse_invite
    from fedward_shared.errors import UsageError

    read = parse_invite(_text(invite))
    _show(read)
    if not yes:
        if invite == _STANDARD_INPUT:
            raise UsageError(
                "the fingerprints must be compared, and the answer cannot come from the same standard input",
                hint="Compare the two fingerprints above by telephone, then run this again with --yes.",
            )
        typer.confirm("Did the coordinator read these two fingerprints to you by telephone?", abort=True)
    joined = joining.join(SiteHome(home), read, again=again)
    say(f"{joined.identity.site} has joined the federation of {joined.identity.coordinator}.")
    say(f"  certificate      valid until {joined.certificate_expires:%Y-%m-%d}")
    say(f"  the vault's half {joined.isolation}")
    say(f"  keys             made here, in {home}; they never leave it")
    say(f"  policy           {SiteHome(home).policy_toml}: read it with your data protection officer")
    next_step(
        f"fedward-site import FILE --contract study.toml --data-set NAME --home {home}"
        if not again
        else f"fedward-site run --home {home}",
        "reads this hospital's data; NAME is your own for them"
        if not again
        else "restart it if it is running: it then uses the new certificate",
    )


def doctor(home: HomeOption = DEFAULT_HOME) -> None:
    """Finds out what is wrong: coordinator, clock, certificate, isolation, disk, ledger. Changes nothing."""
    from fedward_client.enrolment.doctor import State, examine_site
    from fedward_client.home import SiteHome

    findings = list(examine_site(SiteHome(home)))
    _table(findings)
    failed = sum(finding.state is State.FAIL for finding in findings)
    if failed:
        say(f"{failed} of {len(findings)} checks failed; the last column says what to do.")
        next_step(f"fedward-site doctor --home {home}", "when that is done")
        raise typer.Exit(1)
    next_step(f"fedward-site run --home {home}", "takes part in studies")


def _text(invite: str) -> str:
    from fedward_shared.crypto.invite import MAX_INVITE_BYTES
    from fedward_shared.errors import UsageError
    from fedward_shared.files import read_limited

    if invite == _STANDARD_INPUT:
        return sys.stdin.read(MAX_INVITE_BYTES + 1)
    if "\n" in invite:
        return invite
    try:
        return read_limited(Path(invite), MAX_INVITE_BYTES).decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{invite} is not an invite", hint="Ask the coordinator to send it again.") from error


def _show(invite: Invite) -> None:
    say(f"An invite for {invite.site} from {invite.coordinator}, at {invite.host}:")
    say(f"  study key    {invite.study_key_fingerprint}")
    say(f"  authority    {invite.authority_fingerprint}")


def _table(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    colours = {"ok": "green", "warn": "yellow", "FAIL": "bold red"}
    table = Table("", "looked at", "found", "what to do")
    for finding in findings:
        colour = colours[finding.state]
        words = (escape(text) for text in (finding.subject, finding.found, finding.advice))
        table.add_row(f"[{colour}]{finding.state}[/]", *words)
    Console().print(table)
