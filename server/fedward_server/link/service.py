"""The coordinator's end of the link: a gRPC server that sites dial, with mutual TLS 1.3.

A stream is admitted by the certificate alone: issued by our CA, naming one site, with a serial that `admit`
knows. Two threads serve each stream: gRPC's own pulls outgoing frames from a queue, one of ours reassembles replies.
Every post is settled exactly once: by a reply, a refusal, a cancel, or the end of its stream.
"""

from __future__ import annotations

import itertools
import logging
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, cast

import grpc

from fedward_server.link.courier import Lost, Outcome
from fedward_shared.contracts.round import RefusalCode
from fedward_shared.crypto import certificates
from fedward_shared.errors import FedwardError, LinkError, WireError
from fedward_shared.wire import codec, frames, greetings
from fedward_shared.wire.parcel import Parcel, Refused
from fedward_shared.wire.transfer import Arrived, Cancelled, Declined, Event, Inbox, RefusalCame, outgoing

__all__ = ["LinkService"]

_log = logging.getLogger(__name__)

_MAX_STREAMS = 1000
_MAX_GREETING = 4
_HELLO_SECONDS = 10.0
_CLOSE_SECONDS = 1.0
_OVERSIZE = Refused(RefusalCode.TOO_LARGE)


@dataclass(frozen=True, slots=True)
class _Peer:
    """One attached stream. `jobs` holds iterables of frames, sent one after the other; None ends it."""

    site: str
    context: grpc.ServicerContext
    jobs: queue.SimpleQueue[Iterable[bytes] | None] = field(default_factory=queue.SimpleQueue)


@dataclass(frozen=True, slots=True)
class _Post:
    """A parcel whose outcome is awaited."""

    peer: _Peer
    reply_limit: int
    deliver: Callable[[Outcome], None]


class LinkService:
    """Listens on `address` ("host:port"; port 0: the system chooses) until closed. Implements `Courier`.

    `admit(site, serial)` is asked at every stream's start; `spool` is a folder for large replies (in memory where
    None); `on_change` is told, from any thread, that the set of attached sites changed.

    Raises:
        LinkError: the address cannot be bound.
    """

    def __init__(
        self,
        address: str,
        key_pem: bytes,
        cert_pem: bytes,
        ca_pem: bytes,
        *,
        admit: Callable[[str, int], bool],
        spool: Path | None = None,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        self._admit = admit
        self._spool = spool
        self._on_change = on_change or (lambda: None)
        self._lock = threading.Lock()
        self._peers: dict[str, _Peer] = {}
        self._posts: dict[int, _Post] = {}
        self._greeting: Counter[str] = Counter()
        self._tickets = itertools.count(1)
        self._server = grpc.server(
            ThreadPoolExecutor(_MAX_STREAMS, "link"),
            options=(*frames.OPTIONS, ("grpc.so_reuseport", 0)),
            maximum_concurrent_rpcs=_MAX_STREAMS,
        )
        service, method = frames.LINK_METHOD
        handler = grpc.stream_stream_rpc_method_handler(self._attach)  # no serializers: frames are bytes
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
        credentials = grpc.ssl_server_credentials([(key_pem, cert_pem)], ca_pem, require_client_auth=True)
        try:
            self.port = self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise LinkError(
                f"cannot listen on {address}", hint="Another process may use the port; choose one that is free."
            ) from error
        self._server.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def attached(self) -> frozenset[str]:
        """The sites with a stream now."""
        with self._lock:
            return frozenset(self._peers)

    def post(self, site: str, parcel: Parcel, *, reply_limit: int, deliver: Callable[[Outcome], None]) -> int:
        """See `Courier.post`."""
        ticket = next(self._tickets)
        with self._lock:
            peer = self._peers.get(site)
            if peer is not None:
                self._posts[ticket] = _Post(peer, reply_limit, deliver)
        if peer is None:
            deliver(Lost(f"{site} is not attached"))
        else:
            peer.jobs.put(outgoing(ticket, parcel, lambda: ticket in self._posts))
        return ticket

    def cancel(self, ticket: int) -> None:
        """See `Courier.cancel`."""
        post = self._settle(ticket, Lost("cancelled"))
        if post is not None:
            post.peer.jobs.put((frames.cancel_frame(ticket),))

    def cut_off(self, site: str) -> None:
        """Ends a site's stream now (a revoked site: `admit` must refuse it from before this call on)."""
        with self._lock:
            peer = self._peers.get(site)
        if peer is not None:
            self._end(peer, f"{site} was cut off")
            _hang_up(peer.context)

    def close(self) -> None:
        """Ends all streams and stops listening; everything still awaited is `Lost`."""
        with self._lock:
            peers = list(self._peers.values())
        for peer in peers:
            self._end(peer, "the coordinator is closing")
        self._server.stop(_CLOSE_SECONDS).wait()

    def _attach(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        """Serves one stream, in one of gRPC's threads."""
        site, serial = self._identify(context)
        self._require_admission(site, serial, context)
        if not self._greet(site, requests, context):
            return
        peer = _Peer(site, context)
        self._begin(peer)
        if not context.add_callback(lambda: self._end(peer, f"the link to {site} ended")):
            self._end(peer, f"the link to {site} ended")
            return
        self._require_admission(site, serial, context)  # again: a cut_off may have come before _begin
        threading.Thread(target=self._read, args=(peer, requests), name=f"link-{site}", daemon=True).start()
        yield greetings.welcome_frame(site)
        while (job := peer.jobs.get()) is not None:
            yield from job

    def _greet(self, site: str, requests: Iterator[bytes], context: grpc.ServicerContext) -> bool:
        """Waits for hello; false where the stream ended instead. One site cannot keep the others' threads waiting."""
        with self._lock:
            self._greeting[site] += 1
            crowded = self._greeting[site] > _MAX_GREETING
        impatience = threading.Timer(_HELLO_SECONDS, _hang_up, (context,))
        try:
            if crowded:
                context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many streams of this site say nothing")
            impatience.start()
            greetings.read_hello(next(requests))
        except WireError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, error.diagnostics())
        except (StopIteration, grpc.RpcError):
            return False
        finally:
            impatience.cancel()
            with self._lock:
                self._greeting[site] -= 1
        return True

    def _identify(self, context: grpc.ServicerContext) -> tuple[str, int]:
        """Site and serial number in the peer's certificate; aborts the call where there are none."""
        proven = cast("Mapping[str, Sequence[bytes]]", context.auth_context())  # the stubs are wrong here
        if list(proven.get("ssl_tls_version", ())) != [b"TLSv1.3"]:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "the link needs TLS 1.3")
        try:
            certificate = proven["x509_pem_cert"][0]
            return certificates.site_of(certificate), certificates.serial(certificate)
        except (KeyError, IndexError, FedwardError):
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "the certificate names no site")

    def _require_admission(self, site: str, serial: int, context: grpc.ServicerContext) -> None:
        if not self._admit(site, serial):
            _log.warning("refused a stream of %s: its certificate is not admitted", site)
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "this certificate is not, or no longer, admitted")

    def _begin(self, peer: _Peer) -> None:
        with self._lock:
            older = self._peers.get(peer.site)
            self._peers[peer.site] = peer
        if older is not None:
            self._end(older, f"{peer.site} dialled again")
            _hang_up(older.context)
        _log.info("%s attached", peer.site)
        self._on_change()

    def _end(self, peer: _Peer, reason: str) -> None:
        """Forgets a stream and settles what was posted to it. Does nothing the second time."""
        peer.jobs.put(None)
        with self._lock:
            present = self._peers.get(peer.site) is peer
            if present:
                del self._peers[peer.site]
            waiting = [ticket for ticket, post in self._posts.items() if post.peer is peer]
        for ticket in waiting:
            self._settle(ticket, Lost(reason))
        if present:
            _log.info("%s detached: %s", peer.site, reason)
            self._on_change()

    def _read(self, peer: _Peer, requests: Iterator[bytes]) -> None:
        inbox = Inbox(
            lambda head: codec.decode_reply(head).payload_bytes,
            lambda transfer, _: self._limit(peer, transfer),
            too_large=_OVERSIZE,
            wanted=lambda transfer: self._awaits(peer, transfer),
            spool=self._spool,
        )
        reason = f"the link to {peer.site} ended"
        try:
            for raw in requests:
                self._take(peer, inbox.feed(raw))
        except grpc.RpcError:
            pass
        except (FedwardError, OSError) as error:
            reason = f"the link to {peer.site} was ended: {error}"
            _hang_up(peer.context)
        finally:
            self._end(peer, reason)

    def _awaits(self, peer: _Peer, transfer: int) -> bool:
        post = self._posts.get(transfer)
        return post is not None and post.peer is peer

    def _limit(self, peer: _Peer, transfer: int) -> int:
        post = self._posts.get(transfer)
        return post.reply_limit if post is not None and post.peer is peer else 0

    def _take(self, peer: _Peer, event: Event | None) -> None:
        if event is None or not self._awaits(peer, event.transfer):
            return
        match event:
            case Arrived(transfer, parcel):
                self._settle(transfer, parcel)
            case RefusalCame(transfer, refused):
                self._settle(transfer, refused)
            case Declined(transfer):
                self._settle(transfer, Lost(f"{peer.site} sent a reply larger than its study declares"))
                peer.jobs.put((frames.cancel_frame(transfer),))
            case Cancelled():
                raise WireError("only a coordinator can cancel")

    def _settle(self, ticket: int, outcome: Outcome) -> _Post | None:
        with self._lock:
            post = self._posts.pop(ticket, None)
        if post is not None:
            post.deliver(outcome)
        return post


def _hang_up(context: grpc.ServicerContext) -> None:
    context.cancel()  # type: ignore[no-untyped-call]  # grpc-stubs leave it untyped
