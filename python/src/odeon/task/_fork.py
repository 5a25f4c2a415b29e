"""Handles to tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator
from contextvars import Context, copy_context
from itertools import count
from threading import get_ident
from types import GeneratorType
from typing import Any, Final, Generic, cast

from odeon.errors import InvalidArgument, WrongType

from ._group import Group
from ._scheduler import Scheduler, current_scheduler
from ._types import Failure, M, Result, Status, Success, T, X
from ._unhandled import Unlooked

_IDLE: Final = Status.IDLE
_ACTIVE: Final = Status.ACTIVE
_FINISHED: Final = Status.FINISHED
_next_id = count(1).__next__


def _as_task(work: Any) -> Any:
    """What a scheduler can drive, of what people pass to ``fork``."""
    if hasattr(work, "send") and hasattr(work, "throw") and not hasattr(work, "__await__"):
        return work
    if isinstance(work, Fork):
        raise InvalidArgument("this is a fork already: join it, or fork its generator")
    if hasattr(work, "__await__"):
        from ._verbs import wait

        return wait(work)
    what = f"the function {work.__qualname__}" if hasattr(work, "__qualname__") else repr(work)
    raise WrongType(f"a task is a generator, made by calling a generator function; this is {what}")


class Fork(Generic[T, X, M]):
    """A handle to a task that runs beside others; made by ``fork``.

    It is *idle* until it is activated: by ``yield from`` it in a task, ``await`` it in a coroutine,
    ``activate()`` or the first join. From then on it has turns with the other tasks of its thread,
    and a handle that is let go changes nothing. ``await`` gives its value or raises its error; when
    the awaiting coroutine is cancelled, so is the task.

        async def program() -> None:
            total = await task.fork(add_up())      # add_up is a generator function

    ``resume`` and ``cancel`` may be called on any thread, all else on that of the task.
    """

    __slots__ = (
        "__weakref__",
        "_context",
        "_group",
        "_idle",
        "_inner",
        "_outcome",
        "_scheduler",
        "_send",
        "_watchers",
        "id",
        "name",
        "status",
    )

    def __init__(self, work: Any, name: str = "") -> None:
        if type(work) is not GeneratorType:
            work = _as_task(work)
        elif work.gi_suspended:
            raise InvalidArgument(f"{work.__qualname__}() runs already: a task is run once")
        self._send = work.send
        self._inner: Group | None = None
        self._watchers: list[Any] | None = None
        self._outcome: Any = None  # the value, or an `Unlooked`; `QUIET` before an end by abort
        self.status = _IDLE
        self.id = _next_id()
        """Unique in the process."""
        self.name = name
        """For texts."""

    def activate(self) -> Fork[T, X, M]:
        """Starts it, unless it was started; gives itself.

        In a task it has its first turn when that task suspends; elsewhere at once, before this
        returns.
        """
        if self.status is _IDLE:
            scheduler = current_scheduler()
            self._start(scheduler, scheduler.root)
        try:
            return self
        finally:
            del self  # see `Scheduler._turns`

    def __iter__(self) -> Generator[Any, Any, Fork[T, X, M]]:
        if self.status is _IDLE:
            scheduler = current_scheduler()
            self._start(scheduler, scheduler.root)
        return self
        yield

    def __await__(self) -> Generator[Any, Any, T]:
        cancelled: BaseException | None = None
        if self.status is not _FINISHED:
            loop = asyncio.get_running_loop()
            self.activate()
            self._scheduler.check_thread("awaited")
            while self._group is not None:
                ended = loop.create_future()
                self._watch(ended)
                try:
                    yield from ended
                except asyncio.CancelledError as error:
                    cancelled = error
                    self._watchers.remove(ended)  # type: ignore[union-attr]
                    self._scheduler.throw_into(self, asyncio.CancelledError(*error.args))
        if cancelled is not None:
            self._look()
            raise cancelled
        try:
            return self._take()
        finally:
            del self

    def __repr__(self) -> str:
        return f"Fork(id={self.id}, status='{self.status}')"

    def join(self) -> Generator[Any, Any, T]:
        """``yield from``: waits for its end; see ``join``."""
        from ._verbs import join

        return join(self)

    def abort(self, error: BaseException) -> Generator[Any, Any, None]:
        """``yield from``: throws ``error`` into it; see ``abort``."""
        from ._verbs import abort

        return abort(self, error)

    def exit_(self, value: Any = None) -> Generator[Any, Any, None]:
        """``yield from``: ends it with ``value``; see ``exit_``."""
        from ._verbs import exit_

        return exit_(self, value)

    def resume(self) -> Iterator[Any]:
        """It goes on from ``suspend()``; a call, which may be written ``yield from`` as well."""
        resume(self)
        return iter(())

    def cancel(self, error: BaseException | None = None) -> None:
        """As ``abort``, by ``asyncio.CancelledError`` unless told otherwise, and as a plain call:
        for callbacks and coroutines. On another thread than the task's it happens there, soon.
        """
        error = asyncio.CancelledError() if error is None else error
        scheduler = current_scheduler() if self.status is _IDLE else self._scheduler
        if scheduler.thread == get_ident():
            scheduler.throw_into(self, error)
        else:
            scheduler.host.call_soon_threadsafe(scheduler.throw_into, self, error)

    @property
    def result(self) -> Result[T, X] | None:
        """``Success(value)`` or ``Failure(error)``; None while it has not finished.

        An error that was looked at counts as handled.
        """
        if self.status is not _FINISHED:
            return None
        outcome = self._outcome
        if type(outcome) is Unlooked:
            return Failure(cast(X, outcome.look()))
        return Success(cast(T, outcome))

    # -- for the verbs -------------------------------------------------------------------------

    def _start(self, scheduler: Scheduler, group: Group) -> None:
        self.status = _ACTIVE
        self._scheduler = scheduler
        self._group: Group | None = group
        self._idle = False
        self._context: Context | None = copy_context()
        group.ready.append(self)
        if not scheduler.draining:
            del self
            scheduler.drain()

    def _wake(self) -> None:
        """Gives it one more turn."""
        group = self._group
        if group is None:
            return
        group.ready.append(self)
        self._idle = False
        scheduler = self._scheduler
        if group._group is None and group.driver._idle:
            group._group = scheduler.root
            scheduler.root.ready.append(group)
        if not scheduler.draining:
            del self, group
            scheduler.drain()

    def _watch(self, watcher: Any) -> None:
        if self._watchers is None:
            self._watchers = [watcher]
        else:
            self._watchers.append(watcher)

    def _ended(self, outcome: Any) -> None:
        """It has the outcome: tells who waits for it."""
        self.status = _FINISHED
        group = cast(Group, self._group)
        self._group = self._send = self._context = None
        self._outcome = outcome
        if group.driver is not None:
            group.ended(self)
        if self._watchers is not None:
            watchers, self._watchers = self._watchers, None
            for w in watchers:
                if type(w) is Group:
                    w.ended(self)
                elif not w.done():
                    w.set_result(None)

    def _look(self) -> BaseException | None:
        outcome = self._outcome
        return outcome.look() if type(outcome) is Unlooked else None

    def _take(self) -> T:
        """Its value, or raises its error."""
        outcome = self._outcome
        if type(outcome) is Unlooked:
            try:
                raise outcome.look().with_traceback(outcome.traceback)
            finally:
                del self, outcome  # the error has this frame, and would be a circle with them
        return cast(T, outcome)


def resume(fork: Fork[Any, Any, Any]) -> None:
    """The task goes on from ``suspend()``; on any thread, in a task, a callback or anything else.

    Every call is worth one turn, also for a task that has one coming: one that finds it in a later
    ``suspend`` makes that return early. So what is waited for is checked in a loop. Resuming what
    has ended does nothing. Outside of a task it runs inside this call.
    """
    if fork.status is not _ACTIVE:
        fork.activate()
        return
    scheduler = fork._scheduler
    if scheduler.thread == get_ident():
        wake = fork._wake
        del fork
        wake()
    else:
        scheduler.host.call_soon_threadsafe(fork._wake)
