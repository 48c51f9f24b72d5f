"""What a back end is told, in the order in which it is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from harness.patience import PATIENCE_S, eventually


class Notices:
    """Keeps every notification; tests read those of their own room."""

    def __init__(self) -> None:
        self._all: list[Any] = []

    def note(self, notification: Any) -> None:
        """The handler to give to an SDK. What it does not know it hands out as nothing."""
        self._all.append(notification)

    def of_kind(self, kind: type) -> list[Any]:
        return [one for one in self._all if isinstance(one, kind)]

    def of(self, room: str) -> list[Any]:
        """Everything about a room so far. Streams are named after their rooms."""
        return [one for one in self._all if room in (getattr(one, "room_id", None), getattr(one, "stream_id", None))]

    async def sequence(self, room: str, *kinds: type) -> list[Any]:
        """Waits until there are as many about the room; they have to be exactly these, in this order."""
        with suppress(AssertionError):
            await eventually("all is told", lambda: len(self.of(room)) >= len(kinds))
        assert [_name(type(one)) for one in self.of(room)] == [_name(kind) for kind in kinds]
        return self.of(room)


def _name(kind: type) -> str:
    return kind.__name__.removeprefix("ServerMessage")


@asynccontextmanager
async def listening(notifier: Any, *handlers: str) -> AsyncIterator[Notices]:
    """Keeps what an SDK's notifier hands out to `handlers`, by default to the one for notifications."""
    kept = Notices()
    for handler in handlers or ("on_server_notification",):
        getattr(notifier, handler)(kept.note)
    connection = asyncio.create_task(notifier.connect())
    ready = asyncio.create_task(notifier.wait_ready())
    try:
        await asyncio.wait({connection, ready}, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        if connection.done():
            connection.result()
        assert ready.done(), "the notifier was not let in"
        yield kept
    finally:
        for task in (connection, ready):
            task.cancel()
        await asyncio.gather(connection, ready, return_exceptions=True)
