"""What the operator can ask of a vault, running or stopped: one list of commands, and how to reach them.

Running: through `admin.sock`, served by the vault itself. Stopped: the caller takes the lock on the vault's folder and
works on the books directly. Either way the same `Operations` does the work. Nothing that this reads or returns is a
patient's record.
"""

from __future__ import annotations

import time
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from fedward_client.home import SiteHome
from fedward_client.vault.office.admin_socket import ask
from fedward_shared.errors import LinkError, LockedError, UsageError
from fedward_shared.files import FolderLock
from fedward_shared.wire.codec import MAX_OFFER_BYTES

if TYPE_CHECKING:
    from fedward_client.vault.books.books import Books
    from fedward_client.vault.office.operations import Operations

__all__ = ["Office", "call", "open_office"]

_PATIENCE_SECONDS = 15.0
_PAUSE_SECONDS = 0.2


class _Request(BaseModel):
    """The arguments of a command, as they come from outside."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Nothing(_Request):
    pass


class _OneStudy(_Request):
    study: str = Field(min_length=1, max_length=200)


class _Decision(_OneStudy):
    by: str = Field(max_length=200)


class _Approval(_Decision):
    data_set: str = Field(max_length=200)


def _from_base64(text: object) -> bytes:
    if not isinstance(text, str):
        raise ValueError("must be Base64")  # noqa: TRY004  # what pydantic turns into its own error
    return b64decode(text, validate=True)


class _File(_Request):
    offer: Annotated[bytes, BeforeValidator(_from_base64)] = Field(max_length=MAX_OFFER_BYTES)


class _Rows(_Request):
    data_set: str | None = Field(default=None, max_length=200)


class _Entries(_Request):
    newest: int | None = Field(default=None, ge=1, le=1_000_000)


class _Unlock(_Request):
    by: str = Field(max_length=200)
    reason: str = Field(max_length=200)


@dataclass(frozen=True, slots=True)
class _Command:
    """A command: what it takes, and the method of `Operations` that does it (with the time, where it decides)."""

    takes: type[_Request]
    timed: bool = False


_COMMANDS = {
    "proposals": _Command(_Nothing),
    "show": _Command(_OneStudy),
    "add_study": _Command(_File, timed=True),
    "approve": _Command(_Approval, timed=True),
    "reject": _Command(_Decision, timed=True),
    "withdraw": _Command(_Decision, timed=True),
    "ledger": _Command(_Rows),
    "spending": _Command(_Nothing),
    "journal": _Command(_Entries),
    "verify_journal": _Command(_Nothing),
    "status": _Command(_Nothing),
    "unsafe_unlock": _Command(_Unlock, timed=True),
}


@dataclass(frozen=True, slots=True)
class Office:
    """Open books, and what a person may do with them. `clock` gives seconds since 1970."""

    books: Books
    operations: Operations
    clock: Callable[[], float] = time.time

    def dispatch(self, command: str, arguments: Mapping[str, Any]) -> Any:
        """Does a command; the answer is made of plain values that JSON can hold (an ε may be infinite).

        Raises:
            UsageError: no such command, or arguments that it does not take.
            FedwardError: what the operation raises.
        """
        known = _COMMANDS.get(command)
        if known is None:
            raise UsageError(f"the vault knows no command {command!r}; it knows {', '.join(sorted(_COMMANDS))}")
        try:
            given = known.takes.model_validate(dict(arguments)).model_dump()
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "arguments"
            raise UsageError(f"{command}: {where}: {first['msg']}") from error
        if known.timed:
            given["now"] = self.clock()
        return _plain(getattr(self.operations, command)(**given))


@contextmanager
def open_office(home: SiteHome) -> Iterator[Office]:
    """Opens the books of a vault whose folder's lock the caller holds.

    Raises:
        UsageError: the site has not joined.
        LockedError: the books were changed, or somebody else has them open.
    """
    from fedward_client.vault.books.books import Books
    from fedward_client.vault.books.store import Store
    from fedward_client.vault.inbox import Inbox
    from fedward_client.vault.office.operations import Operations
    from fedward_client.vault.policy import load_policy
    from fedward_shared.crypto.keys import public_bytes

    site, key, study_key = home.load().site, home.vault_key(), home.study_key()
    policy = load_policy(home.policy_toml)
    store = Store.open(home.vault_dir)
    try:
        books = Books(store, site=site, study_key=study_key, key=key, now=int(time.time()))
    except BaseException:
        store.close()
        raise
    try:
        yield Office(
            books,
            Operations(
                site=site,
                study_key=study_key,
                vault_key=public_bytes(key),
                books=books,
                policy=policy,
                data_sets=Inbox(home.inbox),
                backbones=home.backbones,
            ),
        )
    finally:
        books.close()


def call(home: SiteHome, command: str, **arguments: str | int | None) -> Any:
    """Does a command, through the running vault or, where none runs, on its books.

    Raises:
        UsageError: the site has not joined, or the arguments are wrong.
        LockedError: another process holds the vault's folder and does not answer.
        FedwardError: what the operation raises.
    """
    home.load()
    limit = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return ask(home.admin_sock, command, arguments)
        except LinkError:
            pass
        try:
            with FolderLock(home.vault_dir), open_office(home) as office:
                return office.dispatch(command, arguments)
        except LockedError:
            if time.monotonic() > limit:
                raise
            time.sleep(_PAUSE_SECONDS)  # a vault that is just starting, or another command of the operator's


def _plain(value: Any) -> Any:
    """Dataclasses as dicts and tuples as lists, all the way down: the same value whether or not it travelled."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value
