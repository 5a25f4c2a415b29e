"""What an actor sees in a worker process: its context, and references to actors elsewhere."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, ClassVar

from . import _worker_frames as frames
from .errors import OdeonError, StashFull
from .messages import ExitSignal, Terminated

if TYPE_CHECKING:
    from ._worker import Worker
    from ._worker_cell import Cell

_STASH_CAPACITY = 1000

_NOT_HERE = {
    "sender": "messages arrive without who sent them; put a reference into the message",
    "trace": "causal chains end where a message leaves the process",
    "system": "the system is in another process; tell an actor of it what to do",
    "stopping_as": "the reason stays in the system's process",
}


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
    """One message to come, or one after the other."""

    def __init__(self, cell: Cell, delay: float, message: Any,
                 next_in: Callable[[float], float] | None) -> None:
        self._cell = cell
        self._message = message
        self._next_in = next_in
        self._timer: asyncio.TimerHandle | None = None
        self._due = cell.worker.loop.time() + delay
        self._start()

    def _start(self) -> None:
        self._timer = self._cell.worker.loop.call_at(self._due, self._fire)
        self._cell.timers.add(self._timer)

    def _fire(self) -> None:
        if self._timer is not None:
            self._cell.timers.discard(self._timer)
            self._timer = None
        if self._next_in is not None:
            self._due = self._next_in(self._due)
            self._start()
        self._cell.put(0, self._message)

    def cancel(self) -> None:
        """It will not come; harmless when it has."""
        if self._timer is not None:
            self._timer.cancel()
            self._cell.timers.discard(self._timer)
            self._timer = None

    @property
    def is_active(self) -> bool:
        """Neither cancelled nor, for a single one, fired."""
        return self._timer is not None and not self._timer.cancelled()


class RemoteReply:
    """The right to answer a message later; unused when it goes, the ask fails."""

    def __init__(self, cell: Cell, request: int) -> None:
        self._cell = cell
        self._request = request

    @property
    def is_open(self) -> bool:
        """Whether it has yet to be used, and somebody asked."""
        return self._request != 0

    def __call__(self, value: Any) -> bool:
        request, self._request = self._request, 0
        if request:
            self._cell.worker.answer(self._cell.number, request, value)
        return request != 0

    def fail(self, exception: BaseException) -> bool:
        """Fails the ask with that exception, and not the actor."""
        request, self._request = self._request, 0
        if request:
            self._cell.worker.fail(self._cell.number, request, exception)
        return request != 0

    def __del__(self) -> None:
        if getattr(self, "_request", 0) and not self._cell.worker.ended.is_set():
            self._cell.worker.post(frames.DONE, self._cell.number, self._request, None)


class WorkerContext:
    """The context of an actor in a worker process, as :class:`odeon.Context`.

    What concerns other actors is done by the system, for the actor that stands for this one there:
    children live in the same pool unless ``dispatcher`` says otherwise, and messages about watched
    and linked actors come as usual. Of ``spawn``, ``children`` and ``child`` the outcome is waited
    for, some 100 us; they raise :class:`odeon.errors.AskTimeout` when the system does not answer
    within ten seconds. ``sender``, ``trace``, ``system`` and ``stopping_as`` raise AttributeError,
    which says why.
    """

    def __init__(self, cell: Cell, ref: RemoteRef | None, parent: RemoteRef | None) -> None:
        self._cell = cell
        #: The actor in the words of the system, to be sent along; None for one of a bare pool.
        self.self = ref
        self.parent = parent
        self.path: str = cell.path
        self.log = logging.getLogger("odeon.actor" + cell.path.replace("/", "."))

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    # -- the message in hand -----------------------------------------------------------------------

    @property
    def message(self) -> Any:
        """The message in hand; None outside of a handler."""
        return None if self._cell.current is None else self._cell.current[1]

    def _in_hand(self, what: str) -> tuple[int, Any, bool]:
        if self._cell.current is None:
            raise OdeonError(f"{what} outside of a handler")
        return self._cell.current

    def reply(self, value: Any) -> bool:
        """Answers the message in hand, once; None is an answer as well. False: nobody waits."""
        cell, (request, _, _) = self._cell, self._in_hand("reply")
        if cell.replied:
            raise OdeonError("the message has been answered already")
        cell.replied = True
        if request != 0:
            cell.worker.answer(cell.number, request, value)
        return request != 0

    def reply_to(self) -> RemoteReply:
        """The right to answer it later, from anywhere in this process."""
        cell, (request, _, _) = self._cell, self._in_hand("reply_to")
        taken, cell.replied = 0 if cell.replied else request, True
        return RemoteReply(cell, taken)

    def forward(self, ref: Any) -> None:
        """Passes the message in hand on, to be answered there."""
        cell, (request, message, _) = self._cell, self._in_hand("forward")
        request, cell.replied = 0 if cell.replied else request, True
        cell.worker.post(frames.FORWARD, cell.number, request, [ref, message])

    def stash(self) -> None:
        """Puts the message in hand aside, with its asker, until `unstash_all`."""
        self._in_hand("stash")
        if len(self._cell.stash) >= _STASH_CAPACITY:
            raise StashFull(f"{self.path} has {_STASH_CAPACITY} messages in its stash")
        self._cell.set_aside()

    def unstash_all(self) -> None:
        """Puts what was set aside before the waiting messages, in its order."""
        self._cell.unstash()

    @property
    def stash_size(self) -> int:
        return len(self._cell.stash)

    # -- itself ------------------------------------------------------------------------------------

    def tell_self(self, message: Any) -> None:
        """A message to this actor, behind those that wait; it is not encoded."""
        self._cell.put(0, message)

    def become(self, handler: Callable[..., Any], *, keep: bool = False) -> None:
        """Lets `handler(message, ctx)` take the next messages; `keep`: on top of the present."""
        from ._support import behavior_function

        if not keep and self._cell.behaviors:
            self._cell.behaviors.pop()
        self._cell.behaviors.append(behavior_function(handler))

    def unbecome(self) -> None:
        """Back to the behaviour before."""
        if self._cell.behaviors:
            self._cell.behaviors.pop()

    def send_after(self, seconds: float, message: Any) -> TimerHandle:
        """`message` to this actor in so many seconds; forgotten at stop and restart."""
        return TimerHandle(self._cell, seconds, message, None)

    def send_every(self, first: float, interval: float, message: Any) -> TimerHandle:
        """One `first` seconds from now, then one each `interval`, at a fixed rate."""
        return TimerHandle(self._cell, first, message, lambda due: due + _positive(interval))

    def send_with_delay(self, first: float, delay: float, message: Any) -> TimerHandle:
        """One `first` seconds from now, then each `delay` after the one before was due."""
        now = self._cell.worker.loop.time
        return TimerHandle(self._cell, first, message, lambda due: now() + _positive(delay))

    def receive_timeout(self, seconds: float | None) -> None:
        """ReceiveTimeout comes each time no message came for so long; None: no more."""
        self._cell.count_quiet(seconds)

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

    # -- other actors ------------------------------------------------------------------------------

    def _do(self, *what: Any) -> None:
        self._need_system(what[0])
        self._cell.worker.post(frames.CALL, self._cell.number, 0, list(what))

    def _get(self, *what: Any) -> Any:
        self._need_system(what[0])
        return self._cell.worker.call(self._cell.number, list(what))

    def _need_system(self, name: str) -> None:
        if not self._cell.supervised:
            raise AttributeError(
                f"ctx.{name} does not exist in a worker process whose pool belongs to no system")

    def stop(self, ref: Any = None) -> None:
        """Stops this actor after the message in hand, or another."""
        if ref is not None and ref != self.self:
            self._do("stop", ref)
        elif not self._cell.stopped:
            self._cell.worker.stopped(self._cell)

    def kill(self, ref: Any) -> None:
        """Stops an actor now; one in a worker process after its message in hand."""
        self._do("kill", ref)

    def spawn(self, what: type | str, /, *args: Any, **options: Any) -> RemoteRef:
        """A child: the class by its import path, with what :meth:`odeon.Context.spawn` takes."""
        path = what if isinstance(what, str) else f"{what.__module__}.{what.__qualname__}"
        if isinstance(what, type) and (reason := frames.unreachable(what)) is not None:
            raise ValueError(reason)
        made: RemoteRef = self._get("spawn", path, list(args), options)
        return made

    @property
    def children(self) -> list[RemoteRef]:
        found: list[RemoteRef] = self._get("children")
        return found

    def child(self, name: str) -> RemoteRef | None:
        """The child of that name, or None."""
        found: RemoteRef | None = self._get("child", name)
        return found

    def watch(self, ref: Any) -> None:
        """Terminated will come exactly once."""
        self._need_system("watch")
        cell = self._cell

        def gone(reason: str) -> None:
            cell.put(0, Terminated(ref, "no_such_actor", reason))

        cell.worker.ask_for(cell.number, ["watch", ref], gone)

    def unwatch(self, ref: Any) -> None:
        """No Terminated of it comes once the system knows."""
        self._do("unwatch", ref)

    def link(self, ref: Any) -> None:
        """When one ends, the other is stopped, or told if it traps exits."""
        self._need_system("link")
        cell = self._cell

        def gone(reason: str) -> None:
            if cell.traps_exits:
                cell.put(0, ExitSignal(ref, "no_such_actor", reason))
            elif not cell.stopped:
                cell.worker.stopped(cell)

        cell.worker.ask_for(cell.number, ["link", ref], gone)

    def unlink(self, ref: Any) -> None:
        self._do("unlink", ref)

    def trap_exits(self, on: bool) -> None:
        """ExitSignal comes in place of the end."""
        self._cell.traps_exits = bool(on)
        self._do("trap_exits", bool(on))

    def __getattr__(self, name: str) -> Any:
        reason = _NOT_HERE.get(name, "see odeon.worker_context.WorkerContext for what does")
        raise AttributeError(f"ctx.{name} does not exist in a worker process: {reason}")


def _positive(interval: float) -> float:
    if interval <= 0:
        raise ValueError("an interval is longer than zero")
    return interval
