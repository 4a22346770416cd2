"""`fedward-coordinator init, renew, invite, sites`: who belongs to the federation."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from click.core import ParameterSource

from fedward_server.cli.options import DEFAULT_HOME, HomeOption
from fedward_shared.console import next_step, say

if TYPE_CHECKING:
    from fedward_server.home import CoordinatorHome
    from fedward_server.registry import InviteRecord, Registry, SiteRecord

__all__ = ["register"]

_LINK_PORT = 7443
_ENROLMENT_PORT = 7444
_HOUR = 3600
_WARN_SECONDS = 14 * 24 * _HOUR

_sites = typer.Typer(help="The sites: who joined, who is invited, whose certificate ends; revoke one.")


def register(app: typer.Typer) -> None:
    """Adds these commands to the command line."""
    app.command()(init)
    app.command()(renew)
    app.command()(invite)
    app.add_typer(_sites, name="sites", invoke_without_command=True)


def init(
    *,
    host: Annotated[
        list[str], typer.Option(help="A name or address under which sites reach this machine. The first is in invites.")
    ],
    name: Annotated[str, typer.Option(help="What the consortium calls this coordinator.")] = "Fedward coordinator",
    port: Annotated[int, typer.Option(help="TCP port of the link. 0: any free one, kept from then on.")] = _LINK_PORT,
    enrolment_port: Annotated[int, typer.Option(help="TCP port where sites enrol; 0 as above.")] = _ENROLMENT_PORT,
    listen: Annotated[str, typer.Option(help="Address to listen at. Default: all; only loopback for localhost.")] = "",
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Founds a federation: makes its keys, its certificate authority and its registry. Begin here."""
    from fedward_server.enrolment.founding import found, listening_address
    from fedward_server.home import CoordinatorHome, CoordinatorSettings

    settings = CoordinatorSettings(name, tuple(host), listen or listening_address(host), port, enrolment_port)
    place = CoordinatorHome(home)
    founded = found(place, settings, datetime.now(UTC))
    say(f"{name} is ready in {home}.")
    say(f"  study key    {founded.study_key}   signs studies; sites compare this by telephone")
    say(f"  authority    {founded.authority}   certifies sites; sites compare this, too")
    say(f"  round key    certified until {founded.round_key_until:%Y-%m-%d}; then: fedward-coordinator renew")
    say(f"Keys lie in {place.keys_dir}, readable by you alone. The study key is needed only to publish a study and to")
    say(f"renew: you may move {place.study_key_file} offline, and should keep a copy there.")
    if port and enrolment_port:
        next_step(f"fedward-coordinator invite SITE --home {home}", "one for each hospital")
    else:
        next_step(f"fedward-coordinator run --home {home}", "it takes its ports; then invite each hospital")


def renew(home: HomeOption = DEFAULT_HOME) -> None:
    """Certifies the round key for 90 more days and renews the services' own certificate (needs the study key)."""
    from fedward_server.enrolment import founding
    from fedward_server.home import CoordinatorHome

    founded = founding.renew(CoordinatorHome(home), datetime.now(UTC))
    say(f"The round key is certified until {founded.round_key_until:%Y-%m-%d}; no site has to do anything.")
    next_step(f"fedward-coordinator run --home {home}", "restart it if it is running: it then uses them")


def invite(
    site: Annotated[str, typer.Argument(help="The site's name: a-z, 0-9 and -.")],
    *,
    valid_hours: Annotated[float, typer.Option(min=0.01, max=24 * 30, help="How long the invite holds.")] = 72,
    renew: Annotated[
        bool, typer.Option("--renew", help="For a site that has joined: another certificate for the same vault.")
    ] = False,
    new_vault: Annotated[
        bool,
        typer.Option("--new-vault", help="For a site whose vault was lost, and with it its record of what was spent."),
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Where to write it. Default: invites/SITE.invite.")] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Invites one hospital: a small file with a one-time token, to be handed over confidentially."""
    from fedward_server.enrolment.inviting import invite_site
    from fedward_server.home import CoordinatorHome
    from fedward_server.registry import InviteKind
    from fedward_shared.errors import UsageError

    if renew and new_vault:
        raise UsageError("--renew and --new-vault exclude each other")
    kind = InviteKind.RENEW if renew else InviteKind.NEW_VAULT if new_vault else InviteKind.NEW
    place = CoordinatorHome(home)
    registry = _registry(place)
    expires = int(time.time() + valid_hours * _HOUR)
    made, path = invite_site(place, registry, site, expires=expires, kind=kind, out=out)
    registry.close()
    if new_vault:
        say(f"CAUTION: {site} begins a new ledger. What its patients' privacy has cost so far is forgotten.")
    say(f"The invite for {site} is in {path}. It holds until {_day(expires, minutes=True)} and works once.")
    say("Hand it over confidentially, and read these to the hospital by telephone before it joins:")
    say(f"  study key    {made.study_key_fingerprint}")
    say(f"  authority    {made.authority_fingerprint}")
    next_step(f"fedward-site join {path.name}{' --again' if renew else ''}", "at the hospital")


@_sites.callback()
def sites(context: typer.Context, home: HomeOption = DEFAULT_HOME) -> None:
    """Shows every site: joined, invited, revoked; when its certificate ends; where its ledger was last seen."""
    if context.invoked_subcommand is not None:
        if context.get_parameter_source("home") is ParameterSource.COMMANDLINE:  # it would not reach the subcommand
            raise typer.BadParameter("--home belongs behind the last word: sites revoke SITE --home HOME")
        return
    from fedward_server.home import CoordinatorHome

    place = CoordinatorHome(home)
    registry = _registry(place)
    known, waiting = registry.sites(), registry.open_invites()
    _show(registry, known, waiting)
    registry.close()
    _remind(place)
    if not known and not waiting:
        next_step(f"fedward-coordinator invite SITE --home {home}", "one for each hospital")
    elif not known:
        next_step(f"fedward-coordinator run --home {home}", "so that invited sites can join")
    else:
        next_step(f"fedward-coordinator status --home {home}", "what is being trained")


@_sites.command()
def revoke(
    site: Annotated[str, typer.Argument(help="The site to cut off.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Cuts a site off within a second: its certificate and any open invite no longer count."""
    from fedward_server.home import CoordinatorHome

    place = CoordinatorHome(home)
    registry = _registry(place)
    if not yes:
        typer.confirm(f"Cut {site} off? It can come back only with a new invite.", abort=True)
    registry.revoke(site)
    registry.close()
    say(f"{site} is revoked. A running coordinator ends its connection within a second.")
    next_step(f"fedward-coordinator invite {site} --renew --home {home}", "if it is to come back one day")


def _show(registry: Registry, known: list[SiteRecord], waiting: list[InviteRecord]) -> None:
    from rich.console import Console
    from rich.table import Table

    from fedward_shared.crypto.keys import fingerprint

    table = Table("site", "state", "joined", "certificate ends", "ledger", "journal", "vault key")
    now = int(time.time())
    invited = {record.site: record for record in waiting}
    for site in known:
        heads = registry.latest_heads(site.name)
        state = "revoked " + _day(site.revoked) if site.revoked else "joined"
        if site.name in invited:
            state += f", invited until {_day(invited.pop(site.name).expires)}"
        table.add_row(
            site.name, state, _day(site.joined), _ends(site, now), str(heads.ledger_sequence),
            str(heads.journal_sequence), fingerprint(site.vault_key),
        )  # fmt: skip
    for record in invited.values():
        table.add_row(record.site, f"invited until {_day(record.expires)}", "", "", "", "", "")
    Console().print(table)


def _remind(home: CoordinatorHome) -> None:
    from fedward_shared.crypto import certificates, round_key

    body, _ = home.round_key_certificate()
    service = certificates.expiry(home.server_certificate.read_bytes()).timestamp()
    for what, end in (("round key's", round_key.expiry(body)), ("services' own", int(service))):
        if end - time.time() < _WARN_SECONDS:
            say(f"The {what} certificate ends on {_day(end)}: fedward-coordinator renew --home {home.root}")


def _ends(site: SiteRecord, now: int) -> str:
    day = _day(site.certificate_expires)
    if site.revoked:
        return day
    if site.certificate_expires <= now:
        return f"{day} EXPIRED: invite --renew"
    return f"{day} SOON: invite --renew" if site.certificate_expires - now < _WARN_SECONDS else day


def _registry(home: CoordinatorHome) -> Registry:
    from fedward_server.registry import Registry

    home.load()
    return Registry(home.registry_db)


def _day(seconds: int, *, minutes: bool = False) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):{'%Y-%m-%d %H:%M UTC' if minutes else '%Y-%m-%d'}}"
