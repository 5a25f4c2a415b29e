"""The kit: a system under test, its time, and waiting."""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

from ..errors import WouldBlock
from ..system import ActorSystem
from .system import SEED_VARIABLE, TestSystem, chosen_seed

if TYPE_CHECKING:
    from .filters import EventFilter
    from .probe import TestProbe

__all__ = ["ExpectationError", "TestKit", "explore"]

T = TypeVar("T")

Steps = Generator[tuple[Callable[[], bool], float], bool, T]
"""An expectation: it yields (condition, seconds) and is sent whether that came about."""

_POLL = 0.005  # real seconds between looks at a condition that nobody announces


class ExpectationError(AssertionError):
    """What was expected of a probe, or of the events of a system, did not come about."""


class TestKit:
    """A system under test, with probes, event filters and virtual time.

    ``TestKit()`` makes a :class:`TestSystem` of its own, in virtual time: ``seed`` chooses the
    order of actors, and is told with each failure. ``TestKit(system)`` looks at a system of the
    test's own, which has real time. Expectations wait ``patience`` seconds unless told, of the
    system's time.

    Each expectation is awaitable, for tests that are coroutines, and has a twin that blocks
    (``…_blocking``), for those that are not. In virtual time a coroutine is run by :meth:`run`.

    Example::

        def test_it_gives_up_after_thirty_seconds():
            with TestKit() as kit:
                probe = kit.probe()
                player = kit.system.spawn(Player, probe.ref)
                kit.advance(30)
                probe.expect_message_blocking(GivenUp)
    """

    __test__ = False

    def __init__(self, system: ActorSystem | None = None, *, seed: int | None = None,
                 patience: float = 1.0, moves_time: bool = True, **options: Any) -> None:
        self._own = TestSystem(seed=seed, **options) if system is None else None
        self.system: ActorSystem = system if system is not None else self._required()
        self._virtual = self.system if isinstance(self.system, TestSystem) else None
        self.patience = patience
        self.moves_time = moves_time
        self._changed = threading.Condition()
        self._waiters: set[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = set()

    def _required(self) -> TestSystem:
        assert self._own is not None
        return self._own

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the kit's own system. Idempotent."""
        if self._own is not None:
            self._own.stop_blocking()

    # -- time --------------------------------------------------------------------------------------

    @property
    def is_virtual(self) -> bool:
        return self._virtual is not None

    @property
    def seed(self) -> int | None:
        """Of all choices; None in real time."""
        return self._virtual.seed if self._virtual is not None else None

    def now(self) -> float:
        """Seconds of the system's time; virtual time begins at 0."""
        return self._virtual.loop.time() if self._virtual is not None else time.monotonic()

    def _time(self) -> TestSystem:
        if self._virtual is None:
            raise WouldBlock("time can be moved in virtual time only; this system has real time")
        return self._virtual

    def run_until_idle(self) -> None:
        """Runs all that can run now; time stands still. ``WouldBlock`` when it never settles, and
        inside a coroutine of the loop: there ``await kit.idle()``."""
        self._time().loop.pump(idle=True)

    def advance(self, seconds: float) -> None:
        """Moves virtual time on, running what becomes due on the way, to the millisecond. In a
        coroutine use ``await asyncio.sleep(seconds)``."""
        self._time().loop.pump(seconds=seconds)

    async def idle(self) -> None:
        """:meth:`run_until_idle` for coroutines: what can run now has run. It takes a
        millisecond."""
        self._time()
        await asyncio.sleep(0.001)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine to its end on the system's loop, in virtual time. ``WouldBlock`` when
        nothing is left that could bring it there."""
        return self._time().loop.run_coroutine(work)

    # -- what it gives -----------------------------------------------------------------------------

    def probe(self, name: str | None = None) -> TestProbe:
        """An actor in the test's hand."""
        from .probe import TestProbe

        return TestProbe(self, name)

    def expect_events(self, *classes: type, **options: Any) -> EventFilter:
        """See :class:`EventFilter`: ``with kit.expect_events(events.ActorStopped, exactly=2):``"""
        from .filters import EventFilter

        return EventFilter(self, *classes, **options)

    def expect_failures(self, exception: type[BaseException] = Exception,
                        **options: Any) -> EventFilter:
        """Handlers and hooks that raise such an exception."""
        from .filters import failures

        return failures(self, exception, **options)

    def expect_dead_letters(self, message: type | str | None = None, **options: Any) -> EventFilter:
        """Messages that no handler gets, of that class or of that class's name."""
        from .filters import dead_letters

        return dead_letters(self, message, **options)

    def expect_warnings(self, **options: Any) -> EventFilter:
        """Records of the log at or above WARNING; ``match`` looks at their text."""
        from .filters import warnings

        return warnings(self, **options)

    def fail(self, text: str) -> NoReturn:
        """Raises :class:`ExpectationError`, with the seed."""
        __tracebackhide__ = True
        raise ExpectationError(text if self.seed is None else f"{text} (seed {self.seed})")

    async def eventually(self, holds: Callable[[], bool], within: float | None = None) -> None:
        """Waits until the condition holds; for what no message tells."""
        __tracebackhide__ = True
        await self.drive(self._eventually(holds, within))

    def eventually_blocking(self, holds: Callable[[], bool], within: float | None = None) -> None:
        """The twin of :meth:`eventually`."""
        __tracebackhide__ = True
        self.drive_blocking(self._eventually(holds, within))

    def _eventually(self, holds: Callable[[], bool], within: float | None) -> Steps[None]:
        limit = self.patience if within is None else within
        if not (yield holds, limit):
            self.fail(f"the condition did not come about within {limit:g} s")

    # -- waiting, for probes and filters -----------------------------------------------------------

    def changed(self) -> None:
        """Something came that somebody may wait for. From any thread."""
        with self._changed:
            self._changed.notify_all()
            waiters, self._waiters = self._waiters, set()
        for loop, future in waiters:
            loop.call_soon_threadsafe(_settle, future)

    async def wait(self, ready: Callable[[], bool], within: float) -> bool:
        """Whether it became ready within so many seconds."""
        loop = asyncio.get_running_loop()
        end = loop.time() + within
        while not ready():
            left = end - loop.time()
            if left <= 0:
                return ready()
            future: asyncio.Future[None] = loop.create_future()
            entry = (loop, future)
            with self._changed:
                self._waiters.add(entry)
            if not ready():
                slice_ = left if self.is_virtual else min(left, _POLL)
                await asyncio.wait([future], timeout=slice_)
            with self._changed:
                self._waiters.discard(entry)
            future.cancel()
        return True

    def wait_blocking(self, ready: Callable[[], bool], within: float) -> bool:
        """The twin of :meth:`wait`."""
        if self._virtual is not None:
            if not ready():
                if self.moves_time:
                    self._virtual.loop.pump(ends=ready, seconds=within)
                else:
                    self._virtual.loop.pump(ends=ready, idle=True)
            return ready()
        if self.system.is_open and self.system._host.is_current:
            raise WouldBlock("a blocking expectation on the loop that runs the actors: "
                             "await its twin")
        end = time.monotonic() + within
        with self._changed:
            while not ready():
                left = end - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(min(left, _POLL))
        return True

    async def drive(self, steps: Steps[T]) -> T:
        """Runs an expectation, awaiting."""
        __tracebackhide__ = True
        answer: bool | None = None
        while True:
            try:
                ready, within = steps.send(answer)  # type: ignore[arg-type]
            except StopIteration as end:
                result: T = end.value
                return result
            answer = await self.wait(ready, within)

    def drive_blocking(self, steps: Steps[T]) -> T:
        """Runs an expectation, blocking."""
        __tracebackhide__ = True
        answer: bool | None = None
        while True:
            try:
                ready, within = steps.send(answer)  # type: ignore[arg-type]
            except StopIteration as end:
                result: T = end.value
                return result
            answer = self.wait_blocking(ready, within)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def explore(seeds: int = 100, *, first: int = 1,
            **options: Any) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """Runs a test once for each of ``seeds`` seeds, from ``first`` on, each time with a new kit in
    virtual time as its first argument. What fails is raised with a note that names the seed; the
    environment's ``ODEON_TEST_SEED`` runs that one alone. ``options`` are the kit's.

    Example::

        @odeon.testing.explore(seeds=200)
        async def test_no_order_loses_money(kit):
            ...
    """

    def decorate(test: Callable[..., Any]) -> Callable[..., None]:
        @functools.wraps(test)
        def run_all(*args: Any, **kwargs: Any) -> None:
            only = os.environ.get(SEED_VARIABLE)
            for seed in [chosen_seed(None)] if only else range(first, first + seeds):
                try:
                    with TestKit(seed=seed, **options) as kit:
                        outcome = test(kit, *args, **kwargs)
                        if inspect.iscoroutine(outcome):
                            kit.run(outcome)
                except BaseException as e:
                    e.add_note(f"with seed {seed}: {SEED_VARIABLE}={seed} repeats this run")
                    raise

        # The kit is no fixture.
        parameters = list(inspect.signature(test).parameters.values())
        run_all.__signature__ = inspect.Signature(parameters[1:])  # type: ignore[attr-defined]
        del run_all.__wrapped__  # type: ignore[attr-defined]
        return run_all

    return decorate
