"""Through the SDKs of the current generation."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress

import pytest
import pytest_asyncio
from fishjam import FishjamClient, FishjamNotifier, Room, RoomOptions
from fishjam.errors import NotFoundError

from harness.notices import Notices, listening
from harness.server import MANAGEMENT_TOKEN, Server

Rooms = Callable[..., Room]


@pytest.fixture(scope="session")
def fishjam(server: Server) -> FishjamClient:
    return FishjamClient(server.base, MANAGEMENT_TOKEN)


@pytest.fixture
def rooms(fishjam: FishjamClient) -> Iterator[Rooms]:
    """Makes rooms that are gone after the test."""
    made: list[Room] = []

    def make(**options: object) -> Room:
        made.append(fishjam.create_room(RoomOptions(**({"video_codec": "vp8"} | options))))
        return made[-1]

    yield make
    for room in made:
        with suppress(NotFoundError):
            fishjam.delete_room(room.id)


@pytest.fixture
def room(rooms: Rooms) -> Room:
    return rooms()


@pytest_asyncio.fixture
async def notices(server: Server) -> AsyncIterator[Notices]:
    """Everything that the SDK's notifier hands out from now on."""
    async with listening(FishjamNotifier(server.base, MANAGEMENT_TOKEN)) as kept:
        yield kept
