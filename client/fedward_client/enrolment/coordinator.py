"""Asking the coordinator's enrolment service: TLS 1.3 to a server that the invite's authority certified."""

from __future__ import annotations

import ipaddress
import time
from dataclasses import dataclass

import grpc
from google.protobuf.message import DecodeError, Message

from fedward_shared.crypto.certificates import to_pem
from fedward_shared.errors import FedwardError, LinkError, RefusedError, SignatureError, WireError
from fedward_shared.wire import enrolment_pb2, link_pb2
from fedward_shared.wire.enrolment_pb2 import ClockReply, ClockRequest, EnrolReply, EnrolRequest

__all__ = ["Coordinator", "address", "is_admitted"]

_ATTACH = f"/{link_pb2.DESCRIPTOR.services_by_name['Link'].full_name}/Attach"
_SERVICE = enrolment_pb2.DESCRIPTOR.services_by_name["Enrolment"].full_name
_SECONDS = 20.0
_ATTEMPTS = 3
_PAUSE = 1.0
_OPTIONS = (("grpc.max_receive_message_length", 64 * 1024), ("grpc.enable_http_proxy", 0))


@dataclass(frozen=True, slots=True)
class Coordinator:
    """Where the service is, and the authority's certificate (DER or PEM) that it must show."""

    host: str
    port: int
    authority: bytes

    def enrol(self, request: EnrolRequest) -> EnrolReply:
        """Hands in a request to enrol.

        Raises:
            LinkError: nobody answers there.
            SignatureError: who answers is not certified by the authority, or a signature of ours does not hold.
            RefusedError: the invite is not valid.
        """
        reply = EnrolReply()
        self._ask("Enrol", request, reply)
        return reply

    def clock(self) -> tuple[float, float]:
        """The coordinator's time and the half-width of what is unknown about it (both in seconds).

        Raises:
            LinkError: nobody answers there.
            SignatureError: who answers is not certified by the authority.
        """
        reply = ClockReply()
        start = time.time()
        self._ask("Clock", ClockRequest(), reply)
        half_way = (time.time() - start) / 2
        return reply.milliseconds / 1000 + half_way, half_way

    def _ask(self, method: str, request: Message, reply: Message) -> None:
        credentials = grpc.ssl_channel_credentials(root_certificates=to_pem(self.authority))
        with grpc.secure_channel(address(self.host, self.port), credentials, options=_OPTIONS) as channel:
            call = channel.unary_unary(f"/{_SERVICE}/{method}", bytes, bytes)
            answer = self._attempt(call, request.SerializeToString())
        try:
            reply.ParseFromString(answer)
        except DecodeError as error:
            raise WireError("the coordinator's answer cannot be read", hint="Is it another version?") from error

    def _attempt(self, call: grpc.UnaryUnaryMultiCallable[bytes, bytes], body: bytes) -> bytes:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return call(body, timeout=_SECONDS)
            except grpc.RpcError as error:
                failure = self._explain(error)
                if not isinstance(failure, LinkError) or attempt == _ATTEMPTS:
                    raise failure from error
            time.sleep(_PAUSE)
        raise AssertionError

    def _explain(self, error: grpc.RpcError) -> FedwardError:
        code, details = error.code(), error.details() or ""
        if "CERTIFICATE_VERIFY_FAILED" in details or "Peer name" in details:
            return SignatureError(
                f"who answers at {self.host}:{self.port} is not the coordinator of the invite",
                hint="Check the host, then compare the fingerprints with the coordinator by telephone.",
            )
        if code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
            return LinkError(
                f"cannot reach the coordinator at {self.host}:{self.port}",
                hint="Is it running, and does this machine's firewall let connections out to that port?",
            )
        if code is grpc.StatusCode.PERMISSION_DENIED:
            return RefusedError(details, hint="Ask the coordinator for a new invite.")
        if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            return RefusedError(details, hint="Wait a minute and run the same command again.")
        return WireError(f"the coordinator did not take the request: {details}", hint="Is it another version?")


def is_admitted(host: str, port: int, authority: bytes, key: bytes, certificate: bytes) -> bool:
    """Whether the link's service admits a site's certificate (all PEM).

    The stream is opened and ended without a word: who may attach is decided before the first frame, and only a greeting
    would take the place of the gateway's own stream.

    Raises:
        LinkError: the answer is neither yes nor no.
    """
    credentials = grpc.ssl_channel_credentials(authority, key, certificate)
    with grpc.secure_channel(address(host, port), credentials, options=_OPTIONS) as channel:
        call = channel.stream_stream(_ATTACH, bytes, bytes)(iter(()), timeout=_SECONDS)
        try:
            for _ in call:
                pass
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.PERMISSION_DENIED:
                return False
            raise LinkError(f"the coordinator ended the link: {error.details()}") from error
    return True


def address(host: str, port: int) -> str:
    """`host:port` as gRPC reads it (IPv6 addresses in brackets)."""
    try:
        return f"[{host}]:{port}" if ipaddress.ip_address(host).version == 6 else f"{host}:{port}"  # noqa: PLR2004
    except ValueError:
        return f"{host}:{port}"
