"""The vault's half of joining, in a process without a network: `python -m fedward_client.enrolment.vault_step`.

1. It proves that it has no network (unless it is told that this system cannot isolate it).
2. It takes the vault's folder for itself.
3. It makes the vault's key, where there is none yet. The key stays in that folder.
4. It keeps the study key's public half, from the invite. A vault that has joined never takes another one.
5. It signs the enrolment: SHA-256 of the token, SHA-256 of the gateway's signing request, the site's name.

In, on standard input, one line of JSON: a `VaultOrder`. Out, on standard output, another: public key and signature.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from fedward_client.home import SiteHome
from fedward_shared.console import run_command, say
from fedward_shared.crypto import keys
from fedward_shared.crypto.invite import enrolment_body
from fedward_shared.crypto.signing import Purpose, sign
from fedward_shared.errors import SignatureError, WireError
from fedward_shared.files import FolderLock, write_atomic

__all__ = ["VaultHalf", "VaultOrder", "make_vault"]

_LONGEST_LINE = 8192


@dataclass(frozen=True, slots=True)
class VaultOrder:
    """What the vault's half needs to know. Bytes are in hexadecimal, since they travel as JSON."""

    home: str
    site: str
    study_key: str
    token_digest: str
    csr_digest: str
    unsafe_networked: bool = False


@dataclass(frozen=True, slots=True)
class VaultHalf:
    """What leaves the vault's half: its public key (32 bytes) and its signature (64 bytes), in hexadecimal."""

    vault_key: str
    signature: str


def make_vault(order: VaultOrder) -> VaultHalf:
    """Steps 2 to 5.

    Raises:
        LockedError: the vault is running.
        SignatureError: the vault belongs to another federation, or its key cannot be read.
    """
    home = SiteHome(Path(order.home))
    home.make_folders()
    with FolderLock(home.vault_dir):  # 2
        if not home.vault_key_file.exists():  # 3
            write_atomic(home.vault_key_file, keys.to_pem(keys.new_signing_key()))
        _keep_study_key(home, bytes.fromhex(order.study_key))  # 4
        key = home.vault_key()
        body = enrolment_body(bytes.fromhex(order.token_digest), bytes.fromhex(order.csr_digest), order.site)
        return VaultHalf(keys.public_bytes(key).hex(), sign(key, Purpose.ENROLMENT, body).hex())  # 5


def _keep_study_key(home: SiteHome, public: bytes) -> None:
    if home.study_key_file.exists() and home.study_key() != public:
        if home.site_toml.exists() or home.ledger_db.exists():
            raise SignatureError(
                "this vault belongs to a federation with another study key",
                hint="A site that takes part in two federations needs a folder (--home) for each.",
            )
        home.study_key_file.unlink()
    if not home.study_key_file.exists():
        write_atomic(home.study_key_file, keys.public_to_pem(public))


def _main() -> None:
    line = sys.stdin.readline(_LONGEST_LINE)
    try:
        order = VaultOrder(**json.loads(line))
    except (ValueError, TypeError) as error:
        raise WireError("the vault's half of joining was not told what it needs") from error
    if not order.unsafe_networked:
        from fedward_client.vault.isolation import prove_isolation

        prove_isolation()  # 1
    say(json.dumps(asdict(make_vault(order))))


if __name__ == "__main__":
    run_command(_main)
