"""A whole federation on one machine, driven through the real commands only."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedward_client.home import SiteHome
from fedward_client.supervisor import running
from fedward_client.vault.office.admin import call
from fedward_server.status import Running, read_status
from fedward_server.studies import Studies, StudyFolder, StudyState
from fedward_shared.errors import FedwardError, StudyFailedError
from fedward_simulations.demo.programs import Program, Programs, wait_until

__all__ = ["Federation", "SiteProcesses"]

_START_SECONDS = 60.0
_STUDY_SECONDS = 240.0
_LOOK_SECONDS = 0.02
_AT_ONCE = 4
_PERSON = "Demo Data Protection Officer"


@dataclass(frozen=True, slots=True)
class SiteProcesses:
    """Process ids of a site's gateway and vault."""

    gateway: int
    vault: int


class Federation:
    """Coordinator and sites under one folder."""

    def __init__(self, programs: Programs, root: Path, sites: Iterable[str]) -> None:
        self._programs = programs
        self._coordinator_home = root / "coordinator"
        self.homes = {site: SiteHome(root / site) for site in sites}
        self._coordinator: Program | None = None
        self._starts = 0
        self._supervisors: dict[str, Program] = {}

    @property
    def coordinator(self) -> Program:
        """The coordinator's process.

        Raises:
            FedwardError: it was not started.
        """
        if self._coordinator is None:
            raise FedwardError("the coordinator was not started")
        return self._coordinator

    def found(self) -> None:
        """Init: keys, authority, registry; then the coordinator runs, at ports that the system chose."""
        arguments = ("--host", "127.0.0.1", "--name", "Demo consortium", "--port", "0", "--enrolment-port", "0")
        self._programs.call("fedward-coordinator", "init", *arguments, "--home", str(self._coordinator_home))
        self.start_coordinator()

    def start_coordinator(self) -> None:
        """Runs the coordinator until the demo ends, or kills it."""
        self._starts += 1
        home = str(self._coordinator_home)
        self._coordinator = self._programs.start(
            f"coordinator-{self._starts}", "fedward-coordinator", "run", "--home", home
        )
        wait_until(self._listens, _START_SECONDS, "the coordinator to listen")

    def join(self, site: str) -> None:
        """Invite at the coordinator, join at the site."""
        self._programs.call("fedward-coordinator", "invite", site, "--home", str(self._coordinator_home))
        invite = self._coordinator_home / "invites" / f"{site}.invite"
        self._programs.call("fedward-site", "join", str(invite), "--yes", "--home", self._home(site))

    def bring_data(self, site: str, file: Path, study: Path) -> None:
        """The site's importer checks its own file."""
        arguments = (str(file), "--contract", str(study), "--data-set", f"{site}-heart", "--home", self._home(site))
        self._programs.call("fedward-site", "import", *arguments)

    def publish(self, study: Path) -> StudyFolder:
        """Check, publish, sign."""
        home = str(self._coordinator_home)
        self._programs.call("fedward-coordinator", "study", "check", str(study), "--home", home)
        self._programs.call("fedward-coordinator", "study", "publish", str(study), "--home", home)
        return Studies(self._coordinator_home / "studies").all()[-1]

    def start_site(self, site: str) -> None:
        """Vault and gateway, under their supervisor."""
        self._supervisors[site] = self._programs.start(site, "fedward-site", "run", "--home", self._home(site))

    def approve(self, site: str, study: StudyFolder) -> None:
        """Waits for the offer, looks at it, approves it by its hash."""
        wait_until(lambda: self._offered(site, study), _START_SECONDS, f"the study to reach {site}")
        self._programs.call("fedward-site", "study", "show", study.id, "--home", self._home(site))
        decision = ("--data-set", f"{site}-heart", "--by", _PERSON, "--yes")
        self._programs.call("fedward-site", "study", "approve", study.id, *decision, "--home", self._home(site))

    def everywhere(self, work: Callable[[str], None]) -> None:
        """Does `work` for all sites, some at a time."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for future in [pool.submit(work, site) for site in self.homes]:
                future.result()

    def processes(self) -> dict[str, SiteProcesses]:
        """The process ids that the supervisors wrote down.

        Raises:
            FedwardError: one does not run.
        """
        found = {}
        for site, home in self.homes.items():
            gateway, vault = running(home.run_dir / "gateway.pid"), running(home.run_dir / "vault.pid")
            if gateway is None or vault is None:
                raise FedwardError(f"a process of {site} is not running\n{self._supervisors[site].tail()}")
            found[site] = SiteProcesses(gateway, vault)
        return found

    def kill_vault(self, site: str) -> None:
        """SIGKILL; the site's supervisor will notice."""
        os.kill(self.processes()[site].vault, signal.SIGKILL)

    def follow(self, study: StudyFolder, seen: Callable[[Running], None]) -> None:
        """Watches until the study is done; `seen` is told of every change.

        Raises:
            StudyFailedError: it failed, or took too long.
        """
        deadline = time.monotonic() + _STUDY_SECONDS
        last: Running | None = None
        while (standing := study.standing()).state is not StudyState.DONE:
            if standing.state is StudyState.FAILED:
                raise StudyFailedError(standing.reason)
            if time.monotonic() > deadline:
                raise StudyFailedError(f"the study was not done after {_STUDY_SECONDS:g} s\n{self.coordinator.tail()}")
            self.coordinator.check()
            for supervisor in self._supervisors.values():
                supervisor.check()
            latest = read_status(self._coordinator_home)
            if latest is not None and latest != last and latest.study == study.id:
                seen(latest)
                last = latest
            time.sleep(_LOOK_SECONDS)

    def ledger(self, site: str) -> Mapping[str, Any]:
        """What the site's own ledger says, through its own command."""
        text = self._programs.call("fedward-site", "ledger", "--json", "--home", self._home(site))
        document: dict[str, Any] = json.loads(text)
        return document

    def verify_journal(self, site: str) -> None:
        """Raises FedwardError where the site's record does not hold."""
        self._programs.call("fedward-site", "journal", "verify", "--home", self._home(site))

    def export_model(self, study: StudyFolder, out: Path) -> None:
        """The trained model, with what it takes to use it."""
        arguments = (study.id, "--out", str(out), "--home", str(self._coordinator_home))
        self._programs.call("fedward-coordinator", "model", "export", *arguments)

    def _home(self, site: str) -> str:
        return str(self.homes[site].root)

    def _listens(self) -> bool:
        self.coordinator.check()
        latest = read_status(self._coordinator_home)
        return latest is not None and latest.pid == self.coordinator.pid

    def _offered(self, site: str, study: StudyFolder) -> bool:
        self._supervisors[site].check()
        if running(self.homes[site].run_dir / "vault.pid") is None or not self.homes[site].admin_sock.exists():
            return False
        listed = call(self.homes[site], "proposals")  # what `study list` asks; a command each time would slow the start
        return any(one["study"].startswith(study.id) for one in listed)
