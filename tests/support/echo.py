"""A federation in miniature for tests of the link: real certificates, and a vault that sends back what it gets."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedward_client.home import SiteHome, SiteIdentity
from fedward_server.link.courier import Courier, Outcome
from fedward_server.link.service import LinkService
from fedward_shared.contracts.round import Heads, InstructionHead, ReplyHead, Task
from fedward_shared.crypto import certificates, keys
from fedward_shared.crypto.signing import Purpose
from fedward_shared.version import PROTOCOL
from fedward_shared.wire import codec
from fedward_shared.wire.parcel import Parcel, Refused, seal

__all__ = ["PATIENCE", "EchoFederation", "EchoVault", "ask", "gateway", "instruction", "reply_to", "until"]

_KEY = Ed25519PrivateKey.generate()
PATIENCE = 60.0


def instruction(payload: bytes = b"", site: str = "north", *, round_number: int = 1) -> Parcel:
    """A signed TRAIN instruction."""
    head = InstructionHead(
        study=bytes(32),
        site=site,
        round=round_number,
        attempt=1,
        task=Task.TRAIN,
        payload_bytes=len(payload),
        expires=2_000_000_000,
        seen=Heads(),
        durable_through=0,
        protocol=PROTOCOL,
    )
    return seal(_KEY, Purpose.INSTRUCTION, codec.encode_instruction(head), [memoryview(payload)] if payload else [])


def reply_to(parcel: Parcel, payload: bytes | memoryview) -> Parcel:
    """A signed reply."""
    view = memoryview(payload)
    head = ReplyHead(parcel.digest, view.nbytes, Heads())
    return seal(_KEY, Purpose.REPLY, codec.encode_reply(head), [view] if view.nbytes else [])


@dataclass
class EchoVault:
    """A handler of the door: replies with the payload, or with what `answer` makes of the instruction."""

    answer: Callable[[Parcel, Callable[[], bool]], Parcel | Refused | None] = field(
        default=lambda parcel, _: reply_to(parcel, parcel.payload)
    )
    largest: int | Refused = 1 << 30
    seen: list[Parcel] = field(default_factory=list)

    def limit(self, head: bytes) -> int | Refused:
        return self.largest

    def handle(self, parcel: Parcel, cancelled: Callable[[], bool]) -> Parcel | Refused | None:
        self.seen.append(parcel)
        return self.answer(parcel, cancelled)


class EchoFederation:
    """A CA, a coordinator's certificate for localhost, and the folders of sites that joined."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        now = datetime.now(UTC)
        self.authority = certificates.make_ca("test", now)
        key = keys.new_tls_key()
        self.server_key = keys.to_pem(key)
        self.server_certificate = certificates.issue_server(self.authority, key.public_key(), ["localhost"], now)

    def serve(self, *, admit: Callable[[str, int], bool] = lambda _site, _serial: True) -> LinkService:
        """A coordinator's end of the link on a port that the system chooses."""
        ca = self.authority.certificate
        return LinkService("localhost:0", self.server_key, self.server_certificate, ca, admit=admit, spool=self.folder)

    def credentials(self, name: str) -> tuple[bytes, bytes]:
        """A new site's key and certificate, both PEM."""
        key = keys.new_tls_key()
        request = certificates.csr(key, name)
        return keys.to_pem(key), certificates.issue_site(self.authority, request, name, datetime.now(UTC))

    def site(self, name: str, port: int) -> SiteHome:
        """The folder of a site that has joined."""
        home = SiteHome(self.folder / name)
        home.make_folders()
        key, certificate = self.credentials(name)
        home.gateway_key.write_bytes(key)
        home.gateway_certificate.write_bytes(certificate)
        home.ca_certificate.write_bytes(self.authority.certificate)
        home.save(SiteIdentity(name, "test", "localhost", port, port, "", "", int(time.time())))
        return home


@contextmanager
def gateway(home: SiteHome) -> Iterator[subprocess.Popen[bytes]]:
    """A real gateway process; its log is logs/gateway.log."""
    with (home.logs / "gateway.log").open("ab") as log:
        line = [sys.executable, "-m", "fedward_client.gateway", "--home", str(home.root)]
        process = subprocess.Popen(line, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()


def ask(courier: Courier, site: str, parcel: Parcel, *, reply_limit: int = 1 << 30) -> Outcome:
    """Posts and waits for the one outcome."""
    outcomes: list[Outcome] = []
    came = threading.Event()

    def deliver(outcome: Outcome) -> None:
        outcomes.append(outcome)
        came.set()

    courier.post(site, parcel, reply_limit=reply_limit, deliver=deliver)
    assert came.wait(PATIENCE)
    return outcomes[0]


def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Waits for something that other threads or processes do."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)
