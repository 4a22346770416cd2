"""`python -m fedward_client.vault.serve --home H`: the vault as a process, until SIGTERM or Ctrl-C.

The order matters:

1. the lock on the vault's folder: one process at a time owns ledger, key and sockets;
2. the proof that there is no network, before any key or data is opened;
3. the store, whose chains are verified and compared with their anchor;
4. the training worker, a child without keys, in the same empty network namespace;
5. the door, and the operator's socket.

Closing goes the other way. What is logged names studies, rounds and codes, never a patient's value.
"""

from __future__ import annotations

import argparse
import logging
import signal
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from fedward_client.home import SiteHome
from fedward_client.vault.isolation import UNSAFE_SWITCH, Proof, prove_isolation
from fedward_shared.allocator import keep_freed_memory
from fedward_shared.console import run_command
from fedward_shared.files import FolderLock
from fedward_shared.version import VERSION

__all__ = ["main", "serve"]

_LOG = logging.getLogger("fedward.vault")
_PATIENCE_SECONDS = 15.0
"""How long a command of the operator's, which works on a stopped vault's books, may hold up its start."""


def serve(home: SiteHome, *, unsafe: bool, stop: threading.Event) -> None:
    """Serves until `stop` is set.

    Raises:
        UsageError: the site has not joined, or a file of its home is damaged.
        LockedError: another process owns the vault's folder, or the ledger was changed.
        IsolationError: there is a way to a network, and `unsafe` is false.
    """
    identity = home.load()
    home.make_folders()
    with ExitStack() as held:
        held.enter_context(FolderLock(home.vault_dir, patience=_PATIENCE_SECONDS))
        proof = _prove(unsafe)
        from fedward_client.vault.core import Identity, Vault
        from fedward_client.vault.door import DoorServer
        from fedward_client.vault.inbox import Inbox
        from fedward_client.vault.office.admin import open_office
        from fedward_client.vault.office.admin_socket import AdminSocket
        from fedward_client.vault.policy import load_policy
        from fedward_client.vault.training.in_worker import WorkerTrainer

        office = held.enter_context(open_office(home))
        if not proof.isolated:
            office.books.journal.note("networked", int(time.time()), {"ways": "; ".join(proof.ways_out)})
        vault = Vault(
            Identity(identity.site, home.vault_key(), home.study_key()),
            books=office.books,
            policy=load_policy(home.policy_toml),
            trainer=WorkerTrainer(),
            data_sets=Inbox(home.inbox),
            reports=home.reports,
            backbones=home.backbones,
        )
        held.enter_context(vault)
        held.enter_context(DoorServer(home.door, vault, spool=home.vault_dir))
        held.enter_context(AdminSocket(home.admin_sock, office.dispatch))
        _LOG.info("the vault of %s is open (Fedward %s)", identity.site, VERSION)
        stop.wait()
        _LOG.info("the vault is closing")


def _prove(unsafe: bool) -> Proof:
    proof = prove_isolation(unsafe)
    for way in proof.ways_out:
        _LOG.warning("UNSAFE, as asked for by %s: %s", UNSAFE_SWITCH, way)
    for remark in proof.remarks:
        _LOG.info("isolation: %s", remark)
    if proof.isolated:
        _LOG.info("isolation: no way to any network was found")
    return proof


def main() -> None:
    """The process."""
    parser = argparse.ArgumentParser(prog="python -m fedward_client.vault.serve", description="A site's vault.")
    parser.add_argument("--home", type=Path, required=True, help="the site's folder, made by: fedward-site join INVITE")
    parser.add_argument(UNSAFE_SWITCH, action="store_true", dest="unsafe", help="go on although there is a network")
    chosen = parser.parse_args()
    logging.Formatter.converter = time.gmtime
    keep_freed_memory()
    logging.basicConfig(level=logging.INFO, format="%(asctime)sZ %(levelname)s %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    serve(SiteHome(chosen.home), unsafe=chosen.unsafe, stop=stop)


if __name__ == "__main__":
    run_command(main)
