"""`python -m fedward_client.gateway --home H`: relays until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
from pathlib import Path

from fedward_client.gateway.session import keep_attached
from fedward_client.gateway.settings import PAYLOAD_LIMIT, GatewaySettings, settings_of
from fedward_client.home import SiteHome
from fedward_shared.allocator import keep_freed_memory
from fedward_shared.console import run_command

__all__ = ["main"]


def main() -> None:
    """Runs the gateway of the site in `--home`."""
    parser = argparse.ArgumentParser(prog="python -m fedward_client.gateway", description="A site's gateway.")
    parser.add_argument("--home", type=Path, required=True, help="the site's folder, made by: fedward-site join INVITE")
    parser.add_argument("--payload-limit", type=int, default=PAYLOAD_LIMIT, help="largest payload in bytes")
    chosen = parser.parse_args()
    keep_freed_memory()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s gateway: %(message)s")
    asyncio.run(_run(settings_of(SiteHome(chosen.home), chosen.payload_limit)))


async def _run(settings: GatewaySettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await keep_attached(settings, stop)


if __name__ == "__main__":
    run_command(main)
