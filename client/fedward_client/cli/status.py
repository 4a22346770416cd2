"""`fedward-site status`: is everything running, attached and in order, and what is there to do?"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedward_client.cli.options import DEFAULT_HOME, HomeOption
from fedward_shared.console import next_step, say

if TYPE_CHECKING:
    from fedward_client.home import SiteHome

__all__ = ["overview", "register"]

_SHORT = 16
_DAY = 86_400
_SOON_DAYS = 14


def register(app: typer.Typer) -> None:
    """Adds this command to the command line."""
    app.command()(status)


def status(
    json: Annotated[bool, typer.Option("--json", help="As JSON (null stands for ∞).")] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Shows whether vault and gateway run and are attached, the certificate, the studies, and the last round."""
    from fedward_client.cli.words import say_json
    from fedward_client.home import SiteHome

    found = overview(SiteHome(home), time.time())
    if json:
        say_json(found)
        return
    _show(found)
    _advise(found, home)


def overview(home: SiteHome, now: float) -> dict[str, Any]:
    """Everything that `status` shows, as plain values.

    Raises:
        UsageError: the site has not joined.
    """
    from fedward_client.gateway.settings import STATUS_FILE
    from fedward_client.gateway.status import State, read_status
    from fedward_client.supervisor import running
    from fedward_client.vault.office.admin import call

    identity = home.load()
    gateway, vault = running(home.run_dir / "gateway.pid"), running(home.run_dir / "vault.pid")
    link = read_status(home.gateway_dir / STATUS_FILE)
    days = _days_left(home, now)
    rows = call(home, "ledger")
    return {
        "site": identity.site,
        "coordinator": identity.host,
        "vault": {"process": vault, "has_network": None if vault is None else _has_network(vault)},
        "gateway": {
            "process": gateway,
            "attached": gateway is not None and link is not None and link.state == State.ATTACHED,
            "state": link.state if link and gateway else "not running",
            "since": link.since if link else None,
            "last_error": link.last_error if link else "",
        },
        "certificate_days": days,
        "books": call(home, "status"),
        "studies": call(home, "proposals"),
        "last_round": rows[-1] if rows else None,
    }


def _days_left(home: SiteHome, now: float) -> int | None:
    """Days until the certificate ends; None where it cannot be read (the gateway may run under a user of its own)."""
    from fedward_shared.crypto import certificates
    from fedward_shared.errors import UsageError
    from fedward_shared.files import read_limited

    try:
        ends = certificates.expiry(read_limited(home.gateway_certificate))
    except UsageError:
        return None
    return int((ends.timestamp() - now) // _DAY)


def _has_network(pid: int) -> bool:
    """Whether a process sees an interface beside loopback; true where nothing can be found out."""
    try:
        lines = Path(f"/proc/{pid}/net/dev").read_text(encoding="ascii").splitlines()[2:]
    except OSError:
        return True
    return any(line.split(":", 1)[0].strip() != "lo" for line in lines)


def _show(found: dict[str, Any]) -> None:
    from fedward_client.cli.words import when

    vault, gateway, books = found["vault"], found["gateway"], found["books"]
    say(f"{found['site']}, in the federation of {found['coordinator']}")
    network = "" if vault["process"] is None else ", NETWORKED" if vault["has_network"] else ", no network"
    say(f"  vault        {_process(vault['process'])}{network}")
    say(f"  gateway      {_process(gateway['process'])}, {gateway['state']}")
    if gateway["last_error"] and not gateway["attached"]:
        say(f"               last error: {gateway['last_error']}")
    days = found["certificate_days"]
    say(f"  certificate  {'cannot be read by this user' if days is None else f'{days} days left'}")
    say(
        f"  ledger       {'LOCKED: ' + books['locked'] if books['locked'] else 'in order'}, {books['ledger_rows']} rows"
    )
    say(f"  data         {', '.join(books['data_sets']) or 'none imported yet'}")
    for one in found["studies"]:
        state = "concluded" if one["concluded"] else one["state"]
        rounds = f"{one['rounds_reserved']} of {one['rounds']} rounds"
        say(f"  study        {one['name']} ({one['study'][:_SHORT]}): {state}, {rounds}")
    if last := found["last_round"]:
        done = "answered" if last["replied"] else "not answered"
        say(f"  last round   {last['round']} of {last['name']}, {done}, {when(last['at'])}")


def _process(pid: int | None) -> str:
    return "not running" if pid is None else f"process {pid}"


def _advise(found: dict[str, Any], home: Path) -> None:
    waiting = [one for one in found["studies"] if one["state"] == "proposed"]
    if found["books"]["locked"]:
        next_step(f"fedward-site doctor --home {home}", "why the ledger is locked, and what to do")
    elif found["certificate_days"] is not None and found["certificate_days"] < _SOON_DAYS:
        next_step("ask the coordinator: fedward-coordinator invite SITE --renew", "the certificate ends soon")
    elif found["vault"]["process"] is None or found["gateway"]["process"] is None:
        next_step(f"fedward-site run --home {home}")
    elif not found["gateway"]["attached"]:
        next_step(f"fedward-site doctor --home {home}", "why the coordinator is not reached")
    elif waiting:
        next_step(f"fedward-site study show {waiting[0]['study'][:_SHORT]} --home {home}", "somebody has to decide")
    else:
        next_step(f"fedward-site ledger --home {home}", "what was spent")
