"""Tasks at the top of a program."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from odeon.errors import WouldBlock

from ._fork import Fork
from ._group import AnyFork
from ._scheduler import current_scheduler
from ._effects import consume
from ._host import ThreadHost
from ._types import M, T, Task
from ._unhandled import UnhandledHook


def main(work: Task[Any, Any, Any]) -> None:
    """Starts ``work`` as top level work, without a handle; a plain call. Its error is reported.

    In a task or under a running loop it returns at once. On a thread without a loop it runs the
    work and all that this starts, sleeping and waiting on the calling thread, and returns when
    nothing can go on unless it is resumed from outside.
    """
    scheduler = current_scheduler()
    forks: list[AnyFork] = [Fork(work)]
    host = scheduler.host
    if scheduler.draining or not isinstance(host, ThreadHost):
        forks.pop().activate()
    else:
        host.pump(scheduler.is_busy, lambda: forks.pop().activate())


def run(
    work: Task[T, Any, M] | Awaitable[T],
    on_message: Callable[[M], object] | None = None,
    *,
    on_unhandled: UnhandledHook | None = None,
) -> T:
    """Runs ``work`` on a loop of its own; gives its value or raises its error. Blocks the thread.

    ``on_message(m)`` takes each message, in the order sent. What the task started and left behind
    is run as long as it is ready, sleeps or waits for an awaitable. ``KeyboardInterrupt`` cancels
    the task first. Raises ``WouldBlock`` under a running loop: write ``await fork(work)`` there.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        if hasattr(work, "close"):
            work.close()
        raise WouldBlock(
            "run() under a running loop would block it: await task.fork(work) instead"
        )

    async def whole() -> T:
        loop = asyncio.get_running_loop()
        scheduler = current_scheduler()
        scheduler.on_unhandled = on_unhandled
        started: Fork[T, Any, M] = Fork(work if on_message is None else consume(work, on_message))
        del_work()
        try:
            return await started
        finally:
            while scheduler.is_busy():
                quiet = loop.create_future()
                scheduler.on_quiet = quiet.cancel
                await asyncio.wait([quiet])

    def del_work() -> None:
        nonlocal work
        del work  # held by the fork alone, so that it goes when it has ended

    with asyncio.Runner() as runner:
        return runner.run(whole())
