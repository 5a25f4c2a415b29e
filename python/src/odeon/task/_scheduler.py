"""The scheduler that gives tasks their turns.

A scheduler belongs to one thread. It owns the *root* group, of the forks that nobody has joined;
every joining task owns a group of those which it has joined. Each group is a queue, first come,
first served. A fork has an entry in the queue of its group for every turn it is to have.

A turn goes from one suspension to the next. When a task has a turn, or suspends, the ready tasks of
its group are served first: so those it joins run inside its turn. A group that becomes ready while
its driver is idle has itself an entry in the root, and is served from there, however deep it is. A
message is passed on by the driver, and by the driver's driver, before the next thing happens.

Nothing here recurses with the depth of joins. Who waits for something below is *on hold*, on one
of two stacks: in ``Scheduler._turns`` the tasks whose group is being served; in
``Scheduler._rest_of_turn`` the tasks whose message is on its way up. The exception is an abort,
which throws into a task inside the turn of who aborts it: beyond ``NESTED_MAX`` levels it is left
to the queue.

``Fork._idle``: suspended without an entry in a queue. While a task is ready, runs or is on hold it
is not idle. An entry whose fork has gone to another group, or has ended (then it has none), is
passed over.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from itertools import repeat
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final, cast

from odeon.errors import InvalidArgument

from ._group import AnyFork, Group, served
from ._host import Host, LoopHost, ThreadHost
from ._types import CURRENT, SUSPEND, Status, TaskExit
from ._unhandled import Unlooked

if TYPE_CHECKING:
    from ._fork import Fork

SLICE_TURNS: Final = 128
"""After so many turns the clock is looked at."""

SLICE_SECONDS: Final = 0.005
"""After so long the rest of the turns is left to the host's next turn, so that timers and sockets
have theirs."""

NESTED_MAX: Final = 32
"""So many tasks abort each other directly; further ones from the queue."""

_IDLE: Final = Status.IDLE
_FINISHED: Final = Status.FINISHED
_ENDED: Final = object()
QUIET: Final = object()


class Scheduler:
    """Gives the tasks of one thread their turns.

    There is one for each running loop of asyncio, and one for each thread without, made when the
    first task starts there. An own one, on a ``Host`` of your own, starts tasks with ``start``:

        tasks = Scheduler(host)            # of an actor, say
        tasks.start(work())
        tasks.close()                      # aborts what has not ended
    """

    def __init__(
        self,
        host: Host,
        *,
        on_unhandled: Callable[[Any], object] | None = None,
        keep: bool = True,
    ) -> None:
        """``on_unhandled`` takes the ``UnhandledTaskError`` of its tasks. ``keep`` holds on to
        tasks that have not ended, for ``close``; otherwise one that nothing can resume is
        collected.
        """
        self.host = host
        self.root = Group(None)
        self.root._group = self.root
        self.on_unhandled = on_unhandled
        self.on_quiet: Callable[[], object] | None = None
        """Called after turns when nothing is ready, nor sleeps or waits for an awaitable."""
        self.waiting = 0
        """So many tasks sleep or wait."""
        self.draining = False
        self.thread = get_ident()
        self._running: AnyFork = None
        self._thrown: dict[AnyFork, BaseException] = {}  # for who runs: at its next suspension
        self._outer: list[AnyFork] = []  # who runs meanwhile, while an abort is thrown
        self._kept: dict[int, AnyFork] | None = {} if keep else None

    def start(self, work: Any, name: str = "") -> Fork[Any, Any, Any]:
        """Forks and activates ``work``."""
        from ._fork import Fork

        fork: Fork[Any, Any, Any] = Fork(work, name)
        if self._kept is not None:
            self._kept[fork.id] = fork
            fork._watch(_Forget(self._kept, fork.id))
        fork._start(self, self.root)
        try:
            return fork
        finally:
            del fork

    def _start_soon(self, work: Generator[Any, Any, None]) -> None:
        from ._fork import Fork

        Fork(work)._start(self, self.root)

    def close(self, error: BaseException | None = None) -> None:
        """Aborts the tasks that were started here and have not ended."""
        for f in list(self._kept.values()) if self._kept else ():
            self.throw_into(f, asyncio.CancelledError() if error is None else error)

    def check_thread(self, what: str) -> None:
        if self.thread != get_ident():
            raise InvalidArgument(f"a task of another thread cannot be {what} here")

    def is_busy(self) -> bool:
        """Whether anything is ready, sleeps or waits."""
        return bool(self.waiting or self.root.ready)

    def drain(self) -> None:
        """Gives turns until nothing is ready, or the slice of time is over; not inside a turn."""
        if self.draining:
            return
        self.draining = True
        before = _thread.scheduler
        _thread.scheduler = self
        self.thread = get_ident()
        try:
            while not self._turns():
                if self.host.call_soon(self.drain):
                    return
        finally:
            self.draining = False
            self._running = None
            _thread.scheduler = before
        if self.on_quiet is not None and not self.is_busy():
            self.on_quiet()

    def _turns(self) -> bool:
        """True: nothing is ready; False: there is no time left.

        From Python 3.12 on the frame of a generator that raised refers to the frames that it was
        called from, so the error keeps those. They let go of the task before they end: otherwise a
        task that failed, and that nobody has a handle to, would be a circle with its error.
        """
        root = group = self.root
        thrown = self._thrown
        on_hold: list[tuple[AnyFork, Group]] = []  # joining tasks, and where each has its turn
        until = 0.0
        try:
            while True:
                for _ in repeat(None, SLICE_TURNS):
                    ready = group.ready
                    if ready and not group.over:
                        task = ready.popleft()
                        if task._group is not group:
                            continue
                        if task._inner is not None:
                            if type(task) is Group:
                                task._group = None
                                group = task
                                continue
                            if inner := served(task):
                                on_hold.append((task, group))
                                group = inner
                                continue
                    elif on_hold:
                        task, group = on_hold.pop()
                        if task._idle or task._group is None:
                            continue
                    elif group is root:
                        return True
                    else:
                        group = root
                        continue
                    self._running = task
                    try:
                        item = task._context.run(task._send, None)
                    except StopIteration as end:
                        task._ended(end.value)
                    except BaseException as error:
                        self._failed(task, error)
                    else:
                        if item is SUSPEND and task._inner is None and not thrown:
                            task._idle = True
                        elif inner := self._rest_of_turn(task, item):
                            on_hold.append((task, group))
                            group = inner
                now = self.host.time()
                if until == 0.0:
                    until = now + SLICE_SECONDS
                elif now >= until:
                    return False
        finally:  # no time, or an error to stop the program: the rest has its turns later
            task = item = None
            self._require(group)
            while on_hold:
                task, group = on_hold.pop()
                if task._group is group and not task._idle:
                    group.ready.append(task)
                    self._require(group)

    def _require(self, group: Group) -> None:
        """Serves ``group`` again, behind what is ready now."""
        if group._group is None and group.ready:
            group._group = self.root
            self.root.ready.append(group)

    def _rest_of_turn(self, task: AnyFork, item: Any) -> Group | None:
        """Goes on after ``task`` has yielded ``item``. Gives a group that is to be served first."""
        on_hold: list[AnyFork] = []  # whose message is on its way
        while True:
            value = None
            if item is SUSPEND or item is _ENDED:
                if self._thrown and (error := self._thrown.pop(task, None)) and item is SUSPEND:
                    item = self._throw(task, error)
                    continue
                if not on_hold:
                    if item is SUSPEND:
                        inner = served(task)
                        if inner is not None:
                            return inner
                        task._idle = True
                    task = None
                    return None
                while on_hold:
                    task = on_hold.pop()
                    if task._group is not None and not task._idle:
                        break
                else:
                    return None
            elif item is CURRENT:
                value = task
            else:
                group = task._group
                driver = group.driver
                if driver is not None:
                    group.outbox.append(item)
                    if driver not in self._outer:
                        on_hold.append(task)
                        task = driver
            item = self._step(task, value)

    def _step(self, task: AnyFork, value: Any) -> Any:
        self._running = task
        try:
            return task._context.run(task._send, value)
        except StopIteration as end:
            task._ended(end.value)
        except BaseException as error:
            self._failed(task, error)
            task = None
        return _ENDED

    def _throw(self, task: AnyFork, error: BaseException) -> Any:
        self._running = task
        try:
            return task._context.run(task._send.__self__.throw, error)
        except StopIteration as end:
            task._ended(end.value)
        except BaseException as e:
            self._failed(task, e)
        return _ENDED

    def _failed(self, task: AnyFork, error: BaseException) -> None:
        tb = error.__traceback__
        tb = None if tb is None else tb.tb_next  # the first frame is the scheduler's
        if isinstance(error, TaskExit):
            error.__traceback__ = None
            task._ended(error.value)
            return
        error.__traceback__ = tb
        task._ended(Unlooked(error, tb, task, task._outcome is QUIET))
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise error

    def throw_into(self, task: AnyFork, error: BaseException) -> None:
        """Throws into ``task`` where it is suspended, and runs it to its next suspension. What it
        raises then is its outcome, and not reported. One that runs now gets it when it suspends.
        """
        if task.status is _FINISHED:
            return
        task._outcome = QUIET
        if task.status is _IDLE:
            task._send.__self__.close()
            task._scheduler, task._group = self, self.root
            if isinstance(error, TaskExit):
                task._ended(error.value)
            else:
                task._ended(Unlooked(error, None, task, True))
            return
        self.check_thread("aborted")
        if task is self._running or task in self._outer:
            self._thrown[task] = error
            return
        if len(self._outer) >= NESTED_MAX:
            self._start_soon(_later(task, error))
            return
        before, self._running = self._running, None
        scheduler, _thread.scheduler = _thread.scheduler, self
        outermost = not self.draining
        self.draining = True
        self._outer.append(before)
        try:
            task._idle = False
            if self._rest_of_turn(task, self._throw(task, error)) is not None:
                task._wake()
        finally:
            self._outer.pop()
            self._running = before
            _thread.scheduler = scheduler
            if outermost:
                self.draining = False
        if outermost:
            self.drain()


class _Forget:
    """Watches a fork of ``Scheduler.start``, and forgets it."""

    __slots__ = ("_id", "_kept")

    def __init__(self, kept: dict[int, AnyFork], id: int) -> None:
        self._kept = kept
        self._id = id

    def done(self) -> bool:
        return False

    def set_result(self, _: None) -> None:
        self._kept.pop(self._id, None)


def _later(task: AnyFork, error: BaseException) -> Generator[Any, Any, None]:
    task._scheduler.throw_into(task, error)
    return
    yield


class _Thread(threading.local):
    scheduler: Scheduler | None = None  # whose task runs
    own: Scheduler | None = None  # without a loop


_thread = _Thread()


def running() -> AnyFork:
    """The fork that runs on this thread; None outside of tasks. The same as ``CURRENT`` gives, and
    quicker."""
    scheduler = _thread.scheduler
    return None if scheduler is None else scheduler._running


def current_scheduler() -> Scheduler:
    """That of the running task, or of the running loop of asyncio, or of the thread."""
    found = _thread.scheduler
    if found is not None:
        return found
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        if _thread.own is None:
            host = ThreadHost()
            _thread.own = Scheduler(host, keep=False)
            _thread.own.on_quiet = host.stop
        return _thread.own
    try:
        found = cast(Scheduler, loop._odeon_scheduler)  # type: ignore[attr-defined]
    except AttributeError:
        found = Scheduler(LoopHost(loop), keep=False)
        loop._odeon_scheduler = found  # type: ignore[attr-defined]
    found.thread = get_ident()
    return found
