"""What a scheduler stands on: an event loop of asyncio, a bare thread, or anything alike."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol


class TimerHandle(Protocol):
    """A call that can be taken back."""

    def cancel(self) -> object: ...


class Completion(Protocol):
    """What ``Host.future`` gives: the part of ``asyncio.Future`` that waiting needs."""

    def add_done_callback(self, fn: Callable[[Any], object], /) -> None: ...
    def cancel(self) -> object: ...
    def done(self) -> bool: ...
    def result(self) -> Any: ...


class Host(Protocol):
    """Calls functions on the thread of a scheduler. All but ``call_soon_threadsafe`` on that
    thread."""

    def call_soon(self, callback: Callable[..., object], *args: Any) -> object:
        """Calls in the next turn; gives something true, or something false: there is no next
        turn."""

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any) -> object:
        """As ``call_soon``, from any thread."""

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> TimerHandle:
        """Calls in ``delay`` seconds, unless cancelled."""
        ...

    def time(self) -> float:
        """Seconds of a clock that never goes back; asked once in many turns."""
        ...

    def future(self, awaitable: Awaitable[Any]) -> Completion:
        """Starts waiting for an awaitable; its callbacks are called in a later turn."""
        ...


def as_future(awaitable: Any, loop: asyncio.AbstractEventLoop) -> asyncio.Future[Any]:
    if isinstance(awaitable, concurrent.futures.Future):
        return asyncio.wrap_future(awaitable, loop=loop)
    future: asyncio.Future[Any] = asyncio.ensure_future(awaitable, loop=loop)
    return future


class LoopHost:
    """A loop of asyncio, or one with its interface."""

    __slots__ = ("call_later", "call_soon", "call_soon_threadsafe", "loop", "time")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.call_soon = loop.call_soon
        self.call_soon_threadsafe = loop.call_soon_threadsafe
        self.call_later = loop.call_later
        self.time = loop.time

    def future(self, awaitable: Awaitable[Any]) -> Completion:
        return as_future(awaitable, self.loop)


class ThreadHost:
    """A thread without a running loop. It makes one of its own when something has to be waited for,
    which runs only inside ``pump``.

    Calls from other threads are kept in a queue, and wake the loop when there is one: the loop is
    published before the queue is looked at, and looked for after the queue is filled, so none is
    left lying.
    """

    __slots__ = ("_loop", "_posted", "_pumping", "time")

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._posted: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._pumping = False
        self.time = time.monotonic

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that runs on this thread, or else the own one."""
        try:
            return asyncio.get_running_loop()
        except RuntimeError:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
            return self._loop

    def pump(self, is_waiting: Callable[[], bool], drain: Callable[[], object]) -> None:
        """Drains, and runs the own loop as long as something is waited for. Blocks the thread."""
        self._pumping = True
        try:
            self._take_posted()
            drain()
            while is_waiting():
                self.loop.call_soon(self._take_posted)
                self.loop.run_forever()  # until `stop`
        finally:
            self._pumping = False
            loop, self._loop = self._loop, None
            if loop is not None:
                loop.close()

    def stop(self) -> None:
        """Nothing is waited for any more: ends ``pump``."""
        if self._pumping and self._loop is not None:
            self._loop.stop()

    def _take_posted(self) -> None:
        while self._posted:
            callback, args = self._posted.popleft()
            callback(*args)

    def call_soon(self, callback: Callable[..., object], *args: Any) -> object:
        return self.loop.call_soon(callback, *args) if self._pumping else None

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any) -> object:
        self._posted.append((callback, args))
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(
                RuntimeError
            ):  # it has just been closed: the next pump does it
                loop.call_soon_threadsafe(self._take_posted)
        return True

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> TimerHandle:
        return self.loop.call_later(delay, callback, *args)

    def future(self, awaitable: Awaitable[Any]) -> Completion:
        return as_future(awaitable, self.loop)
