"""The vault's half of joining: a key that stays, a study key that is not exchanged, one signature."""

import stat
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path

import pytest

from fedward_client.enrolment.vault_step import VaultOrder, make_vault
from fedward_client.home import SiteHome, SiteIdentity
from fedward_shared.crypto import keys
from fedward_shared.crypto.invite import enrolment_body
from fedward_shared.crypto.signing import Purpose, verify
from fedward_shared.errors import LockedError, SignatureError
from fedward_shared.files import FolderLock

STUDY_KEY = keys.public_bytes(keys.new_signing_key())
OTHER_KEY = keys.public_bytes(keys.new_signing_key())
TOKEN, CSR = sha256(b"token").digest(), sha256(b"csr").digest()


@pytest.fixture
def home(tmp_path: Path) -> SiteHome:
    return SiteHome(tmp_path / "site")


def order(home: SiteHome, study_key: bytes = STUDY_KEY) -> VaultOrder:
    return VaultOrder(str(home.root), "north", study_key.hex(), TOKEN.hex(), CSR.hex())


def test_it_makes_a_key_and_keeps_the_study_key(home: SiteHome) -> None:
    half = make_vault(order(home))
    assert keys.public_bytes(home.vault_key()).hex() == half.vault_key
    assert home.study_key() == STUDY_KEY
    assert stat.S_IMODE(home.vault_key_file.stat().st_mode) == 0o600
    body = enrolment_body(TOKEN, CSR, "north")
    verify(bytes.fromhex(half.vault_key), Purpose.ENROLMENT, body, bytes.fromhex(half.signature))


def test_nothing_private_leaves_it(home: SiteHome) -> None:
    half = make_vault(order(home))
    secret = home.vault_key().private_bytes_raw().hex()
    assert len(secret) == 64
    assert not any(secret in value for value in asdict(half).values())
    assert sum(len(value) for value in asdict(half).values()) == 2 * (32 + 64)


def test_repeated_it_keeps_the_key(home: SiteHome) -> None:
    first, second = make_vault(order(home)), make_vault(replace(order(home), token_digest=CSR.hex()))
    assert first.vault_key == second.vault_key
    assert first.signature != second.signature


def test_before_anything_was_joined_another_invite_may_bring_another_study_key(home: SiteHome) -> None:
    make_vault(order(home))
    make_vault(order(home, OTHER_KEY))
    assert home.study_key() == OTHER_KEY


@pytest.mark.parametrize("has", ["joined", "a ledger"])
def test_a_vault_that_has_joined_never_takes_another_study_key(home: SiteHome, has: str) -> None:
    make_vault(order(home))
    if has == "joined":
        home.save(SiteIdentity("north", "V", "localhost", 1, 2, "a", "b", 3))
    else:
        home.ledger_db.touch()
    with pytest.raises(SignatureError, match="another study key"):
        make_vault(order(home, OTHER_KEY))
    assert home.study_key() == STUDY_KEY


def test_a_running_vault_is_left_alone(home: SiteHome) -> None:
    home.make_folders()
    with FolderLock(home.vault_dir), pytest.raises(LockedError):
        make_vault(order(home))
    assert not home.vault_key_file.exists()


def test_a_damaged_key_is_not_replaced(home: SiteHome) -> None:
    make_vault(order(home))
    home.vault_key_file.write_bytes(b"damaged")
    with pytest.raises(SignatureError):
        make_vault(order(home))
    assert home.vault_key_file.read_bytes() == b"damaged"
