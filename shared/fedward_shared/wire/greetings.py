"""What gateway and coordinator say to each other before anything else: which protocol, and who."""

from __future__ import annotations

from fedward_shared.errors import WireError
from fedward_shared.version import PROTOCOL, VERSION
from fedward_shared.wire import link_pb2
from fedward_shared.wire.frames import Kind, read_strictly, small_frame, split

__all__ = ["hello_frame", "read_hello", "read_welcome", "welcome_frame"]

_MAX_VERSION_CHARACTERS = 64


def hello_frame() -> bytes:
    """What a gateway says first."""
    return small_frame(1, Kind.HELLO, link_pb2.Hello(protocol=PROTOCOL, version=VERSION))


def welcome_frame(site: str) -> bytes:
    """What the coordinator says first: the name that it read from the certificate."""
    return small_frame(1, Kind.WELCOME, link_pb2.Welcome(protocol=PROTOCOL, site=site))


def read_hello(raw: bytes) -> str:
    """The version of the gateway that says hello.

    Raises:
        WireError: it speaks another protocol.
    """
    message = read_strictly(split(raw), Kind.HELLO, link_pb2.Hello)
    if message.protocol != PROTOCOL or len(message.version) > _MAX_VERSION_CHARACTERS:
        raise WireError(
            f"the gateway speaks protocol {message.protocol}, this coordinator {PROTOCOL}",
            hint="Install the same version of Fedward on both sides.",
        )
    return message.version


def read_welcome(raw: bytes) -> str:
    """The site's name as the coordinator read it from our certificate.

    Raises:
        WireError: it speaks another protocol.
    """
    message = read_strictly(split(raw), Kind.WELCOME, link_pb2.Welcome)
    if message.protocol != PROTOCOL:
        raise WireError(
            f"the coordinator speaks protocol {message.protocol}, this gateway {PROTOCOL}",
            hint="Install the same version of Fedward on both sides.",
        )
    return message.site
