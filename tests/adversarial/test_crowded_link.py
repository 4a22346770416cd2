"""One admitted site cannot take the coordinator's threads from the others, nor another process its port."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import grpc
import pytest

from fedward_server.link import service
from fedward_server.link.service import LinkService
from fedward_shared.errors import LinkError
from fedward_shared.wire import frames, greetings
from tests.support.echo import EchoFederation

_SILENT = 12


@pytest.fixture
def federation(tmp_path: Path) -> EchoFederation:
    return EchoFederation(tmp_path)


def dial(channel: grpc.Channel, *said: bytes) -> Iterator[bytes]:
    """A stream that says this, and then nothing for ever."""
    out: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    for raw in said:
        out.put(raw)
    start = cast("Callable[[str], Callable[[Iterator[bytes]], Iterator[bytes]]]", channel.stream_stream)
    return start("/{}/{}".format(*frames.LINK_METHOD))(iter(out.get, None))


def channel_of(federation: EchoFederation, port: int, site: str) -> grpc.Channel:
    key, certificate = federation.credentials(site)
    credentials = grpc.ssl_channel_credentials(federation.authority.certificate, key, certificate)
    return grpc.secure_channel(f"localhost:{port}", credentials, options=(("grpc.use_local_subchannel_pool", 1),))


def test_silent_streams_of_one_site_are_few(federation: EchoFederation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_HELLO_SECONDS", 1.0)
    with (
        federation.serve() as link,
        channel_of(federation, link.port, "north") as crowd,
        channel_of(federation, link.port, "south") as other,
    ):
        silent = [dial(crowd) for _ in range(_SILENT)]
        assert greetings.read_welcome(next(dial(other, greetings.hello_frame()))) == "south"
        codes = []
        for stream in silent:
            with pytest.raises(grpc.RpcError) as caught:
                next(stream)
            codes.append(caught.value.code())
        assert codes.count(grpc.StatusCode.RESOURCE_EXHAUSTED) >= _SILENT - service._MAX_GREETING
        assert greetings.read_welcome(next(dial(crowd, greetings.hello_frame()))) == "north"


def test_a_port_that_is_served_is_served_once(federation: EchoFederation) -> None:
    with federation.serve() as link, pytest.raises(LinkError):
        LinkService(
            f"localhost:{link.port}",
            federation.server_key,
            federation.server_certificate,
            federation.authority.certificate,
            admit=lambda _site, _serial: True,
        )
