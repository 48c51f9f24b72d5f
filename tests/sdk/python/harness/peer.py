"""A peer without media: it speaks as much of the peer socket as makes a back end hear of it.

What needs tracks is done by a real browser, see `browser.py`.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import betterproto
import pytest
import websockets

from harness.patience import PATIENCE_S


@dataclass
class AuthRequest(betterproto.Message):
    token: str = betterproto.string_field(1)
    sdk_version: str = betterproto.string_field(2)


@dataclass
class Metadata(betterproto.Message):
    """`connect` and `update_endpoint_metadata` alike."""

    metadata_json: str = betterproto.string_field(1)


@dataclass
class Nothing(betterproto.Message):
    pass


@dataclass
class PeerEvent(betterproto.Message):
    connect: Metadata = betterproto.message_field(1, group="content")
    disconnect: Nothing = betterproto.message_field(2, group="content")
    update_endpoint_metadata: Metadata = betterproto.message_field(3, group="content")


@dataclass
class Connected(betterproto.Message):
    endpoint_id: str = betterproto.string_field(1)


@dataclass
class ServerEvent(betterproto.Message):
    connected: Connected = betterproto.message_field(7, group="content")


@dataclass
class PeerMessage(betterproto.Message):
    authenticated: Nothing = betterproto.message_field(1, group="content")
    auth_request: AuthRequest = betterproto.message_field(2, group="content")
    peer_media_event: PeerEvent = betterproto.message_field(5, group="content")
    server_media_event: ServerEvent = betterproto.message_field(6, group="content")


class Peer:
    """Someone whose socket is authenticated."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    async def join(self, metadata: dict[str, Any] | None = None) -> str:
        """Sends `connect`; returns the id by which the room knows it."""
        await self._say(PeerEvent(connect=Metadata(json.dumps(metadata or {}))))
        while True:
            message = await self._hear()
            name, event = betterproto.which_one_of(message.server_media_event, "content")
            if name == "connected":
                return event.endpoint_id

    async def rename(self, metadata: dict[str, Any]) -> None:
        await self._say(PeerEvent(update_endpoint_metadata=Metadata(json.dumps(metadata))))

    async def leave(self) -> None:
        await self._say(PeerEvent(disconnect=Nothing()))

    async def hang_up(self) -> None:
        await self._socket.close()

    async def dismissal(self) -> tuple[int, str]:
        """Code and reason with which the server closes the socket."""

        async def hear_on() -> None:
            while True:
                await self._hear()

        with pytest.raises(websockets.ConnectionClosed) as closed:
            await hear_on()
        assert closed.value.rcvd is not None, "the connection broke"
        return closed.value.rcvd.code, closed.value.rcvd.reason

    async def _say(self, event: PeerEvent) -> None:
        await self._socket.send(bytes(PeerMessage(peer_media_event=event)))

    async def _hear(self) -> PeerMessage:
        return PeerMessage().parse(await asyncio.wait_for(self._socket.recv(), PATIENCE_S))


@asynccontextmanager
async def enter(base: str, token: str) -> AsyncIterator[Peer]:
    """Opens a peer socket below `base` (`http://…`) and authenticates."""
    async with _knock(base, token) as socket:
        answer = PeerMessage().parse(await asyncio.wait_for(socket.recv(), PATIENCE_S))
        assert betterproto.which_one_of(answer, "content")[0] == "authenticated"
        yield Peer(socket)


async def refused(base: str, token: str) -> tuple[int, str]:
    """Code and reason with which the server does not let somebody in."""
    async with _knock(base, token) as socket:
        return await Peer(socket).dismissal()


@asynccontextmanager
async def _knock(base: str, token: str) -> AsyncIterator[Any]:
    url = base.replace("http", "ws", 1) + "/socket/peer/websocket"
    async with websockets.connect(url) as socket:
        await socket.send(bytes(PeerMessage(auth_request=AuthRequest(token, "web-0.25.1"))))
        yield socket
