"""Virtual time: an event loop whose clock is the simulation's, and which never waits.

The loop's selector is where time passes. Asked to wait, it first has the simulation run what is
ready there (actors of C++, routers, timers that fired), then moves the clock to whatever is due
next. Actors of Python have their turns in callbacks of this loop, one a callback, in an order
chosen by the seed.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import random
import selectors
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from .. import _native
from ..errors import WouldBlock

T = TypeVar("T")

_TICK = 0.001  # the resolution of the runtime's timers, in seconds
_ROUNDS_MAX = 2_000_000  # of the loop, at one point in time
_OUTSIDE_SLICE = 0.05  # real seconds, while threads of the loop's executor work

_by_id: weakref.WeakValueDictionary[int, VirtualLoop] = weakref.WeakValueDictionary()


class _Selector(selectors.BaseSelector):
    """Real files are looked at, and never waited for."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.loop: VirtualLoop | None = None

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Any:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = self._real.select(0)
        if not found and self.loop is not None and self.loop._pass_time(timeout):
            found = self._real.select(_OUTSIDE_SLICE)
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on a simulation. ``asyncio.sleep(3600)`` passes at once."""

    def __init__(self, simulation: Any, seed: int) -> None:
        selector = _Selector()
        super().__init__(selector)
        self.simulation = simulation
        self._chance = random.Random(seed)
        self._clock_resolution = _TICK
        self._outside = 0
        self._rounds = 0
        self._ends: Callable[[], bool] | None = None
        self._goal: float | None = None
        self._when_idle = False
        selector.loop = self
        _by_id[simulation.id] = self

    def time(self) -> float:
        return float(self.simulation.now())

    def run_in_executor(  # type: ignore[override]
            self, executor: Any, func: Any, *args: Any) -> Any:
        """Real threads do real work: virtual time stands still until they are done."""
        future = super().run_in_executor(executor, func, *args)
        self._outside += 1
        future.add_done_callback(self._came_back)
        return future

    def _came_back(self, _: object) -> None:
        self._outside -= 1

    def work_outside(self, outcome: concurrent.futures.Future[Any]) -> None:
        """Virtual time stands still until that is done, too. On the loop's thread."""
        self._outside += 1

        def done(_: object) -> None:
            if not self.is_closed():
                self.call_soon_threadsafe(self._came_back, None)

        outcome.add_done_callback(done)

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        self._outside += 1
        try:
            await super().shutdown_default_executor(*args, **kwargs)
        finally:
            self._outside -= 1

    # -- time --------------------------------------------------------------------------------------

    def _pass_time(self, timeout: float | None) -> bool:
        """Called where a loop would wait for files. True: threads are at work, so do wait."""
        if self._ends is not None and self._ends():
            self.stop()
            return False
        self._rounds += 1
        if self._rounds > _ROUNDS_MAX:
            raise WouldBlock(f"nothing settles within {_ROUNDS_MAX} rounds of the loop: "
                             "do some actors send to each other without end?")
        if timeout is not None and timeout <= 0:
            # Callbacks are ready: now and then something of the simulation comes before them.
            if self._chance.random() < 0.5:
                self.simulation.step()
            return False
        if self.simulation.step():
            return False
        if self._outside:
            return True
        if self._when_idle:
            self.stop()
            return False
        now = self.time()
        to_goal = None if self._goal is None else self._goal - now
        spans = (timeout, self.simulation.next_due(), to_goal)
        due = min((span for span in spans if span is not None), default=None)
        if self._goal is not None and now >= self._goal - _TICK / 2:
            self.stop()
        elif due is None:
            raise WouldBlock("nothing is left to run, and no timer is armed, "
                             "that could end this wait")
        else:
            self._rounds = 0
            self.simulation.move(max(due, _TICK))
        return False

    # -- driving it from outside -------------------------------------------------------------------

    def pump(self, *, ends: Callable[[], bool] | None = None, seconds: float | None = None,
             idle: bool = False) -> None:
        """Runs until ``ends()`` holds, for ``seconds`` of virtual time, or (``idle``) until
        nothing is left that can run now. Raises ``WouldBlock`` inside a running loop."""
        if asyncio._get_running_loop() is not None:
            raise WouldBlock("the loop runs already: in a coroutine, "
                             "use the awaitable twin of this call")
        self._rounds = 0
        before = self._ends, self._goal, self._when_idle
        self._ends, self._when_idle = ends, idle
        self._goal = None if seconds is None else self.time() + seconds
        try:
            self.run_forever()
        finally:
            self._ends, self._goal, self._when_idle = before

    def run_coroutine(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine to its end, in virtual time."""
        if asyncio._get_running_loop() is not None:
            work.close()
            raise WouldBlock("the loop runs already: await the coroutine")
        task = self.create_task(work)
        try:
            return self.run_until_complete(task)
        except BaseException:
            if not task.done():
                task.cancel()
                self.pump(idle=True)
            raise


def run_until(number: int, ends: Callable[[], bool]) -> None:
    """For the native layer: a blocking wait on a simulation, outside its loop."""
    loop = _by_id.get(number)
    if loop is None:
        raise WouldBlock("the test system of this ask is gone")
    while not ends():
        loop.pump(ends=ends)


def make(seed: int) -> tuple[Any, VirtualLoop]:
    """A simulation, and the loop on it."""
    simulation = _native.Simulation(seed)
    return simulation, VirtualLoop(simulation, seed)
