"""The proof of isolation, run in namespaces of its own; each test changes one thing and must be noticed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fedward_client.vault import isolation
from fedward_client.vault.launcher import how_to_isolate, launcher
from fedward_shared.errors import IsolationError

EXAMINE = "from fedward_client.vault.isolation import examine; print('\\n'.join(examine().ways_out))"

LOOPBACK_UP = """
import fcntl, socket, struct
control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(control, 0x8914, struct.pack("16sH22x", b"lo", 0x1))  # SIOCSIFFLAGS, IFF_UP
"""
ROUTE = (
    LOOPBACK_UP
    + """
import ctypes
everywhere = struct.pack("=HH4s8x", socket.AF_INET, 0, bytes(4))
name = ctypes.create_string_buffer(b"lo")
# SIOCADDRT with struct rtentry (rtnetlink's older brother): a default route through lo
route = (0, everywhere, everywhere, everywhere, 1, 0, 0, 0, 0, ctypes.addressof(name), 0, 0, 0)
fcntl.ioctl(control, 0x890B, struct.pack("@L16s16s16sHhLPhPLLH6x", *route))
"""
)


def inside(script: str, *, before: str = "", pass_fds: tuple[int, ...] = ()) -> str:
    """What `script` prints in an empty network namespace, in which `before` (shell) was run first."""
    line = ["unshare", "-Urnm", "--propagation", "private", "--", "sh", "-c", f'{before}\nexec "$@"', "sh"]
    done = subprocess.run(
        [*line, sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        pass_fds=pass_fds,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_nothing_is_found_in_an_empty_namespace() -> None:
    assert inside(EXAMINE) == ""


def test_a_route_is_noticed_although_nothing_answers_there() -> None:
    found = inside(f"{ROUTE}\n{EXAMINE}")
    assert "there is an IPv4 route to other machines" in found


def test_an_interface_that_is_up_is_noticed_and_one_that_is_down_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "_flags", lambda _name: isolation._IFF_UP)
    assert "the network interface lo is up" in list(isolation._interfaces())
    monkeypatch.setattr(isolation, "_flags", lambda _name: 0)
    assert list(isolation._interfaces()) == []


def test_loopback_that_is_up_is_no_way_out() -> None:
    assert inside(f"{LOOPBACK_UP}\ncontrol.close()\n{EXAMINE}") == ""


def test_a_neighbours_socket_on_loopback_is_noticed(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    code = (
        "import socket, time, pathlib; s = socket.create_server(('127.0.0.1', 0));"
        f"pathlib.Path({str(ready)!r}).touch(); time.sleep(30)"
    )
    neighbour = f'{sys.executable} -c "{code}" & trap "kill $!" EXIT; while [ ! -e {ready} ]; do sleep 0.05; done'
    script = f"{EXAMINE}; import os, signal; os.kill(int(os.environ['NEIGHBOUR']), signal.SIGKILL)"
    assert "1 tcp socket(s) of other processes" in inside(script, before=f"{neighbour}; export NEIGHBOUR=$!")


def test_an_inherited_socket_is_noticed() -> None:
    mine, _theirs = socket.socketpair()
    assert f"file descriptor {mine.fileno()} is a socket" in inside(EXAMINE, pass_fds=(mine.fileno(),))


def test_an_inherited_namespace_handle_is_noticed() -> None:
    handle = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        assert f"file descriptor {handle} is a handle to a network namespace" in inside(EXAMINE, pass_fds=(handle,))
    finally:
        os.close(handle)


def test_an_abstract_unix_socket_is_noticed() -> None:
    script = (
        "import socket, subprocess, sys; s = socket.socket(socket.AF_UNIX); s.bind('\\0fedward-test'); s.listen();"
        f"subprocess.run([sys.executable, '-c', {EXAMINE!r}], check=True)"
    )
    assert "@fedward-test" in inside(script)


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    """A socket like that of a container engine, which takes connections."""
    return tmp_path / "docker.sock"


def test_a_host_control_socket_is_noticed_and_a_covered_one_is_not(engine: Path) -> None:
    script = (
        f"import fedward_client.vault.isolation as i; i.HOST_SOCKETS = ({str(engine)!r},); "
        "print('\\n'.join(i.examine().ways_out))"
    )
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(engine))
        server.listen()
        assert f"{engine} can be reached" in inside(script)
        assert inside(script, before=f"mount --bind /dev/null {engine}") == ""


def test_a_name_that_is_answered_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [("answered",)])
    assert ["a resolver outside the vault answers" in way for way in isolation._name_lookup()] == [True]


def test_no_name_is_looked_up_where_a_route_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_packet(*_: object) -> None:
        pytest.fail("a query was sent")

    monkeypatch.setattr(socket, "getaddrinfo", no_packet)
    monkeypatch.setattr(isolation, "_routes", lambda: iter(["a route"]))
    assert not isolation.examine().isolated


def test_tcp_is_not_tried_where_udp_found_a_route(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds: list[socket.SocketKind] = []

    def connects(_family: object, kind: socket.SocketKind, _address: str) -> bool:
        kinds.append(kind)
        return True

    monkeypatch.setattr(isolation, "_connects", connects)
    assert len(list(isolation._routes())) == 2
    assert set(kinds) == {socket.SOCK_DGRAM}


def test_refusal_lists_each_way_out_and_names_the_unsafe_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "examine", lambda: isolation.Proof(("way one", "way two"), ()))
    with pytest.raises(IsolationError) as caught:
        isolation.prove_isolation()
    text = caught.value.diagnostics()
    assert "way one" in text
    assert "way two" in text
    assert "--unsafe-networked-vault" in text
    assert caught.value.exit_code == 3
    assert isolation.prove_isolation(unsafe=True).ways_out == ("way one", "way two")


def test_the_launcher_isolates_and_keeps_the_process_id() -> None:
    way = launcher()
    with subprocess.Popen(
        [*way.prefix, sys.executable, "-c", "import os; print(os.getpid())"], stdout=subprocess.PIPE, text=True
    ) as process:
        said, _ = process.communicate(timeout=30)
    assert int(said) == process.pid


def test_the_advice_names_a_way_without_namespaces() -> None:
    assert "--network none" in how_to_isolate()
    assert "--unsafe-networked-vault" in how_to_isolate()
