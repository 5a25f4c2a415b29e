"""What callbacks of streams await: run as tasks of the event loop that the stream's host has."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import _native
from ..actor import Actor

if TYPE_CHECKING:
    from .._native import Context
    from ..system import ActorSystem

Done = Callable[[Any, BaseException | None], None]


def _tell(done: Done, ended: asyncio.Future[Any]) -> None:
    if ended.cancelled():
        done(None, asyncio.CancelledError("what a stage of the stream awaited was cancelled"))
        return
    exception = ended.exception()
    if exception is None:
        done(ended.result(), None)
    else:
        done(None, exception)


def _begin(loop: asyncio.AbstractEventLoop, awaited: Awaitable[Any], done: Done) -> Any:
    task = asyncio.ensure_future(awaited, loop=loop)
    task.add_done_callback(partial(_tell, done))
    return task


class _Later:
    """Work that waits for its thread to have a loop."""

    def __init__(self, awaited: Awaitable[Any], done: Done) -> None:
        self._awaited: Awaitable[Any] | None = awaited
        self._done = done
        self._task: Any = None

    def begin(self) -> None:
        awaited, self._awaited = self._awaited, None
        if awaited is not None:
            self._task = _begin(asyncio.get_running_loop(), awaited, self._done)

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
        elif self._awaited is not None:
            close = getattr(self._awaited, "close", None)
            self._awaited = None
            if close is not None:
                close()


class _Beginner(Actor[_Later]):
    """Its handler is a coroutine, so the thread that it lives on gets a loop."""

    async def receive(self, msg: _Later, ctx: Context) -> None:
        msg.begin()
        ctx.stop()


class Work:
    """Begins work of one run; called on the thread of its host."""

    __slots__ = ("dispatcher", "system")

    def __init__(self, by: ActorSystem | Context, dispatcher: str | None) -> None:
        self.system: ActorSystem = by.system if isinstance(by, _native.Context) else by
        self.dispatcher = dispatcher

    def __call__(self, awaited: Awaitable[Any], done: Done) -> Any:
        loop = asyncio._get_running_loop()
        if loop is not None:
            return _begin(loop, awaited, done)
        later = _Later(awaited, done)
        self.system.spawn(_Beginner, dispatcher=self.dispatcher).tell(later)
        return later
