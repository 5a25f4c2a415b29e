"""`pipe_to`: what comes later becomes a message; `graceful_stop`: the end of an actor is awaited.

pipe_to(bank.ask(GetBalance(id)), clerk)                 # the value is the message
pipe_to(load(file), reader, Loaded, lambda why: NotLoaded(str(why)))
await graceful_stop(worker, 5.0)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from odeon import _native
from odeon.actor import Actor
from odeon.errors import AskTimeout, OdeonError
from odeon.messages import Terminated
from odeon.patterns._errors import seconds
from odeon.patterns._events import log, publish
from odeon.patterns.circuit_breaker import text_of

if TYPE_CHECKING:
    from odeon._native import ActorRef, Context, ReplyTo

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PipeFailed:
    """Published when there was nothing to send, or no way to make a message of it."""

    to: ActorRef[Any]
    path: str
    why: BaseException


_pipes: set[asyncio.Future[None]] = set()  # a loop holds its tasks weakly


def pipe_to(
    work: Awaitable[T],
    to: ActorRef[Any],
    on_value: Callable[[T], Any] | None = None,
    on_error: Callable[[Exception], Any] | None = None,
) -> asyncio.Future[None]:
    """The value of `work` is sent to `to`, as `on_value(value)` where that is given; an exception
    as `on_error(exception)`. To be called on a running loop, which awaits `work` beside the caller.

    Nothing is lost: an exception without `on_error`, a function that raises, and work that was
    cancelled are published as `PipeFailed` and logged. The future given may be left alone; awaited,
    it raises what was published. Cancelling it cancels the work.
    """
    task = asyncio.ensure_future(_piped(work, to, on_value, on_error))

    def ended(task: asyncio.Future[None]) -> None:
        _pipes.discard(task)
        if task.cancelled():
            if asyncio.iscoroutine(work):
                work.close()  # it may never have begun
            _tell(to, asyncio.CancelledError("the work was given up"))
        else:
            task.exception()  # told already

    _pipes.add(task)
    task.add_done_callback(ended)
    return task


async def _piped(
    work: Awaitable[T],
    to: ActorRef[Any],
    on_value: Callable[[T], Any] | None,
    on_error: Callable[[Exception], Any] | None,
) -> None:
    try:
        value = await work
        message: Any = value if on_value is None else on_value(value)
    except Exception as e:
        if on_error is None:
            _tell(to, e)
            raise
        try:
            message = on_error(e)
        except Exception as second:
            _tell(to, second)
            raise
    to.tell(message)


def _tell(to: ActorRef[Any], why: BaseException) -> None:
    log.warning("nothing was piped to %s: %s", to.path, text_of(why))
    try:
        publish(_native.system_of(to), PipeFailed(to, to.path, why))
    except OdeonError:  # the system has ended
        log.debug("nobody is left to be told of it")


# -- the end of an actor ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _TellMe:
    pass


class _Watcher(Actor[Any]):
    """Answers when an actor has ended."""

    def __init__(self, ref: ActorRef[Any]) -> None:
        self._ref = ref
        self._to: ReplyTo | None = None

    def receive(self, msg: Any, ctx: Context) -> None:
        if isinstance(msg, _TellMe):
            self._to = ctx.reply_to()
            ctx.watch(self._ref)
        elif isinstance(msg, Terminated) and self._to is not None:
            self._to(msg)
            ctx.stop()


async def graceful_stop(
    ref: ActorRef[Any], timeout: float = 5.0, message: Any = None
) -> Terminated:
    """Stops the actor after the message in hand – or, with `message`, tells it that one, behind
    what waits in its mailbox, for it to end by itself –, and waits for its end: gives how it ended,
    at once when it had ended before. `AskTimeout` after `timeout` seconds (0: no limit); it may
    still end later.
    """
    system = _native.system_of(ref)
    watcher = system.spawn(_Watcher, ref)
    ended = watcher.ask(_TellMe(), timeout=timeout or None)
    try:
        if message is not None:
            ref.tell(message)
        else:
            system.stop_actor(ref)
        how: Terminated = await ended
        return how
    except AskTimeout:
        raise AskTimeout(f"{ref.path} did not end within {seconds(timeout)}") from None
    finally:
        if system.is_open:
            system.stop_actor(watcher)
