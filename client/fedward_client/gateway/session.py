"""Attaching: the door first, then the link; and again, with growing pauses, whenever either ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable
from typing import cast

import grpc

from fedward_client.gateway.relay import Relay, Stream
from fedward_client.gateway.settings import GatewaySettings
from fedward_client.gateway.status import State, StatusFile
from fedward_shared.errors import FedwardError, LinkError
from fedward_shared.files import read_limited
from fedward_shared.wire import frames, greetings

__all__ = ["keep_attached"]

_log = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 10.0
_STEADY_SECONDS = 30.0
_WELCOME_SECONDS = 15.0
_DOOR_OPTIONS = (
    *frames.OPTIONS,
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)
_LINK_OPTIONS = (*frames.OPTIONS, ("grpc.use_local_subchannel_pool", 1))


async def keep_attached(settings: GatewaySettings, stop: asyncio.Event) -> None:
    """Runs sessions one after the other until `stop` is set."""
    status = StatusFile(settings.status, settings.target, time.time)
    pause = _FIRST_PAUSE_SECONDS
    while not stop.is_set():
        began = time.monotonic()
        task = asyncio.create_task(_session(settings, status))
        why = await _failure_or_stop(task, stop)
        if stop.is_set():
            break
        _log.warning("%s", why)
        status.failed(why)
        if time.monotonic() - began > _STEADY_SECONDS:
            pause = _FIRST_PAUSE_SECONDS
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause * random.uniform(0.5, 1.0))  # noqa: S311  # spreads reconnections
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
    status.now(State.STOPPED)


async def _failure_or_stop(task: asyncio.Task[None], stop: asyncio.Event) -> str:
    """Why the session ended; empty where it was stopped."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((task, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return ""
    except grpc.aio.AioRpcError as error:
        return _explain(error)
    except FedwardError as error:
        return error.diagnostics()
    return "the session ended"


async def _session(settings: GatewaySettings, status: StatusFile) -> None:
    """One link stream and one door stream; both end with the first of them."""
    async with grpc.aio.insecure_channel(f"unix:{settings.door}", _DOOR_OPTIONS) as inside:
        status.now(State.WAITING_FOR_VAULT)
        await inside.channel_ready()  # a site counts as attached, so it must have a vault
        status.now(State.CONNECTING)
        async with grpc.aio.secure_channel(settings.target, _credentials(settings), _LINK_OPTIONS) as outside:
            link = _open(outside, frames.LINK_METHOD)
            site = await _attach(link)
            door = _open(inside, frames.DOOR_METHOD)
            _log.info("attached to %s as %s", settings.target, site)
            status.now(State.ATTACHED, site)
            await Relay(link, door, settings.payload_limit).run()


async def _attach(link: Stream) -> str:
    """Hello and welcome; returns the name under which the coordinator knows us."""
    try:
        async with asyncio.timeout(_WELCOME_SECONDS):
            await link.write(greetings.hello_frame())
            raw = await link.read()
    except TimeoutError:
        raise LinkError("the coordinator does not answer", hint="Run: fedward-site doctor") from None
    if not isinstance(raw, bytes):
        raise LinkError("the coordinator ended the link before its welcome")
    return greetings.read_welcome(raw)


def _open(channel: grpc.aio.Channel, method: tuple[str, str]) -> Stream:
    # Without serializers messages stay bytes; the stubs insist on both and on an iterator of requests.
    start = cast("Callable[[str], Callable[[], Stream]]", channel.stream_stream)
    return start(f"/{method[0]}/{method[1]}")()


def _credentials(settings: GatewaySettings) -> grpc.ChannelCredentials:
    ca, key, certificate = (read_limited(path) for path in (settings.ca, settings.key, settings.certificate))
    return grpc.ssl_channel_credentials(ca, key, certificate)


def _explain(error: grpc.aio.AioRpcError) -> str:
    said = error.details() or error.code().name
    match error.code():
        case grpc.StatusCode.PERMISSION_DENIED | grpc.StatusCode.FAILED_PRECONDITION:
            return f"the coordinator refused the link: {said}"
        case grpc.StatusCode.CANCELLED:
            return "the coordinator ended the link"
        case _:
            return f"cannot reach the coordinator: {said}"
