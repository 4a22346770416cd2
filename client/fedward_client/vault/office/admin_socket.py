"""The running vault's own operator talks to it here: lines of JSON on a Unix socket of mode 0600.

One request is ``{"command": …, "arguments": {…}}``, one answer ``{"ok": …}`` or ``{"error": {kind, message, hint}}``.
The kernel says who is calling (SO_PEERCRED); only this process's own user, or root, is heard. Nothing here knows
what the commands mean; that is `vault.admin`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import struct
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fedward_shared import errors
from fedward_shared.errors import FedwardError, LinkError, UsageError

__all__ = ["AdminSocket", "Dispatch", "ask"]

Dispatch = Callable[[str, Mapping[str, Any]], Any]
"""Command and arguments to a value that JSON can hold. Raises FedwardError."""

_LINE_BYTES = 8 * 1024 * 1024
_IDLE_SECONDS = 5.0
_ANSWER_SECONDS = 120.0
_CREDENTIALS = struct.Struct("3i")
_LOG = logging.getLogger("fedward.vault")


class AdminSocket:
    """Serves `dispatch` at `path` from one thread, one request after the other, until closed."""

    def __init__(self, path: Path, dispatch: Dispatch) -> None:
        self._path = path
        self._dispatch = dispatch
        self._closing = False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._thread = threading.Thread(target=self._serve, name="admin", daemon=True)

    def __enter__(self) -> Self:
        self._path.unlink(missing_ok=True)  # the folder's lock says that nobody serves it
        before = os.umask(0o177)
        try:
            self._socket.bind(str(self._path))
        finally:
            os.umask(before)
        self._socket.listen()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(_IDLE_SECONDS + 1)
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def _serve(self) -> None:
        while not self._closing:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            with peer, contextlib.suppress(OSError):
                peer.settimeout(_IDLE_SECONDS)
                self._converse(peer)

    def _converse(self, peer: socket.socket) -> None:
        trusted = _is_trusted(peer)
        with peer.makefile("rb") as lines:
            while line := lines.readline(
                _LINE_BYTES
            ):  # a stranger's, too: closing on unread bytes would lose the answer
                if not trusted:
                    peer.sendall(_line(_refusal(errors.PolicyError("only the vault's own user may ask this"))))
                    return
                peer.sendall(_line(self._answer(line)))

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            command, arguments = request["command"], request["arguments"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return _refusal(UsageError("this is not a request of the vault's operator"))
        if not isinstance(command, str) or not isinstance(arguments, dict):
            return _refusal(UsageError("this is not a request of the vault's operator"))
        try:
            return {"ok": self._dispatch(command, arguments)}
        except FedwardError as error:
            return _refusal(error)
        except Exception as error:  # noqa: BLE001 - a mistake of ours must not end the vault
            where = "".join(traceback.format_tb(error.__traceback__))  # code only: a message could hold a value
            _LOG.error("the operator's command %s failed: %s\n%s", command, type(error).__name__, where)
            return _refusal(FedwardError(f"the vault failed at this ({type(error).__name__}); its log says more"))


def ask(path: Path, command: str, arguments: Mapping[str, Any]) -> Any:
    """Asks the vault that serves `path`.

    Raises:
        LinkError: nobody serves it.
        FedwardError: what the vault raised, of the same kind.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as vault:
        vault.settimeout(_ANSWER_SECONDS)
        try:
            vault.connect(str(path))
            vault.sendall(_line({"command": command, "arguments": dict(arguments)}))
            with vault.makefile("rb") as lines:
                answer = json.loads(lines.readline(_LINE_BYTES))
        except (OSError, ValueError) as error:
            raise LinkError("the vault does not answer its operator", hint="Is it running? Look at its log.") from error
    if "error" in answer:
        _raise(answer["error"])
    return answer["ok"]


def _raise(error: Mapping[str, str]) -> None:
    kind = getattr(errors, error["kind"], FedwardError) if error["kind"] in errors.__all__ else FedwardError
    raise kind(error["message"], hint=error["hint"])


def _refusal(error: FedwardError) -> dict[str, Any]:
    return {"error": {"kind": type(error).__name__, "message": error.message, "hint": error.hint}}


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _is_trusted(peer: socket.socket) -> bool:
    """Linux only; elsewhere the socket's mode (0600) alone decides."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    _, user, _ = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return user in {os.getuid(), 0}
