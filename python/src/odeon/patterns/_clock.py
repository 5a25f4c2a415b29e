"""The one place where patterns read time and wait.

`now` is monotonic seconds: the running loop's clock, so that a loop with virtual time moves every
pattern, and `time.monotonic` where no loop runs (the two are one clock with asyncio's own loops).
A test, or a kit for tests, puts another clock in place with `use`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol


class Clock(Protocol):
    """What a clock is asked for. Durations are seconds."""

    def now(self) -> float:
        """Monotonic seconds."""

    async def sleep(self, seconds: float) -> None:
        """Ends after `seconds`, not earlier; a cancellation ends it at once."""

    def sleep_blocking(self, seconds: float) -> None:
        """The same for code without a loop: holds up the thread."""

    def call_later(self, seconds: float, f: Callable[[], None]) -> Callable[[], None] | None:
        """Calls `f` on the running loop's thread; gives what cancels that. None: there is no loop,
        and nothing will be called."""


class LoopClock:
    """The running loop's clock."""

    def now(self) -> float:
        try:
            return asyncio.get_running_loop().time()
        except RuntimeError:
            return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def sleep_blocking(self, seconds: float) -> None:
        time.sleep(seconds)

    def call_later(self, seconds: float, f: Callable[[], None]) -> Callable[[], None] | None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return None
        handle = loop.call_later(seconds, f)

        def cancel() -> None:
            # A loop's timers belong to its thread; elsewhere it fires, and finds that it is late.
            with contextlib.suppress(RuntimeError):
                if asyncio.get_running_loop() is loop:
                    handle.cancel()

        return cancel


_clock: Clock = LoopClock()


@contextlib.contextmanager
def use(clock: Clock) -> Iterator[Clock]:
    """Puts `clock` in place of the present one, for all threads, until the block ends."""
    global _clock
    before, _clock = _clock, clock
    try:
        yield clock
    finally:
        _clock = before


def now() -> float:
    return _clock.now()


def sleep(seconds: float) -> Awaitable[None]:
    return _clock.sleep(seconds)


def sleep_blocking(seconds: float) -> None:
    if seconds > 0:
        _clock.sleep_blocking(seconds)


def call_later(seconds: float, f: Callable[[], None]) -> Callable[[], None] | None:
    return _clock.call_later(seconds, f)


class Deadline:
    """`async with Deadline(seconds) as d:` – the block is cancelled when the time is over, and then
    ends with `TimeoutError`; `d.expired` says that it was this one. None or 0: no limit.

    As `asyncio.timeout`, on the seam's clock: a cancellation from elsewhere goes through, and wins
    where both come at once.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._task: asyncio.Task[object] | None = None
        self._cancel: Callable[[], None] | None = None
        self._cancelling = 0
        self.expired = False

    async def __aenter__(self) -> Deadline:
        if self._seconds:
            task = asyncio.current_task()
            if task is None:
                raise RuntimeError("a limit of time belongs to a task")
            self._task = task
            self._cancelling = task.cancelling()
            self._cancel = call_later(self._seconds, self._expire)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, why: BaseException | None,
                        trace: object) -> None:
        if self._cancel is not None:
            self._cancel()
        task, self._task = self._task, None
        if not self.expired or task is None:
            return
        ours = task.uncancel() <= self._cancelling
        if ours and kind is asyncio.CancelledError:
            raise TimeoutError from why

    def _expire(self) -> None:
        if self._task is not None:
            self.expired = True
            self._task.cancel()
