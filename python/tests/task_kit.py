"""What the tests of tasks share."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from typing import Any

from odeon.errors import InvalidArgument


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
