"""The operator's socket: only its owner is heard, errors keep their kind, and nothing a caller sends ends it."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fedward_client.vault.office import admin_socket
from fedward_client.vault.office.admin_socket import AdminSocket, ask
from fedward_shared.errors import BudgetError, FedwardError, LinkError, PolicyError, UsageError


def dispatch(command: str, arguments: Mapping[str, Any]) -> Any:
    if command == "echo":
        return dict(arguments)
    if command == "spend":
        raise BudgetError("not covered", hint="ask for less")
    raise ValueError("patient 17 is 93 years old")


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    with AdminSocket(tmp_path / "admin.sock", dispatch):
        yield tmp_path / "admin.sock"


def test_an_answer_comes_back(path: Path) -> None:
    assert ask(path, "echo", {"study": "heart", "yes": True}) == {"study": "heart", "yes": True}


def test_an_error_keeps_its_kind_and_its_hint(path: Path) -> None:
    with pytest.raises(BudgetError, match="not covered") as caught:
        ask(path, "spend", {})
    assert caught.value.hint == "ask for less"
    assert caught.value.exit_code == 3


def test_our_own_mistake_neither_ends_the_vault_nor_tells_a_value(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(FedwardError, match="ValueError") as caught:
        ask(path, "oops", {})
    assert "93" not in caught.value.diagnostics()
    assert "93" not in caplog.text.replace('raise ValueError("patient 17 is 93 years old")', "")
    assert ask(path, "echo", {}) == {}


@pytest.mark.parametrize(
    "line",
    [b"", b"\n", b"nonsense\n", b"[]\n", b'{"command": 1, "arguments": {}}\n', b'{"command": "echo"}\n', b"\xff\n"],
)
def test_nonsense_is_answered_and_harmless(path: Path, line: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(path))
        raw.sendall(line)
        raw.shutdown(socket.SHUT_WR)
        answer = raw.makefile("rb").readline()
    assert not line or json.loads(answer)["error"]["kind"] == "UsageError"
    assert ask(path, "echo", {}) == {}


def test_only_the_owner_may_even_connect(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600


def test_another_user_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_socket, "_is_trusted", lambda _peer: False)
    with pytest.raises(PolicyError, match="own user"):
        ask(path, "echo", {})


def test_the_kernel_says_who_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    mine, theirs = socket.socketpair()
    with mine, theirs:
        assert admin_socket._is_trusted(mine)
        monkeypatch.setattr(os, "getuid", lambda: 4711)
        monkeypatch.setattr(admin_socket, "_CREDENTIALS", _Credentials())
        assert not admin_socket._is_trusted(mine)


class _Credentials:
    """Reads the kernel's answer as if it named an ordinary user."""

    size = 12

    @staticmethod
    def unpack(_answer: bytes) -> tuple[int, int, int]:
        return 1, 1000, 1000


def test_nobody_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="does not answer"):
        ask(tmp_path / "admin.sock", "echo", {})


def test_closing_removes_the_socket(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    with AdminSocket(path, dispatch):
        assert path.is_socket()
    assert not path.exists()


def test_a_socket_left_by_a_killed_vault_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with AdminSocket(path, dispatch):
        assert ask(path, "echo", {}) == {}


def test_a_wrong_type_of_error_is_still_an_error() -> None:
    with pytest.raises(UsageError):
        admin_socket._raise({"kind": "UsageError", "message": "m", "hint": ""})
    with pytest.raises(FedwardError):
        admin_socket._raise({"kind": "__builtins__", "message": "m", "hint": ""})
