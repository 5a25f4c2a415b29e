"""So many in so long a time: `TokenBucket`, the rule; `RateLimiter`, for tasks and functions.

    limiter = RateLimiter(elements=100, per=1.0, burst=10)
    await limiter.acquire()                        # waits for its turn
    if not limiter.try_acquire(): …                # not now

For messages on their way to an actor there is `spawn_throttler`.
"""

from __future__ import annotations

import threading
from collections.abc import Coroutine
from dataclasses import dataclass

from odeon.errors import InvalidArgument
from odeon.patterns import _clock
from odeon.patterns._errors import RateLimited, seconds

_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """`elements` in each `per` seconds in the long run; `burst` of them may go at once after a rest
    (1: evenly spaced). `InvalidArgument` for none of any of them."""

    elements: int = 1
    per: float = 1.0
    burst: int = 1

    def __post_init__(self) -> None:
        if self.elements < 1 or self.burst < 1 or not self.per > 0:
            raise InvalidArgument("a rate has at least one element in a time above zero, and a "
                                  "burst of at least one")


class TokenBucket:
    """The rule alone, without a clock: the generic cell rate algorithm (ITU-T I.371), two numbers,
    in whole nanoseconds. Times and results are seconds. Not for two threads at once."""

    __slots__ = ("_interval", "_tolerance", "_next")

    def __init__(self, rate: Rate) -> None:
        self._interval = max(round(rate.per * _NS) // rate.elements, 1)
        self._tolerance = self._interval * (rate.burst - 1)
        self._next: int | None = None  # the theoretical arrival time

    def try_take(self, now: float, n: int = 1) -> bool:
        """Takes `n` places if there are so many at `now`."""
        if self._wait(round(now * _NS), n) > 0:
            return False
        self.reserve(now, n)
        return True

    def reserve(self, now: float, n: int = 1) -> float:
        """Takes `n` places, of the future if need be; how long from `now` until they may be
        used."""
        at = round(now * _NS)
        wait = self._wait(at, n)
        self._next = self._first(at) + self._interval * n
        return wait / _NS

    def wait_for(self, now: float, n: int = 1) -> float:
        """How long from `now` until `n` places are there; more than `burst` never are at once."""
        return self._wait(round(now * _NS), n) / _NS

    def _first(self, at: int) -> int:
        return at if self._next is None else max(self._next, at)

    def _wait(self, at: int, n: int) -> int:
        if n < 1:
            raise InvalidArgument(f"{n} places of a rate: at least one")
        # The n-th of them is n - 1 intervals after the first.
        return max(self._first(at) - at + self._interval * (n - 1) - self._tolerance, 0)


class RateLimiter:
    """One limiter for any number of tasks and threads. `max_wait`, in seconds, bounds the queue:
    who would have to wait for longer is refused at once."""

    def __init__(self, elements: int = 1, per: float = 1.0, burst: int = 1, *,
                 max_wait: float = 60.0) -> None:
        self._rate = Rate(elements, per, burst)
        self._max_wait = max_wait
        self._lock = threading.Lock()
        self._bucket = TokenBucket(self._rate)

    @property
    def rate(self) -> Rate:
        return self._rate

    def try_acquire(self, n: int = 1) -> bool:
        """True: go on. False: not now."""
        with self._lock:
            return self._bucket.try_take(_clock.now(), n)

    def acquire(self, n: int = 1) -> Coroutine[object, object, None]:
        """Waits for the turn. The place is taken by this call, not by its `await`: turns come in
        the order of the calls. Raises `RateLimited`, when it is awaited, where that would take
        longer than `max_wait`; a turn whose waiting is cancelled passes unused."""
        wait, refusal = self._take(n)
        return self._refuse(refusal) if refusal else self._wait_turn(wait)

    def acquire_blocking(self, n: int = 1) -> None:
        """The same for plain functions: holds up the thread."""
        wait, refusal = self._take(n)
        if refusal:
            raise refusal
        _clock.sleep_blocking(wait)

    def backlog(self, n: int = 1) -> float:
        """How long, in seconds, a call of now would wait."""
        with self._lock:
            return self._bucket.wait_for(_clock.now(), n)

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(self, *why: object) -> None:
        return None

    def _take(self, n: int) -> tuple[float, RateLimited | None]:
        with self._lock:
            now = _clock.now()
            wait = self._bucket.wait_for(now, n)
            if wait <= self._max_wait:
                self._bucket.reserve(now, n)
                return wait, None
        return wait, RateLimited(f"the rate limiter's next place is {seconds(wait)} away, further "
                                 f"than its bound of {seconds(self._max_wait)}", wait)

    @staticmethod
    async def _wait_turn(wait: float) -> None:
        if wait > 0:
            await _clock.sleep(wait)

    @staticmethod
    async def _refuse(why: RateLimited) -> None:
        raise why
