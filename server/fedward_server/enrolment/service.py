"""The enrolment service: gRPC over server TLS 1.3, apart from the link, because who asks has no certificate yet."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent import futures
from typing import NoReturn

import grpc

from fedward_server.enrolment.desk import MAX_REQUEST_BYTES, EnrolmentDesk
from fedward_server.enrolment.rate import RateLimit, network_of
from fedward_server.home import CoordinatorHome
from fedward_server.registry import Registry
from fedward_shared.errors import FedwardError, LinkError, RefusedError, SignatureError, WireError
from fedward_shared.files import read_limited
from fedward_shared.wire import enrolment_pb2

__all__ = ["EnrolmentService", "serve_enrolment"]

_log = logging.getLogger(__name__)
_SERVICE = enrolment_pb2.DESCRIPTOR.services_by_name["Enrolment"].full_name
_THREADS = 4
_WAITING = 16
_AGE_MS, _GRACE_MS = 20_000, 5_000
"""A connection's age, and what a call on it gets after that: somebody who says nothing holds a thread no longer."""
_OPTIONS = (
    ("grpc.max_receive_message_length", 4 * MAX_REQUEST_BYTES),
    ("grpc.max_metadata_size", 8 * 1024),
    ("grpc.max_concurrent_streams", 4),
    ("grpc.max_connection_idle_ms", 30_000),
    ("grpc.max_connection_age_ms", _AGE_MS),
    ("grpc.max_connection_age_grace_ms", _GRACE_MS),
    ("grpc.so_reuseport", 0),
)


class EnrolmentService:
    """Serves enrolment at `address` (`host:port`; port 0: any free one) until closed.

    `note` is told, for people, who joined.

    Raises:
        LinkError: the address cannot be bound.
    """

    def __init__(
        self,
        address: str,
        *,
        desk: EnrolmentDesk,
        key_pem: bytes,
        cert_pem: bytes,
        limit: RateLimit | None = None,
        note: Callable[[str], None] | None = None,
    ) -> None:
        self._desk = desk
        self._limit = limit or RateLimit()
        self._note = note or _log.info
        self._server = grpc.server(
            futures.ThreadPoolExecutor(_THREADS, thread_name_prefix="enrolment"),
            options=_OPTIONS,
            maximum_concurrent_rpcs=_WAITING,
        )
        handlers = {
            "Enrol": grpc.unary_unary_rpc_method_handler(self._enrol),
            "Clock": grpc.unary_unary_rpc_method_handler(self._clock),
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, handlers),))
        try:
            self.port = self._server.add_secure_port(address, grpc.ssl_server_credentials([(key_pem, cert_pem)]))
        except RuntimeError as error:
            raise LinkError(
                f"cannot listen at {address} for sites that enrol",
                hint="Is another coordinator running, or the port taken? See enrolment_port in coordinator.toml.",
            ) from error
        self._server.start()

    def close(self) -> None:
        """Stops at once; a request under way is either done, durably, or was never begun."""
        self._server.stop(grace=None).wait()

    def _enrol(self, body: bytes, context: grpc.ServicerContext) -> bytes:
        self._admit(context)
        try:
            site, reply = self._desk.enrol(body)
        except (WireError, SignatureError) as error:
            _refuse(context, grpc.StatusCode.INVALID_ARGUMENT, error)
        except RefusedError as error:
            _refuse(context, grpc.StatusCode.PERMISSION_DENIED, error)
        except FedwardError:
            _log.exception("enrolment failed")
            context.abort(grpc.StatusCode.UNAVAILABLE, "the coordinator cannot enrol at the moment")
        self._note(f"{site} has enrolled")
        return reply.SerializeToString()

    def _clock(self, _: bytes, context: grpc.ServicerContext) -> bytes:
        self._admit(context)
        return self._desk.clock().SerializeToString()

    def _admit(self, context: grpc.ServicerContext) -> None:
        version: object = context.auth_context().get("ssl_tls_version")
        if version != [b"TLSv1.3"]:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "TLS 1.3 is required")
        if not self._limit.allows(network_of(context.peer())):
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many requests from this address; wait a minute")


def serve_enrolment(
    home: CoordinatorHome, registry: Registry, address: str, note: Callable[[str], None] | None = None
) -> EnrolmentService:
    """The service with the keys and certificates in a coordinator's folder."""
    return EnrolmentService(
        address,
        desk=EnrolmentDesk(registry, home.authority(), home.study_public()),
        key_pem=read_limited(home.server_key_file),
        cert_pem=read_limited(home.server_certificate),
        note=note,
    )


def _refuse(context: grpc.ServicerContext, code: grpc.StatusCode, error: FedwardError) -> NoReturn:
    _log.warning("refused to enrol somebody at %s: %s", context.peer(), error.message)
    context.abort(code, error.message)
