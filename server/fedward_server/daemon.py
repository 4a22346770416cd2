"""The coordinator as a process: enrolment, the link, revocations, and the published studies one after the other.

Everything here is found again on disk after a crash; starting anew goes on by itself.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from fedward_server.app import Pacing, run_study
from fedward_server.enrolment.service import serve_enrolment
from fedward_server.home import CoordinatorHome, Ports
from fedward_server.link.service import LinkService
from fedward_server.registry import Registry
from fedward_server.rounds.checkpoint import FolderCheckpoints
from fedward_server.rounds.progress import Notice
from fedward_server.rounds.registry_book import RegistryBook
from fedward_server.rounds.results import write_model, write_report
from fedward_server.rounds.store import FolderStore
from fedward_server.status import StatusBoard
from fedward_server.studies import Studies, StudyFolder, StudyState
from fedward_shared.allocator import keep_freed_memory
from fedward_shared.crypto.signing import Purpose, verify
from fedward_shared.errors import FedwardError
from fedward_shared.files import FolderLock, read_limited
from fedward_shared.manifest.parse import load, study_hash
from fedward_shared.models.start import first_weights
from fedward_shared.wire.codec import StudyOffer

__all__ = ["Coordinator", "Told"]

_log = logging.getLogger(__name__)
_REVOCATION_SECONDS = 0.2
_STUDY_SECONDS = 0.5

Told = Callable[[str, Notice | None, str], None]
"""What is shown to people: a study's name (or ""), its notice (or None), and a sentence."""


class Coordinator:
    """The services and the studies of one folder. Use within `serving`."""

    def __init__(self, home: CoordinatorHome, tell: Told, *, pacing: Pacing | None = None) -> None:
        self._home = home
        self._tell = tell
        self._pacing = pacing or Pacing()
        self._studies = Studies(home.studies_dir)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Holds the folder's lock and serves enrolment and the link.

        Raises:
            LockedError: another process runs this coordinator.
            LinkError: a port is taken.
        """
        keep_freed_memory()
        settings, ports = self._home.load(), self._home.ports()
        with ExitStack() as stack:
            stack.enter_context(FolderLock(self._home.root))
            self._registry = Registry(self._home.registry_db)
            stack.callback(self._registry.close)
            known = max((entry.number for entry in self._registry.revoked_since()), default=0)
            spool = self._home.root / "spool"
            shutil.rmtree(spool, ignore_errors=True)
            spool.mkdir(mode=0o700)
            self._link = LinkService(
                f"{_bracketed(settings.listen)}:{ports.link}",
                read_limited(self._home.server_key_file),
                read_limited(self._home.server_certificate),
                read_limited(self._home.ca_certificate),
                admit=self._registry.is_admitted,
                spool=spool,
                on_change=self._attachment_changed,
            )
            stack.callback(self._link.close)
            enrolment = serve_enrolment(
                self._home,
                self._registry,
                f"{_bracketed(settings.listen)}:{ports.enrolment}",
                lambda text: self._tell("", None, text),
            )
            stack.callback(enrolment.close)
            self._home.remember_ports(Ports(self._link.port, enrolment.port))
            self._board = StatusBoard(self._home.root, link_port=self._link.port, enrolment_port=enrolment.port)
            self._attachment_changed()
            stack.callback(self._board.show, phase="stopped", attached=())
            stack.enter_context(self._watching_revocations(known))
            self._tell("", None, f"link at port {self._link.port}, enrolment at port {enrolment.port}")
            yield

    def run(self, only: StudyFolder | None = None, *, until_done: bool = False) -> int:
        """Runs studies until none is left (`until_done`) or for ever; returns how many failed."""
        failed = 0
        again = only is not None
        while True:
            waiting = self._waiting(only, again=again)
            again = False
            if waiting is not None:
                failed += not self._run_one(waiting)
            elif until_done:
                return failed
            else:
                time.sleep(_STUDY_SECONDS)

    def _waiting(self, only: StudyFolder | None, *, again: bool) -> StudyFolder | None:
        """The next study; one that is named runs `again` even though it failed before."""
        unfinished = {StudyState.PUBLISHED, StudyState.RUNNING} | ({StudyState.FAILED} if again else set())
        folders = (only,) if only else self._studies.all()
        return next((folder for folder in folders if folder.standing().state in unfinished), None)

    def _run_one(self, folder: StudyFolder) -> bool:
        """Runs one study; whatever happens to it, the coordinator goes on."""
        try:
            self._run_study(folder)
        except FedwardError as error:
            reason = error.diagnostics()
        except Exception as error:  # noqa: BLE001 - one study's failure, even by a mistake of ours, stops no other
            _log.exception("study %s failed", folder.id)
            reason = f"{type(error).__name__}: {error}"
        else:
            return True
        folder.stand(StudyState.FAILED, reason)
        self._board.show(phase=StudyState.FAILED.value, text=reason)
        self._tell(folder.id, None, f"FAILED: {reason}")
        return False

    def _run_study(self, folder: StudyFolder) -> None:
        manifest, signature = folder.manifest(), folder.signature()
        verify(self._home.study_public(), Purpose.STUDY, manifest, signature)
        study = load(manifest)
        folder.stand(StudyState.RUNNING)
        folder.rounds.mkdir(mode=0o700, exist_ok=True)
        checkpoints = FolderCheckpoints(folder.rounds / "checkpoints")

        def notify(notice: Notice) -> None:
            self._board.show(
                study=folder.id,
                name=study.name,
                phase=notice.phase.value,
                round=notice.round,
                rounds=notice.rounds,
                attempt=notice.attempt,
                text=notice.text,
            )
            self._tell(study.name, notice, notice.text)

        try:
            conclusion = run_study(
                StudyOffer(manifest, signature, *self._home.round_key_certificate()),
                courier=self._link,
                key=self._home.round_key(),
                book=RegistryBook(self._registry, study_hash(manifest)),
                store=FolderStore(folder.rounds / "instructions"),
                checkpoints=checkpoints,
                notify=notify,
                pacing=self._pacing,
                initial=lambda: first_weights(study, folder.start if study.model.start else None),
            )
        except FedwardError:
            latest = checkpoints.latest()
            write_report(folder.report, manifest, study, latest.attempts if latest else (), None)
            raise
        write_model(folder.model, manifest, study, conclusion.model, conclusion.attempts)
        write_report(folder.report, manifest, study, conclusion.attempts, conclusion.delivered)
        folder.stand(StudyState.DONE)

    def _attachment_changed(self) -> None:
        if board := getattr(self, "_board", None):
            board.show(attached=tuple(sorted(self._link.attached())))

    @contextmanager
    def _watching_revocations(self, known: int) -> Iterator[None]:
        """Cuts sites off within a second of `sites revoke`, which is another process.

        Revocations up to number `known` were there before the link was, and so nobody under them was admitted.
        """
        stop = threading.Event()

        def watch() -> None:
            last = known
            while not stop.wait(_REVOCATION_SECONDS):
                try:
                    found = self._registry.revoked_since(last)
                except FedwardError:
                    _log.warning("the registry cannot be read at the moment")
                    continue
                for entry in found:
                    self._link.cut_off(entry.site)
                    last = entry.number

        thread = threading.Thread(target=watch, name="revocations", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
