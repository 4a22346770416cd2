"""`study add` and `unsafe-unlock`, as they are typed: what is said, what is recorded, exit codes, the next command."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from fedward_client.cli.app import app
from fedward_client.home import SiteHome, SiteIdentity
from fedward_client.vault.office.admin import open_office
from fedward_client.vault.office.admin_socket import AdminSocket
from fedward_client.vault.policy import DEFAULT_POLICY
from fedward_shared.contracts.round import RefusalCode
from fedward_shared.crypto import keys
from fedward_shared.errors import FedwardError, RefusedError, UsageError
from fedward_shared.files import FolderLock
from fedward_shared.wire.codec import MAX_OFFER_BYTES, encode_offer
from tests.support.vaults import DAY, STUDY_KEY, VAULT_KEY, Coordinator


def run(home: SiteHome, *arguments: str | Path, typed: str = "") -> Result:
    """`fedward-site …`."""
    line = [*map(str, arguments), "--home", str(home.root)]
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, line, input=typed)


def said(result: Result) -> str:
    """What a command that succeeds says."""
    assert result.exit_code == 0, result.exception or result.output
    return result.output


def failure(result: Result) -> FedwardError:
    """The error of one that does not."""
    assert isinstance(result.exception, FedwardError), result.output
    return result.exception


def journal(home: SiteHome) -> list[dict[str, str]]:
    """Every entry."""
    entries: list[dict[str, str]] = json.loads(said(run(home, "journal", "show", "--json")))
    return entries


@pytest.fixture
def joined(tmp_path: Path) -> SiteHome:
    """A site that has joined."""
    place = SiteHome(tmp_path / "site")
    place.make_folders()
    place.vault_key_file.write_bytes(keys.to_pem(VAULT_KEY))
    place.study_key_file.write_bytes(keys.public_to_pem(keys.public_bytes(STUDY_KEY)))
    place.policy_toml.write_text(DEFAULT_POLICY)
    place.save(SiteIdentity("north", "Test", "127.0.0.1", 1, 2, "study", "authority", 0))
    return place


@contextmanager
def served(place: SiteHome, how: str) -> Iterator[SiteHome]:
    """The site while its vault is stopped, or while a process serves admin.sock."""
    with ExitStack() as stack:
        if how == "running":
            stack.enter_context(FolderLock(place.vault_dir))
            office = stack.enter_context(open_office(place))
            stack.enter_context(AdminSocket(place.admin_sock, office.dispatch))
        yield place


@pytest.fixture(params=["stopped", "running"])
def home(request: pytest.FixtureRequest, joined: SiteHome) -> Iterator[SiteHome]:
    """The site, both ways."""
    with served(joined, request.param) as place:
        yield place


@pytest.fixture(params=["stopped", "running"])
def locked(request: pytest.FixtureRequest, joined: SiteHome) -> Iterator[SiteHome]:
    """The site, both ways, after its ledger was locked."""
    with FolderLock(joined.vault_dir), open_office(joined) as office:
        office.books.lock("rolled back", 1)
    with served(joined, request.param) as place:
        yield place


@pytest.fixture
def offer(tmp_path: Path) -> Path:
    """study.offer, as the coordinator hands it over."""
    now = int(time.time())
    file = tmp_path / "study.offer"
    file.write_bytes(encode_offer(Coordinator(certified=(now - DAY, now + DAY)).offer_))
    return file


def test_a_file_is_added_and_shown_next(home: SiteHome, offer: Path) -> None:
    text = said(run(home, "study", "add", offer))
    (listed,) = json.loads(said(run(home, "study", "list", "--json")))
    assert listed["name"] in text
    assert listed["state"] == "proposed"
    assert f"Next: fedward-site study show {listed['study'][:16]} --home {home.root}" in text
    assert "had reached this site before; it is proposed" in said(run(home, "study", "add", offer))
    assert [entry["kind"] for entry in journal(home)] == ["offered"]


def test_a_tampered_file_is_refused_with_exit_code_3(home: SiteHome, offer: Path) -> None:
    content = bytearray(offer.read_bytes())
    content[content.index(b"heart-disease")] ^= 1
    offer.write_bytes(content)
    error = failure(run(home, "study", "add", offer))
    assert isinstance(error, RefusedError)
    assert error.exit_code == 3
    assert json.loads(said(run(home, "study", "list", "--json"))) == []


@pytest.mark.parametrize("content", [None, b"[study]\n", bytes(MAX_OFFER_BYTES + 1)], ids=["missing", "toml", "huge"])
def test_a_file_that_is_no_offer_has_exit_code_2(home: SiteHome, tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    assert isinstance(failure(run(home, "study", "add", file)), UsageError)


def test_a_ledger_that_is_not_locked_needs_no_unlocking(home: SiteHome) -> None:
    error = failure(run(home, "unsafe-unlock", "--by", "Dr Ada Lind", "--reason", "to be sure", "--yes"))
    assert isinstance(error, UsageError)
    assert "not locked" in error.message


@pytest.mark.parametrize("given", [(), ("--by", "Dr Ada Lind"), ("--reason", "the disk failed")])
def test_unlocking_without_questions_needs_a_name_and_a_reason(locked: SiteHome, given: tuple[str, ...]) -> None:
    error = failure(run(locked, "unsafe-unlock", "--yes", *given))
    assert isinstance(error, UsageError)
    assert "--by" in error.hint
    assert json.loads(said(run(locked, "status", "--json")))["books"]["locked"] == "rolled back"


def test_an_unlock_is_recorded_with_name_and_reason(locked: SiteHome) -> None:
    text = said(run(locked, "unsafe-unlock", "--by", "Dr Ada Lind", "--reason", "the disk failed", "--yes"))
    assert f"Next: fedward-site journal show --home {locked.root}" in text
    assert json.loads(said(run(locked, "status", "--json")))["books"]["locked"] == ""
    newest = journal(locked)[-1]
    assert newest["kind"] == "unlock"
    assert "Dr Ada Lind" in newest["says"]
    assert "the disk failed" in newest["says"]
    assert "Whole" in said(run(locked, "journal", "verify"))


def test_asked_it_says_what_is_at_stake_first(locked: SiteHome) -> None:
    text = said(run(locked, "unsafe-unlock", typed="Dr Ada Lind\nthe disk failed\ny\n"))
    assert text.index("rolled back") < text.index("This is not") < text.index("Your name") < text.index("Unlocked")


def test_an_answer_that_is_not_yes_changes_nothing(locked: SiteHome) -> None:
    assert run(locked, "unsafe-unlock", typed="Dr Ada Lind\nthe disk failed\nn\n").exit_code == 1
    assert json.loads(said(run(locked, "status", "--json")))["books"]["locked"] == "rolled back"


def test_the_coordinator_is_told_the_way_to_it() -> None:
    assert "fedward-site doctor" in RefusalCode.LEDGER_LOCKED.explanation
    assert "unsafe-unlock" in RefusalCode.LEDGER_LOCKED.explanation
