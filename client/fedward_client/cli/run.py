"""`fedward-site run`: the vault and the gateway, as two processes, for as long as this one lives."""

from __future__ import annotations

from typing import Annotated

import typer

from fedward_client.cli.options import DEFAULT_HOME, HomeOption
from fedward_shared.console import next_step, say

__all__ = ["run"]


def run(
    home: HomeOption = DEFAULT_HOME,
    vault_only: Annotated[
        bool, typer.Option("--vault-only", help="Only the vault (a service manager runs the gateway).")
    ] = False,
    gateway_only: Annotated[
        bool, typer.Option("--gateway-only", help="Only the gateway (a service manager runs the vault).")
    ] = False,
    unsafe_networked_vault: Annotated[
        bool,
        typer.Option(
            "--unsafe-networked-vault", help="UNSAFE: let the vault have a network. Never with patients' data."
        ),
    ] = False,
) -> None:
    """Runs this site until Ctrl-C or SIGTERM: the vault without a network, and the gateway to the coordinator.

    First: fedward-site join INVITE, then fedward-site import FILE.
    """
    from fedward_client.home import SiteHome
    from fedward_client.supervisor import Child, Supervisor, gateway_child, vault_child
    from fedward_shared.errors import UsageError

    if vault_only and gateway_only:
        raise UsageError("--vault-only and --gateway-only exclude each other", hint="Without either, both run.")
    site = SiteHome(home)
    identity = site.load()
    if gateway_only:  # perhaps under a user of its own, to whom the vault's folders are closed
        site.run_dir.mkdir(exist_ok=True)
        site.logs.mkdir(exist_ok=True)
    else:
        site.make_folders()
    children: list[Child] = []
    if not gateway_only:
        children.append(vault_child(site, _isolation(unsafe_networked_vault), unsafe=unsafe_networked_vault))
    if not vault_only:
        children.append(gateway_child(site))
    say(f"{identity.site} takes part in the federation of {identity.host}. Ctrl-C stops it.")
    Supervisor(children, say).run()
    next_step(f"fedward-site run --home {home}", "goes on where it stopped; nothing is lost")


def _isolation(unsafe: bool) -> tuple[str, ...]:
    from fedward_client.vault.launcher import launcher

    if unsafe:
        say("UNSAFE: the vault runs with a network. Use this with invented data only.")
        return ()
    way = launcher()
    say(f"The vault gets {way.gives}.")
    return way.prefix
