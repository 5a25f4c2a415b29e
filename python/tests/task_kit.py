"""What the tests of tasks share."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator
from itertools import count
from typing import Any

from odeon import task
from odeon.errors import InvalidArgument

Gen = Generator[Any, Any, Any]


class Simulated:
    """A host whose clock is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self._calls: list[tuple[float, int, Any]] = []
        self._next = count()

    class Handle:
        def __init__(self, call: Callable[[], object]) -> None:
            self.call: Callable[[], object] | None = call

        def cancel(self) -> None:
            self.call = None

    def call_later(self, delay: float, callback: Any, *args: Any) -> Handle:
        handle = self.Handle(lambda: callback(*args))
        heapq.heappush(self._calls, (self.now + delay, next(self._next), handle))
        return handle

    def call_soon(self, callback: Any, *args: Any) -> Handle:
        return self.call_later(0, callback, *args)

    call_soon_threadsafe = call_soon

    def time(self) -> float:
        return self.now

    def future(self, awaitable: Any) -> Any:
        raise InvalidArgument("nothing to await with here")

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        while self._calls and self._calls[0][0] <= until:
            self.now, _, handle = heapq.heappop(self._calls)
            if handle.call is not None:
                handle.call()
        self.now = until


def play(
    work: Any,
    on_message: Callable[[Any], object] = lambda m: None,
    on_unhandled: Callable[[Any], object] | None = None,
) -> Any:
    """As ``task.run``, in simulated time: what happens when is the same on every machine."""
    host = Simulated()
    tasks = task.Scheduler(host, on_unhandled=on_unhandled)
    f = tasks.start(task.consume(work, on_message))
    host.advance(1_000_000)
    assert f.status == "finished", "it hangs"
    if isinstance(f.result, task.Failure):
        raise f.result.error
    assert f.result is not None
    return f.result.value


def collect(work: Any) -> tuple[Any, list[Any]]:
    """The value of ``work`` and its messages."""
    messages: list[Any] = []
    return play(work, messages.append), messages


def aborted(work: Gen, verb: Callable[[Any], Gen]) -> tuple[Any, list[str]]:
    """The result of ``work`` after ``verb`` has been at it, and the events around."""
    log: list[str] = []

    def program() -> Gen:
        f = yield from task.fork(work)
        yield from task.sleep(1)
        log.append("before")
        yield from verb(f)
        log.append("after")
        yield from task.sleep(3)
        return f.result

    return play(program()), log
