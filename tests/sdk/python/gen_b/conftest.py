"""Through the SDKs of the two generations before: fishjam 0.5 and jellyfish 0.4, which differ in their names only."""

import importlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import pytest
import pytest_asyncio

from harness.notices import Notices, listening
from harness.server import MANAGEMENT_TOKEN, Server

PACKAGE = "fishjam" if find_spec("fishjam") else "jellyfish"

sdk: Any = importlib.import_module(PACKAGE)
errors: Any = sdk.errors
events: Any = importlib.import_module(f"{PACKAGE}.events._protos.{PACKAGE}")

Rooms = Callable[..., Any]

LIFE = [
    events.ServerMessageRoomCreated,
    events.ServerMessagePeerAdded,
    events.ServerMessagePeerConnected,
    events.ServerMessagePeerMetadataUpdated,
    events.ServerMessagePeerDisconnected,
    events.ServerMessagePeerDeleted,
    events.ServerMessageRoomDeleted,
]
"""What is told of a room whose one peer comes, speaks and is removed."""


def generated(path: str) -> ModuleType:
    """A module of the generated client, for what its façade does not offer."""
    return importlib.import_module(f"{PACKAGE}._openapi_client.{path}")


def base(peer_websocket_url: str) -> str:
    """What a client is to be given, from the address without scheme in the answer to a new peer."""
    assert peer_websocket_url.endswith("/socket/peer/websocket")
    return "http://" + peer_websocket_url.removesuffix("/socket/peer/websocket")


@pytest.fixture(scope="session")
def api(server: Server) -> Any:
    return sdk.RoomApi(server.address, MANAGEMENT_TOKEN)


@pytest.fixture
def rooms(api: Any) -> Iterator[Rooms]:
    """Makes rooms that are gone after the test."""
    made: list[Any] = []

    def make(**options: Any) -> Any:
        _address, room = api.create_room(**options)
        made.append(room)
        return room

    yield make
    for room in made:
        with suppress(errors.NotFoundError):
            api.delete_room(room.id)


@pytest.fixture
def room(rooms: Rooms) -> Any:
    return rooms()


@pytest_asyncio.fixture
async def notices(server: Server) -> AsyncIterator[Notices]:
    """Everything that the SDK's notifier hands out from now on."""
    async with listening(sdk.Notifier(server.address, MANAGEMENT_TOKEN)) as kept:
        yield kept
