"""What the operator can ask: the same answers from a running vault and on the books of a stopped one."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fedward_client.home import SiteHome, SiteIdentity
from fedward_client.vault.office import admin
from fedward_client.vault.office.admin import call, open_office
from fedward_client.vault.office.admin_socket import AdminSocket
from fedward_client.vault.policy import DEFAULT_POLICY
from fedward_shared.crypto import keys
from fedward_shared.errors import LockedError, UsageError
from fedward_shared.files import FolderLock
from fedward_shared.wire.codec import MAX_OFFER_BYTES

Ask = Callable[..., object]


@pytest.fixture
def home(tmp_path: Path) -> SiteHome:
    """A site that has joined, and has no study yet."""
    place = SiteHome(tmp_path)
    place.make_folders()
    place.vault_key_file.write_bytes(keys.to_pem(keys.new_signing_key()))
    place.study_key_file.write_bytes(keys.public_to_pem(keys.public_bytes(keys.new_signing_key())))
    place.policy_toml.write_text(DEFAULT_POLICY)
    place.save(SiteIdentity("north", "Test", "127.0.0.1", 1, 2, "study", "authority", 0))
    return place


@pytest.fixture(params=["stopped", "running"])
def ask(request: pytest.FixtureRequest, home: SiteHome) -> Iterator[Ask]:
    """`call`, while the vault is stopped and while it runs."""
    with ExitStack() as stack:
        if request.param == "running":
            stack.enter_context(FolderLock(home.vault_dir))
            office = stack.enter_context(open_office(home))
            stack.enter_context(AdminSocket(home.admin_sock, office.dispatch))
        yield lambda command, **arguments: call(home, command, **arguments)


def test_every_command_that_changes_nothing_answers_with_plain_values(ask: Ask) -> None:
    for command in ("proposals", "ledger", "spending", "journal", "verify_journal", "status"):
        assert json.loads(json.dumps(ask(command))) == ask(command)


def test_status_names_the_site(ask: Ask) -> None:
    status = ask("status")
    assert isinstance(status, dict)
    assert status["site"] == "north"
    assert status["locked"] == ""


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("no_such_command", {}),
        ("_find", {"reference": "x"}),
        ("show", {}),
        ("show", {"study": ""}),
        ("show", {"study": 7}),
        ("show", {"study": "nothing-like-this"}),
        ("approve", {"study": "abcd", "data_set": "x"}),
        ("approve", {"study": "abcd", "data_set": "x", "by": "A", "now": 0}),
        ("journal", {"newest": 0}),
        ("journal", {"newest": "all"}),
        ("status", {"verbose": True}),
        ("add_study", {}),
        ("add_study", {"offer": "AAAA"}),
        ("add_study", {"offer": "not base64 \u00e9"}),
        ("add_study", {"offer": b64encode(bytes(MAX_OFFER_BYTES + 3)).decode()}),
        ("unsafe_unlock", {"by": "A"}),
        ("unsafe_unlock", {"by": "A", "reason": "no reason"}),
    ],
)
def test_what_is_not_a_command_is_refused(ask: Ask, command: str, arguments: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        ask(command, **arguments)


def test_a_refused_argument_is_not_repeated(ask: Ask) -> None:
    with pytest.raises(UsageError) as caught:
        ask("show", study="SECRET" * 100)
    assert "SECRET" not in caught.value.diagnostics()


def test_every_command_is_a_method_with_just_these_arguments() -> None:
    """The table and `Operations` cannot drift apart unnoticed."""
    from inspect import signature

    from fedward_client.vault.office.operations import Operations

    for name, command in admin._COMMANDS.items():
        taken = set(signature(getattr(Operations, name)).parameters) - {"self"}
        assert taken == set(command.takes.model_fields) | ({"now"} if command.timed else set()), name


def test_a_folder_that_is_held_without_an_answer_is_an_error(home: SiteHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin, "_PATIENCE_SECONDS", 0.0)
    with FolderLock(home.vault_dir), pytest.raises(LockedError):
        call(home, "status")


def test_a_vault_that_just_ends_is_waited_for(home: SiteHome, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = FolderLock(home.vault_dir)
    lock.__enter__()
    monkeypatch.setattr("fedward_client.vault.office.admin.time.sleep", lambda _: lock.__exit__(None, None, None))
    assert call(home, "status")["site"] == "north"


def test_a_folder_that_has_not_joined_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has not joined"):
        call(SiteHome(tmp_path), "status")


def test_the_books_are_closed_again(home: SiteHome) -> None:
    for _ in range(2):
        assert call(home, "status")["site"] == "north"
