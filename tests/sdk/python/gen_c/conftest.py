"""Through the SDKs of the current generation."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress

import pytest
import pytest_asyncio
from fishjam import FishjamClient, FishjamNotifier, Room, RoomOptions
from fishjam.errors import NotFoundError

from harness.browser import Browser, Page
from harness.notices import Notices, listening
from harness.receiver import Receiver
from harness.server import MANAGEMENT_TOKEN, Server

Rooms = Callable[..., Room]
Pages = Callable[[], Awaitable[Page]]


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


@pytest_asyncio.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    browser = await Browser.start()
    yield browser
    await browser.stop()


@pytest_asyncio.fixture
async def pages(browser: Browser) -> AsyncIterator[Pages]:
    """Opens pages that are closed after the test."""
    opened: list[Page] = []

    async def open_page() -> Page:
        opened.append(await browser.open())
        return opened[-1]

    yield open_page
    for page in opened:
        await page.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()
