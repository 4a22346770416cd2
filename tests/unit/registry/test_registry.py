"""The registry: tokens redeemed once, sites admitted by their present certificate, the heads last seen."""

import hashlib
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fedward_server.registry import InviteKind, Redemption, Registry
from fedward_shared.contracts.round import Heads
from fedward_shared.crypto import certificates, keys
from fedward_shared.errors import FedwardError, RefusedError, UsageError
from tests.support.enrolment import Clock

CA = certificates.make_ca("Testverbund", datetime.now(UTC))
CSR = certificates.csr(keys.new_tls_key(), "north")
VAULT = b"v" * 32
TOKEN = b"t" * 32
DAY = 86400


def issue(site: str) -> bytes:
    return certificates.issue_site(CA, CSR, site, datetime.now(UTC))


def redemption(
    site: str = "north", token: bytes = TOKEN, csr_digest: bytes = b"c" * 32, vault: bytes = VAULT
) -> Redemption:
    return Redemption(site, token, csr_digest, vault)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(tmp_path: Path, clock: Clock) -> Registry:
    return Registry(tmp_path / "registry.db", clock)


def invite(registry: Registry, clock: Clock, kind: InviteKind = InviteKind.NEW, token: bytes = TOKEN) -> None:
    registry.add_invite("north", hashlib.sha256(token).digest(), int(clock() + DAY), kind)


def joined(registry: Registry, clock: Clock) -> int:
    """The serial of north's certificate, after it joined."""
    invite(registry, clock)
    return certificates.serial(registry.redeem(redemption(), issue))


def test_a_site_that_redeems_its_invite_has_joined(registry: Registry, clock: Clock) -> None:
    serial = joined(registry, clock)
    (site,) = registry.sites()
    assert (site.name, site.vault_key, site.certificate_serial, site.revoked) == ("north", VAULT, serial, None)
    assert site.joined == int(clock())
    assert registry.site("north") == site
    assert registry.is_admitted("north", serial)
    assert registry.open_invites() == []


def test_who_never_joined_is_not_admitted(registry: Registry, clock: Clock) -> None:
    serial = joined(registry, clock)
    assert registry.site("south") is None
    assert not registry.is_admitted("south", serial)
    assert not registry.is_admitted("north", serial + 1)


def test_the_token_itself_is_stored_nowhere(registry: Registry, clock: Clock, tmp_path: Path) -> None:
    joined(registry, clock)
    registry.close()
    assert not any(TOKEN in path.read_bytes() for path in tmp_path.iterdir())


def test_the_file_is_its_owners_alone(registry: Registry, tmp_path: Path) -> None:
    assert registry.sites() == []
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.iterdir())


def test_every_refusal_reads_the_same(registry: Registry, clock: Clock) -> None:
    """Nothing tells a wrong token from a used, an expired or another site's."""
    invite(registry, clock)
    told = set()
    for wrong in (redemption(token=b"x" * 32), redemption(site="south")):
        with pytest.raises(RefusedError) as refusal:
            registry.redeem(wrong, issue)
        told.add(refusal.value.diagnostics())
    clock.now += 2 * DAY
    with pytest.raises(RefusedError) as refusal:
        registry.redeem(redemption(), issue)
    told.add(refusal.value.diagnostics())
    clock.now -= 2 * DAY
    registry.redeem(redemption(), issue)
    with pytest.raises(RefusedError) as refusal:
        registry.redeem(redemption(csr_digest=b"d" * 32), issue)
    told.add(refusal.value.diagnostics())
    assert len(told) == 1


def test_a_failed_attempt_does_not_use_the_token_up(registry: Registry, clock: Clock) -> None:
    invite(registry, clock)
    with pytest.raises(RefusedError):
        registry.redeem(redemption(site="south"), issue)
    registry.redeem(redemption(), issue)
    assert registry.site("north") is not None


def test_the_very_same_request_gets_the_same_certificate_again(registry: Registry, clock: Clock) -> None:
    invite(registry, clock)
    first = registry.redeem(redemption(), issue)
    clock.now += 30 * DAY
    assert registry.redeem(redemption(), issue) == first


@pytest.mark.parametrize("other", [redemption(csr_digest=b"d" * 32), redemption(vault=b"w" * 32)], ids=["csr", "vault"])
def test_a_used_token_is_refused_to_other_keys(registry: Registry, clock: Clock, other: Redemption) -> None:
    serial = joined(registry, clock)
    with pytest.raises(RefusedError):
        registry.redeem(other, issue)
    assert registry.is_admitted("north", serial)


def test_a_used_token_is_worth_nothing_once_the_site_is_revoked(registry: Registry, clock: Clock) -> None:
    joined(registry, clock)
    registry.revoke("north")
    with pytest.raises(RefusedError):
        registry.redeem(redemption(), issue)


def test_nothing_is_used_up_where_issuing_fails(registry: Registry, clock: Clock) -> None:
    """As after a crash between the two: the token is unused, and no site has joined."""

    def dies(_: str) -> bytes:
        raise FedwardError("as a crash would")

    invite(registry, clock)
    with pytest.raises(FedwardError, match="as a crash would"):
        registry.redeem(redemption(), dies)
    assert registry.sites() == []
    assert len(registry.open_invites()) == 1
    registry.redeem(redemption(), issue)


def test_of_many_at_once_exactly_one_redeems_a_token(registry: Registry, clock: Clock, tmp_path: Path) -> None:
    """Two processes' worth of registries, eight threads, eight pairs of keys, one token."""
    invite(registry, clock)
    second = Registry(tmp_path / "registry.db", clock)
    outcomes: list[object] = []
    gate = threading.Barrier(8)

    def attempt(number: int) -> None:
        gate.wait()
        try:
            mine = redemption(csr_digest=bytes([number]) * 32)
            outcomes.append((registry, second)[number % 2].redeem(mine, issue))
        except RefusedError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    certified = [outcome for outcome in outcomes if isinstance(outcome, bytes)]
    assert len(outcomes) == 8
    assert len(certified) == 1
    assert registry.is_admitted("north", certificates.serial(certified[0]))


def test_a_new_invite_voids_the_one_before(registry: Registry, clock: Clock) -> None:
    invite(registry, clock)
    invite(registry, clock, token=b"u" * 32)
    with pytest.raises(RefusedError):
        registry.redeem(redemption(), issue)
    registry.redeem(redemption(token=b"u" * 32), issue)


@pytest.mark.parametrize("kind", [InviteKind.RENEW, InviteKind.NEW_VAULT])
def test_a_stranger_cannot_be_renewed(registry: Registry, clock: Clock, kind: InviteKind) -> None:
    with pytest.raises(UsageError, match="never joined"):
        invite(registry, clock, kind)


def test_a_known_site_is_not_invited_as_new(registry: Registry, clock: Clock) -> None:
    joined(registry, clock)
    with pytest.raises(UsageError, match="joined already"):
        invite(registry, clock, token=b"u" * 32)


def test_renewing_revokes_the_former_certificate_and_keeps_the_vault(registry: Registry, clock: Clock) -> None:
    former = joined(registry, clock)
    registry.remember_heads(b"s" * 32, "north", Heads(2, b"l" * 32, 2, b"j" * 32))
    invite(registry, clock, InviteKind.RENEW, b"u" * 32)
    assert registry.is_admitted("north", former)
    with pytest.raises(RefusedError):
        registry.redeem(redemption(token=b"u" * 32, vault=b"w" * 32), issue)
    present = certificates.serial(registry.redeem(redemption(token=b"u" * 32, csr_digest=b"d" * 32), issue))
    assert registry.is_admitted("north", present)
    assert not registry.is_admitted("north", former)
    assert [(found.site, found.certificate_serial) for found in registry.revoked_since()] == [("north", former)]
    assert registry.heads(b"s" * 32, "north").ledger_sequence == 2


def test_a_new_vault_begins_with_new_heads(registry: Registry, clock: Clock) -> None:
    joined(registry, clock)
    registry.remember_heads(b"s" * 32, "north", Heads(2, b"l" * 32, 2, b"j" * 32))
    invite(registry, clock, InviteKind.NEW_VAULT, b"u" * 32)
    registry.redeem(redemption(token=b"u" * 32, csr_digest=b"d" * 32, vault=b"w" * 32), issue)
    site = registry.site("north")
    assert site is not None
    assert site.vault_key == b"w" * 32
    assert registry.heads(b"s" * 32, "north") == Heads()


def test_a_revoked_site_is_out_until_it_is_invited_again(registry: Registry, clock: Clock) -> None:
    serial = joined(registry, clock)
    invite(registry, clock, InviteKind.RENEW, b"u" * 32)
    registry.revoke("north")
    assert not registry.is_admitted("north", serial)
    with pytest.raises(RefusedError):  # the invite that was open is void as well
        registry.redeem(redemption(token=b"u" * 32), issue)
    invite(registry, clock, InviteKind.RENEW, b"w" * 32)
    again = certificates.serial(registry.redeem(redemption(token=b"w" * 32, csr_digest=b"d" * 32), issue))
    assert registry.is_admitted("north", again)
    assert not registry.is_admitted("north", serial)


def test_revocations_are_told_once_to_who_polls(registry: Registry, clock: Clock, tmp_path: Path) -> None:
    serial = joined(registry, clock)
    watching = Registry(tmp_path / "registry.db", clock)
    assert watching.revoked_since() == []
    registry.revoke("north")
    registry.revoke("north")
    (told,) = watching.revoked_since()
    assert (told.site, told.certificate_serial) == ("north", serial)
    assert watching.revoked_since(told.number) == []


def test_a_stranger_cannot_be_revoked(registry: Registry) -> None:
    with pytest.raises(UsageError, match="no site"):
        registry.revoke("south")


def test_an_expired_certificate_is_not_admitted(registry: Registry, clock: Clock) -> None:
    serial = joined(registry, clock)
    clock.now += timedelta(days=89).total_seconds()
    assert registry.is_admitted("north", serial)
    clock.now += timedelta(days=2).total_seconds()
    assert not registry.is_admitted("north", serial)


def test_the_heads_last_seen_are_remembered_for_each_study_and_site(registry: Registry) -> None:
    study, other = b"s" * 32, b"o" * 32
    assert registry.heads(study, "north") == Heads()
    first, second = Heads(3, b"a" * 32, 5, b"b" * 32), Heads(4, b"c" * 32, 6, b"d" * 32)
    for heads in (first, second):
        registry.remember_heads(study, "north", heads)
    registry.remember_heads(other, "north", first)
    assert registry.heads(study, "north") == second
    assert registry.heads(other, "north") == first
    assert registry.heads(study, "south") == Heads()
    assert registry.latest_heads("north") == second
    assert registry.latest_heads("south") == Heads()


def test_a_site_that_was_unlocked_by_a_person_may_answer_with_lower_heads(registry: Registry) -> None:
    """Otherwise every later instruction would show it the heads that it lost, and lock it again."""
    study, lower = b"s" * 32, Heads(2, b"c" * 32, 9, b"d" * 32)
    registry.remember_heads(study, "north", Heads(3, b"a" * 32, 5, b"b" * 32))
    registry.remember_heads(study, "north", lower)
    assert registry.heads(study, "north") == lower


def test_what_was_written_outlives_the_process(registry: Registry, clock: Clock, tmp_path: Path) -> None:
    serial = joined(registry, clock)
    registry.close()
    assert Registry(tmp_path / "registry.db", clock).is_admitted("north", serial)


def test_every_commit_reaches_the_disk(registry: Registry) -> None:
    with registry._database.look() as view:
        assert view.execute("PRAGMA synchronous").fetchone()[0] == 2


def test_a_registry_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    Registry(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(UsageError, match="newer version"):
        Registry(path)


def test_a_file_that_is_no_registry_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(UsageError, match="cannot be read"):
        Registry(path)
