"""Worker processes: a pool of them, and actors that live there (dispatcher ``python-subprocess``).

For handlers that need a core of their own (numpy, torch, pure Python), memory with a bound, or a
process that may crash. A worker is a fresh interpreter, started by exec; messages go through shared
memory, large buffers and arrays without a copy on the way out of a :class:`SharedBuffer`, and with
one otherwise.

    >>> pool = WorkerPool(2)                                             # doctest: +SKIP
    >>> actor = pool.spawn("shop.Pricing", ("EUR",)).result()            # doctest: +SKIP
    >>> actor.ask(Price("bolt")).result(timeout=5)                       # doctest: +SKIP

Interface for the runtime
-------------------------
`WorkerPool.spawn(cls, args, kwargs, path=…, listener=…)` gives a future of a :class:`WorkerActor`,
which has

- ``tell(value)``: one frame, no outcome; failures come to the listener;
- ``ask(value)``: a `concurrent.futures.Future` with the answer; :data:`NO_ANSWER` when the handler
  gave none; the handler's exception (its note has the worker's trace), or ``WorkerDied``;
- ``tell_encoded(manifest, version, payload, buffers)`` and ``ask_encoded(…)``: the same for a
message
  that is encoded already, by a codec with :data:`FLAGS`;
- ``restart(error, message)``, ``stop()``: futures, done when the hooks have run;
- ``alive``: False once its worker has ended. Then open futures have failed with ``WorkerDied``,
calls
  raise it, and the listener was told. Whoever supervises it spawns it anew, on another worker.

The listener's methods (:class:`Listener`) and the callbacks of futures run on the pool's own thread
and must not block. A worker keeps an actor's messages in order and handles one at a time. Messages
in a worker that dies are lost (at most once).

:class:`HostedActor` is an ordinary actor that stands for one in a worker: one message at a time
goes there, and what it raises, or that its worker died, is its own failure, so that the supervision
of the system applies to it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
from collections.abc import Sequence
from typing import Any

from . import _worker_frames as frames
from ._worker_pool import (
    FLAGS,
    NO_ANSWER,
    Listener,
    PoolOptions,
    SharedBuffer,
    WorkerActor,
    WorkerPool,
)
from ._worker_process import WorkerMetrics
from .actor import Actor
from .errors import WorkerDied

__all__ = [
    "FLAGS",
    "NO_ANSWER",
    "HostedActor",
    "Listener",
    "PoolOptions",
    "SharedBuffer",
    "WorkerActor",
    "WorkerMetrics",
    "WorkerPool",
    "hosted",
]

_log = logging.getLogger("odeon.worker")


class _Failed:
    """Of a message that the actor in the worker sent itself."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class _Stopped:
    """The actor in the worker stopped itself."""


class _ToSelf(Listener):
    """What happens in the worker, as messages to the actor that stands for it."""

    def __init__(self, ref: Any) -> None:
        self._ref = ref

    def failed(self, error: BaseException) -> None:
        self._ref.tell(_Failed(error))

    def stopped(self) -> None:
        self._ref.tell(_Stopped())

    def died(self, error: WorkerDied) -> None:
        self._ref.tell(_Failed(error))


class _Place:
    """Where the actor lives now: outlives the instances that stand for it."""

    def __init__(self) -> None:
        self.actor: WorkerActor | None = None


class HostedActor(Actor[Any]):
    """Stands in the system for an actor that lives in a worker process. See :func:`hosted`."""

    def __init__(
        self,
        pool: WorkerPool,
        place: _Place,
        cls: type | str,
        args: Sequence[Any],
        kwargs: dict[str, Any],
    ) -> None:
        self._pool = pool
        self._place = place
        self._what = (cls, tuple(args), kwargs)

    async def pre_start(self, ctx: Any) -> None:
        await self._spawn(ctx, None)

    async def _spawn(self, ctx: Any, failure: BaseException | None) -> None:
        cls, args, kwargs = self._what
        made = self._pool.spawn(
            cls,
            args,
            kwargs,
            path=str(ctx.path),
            listener=_ToSelf(ctx.self),
            ref=ctx.self,
            failure=failure,
        )
        started: WorkerActor = await asyncio.wrap_future(made)
        self._place.actor = started

    async def receive(self, msg: Any, ctx: Any) -> Any:
        if isinstance(msg, _Failed):
            if self._is_over(msg.error):
                return None  # told by the message in hand already, and answered by a restart
            raise msg.error
        if isinstance(msg, _Stopped):
            self._place.actor = None
            ctx.stop()
            return None
        actor = self._place.actor
        if actor is None:
            raise WorkerDied(f"{ctx.path} has no worker process")
        answer = await asyncio.wrap_future(actor.ask(msg))
        if answer is NO_ANSWER:
            return None
        if answer is None:
            ctx.reply(None)
        return answer

    def _is_over(self, error: BaseException) -> bool:
        actor = self._place.actor
        return isinstance(error, WorkerDied) and (actor is None or actor.alive)

    async def pre_restart(self, exc: BaseException, msg: Any, ctx: Any) -> None:
        """The instance in the worker has its own hook."""

    async def post_restart(self, exc: BaseException, ctx: Any) -> None:
        actor = self._place.actor
        if actor is None or not actor.alive:
            await self._spawn(ctx, exc)
        else:
            await asyncio.wrap_future(actor.restart(exc, None))

    async def post_stop(self, ctx: Any) -> None:
        actor, self._place.actor = self._place.actor, None
        if actor is None or not actor.alive:
            return
        try:
            await asyncio.wrap_future(actor.stop())
        except (WorkerDied, concurrent.futures.CancelledError) as reason:
            _log.info("%s: %s", ctx.path, reason)


def hosted(
    pool: WorkerPool, cls: type | str, *args: Any, **kwargs: Any
) -> tuple[type[HostedActor], tuple[Any, ...]]:
    """What to spawn for an actor of class `cls` in a worker: a class and its arguments.

    `system.spawn(made, *arguments)` of `made, arguments = hosted(pool, Pricing, "EUR")`. Raises
    ValueError when another process cannot import `cls`.
    """
    if isinstance(cls, type):
        reason = frames.unreachable(cls)
        if reason is not None:
            raise ValueError(reason)
    return HostedActor, (pool, _Place(), cls, args, kwargs)
