"""The dispatcher of worker processes: actors that stand for those there, and what goes to them."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Any

from . import _native
from .codecs import Encoded
from .errors import QuotaExceeded, WorkerDied
from .subprocess_worker import NO_ANSWER, HostedActor, WorkerPool, _Failed, _Stopped, hosted

if TYPE_CHECKING:
    from .dispatchers import Subprocess
    from .system import ActorSystem

__all__ = ["Processes"]


class _OnItsWay(Encoded):
    """An encoded message that counts as waiting for as long as it lives."""

    __slots__ = ("_count",)
    _count: _Count

    def __del__(self) -> None:
        count = getattr(self, "_count", None)
        if count is not None:
            count.waiting -= 1


_classes: dict[str, type[_OnItsWay]] = {}


def _class_for(manifest: str) -> type[_OnItsWay]:
    """A class that has the message's own name: what logs and dead letters show."""
    found = _classes.get(manifest)
    if found is None:
        module, _, name = manifest.rpartition(".")
        found = type(name, (_OnItsWay,), {"__module__": module or "builtins", "__slots__": ()})
        if len(_classes) < 10_000:
            _classes[manifest] = found
    return found


class _Count:
    def __init__(self) -> None:
        self.waiting = 0


class _Hosted(HostedActor):
    """Its messages were encoded by who sent them."""

    async def receive(self, msg: Any, ctx: Any) -> Any:
        if not isinstance(msg, Encoded):
            return await super().receive(msg, ctx)
        actor = self._place.actor
        if actor is None:
            raise WorkerDied(f"{ctx.path} has no worker process")
        answer = await asyncio.wrap_future(
            actor.ask_encoded(msg.manifest, msg.version, msg.payload, msg.buffers))
        if answer is None:
            ctx.reply(None)
        return None if answer is NO_ANSWER else answer


class Processes:
    def __init__(self, system: ActorSystem, name: str, option: Subprocess) -> None:
        self._name = name
        self._quota = option.quota
        self._count = _Count()
        self._actors: weakref.WeakSet[Any] = weakref.WeakSet()
        self.pool = WorkerPool(option.workers, option.as_pool_options())
        # Messages are encoded at `tell`, by the codec of this pool: so the class is this pool's
        # too.
        self._class = type("HostedActor", (_Hosted,), {
            "__module__": HostedActor.__module__,
            "__odeon_outgoing__": staticmethod(self._encode)})
        try:
            _native._open_dispatcher(system, name, self._make)
        except BaseException:
            self.stop()
            raise

    def _encode(self, message: Any) -> Any:
        if isinstance(message, (Encoded, _Failed, _Stopped)):
            return message
        most, count = self._quota.max_mailbox_total, self._count
        if most is not None and count.waiting >= most:
            raise QuotaExceeded(
                f"the dispatcher {self._name} takes no more: {most} messages wait there already")
        parts = self.pool.codec.native.encode(message, self.pool.flags)
        made = _class_for(parts[0])(*parts)
        count.waiting += 1
        made._count = count
        return made

    def _make(self, cls: type, args: tuple[Any, ...],
              kwargs: dict[str, Any] | None) -> tuple[type, tuple[Any, ...], dict[str, Any]]:
        most = self._quota.max_actors
        if most is not None and len(self._actors) >= most:
            raise QuotaExceeded(f"the dispatcher {self._name} takes no more actors: it has "
                                f"{len(self._actors)}, as many as it may")
        _, made = hosted(self.pool, cls, *args, **(kwargs or {}))
        # What cannot be encoded raises here, not there.
        self.pool.codec.encode([list(args), kwargs or {}], self.pool.flags)
        self._actors.add(made[1])
        return self._class, made, {}

    def stop(self) -> None:
        self.pool.close()

    def metrics(self) -> list[dict[str, Any]]:
        return [{"host": f"{self._name}-{one.pid}", "pid": one.pid, "actors_hosted": one.actors,
                 "messages_handled": one.handled, "resident_bytes": one.resident_bytes,
                 "mailbox_depth_total": self._count.waiting} for one in self.pool.metrics()]
