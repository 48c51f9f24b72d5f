"""Peers in a real browser: Chromium with the published client, ordered about through the driver in `../browser`."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from harness.patience import PATIENCE_S

_HOME = Path(__file__).parents[2]
_LOG = _HOME / "artifacts/browser.log"


class Browser:
    """A running browser."""

    def __init__(self, driver: asyncio.subprocess.Process) -> None:
        self._driver = driver
        self._turn = asyncio.Lock()
        self._orders = 0

    @classmethod
    async def start(cls) -> "Browser":
        with _LOG.open("w") as log:
            driver = await asyncio.create_subprocess_exec(
                "node",
                "build/driver.mjs",
                cwd=_HOME,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        return cls(driver)

    async def open(self) -> "Page":
        self._orders += 1
        page = Page(self, f"page-{self._orders}")
        await self.order(page.name, "open")
        return page

    async def order(self, page: str, call: str, *args: object) -> Any:
        assert self._driver.stdin is not None
        assert self._driver.stdout is not None
        async with self._turn:
            self._orders += 1
            order = {"id": self._orders, "page": page, "call": call, "with": args}
            self._driver.stdin.write(json.dumps(order).encode() + b"\n")
            line = await asyncio.wait_for(self._driver.stdout.readline(), PATIENCE_S)
        assert line, f"the browser's driver ended, see {_LOG}"
        answer = json.loads(line)
        assert "error" not in answer, f"{call}: {answer['error']}, see {_LOG}"
        return answer["answer"]

    async def stop(self) -> None:
        assert self._driver.stdin is not None
        self._driver.stdin.close()
        try:
            await asyncio.wait_for(self._driver.wait(), PATIENCE_S)
        except TimeoutError:
            self._driver.kill()


class Page:
    """One peer."""

    def __init__(self, browser: Browser, name: str) -> None:
        self._browser = browser
        self.name = name
        self._closed = False

    async def join(self, base: str, token: str, metadata: dict[str, Any] | None = None) -> None:
        """Connects below `base` (`http://…`)."""
        joined = await self._order("connect", base.replace("http", "ws", 1), token, metadata or {})
        assert joined, f"{self.name} was not let in"

    async def leave(self) -> None:
        await self._order("disconnect")

    async def close(self) -> None:
        """As when the window is closed; closing it again does nothing."""
        if not self._closed:
            self._closed = True
            await self._order("close")

    async def publish_tone(self, hz: int, **metadata: object) -> str:
        return await self._order("publishTone", hz, {"type": "microphone", "paused": False} | metadata)

    async def publish_camera(self, **metadata: object) -> str:
        return await self._order("publishCamera", {"type": "camera", "paused": False} | metadata)

    async def update_track(self, track: str, metadata: dict[str, object]) -> None:
        await self._order("updateTrack", track, metadata)

    async def remove_track(self, track: str) -> None:
        await self._order("removeTrack", track)

    async def open_channels(self) -> None:
        await self._order("openChannels")

    async def tracks(self) -> list[dict[str, Any]]:
        """What the others send to it, with `id`, `peer`, `metadata` and `ready`."""
        return await self._order("remoteTracks")

    async def heard(self, track: str) -> float | None:
        """The loudest tone of a remote track in Hz."""
        return await self._order("heard", track)

    async def _order(self, call: str, *args: object) -> Any:
        return await self._browser.order(self.name, call, *args)


Pages = Callable[[], Awaitable[Page]]
"""Opens one page after the other."""
