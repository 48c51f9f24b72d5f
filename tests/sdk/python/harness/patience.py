"""Waiting for something to become true; nothing in the tests sleeps for a guess."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 20.0
"""How long anything may take before a test calls it broken. Generous: two cores run a debug build and a browser."""

QUIET_S = 1.0
"""How long "nothing more happens" is watched."""

_POLL_S = 0.02


async def eventually(what: str, probe: Callable[[], T | Awaitable[T]]) -> T:
    """Waits until `probe` gives something truthy, and returns it."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := await _probed(probe)):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {PATIENCE_S} s: {what} (last seen: {found!r})")
        await asyncio.sleep(_POLL_S)
    return found


async def never(what: str, probe: Callable[[], T | Awaitable[T]]) -> None:
    """Watches for a while that `probe` stays falsy."""
    deadline = time.monotonic() + QUIET_S
    while time.monotonic() < deadline:
        if found := await _probed(probe):
            raise AssertionError(f"happened: {what} ({found!r})")
        await asyncio.sleep(_POLL_S)


async def _probed(probe: Callable[[], T | Awaitable[T]]) -> T:
    found = probe()
    return await found if inspect.isawaitable(found) else found
