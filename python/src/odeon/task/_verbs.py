"""What a task does with itself and with others."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Awaitable, Callable, Generator, Iterable
from functools import partial
from types import GeneratorType
from typing import Any, cast, overload

from odeon.errors import InvalidArgument, WrongType

from ._fork import Fork
from ._group import AnyFork, Group
from ._scheduler import Scheduler, current_scheduler, running
from ._host import LoopHost
from ._types import (
    CURRENT,
    SUSPEND,
    Control,
    ForkOptions,
    M,
    Status,
    T,
    Task,
    TaskExit,
    X,
)


def fork(
    work: Task[T, X, M] | Awaitable[T], options: ForkOptions | None = None, *, name: str = ""
) -> Fork[T, X, M]:
    """A handle to ``work``, a generator, which is to run beside the present task.

    ``handle = yield from fork(work())`` in a task starts it, ``await fork(work())`` in a coroutine
    starts it and waits for its end. It is detached: it does not end with the task that forked it,
    its failure harms nobody, and its messages are dropped, unless it is joined. A coroutine or
    another awaitable may be forked too. Raises ``WrongType`` for what cannot run, such as the
    generator function itself.
    """
    if options is None:
        return Fork(work, name)
    return Fork(work, name or options.get("name") or "")


def spawn(work: Task[Any, Any, Any]) -> Task[None]:
    """``yield from``: starts ``work`` detached, without a handle. Its error is reported."""
    Fork[Any, Any, Any](work).activate()
    return
    yield


def current() -> Generator[Control, Any, Fork[Any, Any, Any]]:
    """``yield from``: the handle of the present task, for ``resume``. Does not suspend."""
    return cast("Fork[Any, Any, Any]", (yield CURRENT))


def suspend() -> Generator[Control, Any, None]:
    """``yield from``: waits until the task is resumed. It may return early, see ``resume``:

    me = yield from current()
    start_reading(file, lambda data: (got.append(data), resume(me)))
    while not got:
        yield from suspend()
    """
    yield SUSPEND


def sleep(ms: float = 0, *, seconds: float | None = None) -> Generator[Control, Any, None]:
    """``yield from``: waits for ``ms`` **milliseconds**, or for ``seconds``, by the clock of the
    loop.

    Others have turns meanwhile, also with 0. When the task is aborted the timer is cancelled.
    """
    delay = ms / 1000 if seconds is None else seconds
    if delay != delay:
        raise InvalidArgument("sleep: the duration is not a number")
    me = running() or (yield CURRENT)
    scheduler: Scheduler = me._scheduler
    waiting = [me]
    host = scheduler.host
    if delay <= 0 and isinstance(host, LoopHost):
        timer: Any = host.call_soon(_turn, waiting)
    else:
        timer = host.call_later(max(delay, 0.0), _turn, waiting)
    scheduler.waiting += 1
    try:
        while waiting:
            yield SUSPEND
    finally:
        scheduler.waiting -= 1
        timer.cancel()


def _turn(waiting: list[AnyFork], *_: object) -> None:
    """Wakes who waits, and takes it out: what calls this is kept alive by the traceback of an error
    that follows from it, and must not keep the task."""
    if waiting:
        waiting.pop()._wake()


@overload
def wait(value: Fork[T, X, M]) -> Task[T, X, M]: ...
@overload
def wait(value: Awaitable[T]) -> Task[T]: ...
@overload
def wait(value: concurrent.futures.Future[T]) -> Task[T]: ...
@overload
def wait(value: T) -> Task[T]: ...
def wait(value: Any) -> Task[Any, Any, Any]:
    """``yield from``: the ``await`` of tasks. Gives what ``value`` gives, or raises its error.

    ``value`` may be any awaitable of asyncio, a future of ``concurrent.futures``, or a fork, which
    is joined. An abort cancels what is waited for, and when that is cancelled by others, this
    raises ``asyncio.CancelledError``. Any other value comes back in the same turn of the loop,
    after everybody else who is ready has had a turn: so code which sometimes waits behaves as if
    it always did.
    """
    if isinstance(value, Fork):
        return join(value)
    if hasattr(type(value), "__await__") or isinstance(value, concurrent.futures.Future):
        return _wait_for(value)
    return _one_turn(value)


def _wait_for(awaitable: Any) -> Generator[Control, Any, Any]:
    me = running() or (yield CURRENT)
    scheduler: Scheduler = me._scheduler
    waiting = [me]
    future = scheduler.host.future(awaitable)
    future.add_done_callback(partial(_turn, waiting))
    scheduler.waiting += 1
    try:
        while waiting:
            yield SUSPEND
    finally:
        scheduler.waiting -= 1
        if waiting:
            waiting.clear()
            future.cancel()
    return future.result()


def _one_turn(value: Any) -> Generator[Control, Any, Any]:
    me = running() or (yield CURRENT)
    scheduler: Scheduler = me._scheduler
    waiting = [me]
    # Behind all that are ready in the root; from there once more behind those of the own group.
    Fork(_turn_of(waiting))._start(scheduler, scheduler.root)
    while waiting:
        yield SUSPEND
    return value


def _turn_of(waiting: list[AnyFork]) -> Generator[Any, Any, None]:
    _turn(waiting)
    return
    yield


def _handle(handle: Any, verb: str) -> AnyFork:
    if not isinstance(handle, Fork):
        raise WrongType(f"{verb} takes what fork() or current() gave, not {handle!r}")
    return handle


def _scheduler_of(task: AnyFork) -> Scheduler:
    return current_scheduler() if task.status is Status.IDLE else cast(Scheduler, task._scheduler)


def join(fork: Fork[T, X, M]) -> Task[T, X, M]:
    """``yield from``: waits for the end of ``fork``, gives its value or raises its error.

    Starts it if it is idle. Until then its messages are messages of the present task. When that is
    aborted here, ``fork`` is as well, by the same error. Raises ``InvalidArgument`` when it runs on
    another thread or loop or is the present task, ``CallCycle`` when it waits for the present task.
    """
    _handle(fork, "join")
    if fork.status is not Status.FINISHED:
        group = Group(running() or (yield CURRENT))
        try:
            group.add(fork)
        except BaseException:
            group.leave()
            raise
        yield from serve(group)
        del group
    try:
        return fork._take()
    finally:
        del fork  # an error has this frame, and would be a circle with it


def group(forks: Iterable[Fork[Any, Any, M]]) -> Task[None, Any, M]:
    """``yield from``: joins several forks; waits for all, and gives nothing.

    The first failure aborts the others and is raised. Of no forks: returns at once.
    """
    yield from together([_handle(f, "group") for f in forks])


def all_(tasks: Iterable[Task[T, X, M] | Fork[T, X, M] | Awaitable[T]]) -> Task[list[T], X, M]:
    """``yield from``: runs ``tasks`` beside each other; gives their values in the order given.

    The first failure aborts the others and is raised. Of no tasks: an empty list, at once.
    """
    forks = _forks(tasks)
    del tasks
    yield from together(forks)
    return [f._take() for f in forks]


def race(tasks: Iterable[Task[T, X, M] | Fork[T, X, M] | Awaitable[T]]) -> Task[T, X, M]:
    """``yield from``: runs ``tasks`` beside each other; the first that ends decides, by its value
    or its error, and the others are aborted. Raises ``InvalidArgument`` without any.
    """
    forks = _forks(tasks)
    if not forks:
        raise InvalidArgument("a race of no tasks never has a first")
    del tasks
    return cast(T, (yield from together(forks, True)))


def _forks(tasks: Iterable[Any]) -> list[AnyFork]:
    return [t if isinstance(t, Fork) else Fork[Any, Any, Any](t) for t in tasks]


def together(forks: list[AnyFork], is_race: bool = False) -> Generator[Any, Any, Any]:
    """Joins ``forks``; raises the first failure, and gives the value of the first of a race. An
    error leaves the list empty, for it has the frames that hold it.
    """
    if not forks:
        return None
    group = Group(running() or (yield CURRENT), is_race)
    try:
        group.add_all(forks)
    except BaseException:
        group.leave()
        raise
    yield from serve(group)
    first = group.decided
    del group
    if first is None:
        return None
    forks.clear()
    try:
        return first._take()
    finally:
        del first


def serve(group: Group, take: Callable[[Any], object] | None = None) -> Generator[Any, Any, None]:
    """Waits until ``group`` is over, and aborts what has not ended then. Its messages are given to
    ``take``, or passed on.
    """
    outbox = group.outbox
    try:
        while True:
            while outbox:
                if take is None:
                    yield outbox.pop(0)
                else:
                    take(outbox.pop(0))
            if group.over or not group.left:
                break
            yield SUSPEND
        if group.decided is not None and group.left:
            error = None if group.race else group.decided._look()
            group.abort(error or asyncio.CancelledError("another task has won the race"))
    except GeneratorExit:
        group.abort(asyncio.CancelledError("the task that waited was closed"))
        raise
    except BaseException as error:
        group.abort(error)
        if take is None:
            while outbox:
                yield outbox.pop(0)
        raise
    else:
        if take is None:  # what was said while cleaning up
            while outbox:
                yield outbox.pop(0)
    finally:
        group.leave()


def abort(handle: Fork[Any, Any, Any], error: BaseException) -> Task[None]:
    """``yield from``: throws ``error`` into the task at its suspension, and runs it to its next
    one.

    It may catch it, and may send and suspend while it cleans up. What it raises then is its outcome
    and nobody else's concern. One that is idle ends at once, one that has ended is left alone, and
    the present task has it thrown at its next suspension.
    """
    if not isinstance(error, BaseException):
        raise WrongType(f"abort takes an exception, not {error!r}")
    task = _handle(handle, "abort")
    _scheduler_of(task).throw_into(task, error)
    return
    yield


def exit_(handle: Fork[T, Any, Any], value: T | None = None) -> Task[None]:
    """``yield from``: ends the task with ``value``; ``TaskExit`` is thrown into it as by ``abort``.

    A value that it returns all the same is its outcome instead.
    """
    task = _handle(handle, "exit_")
    _scheduler_of(task).throw_into(task, TaskExit(value))
    return
    yield


def terminate(handle: Fork[Any, Any, Any]) -> Task[None]:
    """``yield from``: as ``exit_`` without a value."""
    yield from exit_(handle, None)


def then_(
    work: Task[T, X, M],
    resolve: Callable[[T], Any],
    reject: Callable[[Any], Any],
) -> Task[Any, Any, M]:
    """``yield from``: ``resolve(value)`` of the value of ``work``, or ``reject(error)`` of its
    error.

    Either may give a task, which is run. What they raise is raised here.
    """
    try:
        value = yield from work
    except TaskExit:
        raise  # this task is made to exit
    except Exception as error:
        answer = reject(error)
    else:
        answer = resolve(value)
    if isinstance(answer, GeneratorType | Fork):
        answer = yield from (join(answer) if isinstance(answer, Fork) else answer)
    return answer
