"""`retry`: the same work again, until it succeeds.

    price = await retry(lambda: shop.ask(GetPrice("ODN")), 5, Schedule.exponential(0.1, 5.0))

    @retrying(3, Schedule.fixed(0.5), worth=ConnectionError)
    async def load(url): …
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import random
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar, cast, overload

from odeon.errors import InvalidArgument, OdeonError
from odeon.patterns import _clock
from odeon.patterns._errors import seconds
from odeon.patterns.circuit_breaker import Failures, matches, text_of
from odeon.patterns.schedule import Schedule

P = ParamSpec("P")
T = TypeVar("T")

_chance = random.Random()


def retry_if(*codes: str) -> Callable[[BaseException], bool]:
    """Worth another attempt for errors of these codes ("ask_timeout", …); what is no `OdeonError`
    counts as "handler_failed"."""
    wanted = frozenset(codes)
    return lambda why: (why.code if isinstance(why, OdeonError) else "handler_failed") in wanted


class _Attempts:
    """The counting part."""

    def __init__(self, attempts: int, schedule: Schedule, worth: Failures | None,
                 deadline: float | None) -> None:
        if attempts < 1:
            raise InvalidArgument("a retry of no attempts at all does nothing")
        if deadline is not None and not deadline > 0:
            raise InvalidArgument("the deadline of a retry is a time above zero")
        self._attempts = attempts
        self._schedule = schedule
        self._worth = worth
        self._end = None if deadline is None else _clock.now() + deadline
        self._deadline = deadline
        self.failed = 0

    def left(self) -> float | None:
        """Seconds until the deadline."""
        return None if self._end is None else self._end - _clock.now()

    def pause_after(self, why: Exception) -> float | None:
        """How long to wait before the next attempt; None: there is none."""
        self.failed += 1
        if self.failed >= self._attempts or not matches(self._worth, why):
            return None
        pause = self._schedule.delay_for(self.failed, _chance)
        left = self.left()
        if left is not None and pause >= left:
            why.add_note(f"no attempt was left within the deadline of "
                         f"{seconds(cast(float, self._deadline))}: {self.failed} of "
                         f"{self._attempts} made")
            return None
        return pause

    def note(self, why: BaseException, last: Exception) -> None:
        why.add_note(f"a retry was asked to stop after {self.failed} of {self._attempts} attempts; "
                     f"the last error: {text_of(last)}")


@overload
async def retry(factory: Callable[[], Awaitable[T]], attempts: int, schedule: Schedule = ..., *,
                worth: Failures | None = ..., deadline: float | None = ...) -> T: ...
@overload
async def retry(factory: Callable[[], T], attempts: int, schedule: Schedule = ..., *,
                worth: Failures | None = ..., deadline: float | None = ...) -> T: ...


async def retry(factory: Callable[[], Any], attempts: int, schedule: Schedule = Schedule(), *,
                worth: Failures | None = None, deadline: float | None = None) -> Any:
    """Calls `factory` for the work and waits for it, where it is awaitable; when it fails, waits as
    `schedule` says and calls it again, `attempts` times in all. Gives the first value.

    Raises what the last attempt raised, at once when `worth` – exception classes, or a function of
    the exception – says that there is no point. With a `deadline`, in seconds from now, no attempt
    begins after it, and one that is under way is cancelled and fails with `TimeoutError`. A
    cancellation goes through at once; in a pause it has a note that names the last error. No
    attempts at all are `InvalidArgument`.
    """
    state = _Attempts(attempts, schedule, worth, deadline)
    while True:
        try:
            async with _clock.Deadline(state.left()):
                made = factory()
                return await made if inspect.isawaitable(made) else made
        except Exception as e:
            pause = state.pause_after(e)
            if pause is None:
                raise
            last = e
        try:
            await _clock.sleep(pause)
        except asyncio.CancelledError as e:
            state.note(e, last)
            raise
        del last  # no cycle through its traceback


def retry_blocking(f: Callable[[], T], attempts: int, schedule: Schedule = Schedule(), *,
                   worth: Failures | None = None, deadline: float | None = None) -> T:
    """The same for a plain function, on the calling thread, which waits in the pauses. The deadline
    does not cut an attempt short."""
    state = _Attempts(attempts, schedule, worth, deadline)
    while True:
        try:
            return f()
        except Exception as e:
            pause = state.pause_after(e)
            if pause is None:
                raise
        _clock.sleep_blocking(pause)


class retrying:  # noqa: N801 - used as a decorator
    """`retry`, and `retry_blocking` for plain functions, as a decorator. The deadline is each
    call's."""

    def __init__(self, attempts: int, schedule: Schedule = Schedule(), *,
                 worth: Failures | None = None, deadline: float | None = None) -> None:
        _Attempts(attempts, schedule, worth, deadline)  # refused here, not at the first call
        self._settings: tuple[int, Schedule] = (attempts, schedule)
        self._limits: dict[str, Any] = {"worth": worth, "deadline": deadline}

    @overload
    def __call__(self, f: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]: ...
    @overload
    def __call__(self, f: Callable[P, T]) -> Callable[P, T]: ...

    def __call__(self, f: Callable[P, Any]) -> Callable[P, Any]:
        if inspect.iscoroutinefunction(f):
            @functools.wraps(f)
            async def awaited(*args: P.args, **kwargs: P.kwargs) -> Any:
                return await retry(lambda: f(*args, **kwargs), *self._settings, **self._limits)

            return awaited

        @functools.wraps(f)
        def called(*args: P.args, **kwargs: P.kwargs) -> Any:
            def work() -> Any:
                return f(*args, **kwargs)

            return retry_blocking(work, *self._settings, **self._limits)

        return called
