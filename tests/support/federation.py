"""A whole federation on loopback, through the real command lines: one coordinator and its sites, each in a folder.

    with Federation(tmp_path) as federation:
        federation.found()
        for site in federation.sites:
            federation.join(site)
            federation.import_data(site)
        federation.publish(rounds=3)
        ...

Everything that was started is ended on leaving; where the tests themselves are killed, the leash ends it.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fedward_client.supervisor import running
from tests.support.processes import PATIENCE, Processes, wait_for
from tests.support.samples import TWO_SITES

__all__ = ["DATA_SET", "Federation"]

DATA_SET = "heart"
_SIZES = {"north": 150, "south": 100}
_QUIET = {"OMP_NUM_THREADS": "1", "COLUMNS": "160", "NO_COLOR": "1"}


class Federation:
    """One coordinator and two sites, `north` and `south`."""

    sites = ("north", "south")

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.coordinator = folder / "coordinator"
        self.study_file = folder / "study.toml"
        self.processes = Processes(folder / "logs", _QUIET)
        self.rounds = 3

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.processes.__exit__(kind, error, trace)

    def home(self, site: str) -> Path:
        """A site's folder."""
        return self.folder / site

    # The coordinator

    def found(self) -> None:
        """`init` with ports of the operating system's choice, then `run`."""
        self.lead("init", "--host", "127.0.0.1", "--port", "0", "--enrolment-port", "0")
        self.start_coordinator()
        self.wait((self.coordinator / "ports.json").exists, "the coordinator's ports")

    def lead(self, *arguments: str | Path, code: int = 0) -> str:
        """`fedward-coordinator …`; what it said."""
        return self.processes.run("fedward-coordinator", *arguments, "--home", self.coordinator, code=code)

    def start_coordinator(self) -> None:
        """`fedward-coordinator run`, as a process that goes on."""
        self.processes.start("coordinator", "fedward-coordinator", "run", "--home", self.coordinator)

    def kill_coordinator(self) -> None:
        """SIGKILL."""
        self.processes.stop("coordinator", signal.SIGKILL)

    def publish(self, *, rounds: int = 3, more: dict[str, str] | None = None) -> None:
        """Writes study.toml from the sample (`more` replaces text in it) and publishes it."""
        self.rounds = rounds
        text = TWO_SITES.replace("rounds = 3", f"rounds = {rounds}")
        for old, new in (more or {}).items():
            assert old in text
            text = text.replace(old, new)
        self.study_file.write_text(text)
        self.lead("study", "publish", self.study_file)

    @property
    def study_folder(self) -> Path:
        """The one published study."""
        (folder,) = [path for path in (self.coordinator / "studies").iterdir() if path.is_dir()]
        return folder

    @property
    def study(self) -> str:
        """The short name of the one published study."""
        return self.study_folder.name

    # A site

    def site(self, site: str, *arguments: str | Path, code: int = 0) -> str:
        """`fedward-site …`; what it said."""
        return self.processes.run("fedward-site", *arguments, "--home", self.home(site), code=code)

    def join(self, site: str) -> None:
        """`invite` at the coordinator, `join` at the site."""
        invite = self.folder / f"{site}.invite"
        self.lead("invite", site, "--out", invite)
        self.site(site, "join", invite, "--yes")

    def import_data(self, site: str) -> None:
        """`import` of an invented table that has something to learn in it."""
        if not self.study_file.exists():
            self.study_file.write_text(TWO_SITES)
        table = self.folder / f"{site}.csv"
        table.write_text(_table(site, _SIZES[site]))
        self.site(site, "import", table, "--contract", self.study_file, "--data-set", DATA_SET)

    def start_site(self, site: str, *switches: str) -> None:
        """`fedward-site run`, as a process that goes on; returns when the vault answers."""
        self.processes.start(site, "fedward-site", "run", "--home", self.home(site), *switches)
        if "--gateway-only" not in switches:
            self.wait(lambda: self.vault(site) and (self.home(site) / "vault" / "admin.sock").exists(), "the vault")

    def approve(self, site: str) -> None:
        """Waits until the study has reached the site, and approves it."""
        self.wait_offered(site)
        self.site(site, "study", "approve", self.study, "--data-set", DATA_SET, "--yes", "--by", "Dr Test")

    def wait_offered(self, site: str) -> None:
        """Waits until the study has reached the site."""
        self.wait(lambda: self.study in self.site(site, "study", "list", "--json"), f"the study at {site}", pause=0.5)

    def vault(self, site: str) -> int | None:
        """The vault's process id."""
        return running(self.home(site) / "run" / "vault.pid")

    def gateway(self, site: str) -> int | None:
        """The gateway's process id."""
        return running(self.home(site) / "run" / "gateway.pid")

    def kill(self, site: str, which: str) -> None:
        """SIGKILL to a site's `vault` or `gateway`; returns when its supervisor has started another one."""
        before = running(self.home(site) / "run" / f"{which}.pid")
        assert before is not None
        os.kill(before, signal.SIGKILL)
        self.wait(
            lambda: running(self.home(site) / "run" / f"{which}.pid") not in {None, before},
            f"another {which} at {site}",
        )

    def status(self, site: str) -> dict[str, Any]:
        """`fedward-site status --json`."""
        found: dict[str, Any] = json.loads(self.site(site, "status", "--json"))
        return found

    def ledger(self, site: str) -> dict[str, Any]:
        """`fedward-site ledger --json`."""
        found: dict[str, Any] = json.loads(self.site(site, "ledger", "--json"))
        return found

    def reservations(self, site: str) -> list[tuple[int, int]]:
        """(round, attempt) of each reservation, read from the file of a vault that is stopped."""
        with closing(sqlite3.connect(f"file:{self.home(site)}/vault/ledger.db?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT round, attempt FROM ledger WHERE kind = 'reserve' ORDER BY round, attempt")
            return list(rows)

    # All of it

    def ready(self, *, rounds: int = 3, more: dict[str, str] | None = None) -> None:
        """Everything up to sites that run and have approved."""
        self.found()
        for site in self.sites:
            self.join(site)
            self.import_data(site)
        self.publish(rounds=rounds, more=more)
        for site in self.sites:
            self.start_site(site)
        for site in self.sites:
            self.approve(site)

    def wait_done(self, patience: float = PATIENCE) -> float:
        """Waits for the study's end; seconds it took."""
        return self.wait(self.is_done, "the end of the study", patience=patience)

    def is_done(self) -> bool:
        """Whether the study ended; one that failed fails the test."""
        standing = json.loads((self.study_folder / "state.json").read_text())
        assert standing["state"] != "failed", f"{standing['reason']}\n{self.everything()}"
        return bool(standing["state"] == "done")

    def rounds_done(self) -> int:
        """The last round whose result is durable at the coordinator."""
        checkpoints = (self.study_folder / "rounds" / "checkpoints").glob("round-*.safetensors")
        return max((int(path.stem.removeprefix("round-")) for path in checkpoints), default=0)

    def wait_round(self, number: int) -> None:
        """Waits until this round is done."""
        self.wait(lambda: self.rounds_done() >= number, f"round {number}")

    def report(self) -> dict[str, Any]:
        """The coordinator's report on the study."""
        found: dict[str, Any] = json.loads((self.study_folder / "report.json").read_text())
        return found

    def attached(self) -> set[str]:
        """The sites that the running coordinator sees."""
        return set(json.loads((self.coordinator / "status.json").read_text())["attached"])

    def wait(
        self, condition: Callable[[], object], what: str, *, patience: float = PATIENCE, pause: float = 0.05
    ) -> float:
        """Waits; where that is in vain, all that was said is told."""
        return wait_for(condition, what, patience=patience, pause=pause, explain=self.everything)

    def everything(self) -> str:
        """All logs, for a failure's message."""
        logs = list(self.processes.logs())
        for site in self.sites:
            folder = self.home(site) / "logs"
            logs += [(f"{site}/{file.stem}", file.read_text(errors="replace")) for file in sorted(folder.glob("*.log"))]
        return "\n".join(f"--- {name}\n{text[-3000:]}" for name, text in logs)


def _table(site: str, rows: int) -> str:
    """One row a patient; disease follows age and pain, with a coin thrown in."""
    dice = random.Random(site)
    lines = ["patient_id,age,chest_pain,disease,split"]
    for number in range(rows):
        age, pain = dice.randint(30, 85), dice.randint(1, 4)
        sick = int(dice.gauss(0, 0.7) + (age - 54) / 9 + (pain - 2.5) > 0)
        lines.append(f"{site}-{number},{age},{pain},{sick},{'test' if number % 4 == 0 else 'train'}")
    return "\n".join(lines) + "\n"
