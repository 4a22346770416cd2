"""Imports through a confined worker: what it leaves is checked, and published in one rename or removed."""

from __future__ import annotations

import os
import stat
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from fedward_client.home import SiteHome
from fedward_client.importer.inbox import QUARANTINE, Staging, check_name
from fedward_client.importer.mapping import SourceTerms
from fedward_client.importer.order import ImportOrder, Limits
from fedward_client.importer.program.confinement import NOTHING, Confined, Confinement, Forbidden
from fedward_client.importer.program.order_document import order_to, written_from
from fedward_client.importer.program.running import Outcome, run_confined
from fedward_client.importer.program.watch import check_room
from fedward_client.importer.report import ImportReport, Written
from fedward_client.importer.sources.addresses import address_of, password_for, password_variable
from fedward_shared.contracts.arrays import Series, Text
from fedward_shared.contracts.cohort import DataKind
from fedward_shared.errors import ImporterError
from fedward_shared.manifest.parse import load

__all__ = [
    "Outcome",
    "check_left",
    "confinement_of",
    "examine_confinement",
    "forbidden_of",
    "import_confined",
    "passwords_of",
    "run_confined",
]

_IMPORT = "fedward_client.importer.program.tasks:import_"
_EXAMINE = "fedward_client.importer.program.tasks:examine"


def import_confined(
    order: ImportOrder,
    inbox: Path,
    *,
    forbidden: Forbidden = NOTHING,
    unsafe: bool = False,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
    told: Callable[[Outcome], None] = lambda _outcome: None,
    clock: Callable[[], float] = time.time,
) -> ImportReport:
    """Imports in a worker of its own and puts what it wrote into the inbox, whole or not at all.

    Args:
        order: what to import. A dry run needs no inbox and writes none.
        inbox: the folder that the vault reads.
        forbidden: what the worker must not be able to reach, of the site whose inbox it is.
        unsafe: go on although it can reach it.
        progress: called with how much of the source was read, and of how much.
        told: called with how the worker was confined and what it used, before anything is published.
        clock: seconds since 1970.

    Raises:
        as `run_confined`; UsageError where `data_set` is no name, LockedError where another import runs.
    """
    check_name(order.data_set)
    contract = load(order.manifest).data
    order = replace(order, folder=order.folder.resolve())
    files = contract.kind is DataKind.TENSOR and not isinstance(contract.form, Series | Text)

    def run(terms: Confinement) -> Written:
        outcome = run_confined(_IMPORT, order_to(order), terms, progress=progress, environment=passwords_of(order))
        told(outcome)
        return written_from(outcome.answer)

    if order.dry_run:
        with tempfile.TemporaryDirectory(prefix="fedward-") as scratch:
            written = run(confinement_of(order, Path(scratch).resolve(), forbidden, files=files, unsafe=unsafe))
        return written.report
    with Staging(inbox.absolute(), clock) as staging:
        check_room(staging.folder.parent)
        written = run(confinement_of(order, staging.folder, forbidden, files=files, unsafe=unsafe))
        check_left(staging.folder, written.files, order.limits)
        record, folder = staging.publish(
            contract,
            data_set=order.data_set,
            files=written.files,
            rows=(written.report.accepted, written.report.rejected),
            source_name=written.source_name,
        )
    return replace(written.report, version=record.version, folder=folder)


def confinement_of(
    order: ImportOrder, staging: Path, forbidden: Forbidden = NOTHING, *, files: bool = False, unsafe: bool = False
) -> Confinement:
    """What a worker may do that reads this order's source: its files, or its database's port, and nothing else.

    `files` says that columns name files, which lie in the mapping's folder where it says nothing else.

    Raises:
        UsageError: a URL is written wrongly.
    """
    mapping = order.mapping
    reads: list[Path] = []
    ports: list[int] = []
    sockets: list[Path] = []
    for terms in filter(None, (mapping.source, mapping.events)):
        if terms.path is not None:
            reads.append((order.folder / terms.path).resolve())
        if url := _url(terms):
            address = address_of(url, order.folder)
            reads += address.reads
            if address.socket is not None:
                sockets.append(address.socket)
            elif address.port is not None:
                ports.append(address.port)
    if mapping.files is not None or files:
        reads.append((order.folder / (mapping.files or "")).resolve())
    return Confinement(
        staging=staging,
        reads=tuple(reads),
        ports=tuple(ports),
        sockets=tuple(sockets),
        forbidden=forbidden,
        limits=order.limits,
        unsafe=unsafe,
    )


def passwords_of(order: ImportOrder) -> dict[str, str]:
    """The passwords of the order's databases, by the variable in which the worker finds each.

    Raises:
        UsageError: a file that `password_file` names cannot be read.
    """
    found = {}
    for terms in filter(None, (order.mapping.source, order.mapping.events)):
        if url := _url(terms):
            found[password_variable(url)] = password_for(terms, order.folder)
    return found


def forbidden_of(home: SiteHome) -> Forbidden:
    """What no importer of this site may reach."""
    site = replace(home, root=home.root.absolute())
    sockets = (site.admin_sock, site.door)
    folders = (site.vault_dir, site.gateway_dir, site.door.parent, site.admin_sock.parent, site.run_dir)
    return Forbidden(
        files=(site.vault_key_file, site.ledger_db, site.anchor, site.gateway_key),
        sockets=sockets,
        folders=tuple(dict.fromkeys((*folders, site.reports, site.logs))),
    )


def examine_confinement(home: SiteHome) -> Confined:
    """How an importer would be confined here, tried for real; nothing is read.

    Raises:
        FedwardError: no worker could be started.
    """
    with tempfile.TemporaryDirectory(prefix="fedward-") as scratch:
        terms = Confinement(
            Path(scratch).resolve(), forbidden=forbidden_of(home), limits=Limits(seconds=60), unsafe=True
        )
        return run_confined(_EXAMINE, {}, terms).confined


def check_left(folder: Path, files: Sequence[str], limits: Limits) -> None:
    """Whether a worker left exactly plain files of its own, with no other name elsewhere, and no more than allowed.

    Raises:
        ImporterError: it did not.
    """
    if not files:
        raise ImporterError("the importer's worker wrote no data")
    total = 0
    for name in (*files, QUARANTINE):
        try:
            status = (folder / name).lstat()
        except OSError as error:
            raise ImporterError(f"the importer's worker did not write {name}, which it names") from error
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1 or status.st_uid != os.geteuid():
            raise ImporterError(f"the importer's worker left something else than a file of its own as {name}")
        total += status.st_size
    if total > limits.output_bytes:
        raise ImporterError("the importer's worker wrote more than it may")


def _url(terms: SourceTerms) -> str:
    url = terms.options.get("url", "")
    return url if isinstance(url, str) else ""
