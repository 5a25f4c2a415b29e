"""What the tests of streams share."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any

import odeon


def in_system(body: Callable[[odeon.ActorSystem], Awaitable[None]]) -> None:
    async def main() -> None:
        async with odeon.ActorSystem("streams") as system:
            await body(system)

    asyncio.run(main())


async def until(what: Callable[[], bool]) -> None:
    while not what():
        await asyncio.sleep(0)


async def freed(alive: Callable[[], int]) -> None:
    """Waits until nothing is alive any more; collects garbage only where that takes long."""
    turns = 0
    while alive():
        turns += 1
        if turns % 50 == 0:
            gc.collect()
        await asyncio.sleep(0)


def raises(error: BaseException) -> Callable[[Any], Any]:
    def fn(*_: Any) -> Any:
        raise error

    return fn
