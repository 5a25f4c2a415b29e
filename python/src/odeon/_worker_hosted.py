"""Actors of a system that stand for actors in worker processes.

What goes there is pipelined: the actor here sends on its messages as they come, up to `WINDOW` of
them before it hears which are over, so that its mailbox, with its bound, is here and a short queue
there. `Place` keeps what was sent and is not over (`_worker_cell` says how it is kept the same on
both sides), and outlives the instances that stand for the actor:

- the worker dies: what was sent is a dead letter ("unreachable"), its askers fail; what had not
  been sent stays in the mailbox, and goes to the worker that the restart chooses;
- a handler there fails: that actor holds still. The failure becomes one of this actor, so that the
  system's supervision decides: resume, restart or stop;
- the actor stops: what was sent and not handled is a dead letter ("actor_stopped").
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
from collections.abc import Sequence
from typing import Any

from . import _codec_builtin
from . import _worker_frames as frames
from ._worker_actor import WorkerActor
from ._worker_place import NOTE, Ear, Note, Outgoing, Place, Sent
from ._worker_pool import WorkerPool
from .actor import Actor
from .codecs import Encoded
from .errors import InvalidArgument, WorkerDied
from .messages import ExitSignal, Terminated

_log = logging.getLogger("odeon.worker")

_RESUME_AFTER = 0.005  # seconds, in which a stop or restart that was decided has begun
_SPAWN_LOOKS = 500  # for a worker that is being replaced, of 20 ms each

#: Options of spawn, among the keyword arguments that an actor in a worker gives for a child.
_OPTIONS = frozenset({"name", "dispatcher", "supervision", "mailbox", "router", "tags",
                      "receive_timeout", "stash_capacity", "call_cycle"})


class HostedActor(Actor[Any]):
    """Stands in the system for an actor that lives in a worker process. See :func:`hosted`."""

    def __init__(
        self,
        pool: WorkerPool,
        place: Place,
        cls: type | str,
        args: Sequence[Any],
        kwargs: dict[str, Any],
    ) -> None:
        self._pool = pool
        self._place = place
        self._what = (cls, tuple(args), kwargs)

    async def pre_start(self, ctx: Any) -> None:
        self._place.ref = ctx.self
        self._place.path = str(ctx.path)
        await self._spawn(ctx, None)

    async def _spawn(self, ctx: Any, failure: BaseException | None) -> None:
        cls, args, kwargs = self._what
        place = self._place
        former = place.actor
        # A message may find its worker dead before the pool does, which knows how it ended and
        # tells so whoever waits for an answer.
        for _ in range(_SPAWN_LOOKS):
            if not self._pool.is_replacing and (former is None or not former.is_dying):
                break
            await asyncio.sleep(0.02)
        place.lose("unreachable")
        place.failure, place.must_look = None, False
        ear = place.ear = Ear(place)
        made = self._pool.spawn(
            cls,
            args,
            kwargs,
            path=place.path,
            listener=ear,
            ref=ctx.self,
            parent=ctx.parent,
            failure=failure,
            supervised=True,
        )
        started: WorkerActor = await asyncio.wrap_future(made)
        place.actor = started
        while place.unsent:
            place.sent.append(place.unsent[0])
            self._post(started, place.unsent.pop(0))

    # -- messages ----------------------------------------------------------------------------------

    def receive(self, msg: Any, ctx: Any) -> Any:
        place = self._place
        if isinstance(msg, _Resumed):
            self._resume(msg, ctx)
            return None
        if place.must_look or isinstance(msg, Note) or place.calls:
            self._look(msg, ctx)
            if isinstance(msg, Note):
                return None
        self._send(msg, ctx)
        return None if place.has_room else self._wait_for_room(ctx)

    async def _wait_for_room(self, ctx: Any) -> None:
        while not self._place.has_room:
            await self._place.room()
            self._look(NOTE, ctx)  # the message in hand is on its way

    def _look(self, msg: Any, ctx: Any) -> None:
        """What the worker told. A message in hand that was not sent keeps its place."""
        place = self._place
        while place.calls:
            self._call(ctx, *place.calls.popleft())
        is_note = isinstance(msg, Note)
        if place.is_over:
            if not is_note:
                ctx.stash()
            ctx.stop()
        if place.failure is None or not (is_note or place.must_look):
            return
        failure, place.failure, place.must_look = place.failure, None, False
        if failure is not None:
            if not is_note:
                ctx.stash()
            # If the supervision resumes it, this comes; a stop and a restart cancel it.
            place.resuming = ctx.send_after(_RESUME_AFTER, _Resumed(place.actor))
            raise failure

    def _send(self, msg: Any, ctx: Any) -> None:
        place = self._place
        actor = place.actor
        if actor is None or not actor.alive:
            ctx.stash()
            raise WorkerDied(f"{place.path} has no worker process")
        reply = ctx.reply_to()
        sent: Any = msg
        if reply.is_open:
            sent = Sent(place, msg, reply)
        place.sent.append(sent)
        try:
            self._post(actor, sent)
        except WorkerDied:
            if place.ear is not None and place.sent and place.sent[-1] is sent:
                place.unsent.append(place.sent.pop())  # it goes to the next
            raise
        except BaseException as error:
            if place.sent and place.sent[-1] is sent:
                place.sent.pop()
            if isinstance(sent, Sent):
                sent.settled(None, error)
            if not isinstance(msg, (Terminated, ExitSignal)):
                raise
            # Else it is about an actor that a worker cannot be told of.

    @staticmethod
    def _post(actor: WorkerActor, sent: Any) -> None:
        number, msg = 0, sent
        if isinstance(sent, Sent):
            msg = sent.message
            number = sent.number = actor.expect(sent)
        try:
            if isinstance(msg, Outgoing):
                actor.post_encoded(number, *msg[:4])
            elif isinstance(msg, Encoded):
                actor.post_encoded(number, msg.manifest, msg.version, msg.payload, msg.buffers)
            else:
                actor.post(number, msg)
        except BaseException:
            if number:
                actor.forget(number)
            raise

    def _resume(self, msg: _Resumed, ctx: Any) -> None:
        actor = self._place.actor
        if msg.actor is actor and actor is not None and actor.alive:
            actor.resume()
            ctx.unstash_all()

    def _call(self, ctx: Any, request: int, what: list[Any]) -> None:
        """What the actor in the worker asks of its context."""
        actor = self._place.actor
        try:
            answer = self._carry_out(ctx, *what)
        except Exception as error:
            if actor is not None:
                actor.answer(request, None, error)
            if not request:
                _log.warning("%s: ctx.%s failed", self._place.path, what[0], exc_info=error)
        else:
            if actor is not None:
                actor.answer(request, answer, None)

    def _carry_out(self, ctx: Any, name: str, *args: Any) -> Any:
        if name in ("stop", "kill", "watch", "unwatch", "link", "unlink", "trap_exits", "child"):
            return getattr(ctx, name)(*args)
        if name == "children":
            return ctx.children
        if name != "spawn":
            raise InvalidArgument(f"a context has no {name}")
        path, given, words = args
        cls = _codec_builtin.import_class(path)
        options = {key: words.pop(key) for key in _OPTIONS & words.keys()}
        if options.get("dispatcher") is None:
            options["dispatcher"] = self._place.dispatcher
        if options["dispatcher"] is not None:
            return ctx.spawn(cls, *given, **options, **words)
        made, given = hosted(self._pool, cls, *given, **words)
        return ctx.spawn(made, *given, **options)

    # -- its life ----------------------------------------------------------------------------------

    async def pre_restart(self, exc: BaseException, msg: Any, ctx: Any) -> None:
        """The instance in the worker has its own hook."""

    async def post_restart(self, exc: BaseException, ctx: Any) -> None:
        actor = self._place.actor
        self._place.failure = None
        self._place.decided()
        if actor is None or not actor.alive:
            await self._spawn(ctx, exc)
            return
        try:
            await asyncio.wrap_future(actor.restart(exc, None))
        except WorkerDied:
            await self._spawn(ctx, exc)

    async def post_stop(self, ctx: Any) -> None:
        place = self._place
        actor = place.actor
        place.decided()
        try:
            if actor is not None and actor.alive:
                await asyncio.wrap_future(actor.stop())
        except (WorkerDied, concurrent.futures.CancelledError) as reason:
            _log.info("%s: %s", ctx.path, reason)
        finally:
            place.ear = None
            place.lose("actor_stopped")
            place.actor = place.ref = None


class _Resumed:
    """Comes when the supervision resumed the actor after a failure."""

    __slots__ = ("actor",)

    def __init__(self, actor: WorkerActor | None) -> None:
        self.actor = actor


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
    return HostedActor, (pool, Place(), cls, args, kwargs)
