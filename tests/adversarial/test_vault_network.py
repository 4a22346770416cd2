"""A vault that has a network does not open data: not with a route, not with an inherited socket, not by mistake."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from shutil import which

import pytest

from fedward_client.home import SiteHome, SiteIdentity
from fedward_client.vault.office.admin import call
from fedward_client.vault.policy import DEFAULT_POLICY
from fedward_shared.crypto import keys

pytestmark = pytest.mark.processes

SERVE = (sys.executable, "-m", "fedward_client.vault.serve", "--home")
# A route in a namespace of its own, so that it is there wherever the tests run, and leads nowhere.
NETWORKED = """
import ctypes, fcntl, os, socket, struct, sys
control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(control, 0x8914, struct.pack("16sH22x", b"lo", 0x1))
everywhere = struct.pack("=HH4s8x", socket.AF_INET, 0, bytes(4))
name = ctypes.create_string_buffer(b"lo")
route = (0, everywhere, everywhere, everywhere, 1, 0, 0, 0, 0, ctypes.addressof(name), 0, 0, 0)
fcntl.ioctl(control, 0x890B, struct.pack("@L16s16s16sHhLPhPLLH6x", *route))
control.close()
os.execv(sys.argv[1], sys.argv[1:])
"""
IN_A_NETWORK = ("unshare", "-Urn", "--", sys.executable, "-c", NETWORKED)


@pytest.fixture
def home(tmp_path: Path) -> SiteHome:
    """A site that has joined, as far as its own folder knows."""
    place = SiteHome(tmp_path / "site")
    place.make_folders()
    vault, study = keys.new_signing_key(), keys.new_signing_key()
    place.vault_key_file.write_bytes(keys.to_pem(vault))
    place.study_key_file.write_bytes(keys.public_to_pem(keys.public_bytes(study)))
    place.policy_toml.write_text(DEFAULT_POLICY)
    place.save(SiteIdentity("north", "Test", "127.0.0.1", 1, 2, "study", "authority", 0))
    return place


def serve(home: SiteHome, prefix: tuple[str, ...], *switches: str, pass_fds: tuple[int, ...] = ()) -> tuple[int, str]:
    """Runs the vault's own process to its end: exit code and what it said."""
    done = subprocess.run(
        [*prefix, *SERVE, str(home.root), *switches],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        pass_fds=pass_fds,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stderr


def test_a_vault_with_a_route_refuses_before_it_opens_anything(home: SiteHome) -> None:
    code, said = serve(home, IN_A_NETWORK)
    assert code == 3
    assert "IPv4 route" in said
    assert "--unsafe-networked-vault" in said
    assert not home.ledger_db.exists()
    assert not home.door.exists()
    assert not home.admin_sock.exists()


def test_a_vault_that_inherits_a_socket_refuses(home: SiteHome) -> None:
    mine, theirs = socket.socketpair()
    with mine, theirs:
        code, said = serve(home, ("unshare", "-Urn", "--"), pass_fds=(mine.fileno(),))
    assert code == 3
    assert "was opened before the vault started" in said
    assert not home.ledger_db.exists()


def test_the_unsafe_switch_warns_of_every_way_out_and_goes_on(home: SiteHome, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file:
        vault = subprocess.Popen(
            [*IN_A_NETWORK, *SERVE, str(home.root), "--unsafe-networked-vault"], stderr=file, stdin=subprocess.DEVNULL
        )
    try:
        limit = time.monotonic() + 60
        while not home.admin_sock.exists():
            assert vault.poll() is None, log.read_text()
            assert time.monotonic() < limit
            time.sleep(0.05)
    finally:
        vault.terminate()
        assert vault.wait(60) == 0, log.read_text()
    noted = [entry["says"] for entry in call(home, "journal") if entry["kind"] == "networked"]
    assert len(noted) == 1, "the journal keeps it"
    assert "IPv4 route" in noted[0]
    assert "UNSAFE" in log.read_text()
    assert "IPv4 route" in log.read_text()


def test_a_vault_without_a_network_starts_and_stops_cleanly(home: SiteHome, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file:
        vault = subprocess.Popen(
            ["unshare", "-Urn", "--", *SERVE, str(home.root)], stderr=file, stdin=subprocess.DEVNULL
        )
    try:
        limit = time.monotonic() + 60
        while not home.admin_sock.exists():
            assert vault.poll() is None, log.read_text()
            assert time.monotonic() < limit
            time.sleep(0.05)
        code, said = serve(home, ("unshare", "-Urn", "--"))
        assert code == 3, "a second vault in one folder is refused"
        assert "another process" in said
    finally:
        vault.terminate()
        assert vault.wait(60) == 0, log.read_text()
    assert "no way to any network was found" in log.read_text()
    assert not home.admin_sock.exists()


def test_run_says_what_to_do_where_nothing_isolates(home: SiteHome) -> None:
    """Without `unshare` on the path, in an environment with a route: exit code 3, advice, and no vault."""
    script = Path(sys.executable).parent / "fedward-site"
    done = subprocess.run(
        [str(which("unshare")), *IN_A_NETWORK[1:], sys.executable, str(script), "run", "--home", str(home.root)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PATH": "/nonexistent"},
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 3, done.stderr
    assert "Install util-linux" in done.stderr
    assert "--network none" in done.stderr
    assert "--unsafe-networked-vault" in done.stderr
    assert not home.ledger_db.exists()
