"""What an actor sees in a worker process: its context, and references to actors elsewhere."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, ClassVar

from .errors import OdeonError, StashFull

if TYPE_CHECKING:
    from ._worker import Cell, Worker

_STASH_CAPACITY = 1000


class RemoteRef:
    """A reference to an actor of the system that this worker process belongs to."""

    __slots__ = ("address",)
    worker: ClassVar[Worker]

    def __init__(self, address: str) -> None:
        self.address = address

    @property
    def path(self) -> str:
        """The address without the incarnation."""
        return self.address.partition("#")[0]

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    def tell(self, message: Any) -> None:
        """Sends. Raises :class:`odeon.errors.EncodingError` when the message cannot travel."""
        self.worker.send_out(self, message)

    async def ask(self, message: Any, timeout: float = 5.0) -> Any:
        """The reply; `timeout` in seconds. Raises what the actor's handler raised, AskTimeout."""
        return await self.worker.ask_out(self, message, timeout)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteRef) and other.address == self.address

    def __hash__(self) -> int:
        return hash(self.address)

    def __repr__(self) -> str:
        return f"RemoteRef({self.address!r})"


class TimerHandle:
    """A message to come."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None
        self._cell: Cell | None = None

    def cancel(self) -> None:
        """It will not come; harmless when it has."""
        if self._timer is not None and self._cell is not None:
            self._timer.cancel()
            self._cell.timers.discard(self._timer)
            self._timer = None


class WorkerContext:
    """The context of an actor in a worker process: what of :class:`odeon.Context` works there.

    An actor of a worker has no children, watches and links: those belong to the system's processes.
    """

    def __init__(self, cell: Cell, ref: RemoteRef | None) -> None:
        self._cell = cell
        #: The actor in the words of the system, to be sent along; None for one of a bare pool.
        self.self = ref
        self.path: str = cell.path
        self.log = logging.getLogger("odeon.actor" + cell.path.replace("/", "."))

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    def reply(self, value: Any) -> None:
        """Answers the message in hand, once; None is an answer as well."""
        cell = self._cell
        if cell.current is None:
            raise OdeonError("reply outside of a handler")
        if cell.replied:
            raise OdeonError("the message has been answered already")
        cell.replied = True
        if cell.current[0] != 0:
            cell.worker.answer(cell.number, cell.current[0], value)

    def tell_self(self, message: Any) -> None:
        """A message to this actor, behind those that wait."""
        self._cell.put(0, message)

    def stop(self) -> None:
        """Stops this actor after the message in hand."""
        if not self._cell.stopped:
            self._cell.worker.stopped(self._cell)

    def stash(self) -> None:
        """Puts the message in hand aside, with its asker, until `unstash_all`."""
        cell = self._cell
        if cell.current is None:
            raise OdeonError("stash outside of a handler")
        if len(cell.stash) >= _STASH_CAPACITY:
            raise StashFull(f"{self.path} has {_STASH_CAPACITY} messages in its stash")
        cell.stash.append(cell.current)
        cell.current = None

    def unstash_all(self) -> None:
        """Puts what was set aside before the waiting messages, in its order."""
        self._cell.queue.extendleft(reversed(self._cell.stash))
        self._cell.stash.clear()

    @property
    def stash_size(self) -> int:
        return len(self._cell.stash)

    def become(self, handler: Callable[[Any, Any], Any], *, discard_old: bool = True) -> None:
        """Lets `handler(message, ctx)` take the next messages."""
        if discard_old and self._cell.behaviors:
            self._cell.behaviors.pop()
        self._cell.behaviors.append(handler)

    def unbecome(self) -> None:
        """Back to the behaviour before."""
        if self._cell.behaviors:
            self._cell.behaviors.pop()

    def send_after(self, delay: float, message: Any) -> TimerHandle:
        """`message` to this actor in `delay` seconds; forgotten at stop and restart."""
        cell, handle = self._cell, TimerHandle()

        def fire() -> None:
            if handle._timer is not None:
                cell.timers.discard(handle._timer)
            cell.put(0, message)

        handle._cell = cell
        handle._timer = asyncio.get_running_loop().call_later(delay, fire)
        cell.timers.add(handle._timer)
        return handle

    def pipe_to_self(self, work: Awaitable[Any],
                     convert: Callable[[Any], Any] | None = None) -> None:
        """Awaits beside the mailbox; the result, or the exception, becomes a message."""
        cell = self._cell

        async def pipe() -> None:
            try:
                outcome: Any = await work
            except Exception as error:
                outcome = error
            cell.put(0, outcome if convert is None else convert(outcome))

        cell.worker.run(pipe())

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"ctx.{name} does not exist in a worker process; see "
                             "odeon.worker_context.WorkerContext for what does")
