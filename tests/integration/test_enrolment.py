"""Joining for real: the command line, TLS, a vault's half without a network, and what an interruption leaves."""

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue

import grpc
import pytest

from fedward_client.enrolment.coordinator import Coordinator
from fedward_client.enrolment.doctor import Finding, State, examine_site
from fedward_client.enrolment.joining import join
from fedward_client.enrolment.vault_step import VaultOrder
from fedward_client.home import SiteHome
from fedward_client.vault.books.ledger import Ledger
from fedward_client.vault.books.store import Store
from fedward_server.enrolment import EnrolmentService
from fedward_server.home import CoordinatorHome, Ports
from fedward_server.link.service import LinkService
from fedward_server.registry import InviteKind, Registry
from fedward_shared.crypto import certificates, keys
from fedward_shared.crypto.invite import Invite, parse_invite
from fedward_shared.errors import FedwardError, IsolationError, LinkError, RefusedError, UsageError
from fedward_shared.files import FolderLock, write_atomic
from fedward_shared.wire.enrolment_pb2 import EnrolReply, EnrolRequest
from fedward_shared.wire.greetings import hello_frame
from tests.support.enrolment import Consortium, found_consortium

pytestmark = pytest.mark.processes


@pytest.fixture
def consortium(tmp_path: Path) -> Consortium:
    return found_consortium(tmp_path)


@pytest.fixture
def service(consortium: Consortium) -> Iterator[EnrolmentService]:
    service = consortium.serve()
    yield service
    service.close()


@pytest.fixture
def link(consortium: Consortium) -> Iterator[LinkService]:
    link = consortium.serve_link()
    yield link
    link.close()


def command(program: str, *words: str, stdin: str = "", code: int = 0) -> str:
    """Runs a console script; gives both its outputs, and checks how it ended."""
    module = {"fedward-site": "fedward_client", "fedward-coordinator": "fedward_server"}[program]
    start = f"from {module}.cli.app import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", start, *words], input=stdin, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "COLUMNS": "160"},
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def findings(home: SiteHome, clock: Callable[[], float]) -> dict[str, Finding]:
    return {re.sub(r" at .*", "", found.subject): found for found in examine_site(home, clock)}


def test_from_nothing_to_a_site_that_joined(tmp_path: Path) -> None:
    """Init, invite, join, doctor, sites, revoke: the words that people type."""
    hub, site = str(tmp_path / "hub"), str(tmp_path / "site")
    said = command(
        "fedward-coordinator", "init", "--home", hub, "--name", "Verbund Süd", "--host", "127.0.0.1", "--port", "0",
        "--enrolment-port", "0",
    )  # fmt: skip
    assert "offline" in said
    prints = re.findall(r"(?:study key|authority) +((?:[0-9a-f]{4} ){7}[0-9a-f]{4})", said)
    assert len(prints) == 2
    assert "not chosen its ports" in command("fedward-coordinator", "invite", "north", "--home", hub, code=2)

    home = CoordinatorHome(Path(hub))
    registry = Registry(home.registry_db)
    hub_now = Consortium(home, None, registry, time_of_day)  # type: ignore[arg-type]  # what was founded is above
    service, link = hub_now.serve(), hub_now.serve_link()
    try:
        said = command("fedward-coordinator", "invite", "north", "--home", hub)
        assert all(shown in said for shown in prints)
        invite = home.invites_dir / "north.invite"
        assert stat.S_IMODE(invite.stat().st_mode) == 0o600

        assert "--yes" in command("fedward-site", "join", "-", "--home", site, stdin=invite.read_text(), code=2)
        said = command("fedward-site", "join", str(invite), "--home", site, "--yes")
        assert all(shown in said for shown in prints)
        assert "Verbund Süd" in said
        assert "Next: fedward-site import" in said
        assert "joined already" in command("fedward-site", "join", str(invite), "--home", site, "--yes", code=2)
        assert "not valid" in command("fedward-site", "join", str(invite), "--home", site + "2", "--yes", code=3)

        assert "FAIL" not in command("fedward-site", "doctor", "--home", site)
        assert "joined" in command("fedward-coordinator", "sites", "--home", hub)
        command("fedward-coordinator", "sites", "revoke", "north", "--yes", "--home", hub)
        assert "revoked" in command("fedward-coordinator", "sites", "--home", hub)
        assert registry.revoked_since() != []
        assert "revoked" in command("fedward-site", "doctor", "--home", site, code=1)
    finally:
        service.close()
        link.close()


def time_of_day() -> float:
    import time

    return time.time()


def test_an_invite_can_be_pasted(consortium: Consortium, service: EnrolmentService, tmp_path: Path) -> None:
    text = consortium.invite().text()
    command("fedward-site", "join", text, "--home", str(tmp_path / "pasted"), "--yes")
    piped = consortium.invite("south").text()
    command("fedward-site", "join", "-", "--home", str(tmp_path / "piped"), "--yes", stdin=piped)
    assert [site.name for site in consortium.registry.sites()] == ["north", "south"]


def test_who_does_not_confirm_the_fingerprints_joins_nothing(consortium: Consortium, tmp_path: Path) -> None:
    consortium.invite()
    path = str(consortium.home.invites_dir / "north.invite")
    command("fedward-site", "join", path, "--home", str(tmp_path / "site"), stdin="n\n", code=1)
    assert not (tmp_path / "site").exists()


def test_what_joining_leaves_is_for_its_owner_alone(
    consortium: Consortium, service: EnrolmentService, tmp_path: Path
) -> None:
    home = SiteHome(tmp_path / "site")
    before = os.umask(0)
    try:
        join(home, consortium.invite())
    finally:
        os.umask(before)
    private = {path for path in home.root.rglob("*") if path.is_file() and b"PRIVATE" in path.read_bytes()}
    assert private == {home.vault_key_file, home.gateway_key}
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    assert home.study_key() == consortium.home.study_public()
    assert list(home.gateway_dir.glob("joining-*")) == []


def test_the_vaults_half_refuses_a_network(tmp_path: Path) -> None:
    """Started as it is, in this machine's own network namespace, it makes no key."""
    home = SiteHome(tmp_path / "site")
    order = VaultOrder(str(home.root), "north", "00" * 32, "11" * 32, "22" * 32)
    done = subprocess.run(
        [sys.executable, "-m", "fedward_client.enrolment.vault_step"],
        input=json.dumps(asdict(order)) + "\n", capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    if done.returncode == 0:
        pytest.skip("this machine has no network at all")
    assert done.returncode == 3
    assert "way to a network" in done.stderr
    assert not home.vault_key_file.exists()


def test_the_vaults_private_key_never_crosses(
    consortium: Consortium, service: EnrolmentService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What passes between the two halves is the order, one public key and one signature."""
    crossed: list[str] = []
    run = subprocess.run

    def listening(*words: object, **settings: object) -> object:
        done = run(*words, **settings)  # type: ignore[call-overload]  # passes everything on
        crossed.extend((str(settings.get("input", "")), str(done.stdout), str(done.stderr)))
        return done

    monkeypatch.setattr(subprocess, "run", listening)
    home = SiteHome(tmp_path / "site")
    join(home, consortium.invite())
    secrets = (home.vault_key(), keys.tls_key_from_pem(home.gateway_key.read_bytes()))
    vault, gateway = secrets[0].private_bytes_raw().hex(), f"{secrets[1].private_numbers().private_value:064x}"
    assert any(keys.public_bytes(home.vault_key()).hex() in text for text in crossed)
    assert not any(secret in text or "PRIVATE" in text for secret in (vault, gateway) for text in crossed)


def test_where_nothing_isolates_it_says_so(
    consortium: Consortium, service: EnrolmentService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing() -> None:
        raise IsolationError("nothing here isolates")

    monkeypatch.setattr("fedward_client.vault.launcher.launcher", nothing)
    joined = join(SiteHome(tmp_path / "site"), consortium.invite())
    assert joined.isolation.startswith("NOT isolated")


def test_a_failure_of_the_vaults_half_is_told_and_nothing_is_sent(
    consortium: Consortium, service: EnrolmentService, tmp_path: Path
) -> None:
    home = SiteHome(tmp_path / "site")
    home.make_folders()
    with FolderLock(home.vault_dir), pytest.raises(RefusedError, match="another process is using"):
        join(home, consortium.invite())
    assert consortium.registry.sites() == []


class KilledError(Exception):
    """Stands for a process that was killed."""


def dies_at(monkeypatch: pytest.MonkeyPatch, write: int) -> None:
    """The process dies before its write number `write` (site.toml is written last, by another function)."""
    done = 0
    save = SiteHome.save

    def counted(*words: object, **settings: object) -> None:
        nonlocal done
        if done == write:
            raise KilledError
        done += 1
        write_atomic(*words, **settings)  # type: ignore[arg-type]  # passes everything on

    def saved(home: SiteHome, identity: object) -> None:
        if done == write:
            raise KilledError
        save(home, identity)  # type: ignore[arg-type]  # passes it on

    monkeypatch.setattr("fedward_client.enrolment.joining.write_atomic", counted)
    monkeypatch.setattr(SiteHome, "save", saved)


@pytest.mark.parametrize("write", range(8))
def test_joining_again_mends_whatever_was_interrupted(
    consortium: Consortium, service: EnrolmentService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: int
) -> None:
    """Killed before each durable write: key, request, certificate, authority, key, certificate, policy, site.toml."""
    home, invite = SiteHome(tmp_path / "site"), consortium.invite()
    with monkeypatch.context() as interrupted:
        dies_at(interrupted, write)
        with pytest.raises(KilledError):
            join(home, invite)
    with pytest.raises(UsageError, match="not joined"):
        home.load()
    assert join(home, invite).identity.site == "north"
    certificate = home.gateway_certificate.read_bytes()
    key = keys.tls_key_from_pem(home.gateway_key.read_bytes())
    certificates.check_issued(certificate, invite.authority, key.public_key(), "north", consortium.clock())
    assert consortium.registry.is_admitted("north", certificates.serial(certificate))
    assert consortium.registry.revoked_since() == []
    assert list(home.gateway_dir.glob("joining-*")) == []


def test_an_answer_that_was_lost_is_given_again(
    consortium: Consortium, service: EnrolmentService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The coordinator used the token up, and the connection broke before its answer came."""
    home, invite = SiteHome(tmp_path / "site"), consortium.invite()
    enrol = Coordinator.enrol

    def loses(coordinator: Coordinator, request: EnrolRequest) -> EnrolReply:
        enrol(coordinator, request)
        raise LinkError("lost")

    with monkeypatch.context() as broken:
        broken.setattr(Coordinator, "enrol", loses)
        with pytest.raises(LinkError, match="lost"):
            join(home, invite)
    known = consortium.registry.site("north")
    assert known is not None
    join(home, invite)
    assert home.gateway_certificate.read_bytes() == known.certificate


def test_another_invite_replaces_an_attempt_that_failed(
    consortium: Consortium, service: EnrolmentService, tmp_path: Path
) -> None:
    home = SiteHome(tmp_path / "site")
    with pytest.raises(RefusedError):
        join(home, Invite(**{**asdict(consortium.invite()), "token": b"x" * 32}))
    join(home, consortium.invite())
    assert home.load().site == "north"


def test_a_coordinator_that_is_down_loses_nothing(consortium: Consortium, tmp_path: Path) -> None:
    service = consortium.serve()
    invite, home = consortium.invite(), SiteHome(tmp_path / "site")
    service.close()
    with pytest.raises(LinkError, match="cannot reach"):
        join(home, invite)
    assert consortium.registry.open_invites() != []


def test_an_expired_invite_is_not_even_sent(consortium: Consortium, tmp_path: Path) -> None:
    invite = consortium.invite(hours=1)
    consortium.clock.now += 3601
    with pytest.raises(RefusedError, match="expired"):
        join(SiteHome(tmp_path / "site"), invite, clock=consortium.clock)


def test_renewing_keeps_the_vault_and_changes_the_certificate(
    consortium: Consortium, service: EnrolmentService, tmp_path: Path
) -> None:
    home = SiteHome(tmp_path / "site")
    join(home, consortium.invite())
    vault, former = home.vault_key_file.read_bytes(), certificates.serial(home.gateway_certificate.read_bytes())
    home.policy_toml.write_text("# ours\n", encoding="utf-8")
    join(home, consortium.invite(kind=InviteKind.RENEW), again=True)
    present = certificates.serial(home.gateway_certificate.read_bytes())
    assert home.vault_key_file.read_bytes() == vault
    assert home.policy_toml.read_text(encoding="utf-8") == "# ours\n"
    assert consortium.registry.is_admitted("north", present)
    assert not consortium.registry.is_admitted("north", former)


def test_another_sites_invite_is_not_taken_by_a_site_that_joined(
    consortium: Consortium, service: EnrolmentService, tmp_path: Path
) -> None:
    home = SiteHome(tmp_path / "site")
    join(home, consortium.invite())
    before = home.gateway_certificate.read_bytes()
    with pytest.raises(UsageError, match="not for north"):
        join(home, consortium.invite("south"), again=True)
    assert home.gateway_certificate.read_bytes() == before


def test_two_joins_at_once_do_not_mix(consortium: Consortium, service: EnrolmentService, tmp_path: Path) -> None:
    home = SiteHome(tmp_path / "site")
    home.make_folders()
    with FolderLock(home.root), pytest.raises(FedwardError, match="another process"):
        join(home, consortium.invite())


def test_a_doctor_finds_nothing_at_a_healthy_site(
    consortium: Consortium, service: EnrolmentService, link: LinkService, tmp_path: Path
) -> None:
    home = SiteHome(tmp_path / "site")
    join(home, consortium.invite())
    found = findings(home, consortium.clock)
    assert set(found) == {
        "certificate", "coordinator", "clock", "who can read the keys", "isolation of the vault",
        "isolation of the importer", "disk space", "vault", "ledger",
    }  # fmt: skip
    assert {name: finding.state for name, finding in found.items() if finding.state is State.FAIL} == {}


def test_a_doctor_names_what_is_wrong(
    consortium: Consortium, service: EnrolmentService, link: LinkService, tmp_path: Path
) -> None:
    home = SiteHome(tmp_path / "site")
    join(home, consortium.invite())
    home.vault_key_file.chmod(0o644)
    home.ledger_db.write_bytes(b"no ledger" * 1000)
    now = consortium.clock()
    found = findings(home, lambda: now + 100 * 86400)
    for subject, word in (
        ("certificate", "expired"), ("clock", "coordinator's"), ("who can read the keys", "vault/vault.key"),
        ("ledger", "cannot be opened"),
    ):  # fmt: skip
        assert found[subject].state is State.FAIL
        assert word in found[subject].found
        assert found[subject].advice
    assert findings(home, lambda: now + 80 * 86400)["certificate"].state is State.WARN
    service.close()
    link.close()
    found = findings(home, consortium.clock)
    assert found["coordinator"].state is State.FAIL
    assert found["clock"].state is State.WARN


def test_a_doctor_notices_an_impostor(
    consortium: Consortium, service: EnrolmentService, link: LinkService, tmp_path: Path
) -> None:
    home = SiteHome(tmp_path / "site")
    join(home, consortium.invite())
    impostor = found_consortium(tmp_path / "impostor").serve_link()
    try:
        identity = home.load()
        home.save(type(identity)(**{**asdict(identity), "link_port": impostor.port}))
        found = findings(home, consortium.clock)["coordinator"]
    finally:
        impostor.close()
    assert found.state is State.FAIL
    assert "not the coordinator" in found.found


def test_a_doctor_notices_a_revocation(
    consortium: Consortium, service: EnrolmentService, link: LinkService, tmp_path: Path
) -> None:
    home = SiteHome(tmp_path / "site")
    join(home, consortium.invite())
    consortium.registry.revoke("north")
    found = findings(home, consortium.clock)["coordinator"]
    assert found.state is State.FAIL
    assert "revoked" in found.found


def test_a_doctor_does_not_take_the_gateways_place(
    consortium: Consortium, service: EnrolmentService, link: LinkService, tmp_path: Path
) -> None:
    """A running gateway keeps its stream while somebody looks whether the site is admitted."""
    home = SiteHome(tmp_path / "site")
    join(home, consortium.invite())
    pem = [path.read_bytes() for path in (home.ca_certificate, home.gateway_key, home.gateway_certificate)]
    credentials = grpc.ssl_channel_credentials(*pem)
    with grpc.secure_channel(f"127.0.0.1:{link.port}", credentials) as channel:
        frames = SimpleQueue[bytes]()
        frames.put(hello_frame())
        stream = channel.stream_stream("/fedward.link.v1.Link/Attach", bytes, bytes)(iter(frames.get, b""))
        assert next(iter(stream))
        assert link.attached() == {"north"}
        assert findings(home, consortium.clock)["coordinator"].state is State.OK
        assert link.attached() == {"north"}
        assert stream.is_active()
        frames.put(b"")


def test_a_doctor_lets_a_running_vault_be(
    consortium: Consortium, service: EnrolmentService, link: LinkService, tmp_path: Path
) -> None:
    home = SiteHome(tmp_path / "site")
    join(home, consortium.invite())
    with FolderLock(home.vault_dir):
        assert findings(home, consortium.clock)["vault"].found == "running"


def test_a_doctor_exits_with_1_where_something_fails(
    consortium: Consortium, service: EnrolmentService, link: LinkService, tmp_path: Path
) -> None:
    home = SiteHome(tmp_path / "site")
    join(home, consortium.invite())
    home.gateway_key.chmod(0o604)
    said = command("fedward-site", "doctor", "--home", str(home.root), code=1)
    assert "gateway/gateway.key" in said
    assert "chmod" in said


def test_an_invite_survives_the_mail(consortium: Consortium, service: EnrolmentService, tmp_path: Path) -> None:
    consortium.invite()
    sent = (consortium.home.invites_dir / "north.invite").read_text(encoding="utf-8")
    received = "Dear colleagues,\r\n\r\n" + sent.replace("\n", "\r\n") + "\r\nKind regards"
    assert join(SiteHome(tmp_path / "site"), parse_invite(received)).identity.site == "north"


def test_ports_are_remembered_for_invites(consortium: Consortium, service: EnrolmentService, link: LinkService) -> None:
    assert consortium.home.ports() == Ports(link.port, service.port)
    invite = consortium.invite()
    assert (invite.link_port, invite.enrolment_port) == (link.port, service.port)


@pytest.mark.parametrize("locked", [False, True])
def test_a_doctor_says_whether_the_ledger_is_locked(
    consortium: Consortium, service: EnrolmentService, link: LinkService, tmp_path: Path, locked: bool
) -> None:
    home = SiteHome(tmp_path / "site")
    join(home, consortium.invite())
    store = Store.open(home.vault_dir)
    if locked:
        with store.transaction() as transaction:
            Ledger(store).lock(transaction, "rolled back", 1)
    store.close()
    found = findings(home, consortium.clock)["ledger"]
    assert (found.state, "rolled back" in found.found) == ((State.FAIL, True) if locked else (State.OK, False))
    assert ("fedward-site unsafe-unlock" in found.advice) == locked
