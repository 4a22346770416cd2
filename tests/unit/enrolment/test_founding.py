"""Founding a federation: everything or nothing, never over what is there, and nothing private for others to read."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fedward_server.enrolment import founding
from fedward_server.enrolment.founding import found, listening_address, renew
from fedward_server.enrolment.inviting import invite_site
from fedward_server.home import CoordinatorHome, CoordinatorSettings, Ports
from fedward_server.registry import InviteKind
from fedward_shared.crypto import certificates, keys, round_key
from fedward_shared.errors import FedwardError, UsageError
from tests.support.enrolment import Consortium, found_consortium

SETTINGS = CoordinatorSettings("Testverbund", ("localhost",), "127.0.0.1", 7443, 7444)
EVERYWHERE = "0.0.0.0"  # noqa: S104 - what is tested is when it is chosen
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def consortium(tmp_path: Path) -> Consortium:
    return found_consortium(tmp_path)


def test_everything_is_there_and_fits_together(consortium: Consortium) -> None:
    home, now = consortium.home, consortium.clock()
    body, signature = home.round_key_certificate()
    assert round_key.check(home.study_public(), body, signature, now) == keys.public_bytes(home.round_key())
    assert keys.public_bytes(home.study_key()) == home.study_public()
    assert keys.fingerprint(home.study_public()) == consortium.founded.study_key
    assert certificates.fingerprint(home.ca_certificate.read_bytes()) == consortium.founded.authority
    assert home.load().hosts == ("127.0.0.1", "localhost")
    assert consortium.registry.sites() == []


def test_no_private_key_can_be_read_by_others(consortium: Consortium) -> None:
    private = [
        path for path in consortium.home.root.rglob("*") if b"PRIVATE" in (path.read_bytes() if path.is_file() else b"")
    ]
    assert {path.name for path in private} == {"study.key", "round.key", "ca.key", "server.key"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    assert stat.S_IMODE(consortium.home.keys_dir.stat().st_mode) == 0o700


def test_the_round_key_is_certified_for_ninety_days(consortium: Consortium) -> None:
    body, signature = consortium.home.round_key_certificate()
    public, now = consortium.home.study_public(), consortium.clock()
    round_key.check(public, body, signature, now + 89 * 86400)
    with pytest.raises(FedwardError):
        round_key.check(public, body, signature, now + 91 * 86400)


def test_a_clock_that_is_a_little_behind_accepts_the_round_key(consortium: Consortium) -> None:
    body, signature = consortium.home.round_key_certificate()
    round_key.check(consortium.home.study_public(), body, signature, consortium.clock() - 300)


def test_keys_are_never_overwritten(consortium: Consortium) -> None:
    before = consortium.home.study_key_file.read_bytes()
    with pytest.raises(UsageError, match="not empty"):
        found(consortium.home, SETTINGS, NOW)
    assert consortium.home.study_key_file.read_bytes() == before


def test_an_empty_folder_may_be_there_already(tmp_path: Path) -> None:
    home = CoordinatorHome(tmp_path / "home")
    home.root.mkdir()
    found(home, SETTINGS, NOW)
    assert home.load() == SETTINGS


def test_a_crash_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: object) -> None:
        raise FedwardError("as a crash would")

    monkeypatch.setattr(founding, "_write_settings", dies)
    with pytest.raises(FedwardError, match="as a crash would"):
        found(CoordinatorHome(tmp_path / "home"), SETTINGS, NOW)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "settings",
    [
        CoordinatorSettings("", ("localhost",), "127.0.0.1", 1, 2),
        CoordinatorSettings("a\nb", ("localhost",), "127.0.0.1", 1, 2),
        CoordinatorSettings("a", (), "127.0.0.1", 1, 2),
        CoordinatorSettings("a", ("two words",), "127.0.0.1", 1, 2),
        CoordinatorSettings("a", ("localhost",), "127.0.0.1", 70000, 2),
        CoordinatorSettings("a", ("localhost",), "127.0.0.1", 5, 5),
    ],
    ids=["no name", "two lines", "no host", "bad host", "bad port", "one port for both"],
)
def test_settings_that_cannot_work_found_nothing(tmp_path: Path, settings: CoordinatorSettings) -> None:
    with pytest.raises(UsageError):
        found(CoordinatorHome(tmp_path / "home"), settings, NOW)
    assert list(tmp_path.iterdir()) == []


def test_renewing_keeps_every_key(consortium: Consortium) -> None:
    home = consortium.home
    before = {path.name: path.read_bytes() for path in home.keys_dir.iterdir()}
    later = datetime.fromtimestamp(consortium.clock(), UTC) + timedelta(days=80)
    renewed = renew(home, later)
    assert {path.name: path.read_bytes() for path in home.keys_dir.iterdir()} == before
    assert (renewed.study_key, renewed.authority) == (consortium.founded.study_key, consortium.founded.authority)
    body, signature = home.round_key_certificate()
    round_key.check(home.study_public(), body, signature, later.timestamp() + 89 * 86400)
    assert certificates.expiry(home.server_certificate.read_bytes()) > later + timedelta(days=300)


def test_renewing_without_the_study_key_says_where_it_may_be(consortium: Consortium) -> None:
    consortium.home.study_key_file.unlink()
    before = consortium.home.server_certificate.read_bytes()
    with pytest.raises(UsageError) as refusal:
        renew(consortium.home, NOW)
    assert "offline" in refusal.value.hint
    assert consortium.home.server_certificate.read_bytes() == before


@pytest.mark.parametrize(
    ("hosts", "address"),
    [
        (["localhost"], "127.0.0.1"),
        (["127.0.0.1", "::1"], "127.0.0.1"),
        (["localhost", "hub.example.org"], EVERYWHERE),
        (["192.0.2.7"], EVERYWHERE),
    ],
)
def test_only_loopback_names_mean_loopback_only(hosts: list[str], address: str) -> None:
    assert listening_address(hosts) == address


def test_ports_that_were_got_are_kept(tmp_path: Path) -> None:
    home = CoordinatorHome(tmp_path / "home")
    found(home, CoordinatorSettings("a", ("localhost",), "127.0.0.1", 0, 7444), NOW)
    assert home.ports() == Ports(0, 7444)
    home.remember_ports(Ports(40001, 7444))
    assert home.ports() == Ports(40001, 7444)


def test_a_folder_that_was_never_founded_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refusal:
        CoordinatorHome(tmp_path).load()
    assert "fedward-coordinator init" in refusal.value.hint


@pytest.mark.parametrize("text", ["", "name = 1", "port = [", 'name = "a"\nextra = 1'])
def test_damaged_settings_are_refused(consortium: Consortium, text: str) -> None:
    consortium.home.coordinator_toml.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError):
        consortium.home.load()


def test_a_coordinator_without_ports_invites_nobody(consortium: Consortium) -> None:
    consortium.home.ports_json.unlink()
    with pytest.raises(UsageError, match="ports"):
        consortium.invite()
    assert consortium.registry.open_invites() == []


def test_an_invite_that_cannot_be_written_voids_no_other(consortium: Consortium, tmp_path: Path) -> None:
    consortium.invite()
    expires, missing = int(consortium.clock() + 60), tmp_path / "missing" / "north.invite"
    with pytest.raises(UsageError, match="no folder"):
        invite_site(consortium.home, consortium.registry, "north", expires=expires, kind=InviteKind.NEW, out=missing)
    assert [invite.expires > expires for invite in consortium.registry.open_invites()] == [True]
