"""One server and one browser for all tests of a run."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from harness.browser import Browser, Page, Pages
from harness.receiver import Receiver
from harness.server import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    server = Server.start(os.environ.get("SDK", "sdk"))
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _the_server_lives(server: Server) -> Iterator[None]:
    yield
    assert server.alive, f"the server died, see {server.log}"


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
