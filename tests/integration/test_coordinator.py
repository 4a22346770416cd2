"""`fedward-coordinator run` as a real process, over mutual TLS and real gateways, with hospitals that only pretend.

The pretended hospitals train deterministically, so a run through all processes, killed or not, must end with the same
bits as the same study in memory.
"""

from __future__ import annotations

import hashlib
import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import numpy as np
import pytest
from safetensors.numpy import load_file

from fedward_client.home import SiteHome, SiteIdentity
from fedward_client.vault.door import DoorServer
from fedward_server.app import run_study
from fedward_server.home import CoordinatorHome
from fedward_server.registry import Redemption, Registry
from fedward_shared.contracts.round import RefusalCode, Task
from fedward_shared.crypto import certificates, keys
from fedward_shared.files import write_atomic
from fedward_shared.wire.codec import decode_instruction
from fedward_shared.wire.parcel import Parcel, Refused
from tests.support.echo import gateway
from tests.support.fake_sites import ROUND_KEY, FakeCourier, FakeSite, book_of, offer_of, sites_of, study_text
from tests.support.processes import Processes, wait_for

pytestmark = pytest.mark.processes

TEXT = study_text(rounds=3, quorum=3)
SITES = ("north", "south", "west")


@dataclass
class PretendedVault:
    """A handler for a real door in front of a fake site."""

    site: FakeSite
    before: Callable[[Parcel], None] = lambda _: None

    def limit(self, head: bytes) -> int | Refused:
        return 1 << 30

    def handle(self, parcel: Parcel, cancelled: Callable[[], bool]) -> Parcel | Refused | None:
        self.before(parcel)
        outcome = self.site.handle(parcel)
        return outcome if isinstance(outcome, (Parcel, Refused)) else None


class Consortium:
    """A coordinator's folder, and three hospitals with a real gateway each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = CoordinatorHome(folder / "coordinator")
        self.processes = Processes(folder / "logs", {"COLUMNS": "200", "NO_COLOR": "1"})
        self.vaults = {name: PretendedVault(site) for name, site in sites_of(offer_of(TEXT)).items()}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.processes)
        self.lead("init", "--host", "localhost", "--port", "0", "--enrolment-port", "0")
        write_atomic(self.home.round_key_file, keys.to_pem(ROUND_KEY))  # the one that fake sites know
        self.lead("renew")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def lead(self, *arguments: str | Path, code: int = 0) -> str:
        """`fedward-coordinator …`."""
        return self.processes.run("fedward-coordinator", *arguments, "--home", self.home.root, code=code)

    def publish(self, text: str = TEXT, name: str = "study.toml") -> None:
        """`study publish`."""
        (self.folder / name).write_text(text)
        self.lead("study", "publish", self.folder / name)

    def start(self, *switches: str) -> None:
        """`run`, as a process; returns when it has its ports."""
        self.home.ports_json.unlink(missing_ok=True)
        self.processes.start("coordinator", "fedward-coordinator", "run", "--home", self.home.root, *switches)
        wait_for(self.home.ports_json.exists, "the coordinator's ports", explain=self.log)

    def log(self) -> str:
        """What the coordinator wrote."""
        return self.processes.log("coordinator")

    def attach(self, name: str) -> None:
        """A hospital that has joined, its door, and its gateway."""
        home = self._join(name)
        self._stack.enter_context(DoorServer(home.door, self.vaults[name]))
        self._stack.enter_context(gateway(home))

    def state(self) -> str:
        """The state of the one study."""
        (path,) = self.home.studies_dir.glob("*/state.json")
        return str(json.loads(path.read_text())["state"])

    def _join(self, name: str) -> SiteHome:
        home = SiteHome(self.folder / name)
        home.make_folders()
        key, token = keys.new_tls_key(), hashlib.sha256(name.encode()).digest()
        request = certificates.csr(key, name)
        registry = Registry(self.home.registry_db)
        registry.add_invite(name, hashlib.sha256(token).digest(), int(time.time()) + 3600)
        vault_key = self.vaults[name].site.key.public_key().public_bytes_raw()
        redemption = Redemption(name, token, hashlib.sha256(request).digest(), vault_key)
        authority = self.home.authority()
        issued = registry.redeem(
            redemption, lambda site: certificates.issue_site(authority, request, site, datetime.now(UTC))
        )
        registry.close()
        home.gateway_key.write_bytes(keys.to_pem(key))
        home.gateway_certificate.write_bytes(issued)
        home.ca_certificate.write_bytes(authority.certificate)
        ports = self.home.ports()
        home.save(SiteIdentity(name, "test", "localhost", ports.enrolment, ports.link, "", "", int(time.time())))
        return home


@pytest.fixture
def consortium(tmp_path: Path) -> Iterator[Consortium]:
    with Consortium(tmp_path) as made:
        yield made


def in_memory() -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """The same study without any process."""
    offer = offer_of(TEXT)
    sites = sites_of(offer)
    return dict(run_study(offer, courier=FakeCourier(sites), key=ROUND_KEY, book=book_of(sites)).model)


def test_a_study_through_real_processes_ends_with_the_bits_of_the_one_in_memory(consortium: Consortium) -> None:
    consortium.publish()
    consortium.start("--until-done")
    for name in SITES:
        consortium.attach(name)
    assert consortium.processes.wait("coordinator") == 0, consortium.log()
    said = consortium.log()
    assert "round 3 of 3, round done: 3 took part" in said
    assert "Next: fedward-coordinator model export heart-disease" in said
    assert "done" in consortium.lead("status")
    out = consortium.folder / "out"
    assert "load_state_dict" in consortium.lead("model", "export", "heart-disease", "--out", out)
    found = load_file(out / "model.safetensors")
    expected = in_memory()
    assert set(found) == set(expected)
    for tensor, values in expected.items():
        np.testing.assert_array_equal(found[tensor], values)
    (report,) = consortium.home.studies_dir.glob("*/report.json")
    assert json.loads(report.read_text())["rounds_completed"] == 3


def test_a_coordinator_killed_in_a_round_goes_on_to_the_same_bits(consortium: Consortium) -> None:
    killed: list[int] = []

    def kill_in_round_two(parcel: Parcel) -> None:
        head = decode_instruction(parcel.head)
        if head.task is Task.TRAIN and head.round == 2 and not killed:
            killed.append(head.round)
            consortium.processes.stop("coordinator", signal.SIGKILL)

    consortium.vaults["south"].before = kill_in_round_two
    consortium.publish()
    consortium.start()
    for name in SITES:
        consortium.attach(name)
    wait_for(lambda: killed, "round 2", explain=consortium.log)
    assert consortium.state() == "running"
    ports = json.loads(consortium.home.ports_json.read_text())
    consortium.processes.start("again", "fedward-coordinator", "run", "--home", consortium.home.root, "--until-done")
    assert consortium.processes.wait("again") == 0, consortium.processes.log("again")
    assert json.loads(consortium.home.ports_json.read_text()) == ports
    (model,) = consortium.home.studies_dir.glob("*/model/model.safetensors")
    for tensor, values in in_memory().items():
        np.testing.assert_array_equal(load_file(model)[tensor], values)
    digests = {
        (head.round, head.attempt, head.expires)
        for head in consortium.vaults["north"].site.seen
        if head.task is Task.TRAIN
    }
    assert len(digests) == 3, "the instructions of the round in flight were sent again as they were"


def test_a_failed_study_stops_no_other_and_a_stop_is_clean(consortium: Consortium) -> None:
    withdrawn = TEXT.replace('name = "heart-disease"', 'name = "other"')
    consortium.publish(withdrawn, "other.toml")
    consortium.publish()

    def rejecting(vault: PretendedVault) -> Callable[[Parcel], None]:
        def before(parcel: Parcel) -> None:
            other = b'name = "other"' in bytes(parcel.payload)
            vault.site.refuses = {Task.STUDY: RefusalCode.WITHDRAWN} if other else {}

        return before

    for vault in consortium.vaults.values():
        vault.before = rejecting(vault)
    consortium.start()
    assert "another process is using" in consortium.lead("run", code=3)
    for name in SITES:
        consortium.attach(name)
    wait_for(lambda: list(consortium.home.studies_dir.glob("*/model/model.json")), "a model", explain=consortium.log)
    states = consortium.lead("status")
    assert "failed" in states
    assert "the site rejected the study" in states
    assert consortium.processes.stop("coordinator") == 0
    assert "Stopped. Every completed round is safe" in consortium.log()
    assert "not running" in consortium.lead("status")


def test_a_revoked_site_is_cut_off_while_the_coordinator_runs(consortium: Consortium) -> None:
    consortium.start()
    consortium.attach("north")
    consortium.attach("west")
    status = consortium.home.root / "status.json"
    wait_for(
        lambda: json.loads(status.read_text())["attached"] == ["north", "west"], "both sites", explain=consortium.log
    )
    consortium.lead("sites", "revoke", "west", "--yes")
    wait_for(lambda: json.loads(status.read_text())["attached"] == ["north"], "the cut", explain=consortium.log)
    time.sleep(1.0)
    assert json.loads(status.read_text())["attached"] == ["north"], "and it does not come back"
