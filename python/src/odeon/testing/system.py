"""A system whose time is virtual."""

from __future__ import annotations

import asyncio
import os
from types import TracebackType
from typing import Any, Self

from .. import _native
from ..system import ActorSystem, _check_process
from . import virtual

__all__ = ["TestSystem", "chosen_seed"]

SEED_VARIABLE = "ODEON_TEST_SEED"


def chosen_seed(told: int | None) -> int:
    """The seed told, that of the environment (``ODEON_TEST_SEED``), or 1."""
    if told:
        return told
    text = os.environ.get(SEED_VARIABLE, "")
    return int(text) if text.isdigit() and int(text) else 1


class TestSystem(ActorSystem):
    """An actor system on the calling thread, in virtual time: nothing runs but inside its calls.

    Timers, time-outs of asks, ``asyncio.sleep`` and whatever else takes the time from the loop or
    from the runtime pass at once. Which actor runs next is chosen by ``seed``; the same seed gives
    the same run. One thread uses it, from outside of other event loops.
    :class:`odeon.testing.TestKit` makes one, and drives it.
    """

    __test__ = False  # pytest: this is no test

    def __init__(self, name: str = "test", *, seed: int | None = None, **options: Any) -> None:
        _check_process()
        self.seed = chosen_seed(seed)
        self.simulation, self.loop = virtual.make(self.seed)
        self._loop = self.loop
        self._loop_host = None
        host = _native.Host("python-loop", self.loop)
        host.simulate(self.seed)
        try:
            self._begin(name, host,
                        {**options, "simulation": self.simulation, "slow_handler": 0.0})
        except BaseException:
            host.detach()
            self._end_loop()
            raise

    def _begin_compute(self, fn: Any, args: Any, kwargs: Any, execution: str) -> Any:
        outcome = super()._begin_compute(fn, args, kwargs, execution)
        self.loop.work_outside(outcome)
        return outcome

    def stop_blocking(self, timeout: float | None = None) -> bool:
        """Stops all actors, in virtual time; at most ``timeout`` seconds of it. Then ends the
        loop."""
        complete = True
        if self.is_open:
            self.terminate()
            ended = self.when_terminated()
            self.loop.pump(ends=ended.done, seconds=self._limit if timeout is None else timeout)
            complete = bool(ended.done())
            if not complete:
                # Who has not ended in time is asked as asyncio asks: by CancelledError.
                self._host.cancel_handlers()
                self.loop.pump(ends=ended.done, seconds=1.0)
            self.loop.pump(idle=True)
            self._finish()
        self._end_loop()
        return complete

    def _end_loop(self) -> None:
        if self.loop.is_closed():
            return
        self._host.detach()
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        self.loop.pump(idle=True)
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None:
        self.stop_blocking()
