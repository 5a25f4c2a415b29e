"""`CircuitBreaker`: a service that fails is left alone for a while.

    payments = CircuitBreaker(max_failures=3, reset_timeout=10.0, name="payments")
    receipt = await payments.call(lambda: bank.ask(Pay(order)))

Closed: calls go through; `max_failures` failures in a row open it. Open: calls fail at once. After
`reset_timeout` it is half open: one call is let through as a trial, the others fail at once; the
trial closes it, or opens it again.

One lock guards everything; it is held for a few steps, and never while a listener, a predicate or
the work itself is called. `_generation` moves with each transition. A permit remembers the one it
was given in; what is said of it later, in another generation, is counted in the totals and changes
no state: a slow call of before says nothing about the service of now.
"""

from __future__ import annotations

import asyncio
import enum
import functools
import inspect
import threading
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, ParamSpec, TypeVar, cast, overload

from odeon.errors import AskTimeout, InvalidArgument
from odeon.patterns import _clock
from odeon.patterns._errors import CallTimeout, CircuitOpen, seconds

P = ParamSpec("P")
T = TypeVar("T")
Failures = type[BaseException] | tuple[type[BaseException], ...] | Callable[[BaseException], bool]


class BreakerState(str, enum.Enum):
    """`closed`, `open`, `half_open`; compares equal to these texts."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"

    def __str__(self) -> str:
        return self.value.replace("_", " ")


@dataclass(frozen=True, slots=True)
class BreakerTransition:
    """Handed to listeners. `why` is the last failure's text on the way to open; else empty."""

    name: str
    before: BreakerState
    after: BreakerState
    why: str


@dataclass(slots=True)
class BreakerCounters:
    """What happened so far."""

    succeeded: int = 0
    failed: int = 0  # timeouts included
    timed_out: int = 0  # of the failed ones
    rejected: int = 0  # failed at once: open, or half open with the trial under way
    opened: int = 0  # how often it went open


def matches(what: Failures | None, why: BaseException) -> bool:
    """Whether `why` is of these classes, or the function says so. None: yes."""
    if what is None:
        return True
    if isinstance(what, (type, tuple)):
        return isinstance(why, what)
    return bool(what(why))


def text_of(why: BaseException) -> str:
    """An exception in a sentence."""
    return f"{type(why).__name__}: {why}" if str(why) else type(why).__name__


class Permit:
    """The right to make one call, for work that fits no other form. Say how it went, or use it with
    `with`; dropped unsaid it counts neither way."""

    __slots__ = ("_breaker", "_generation", "_since")

    def __init__(self, breaker: CircuitBreaker, generation: int, since: float) -> None:
        self._breaker: CircuitBreaker | None = breaker
        self._generation = generation
        self._since = since

    def success(self) -> None:
        """The service did its work. Only the first word counts."""
        breaker = self._taken()
        if breaker is not None:
            breaker._succeeded(self._generation)

    def failure(self, why: str | BaseException) -> None:
        """It did not. An exception that `is_failure` does not accept counts as a success."""
        breaker = self._taken()
        if breaker is None:
            return
        try:
            counts = isinstance(why, str) or matches(breaker.is_failure, why)
        except BaseException:
            breaker._abandoned(self._generation)
            raise
        if not counts:
            breaker._succeeded(self._generation)
        else:
            text = why if isinstance(why, str) else text_of(why)
            breaker._failed(self._generation, text, isinstance(why, AskTimeout))

    def abandon(self) -> None:
        """Neither: the call was given up for reasons of the caller's."""
        breaker = self._taken()
        if breaker is not None:
            breaker._abandoned(self._generation)

    def _taken(self) -> CircuitBreaker | None:
        breaker, self._breaker = self._breaker, None
        return breaker

    def _finished(self) -> None:
        """Counts a slow success as failed."""
        if self._breaker is None:
            return
        limit = self._breaker.call_timeout
        if limit and _clock.now() - self._since > limit:
            self._timeout(limit)
        else:
            self.success()

    def _timeout(self, limit: float) -> None:
        breaker = self._taken()
        if breaker is not None:
            breaker._failed(self._generation, f"took longer than {seconds(limit)}", True)

    def _ended(self, why: BaseException | None) -> None:
        if why is None:
            self._finished()
        elif isinstance(why, Exception):
            self.failure(why)
        else:  # a cancellation, KeyboardInterrupt, GeneratorExit: nothing about the service
            self.abandon()

    def __enter__(self) -> Permit:
        return self

    def __exit__(self, kind: object, why: BaseException | None, trace: object) -> None:
        self._ended(why)

    def __del__(self) -> None:
        self.abandon()


class CircuitBreaker:
    """One breaker; share it among any number of actors, tasks and threads. Durations are seconds.

    `max_failures`    in a row; at least 1
    `call_timeout`    a call that takes longer has failed; 0 or None: no limit
    `reset_timeout`   from open to half open; above 0
    `growth`          each failed trial makes the next wait so much longer, at least 1 …
    `max_reset_timeout`  … up to this; a good trial sets it back
    `is_failure`      which exceptions are the service's fault: classes, or a function of the
                      exception; one that is not counts as a success. None: all

    Raises `InvalidArgument` for options that make no sense.
    """

    def __init__(self, max_failures: int = 5, call_timeout: float | None = 1.0,
                 reset_timeout: float = 10.0, *, growth: float = 1.0,
                 max_reset_timeout: float = 300.0, is_failure: Failures | None = None,
                 name: str = "unnamed") -> None:
        if max_failures < 1 or not reset_timeout > 0 or not growth >= 1:
            raise InvalidArgument(f"circuit breaker '{name}': max_failures is at least 1, "
                                  "reset_timeout above zero, growth at least 1")
        self.name = name
        self.max_failures = max_failures
        self.call_timeout = call_timeout or 0.0
        self.reset_timeout = reset_timeout
        self.growth = growth
        self.max_reset_timeout = max_reset_timeout
        self.is_failure = is_failure
        self._lock = threading.RLock()  # a permit may be collected while it is held
        self._state = BreakerState.CLOSED
        self._generation = 0
        self._in_a_row = 0
        self._trial = False  # half open: the one call is under way
        self._wait = reset_timeout
        self._half_open_at = 0.0
        self._last_failure = ""
        self._cancel_timer: Callable[[], None] | None = None
        self._counters = BreakerCounters()
        self._listeners: tuple[Callable[[BreakerTransition], None], ...] = ()

    # -- calls -------------------------------------------------------------------------------------

    @overload
    async def call(self, f: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T: ...
    @overload
    async def call(self, f: Callable[..., T], *args: Any, **kwargs: Any) -> T: ...

    async def call(self, f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Calls `f` and, where it gives an awaitable, waits for it. Gives the value; raises what
        the work raised, `CircuitOpen` without having called `f`, and `CallTimeout` after
        `call_timeout`: the work is cancelled then. A call that is itself cancelled counts neither
        way."""
        permit = self.enter()
        try:
            deadline = _clock.Deadline(self.call_timeout)
            try:
                async with deadline:
                    made = f(*args, **kwargs)
                    value = await made if inspect.isawaitable(made) else made
            except TimeoutError as e:
                if not deadline.expired:
                    raise
                permit._timeout(self.call_timeout)
                raise CallTimeout(f"a call through the circuit breaker '{self.name}' took longer "
                                  f"than {seconds(self.call_timeout)}") from e
        except BaseException as why:
            permit._ended(why)
            raise
        permit._finished()
        return value

    async def call_async(self, work: Awaitable[T]) -> T:
        """The same for an awaitable that exists already; a coroutine that is not let through is
        closed."""
        try:
            return await self.call(lambda: work)
        except CircuitOpen:
            if inspect.iscoroutine(work):
                work.close()
            elif isinstance(work, asyncio.Future):
                work.cancel()
            raise

    def run(self, f: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """The same for plain functions, on the calling thread: it cannot be cut short, but counts
        as failed when it took longer than `call_timeout` (its value is given all the same)."""
        if inspect.iscoroutinefunction(f):
            raise InvalidArgument("run takes a plain function; for a coroutine: await call(f)")
        with self.enter():
            return f(*args, **kwargs)

    @overload
    def __call__(self, f: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]: ...
    @overload
    def __call__(self, f: Callable[P, T]) -> Callable[P, T]: ...

    def __call__(self, f: Callable[P, Any]) -> Callable[P, Any]:
        """As a decorator of functions and coroutine functions: each call goes through it."""
        if inspect.iscoroutinefunction(f):
            @functools.wraps(f)
            async def called(*args: P.args, **kwargs: P.kwargs) -> Any:
                return await self.call(f, *args, **kwargs)

            return called

        @functools.wraps(f)
        def ran(*args: P.args, **kwargs: P.kwargs) -> Any:
            return self.run(f, *args, **kwargs)

        return ran

    def enter(self) -> Permit:
        """Lets a call in, or raises `CircuitOpen`."""
        permit, refusal = self._try_enter()
        if permit is None:
            raise cast(CircuitOpen, refusal)
        return permit

    def try_enter(self) -> Permit | None:
        """Lets a call in, or gives None."""
        return self._try_enter()[0]

    # -- what goes on ------------------------------------------------------------------------------

    @property
    def state(self) -> BreakerState:
        """Half open is seen as soon as the reset timeout has passed."""
        self._look_at_clock()
        with self._lock:
            return self._state

    @property
    def counters(self) -> BreakerCounters:
        """A copy of the present numbers."""
        with self._lock:
            return replace(self._counters)

    def trip(self, why: str = "by hand") -> None:
        """Opens it, or keeps it open for another `reset_timeout`."""
        self._by_hand(BreakerState.OPEN, why)

    def reset(self) -> None:
        """Closes it."""
        self._by_hand(BreakerState.CLOSED, "")

    def on_transition(self, f: Callable[[BreakerTransition], None]) -> None:
        """`f` is called at each transition from now on, after it happened, by whom that caused it
        (towards half open: the loop's timer, or the first look), without locks held: be short, do
        not raise."""
        with self._lock:
            self._listeners = (*self._listeners, f)

    def __repr__(self) -> str:
        return f"<CircuitBreaker '{self.name}' {self._state}>"

    # -- inside ------------------------------------------------------------------------------------

    def _try_enter(self) -> tuple[Permit | None, CircuitOpen | None]:
        self._look_at_clock()
        with self._lock:
            now = _clock.now()
            if self._state is BreakerState.CLOSED or (
                    self._state is BreakerState.HALF_OPEN and not self._trial):
                self._trial = self._state is BreakerState.HALF_OPEN
                return Permit(self, self._generation, now), None
            self._counters.rejected += 1
            state, last = self._state, self._last_failure
            remaining = max(self._half_open_at - now, 1e-3) if state is BreakerState.OPEN else 0.0
        text = f"the circuit breaker '{self.name}' is {state}"
        if last:
            text += f" after: {last}"
        text += (f"; calls fail at once for another {seconds(remaining)}" if remaining
                 else "; calls fail at once until the trial under way has ended")
        return None, CircuitOpen(text, remaining)

    def _go(self, to: BreakerState, why: str = "") -> BreakerTransition:
        """A transition, under the lock."""
        step = BreakerTransition(self.name, self._state, to, why)
        self._state = to
        self._generation += 1
        self._in_a_row = 0
        self._trial = False
        if to is BreakerState.OPEN:
            self._counters.opened += 1
            self._last_failure = why
            self._half_open_at = _clock.now() + self._wait
        elif to is BreakerState.CLOSED:
            self._wait = self.reset_timeout
        return step

    def _after(self, step: BreakerTransition | None) -> None:
        """What is left to do after one, without the lock."""
        if step is None:
            return
        with self._lock:
            cancel, self._cancel_timer = self._cancel_timer, None
            listeners, generation, due = self._listeners, self._generation, self._half_open_at
        if cancel is not None:
            cancel()
        if step.after is BreakerState.OPEN:
            of = weakref.ref(self)

            def half_open() -> None:
                breaker = of()
                if breaker is not None:
                    breaker._try_half_open(generation)

            # Without a loop the transition is seen, and told, at the next look.
            cancel = _clock.call_later(max(due - _clock.now(), 0.0), half_open)
            with self._lock:
                if self._generation == generation:
                    self._cancel_timer = cancel
        if step.before is not step.after:  # else it only stays open for longer
            for f in listeners:
                f(step)

    def _try_half_open(self, generation: int) -> None:
        step = None
        with self._lock:
            if self._state is BreakerState.OPEN and self._generation == generation:
                step = self._go(BreakerState.HALF_OPEN)
        self._after(step)

    def _look_at_clock(self) -> None:
        with self._lock:
            if self._state is not BreakerState.OPEN or _clock.now() < self._half_open_at:
                return
            generation = self._generation
        self._try_half_open(generation)

    def _succeeded(self, generation: int) -> None:
        step = None
        with self._lock:
            self._counters.succeeded += 1
            if generation == self._generation:
                self._in_a_row = 0
                if self._state is BreakerState.HALF_OPEN:
                    step = self._go(BreakerState.CLOSED)
        self._after(step)

    def _failed(self, generation: int, why: str, by_time: bool) -> None:
        step = None
        with self._lock:
            self._counters.failed += 1
            self._counters.timed_out += by_time
            if generation != self._generation:
                return
            if self._state is BreakerState.HALF_OPEN:
                self._wait = min(self._wait * self.growth,
                                 max(self.max_reset_timeout, self.reset_timeout))
                step = self._go(BreakerState.OPEN, why)
            else:
                self._in_a_row += 1
                if self._in_a_row >= self.max_failures:
                    step = self._go(BreakerState.OPEN, why)
        self._after(step)

    def _abandoned(self, generation: int) -> None:
        with self._lock:
            if generation == self._generation:
                self._trial = False

    def _by_hand(self, to: BreakerState, why: str) -> None:
        step = None
        with self._lock:
            if self._state is not to or to is BreakerState.OPEN:
                step = self._go(to, why)
        self._after(step)
