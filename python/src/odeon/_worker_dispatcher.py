"""The dispatcher of worker processes: actors that stand for those there, and what goes to them."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import _native
from ._worker_hosted import HostedActor, hosted
from ._worker_place import Outgoing
from ._worker_pool import WorkerPool
from .codecs import Encoded
from .errors import QuotaExceeded

if TYPE_CHECKING:
    from .dispatchers import Subprocess
    from .system import ActorSystem

__all__ = ["Processes"]


_classes: dict[str, type[Outgoing]] = {}


def _class_for(manifest: str) -> type[Outgoing]:
    """A class that has the message's own name: what logs and dead letters show."""
    module, _, name = manifest.rpartition(".")
    found = type(name, (Outgoing,), {"__module__": module or "builtins", "__slots__": ()})
    if len(_classes) < 10_000:
        _classes[manifest] = found
    return found


class _Count:
    def __init__(self) -> None:
        self.waiting = 0


class Processes:
    def __init__(self, system: ActorSystem, name: str, option: Subprocess) -> None:
        self._name = name
        self._quota = option.quota
        self._count = _Count()
        self._actors: weakref.WeakSet[Any] = weakref.WeakSet()
        self.pool = WorkerPool(option.workers, option.as_pool_options())
        # Messages are encoded at `tell`, by the codec of this pool: so the class is this pool's
        # too.
        self._class = type("HostedActor", (HostedActor,), {
            "__module__": HostedActor.__module__,
            "__odeon_outgoing__": staticmethod(self._encoder())})
        try:
            _native._open_dispatcher(system, name, self._make)
        except BaseException:
            self.stop()
            raise

    def _encoder(self) -> Callable[[Any], Any]:
        """What makes of a message what is sent: runs at every `tell`."""
        encode, flags = self.pool.codec.native.encode, self.pool.flags
        count, most, name = self._count, self._quota.max_mailbox_total, self._name
        classes, own = _classes, (count,)

        def outgoing(message: Any) -> Any:
            if most is not None and count.waiting >= most:
                raise QuotaExceeded(
                    f"the dispatcher {name} takes no more: {most} messages wait there already")
            if isinstance(message, (Encoded, Outgoing)):
                return message
            parts = encode(message, flags)
            made = (classes.get(parts[0]) or _class_for(parts[0]))(parts + own)
            count.waiting += 1
            return made

        return outgoing

    def _make(self, cls: type, args: tuple[Any, ...],
              kwargs: dict[str, Any] | None) -> tuple[type, tuple[Any, ...], dict[str, Any]]:
        most = self._quota.max_actors
        if most is not None and len(self._actors) >= most:
            raise QuotaExceeded(f"the dispatcher {self._name} takes no more actors: it has "
                                f"{len(self._actors)}, as many as it may")
        _, made = hosted(self.pool, cls, *args, **(kwargs or {}))
        # What cannot be encoded raises here, not there.
        self.pool.codec.encode([list(args), kwargs or {}], self.pool.flags)
        made[1].dispatcher = self._name
        self._actors.add(made[1])
        return self._class, made, {}

    def stop(self) -> None:
        self.pool.close()

    def metrics(self) -> list[dict[str, Any]]:
        return [{"host": f"{self._name}-{one.pid}", "pid": one.pid, "actors_hosted": one.actors,
                 "messages_handled": one.handled, "resident_bytes": one.resident_bytes,
                 "mailbox_depth_total": self._count.waiting} for one in self.pool.metrics()]
