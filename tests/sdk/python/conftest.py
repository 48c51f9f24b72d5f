"""One server for all tests of a run."""

import os
from collections.abc import Iterator

import pytest

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
