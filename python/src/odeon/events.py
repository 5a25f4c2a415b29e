"""The event stream: what the runtime tells of, and what programs publish, by class.

Example::

    from odeon import events

    class Watcher(odeon.Actor[events.DeadLetter]):
        def receive(self, letter: events.DeadLetter, ctx: odeon.Context) -> None:
            ctx.log.warning("%s to %s: %s", letter.message, letter.to, letter.reason)

    system.events.subscribe(system.spawn(Watcher), events.DeadLetter)

The classes below :class:`RuntimeEvent` come from the runtime itself, which builds them only while
somebody listens. Objects of every other class are the program's own, for
:meth:`EventStream.publish`. Points in time are seconds since 1970, spans are seconds; ``ref`` is
None where the actor is gone.
"""

from __future__ import annotations

import logging
import threading
import weakref
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from . import _native
from .errors import OdeonError

if TYPE_CHECKING:
    from ._native import ActorRef
    from .system import ActorSystem

__all__ = [
    "ActorFailed",
    "ActorRestarted",
    "ActorStarted",
    "ActorStopped",
    "AskTimedOut",
    "BlockingCall",
    "CallCycleFound",
    "DeadLetter",
    "EventStream",
    "HookFailed",
    "LateReply",
    "MailboxHighWater",
    "MailboxOverflow",
    "PeerDown",
    "PeerGone",
    "PeerOverloaded",
    "PeerRejected",
    "PeerUp",
    "RuntimeEvent",
    "SlowHandler",
    "Subscription",
    "TaskFailed",
]

_log = logging.getLogger("odeon.events")


class RuntimeEvent:
    """The base of the runtime's own events: subscribing to it is subscribing to all of them."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class DeadLetter(RuntimeEvent):
    """A message that no handler got.

    ``reason`` is an error code: "no_such_actor", "actor_stopped", "mailbox_full", "expired",
    "unhandled", "unreachable", "handler_failed" (the message in hand of a failed actor),
    "cancelled" or "killed". ``message`` is its class's name, ``sender`` a path, empty from
    outside; ``was_ask`` says that the asker was told as well.
    """

    reason: str
    message: str
    to: str
    sender: str
    trace: int
    at: float
    was_ask: bool


@dataclass(frozen=True, slots=True)
class LateReply(RuntimeEvent):
    """A reply that came after its asker had given up (``given_up``: "ask_timeout", "cancelled")."""

    message: str
    sender: str
    to: str
    given_up: str
    trace: int
    at: float


@dataclass(frozen=True, slots=True)
class ActorStarted(RuntimeEvent):
    """An actor was spawned; ``type`` is its class."""

    ref: ActorRef[Any] | None
    path: str
    type: str


@dataclass(frozen=True, slots=True)
class ActorStopped(RuntimeEvent):
    """An actor has ended; ``kind`` is that of :class:`odeon.Terminated`, ``reason`` a sentence."""

    ref: ActorRef[Any] | None
    path: str
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class ActorRestarted(RuntimeEvent):
    """An actor has a new instance; ``count`` restarts within its window so far."""

    ref: ActorRef[Any] | None
    path: str
    why: str
    count: int


@dataclass(frozen=True, slots=True)
class ActorFailed(RuntimeEvent):
    """A handler or hook raised; ``where`` is "handler" or the hook's name, ``decided`` a
    directive."""

    ref: ActorRef[Any] | None
    path: str
    exception: BaseException
    what: str
    message: str
    where: str
    decided: str


@dataclass(frozen=True, slots=True)
class HookFailed(RuntimeEvent):
    """A hook raised where nothing is left to decide, such as ``post_stop``."""

    ref: ActorRef[Any] | None
    path: str
    hook: str
    what: str


@dataclass(frozen=True, slots=True)
class TaskFailed(RuntimeEvent):
    """A task that a handler of C++ forked failed, and nobody looked at its error."""

    ref: ActorRef[Any] | None
    path: str
    task: str
    what: str


@dataclass(frozen=True, slots=True)
class MailboxHighWater(RuntimeEvent):
    """More than ``limit`` messages wait."""

    ref: ActorRef[Any] | None
    path: str
    depth: int
    limit: int


@dataclass(frozen=True, slots=True)
class MailboxOverflow(RuntimeEvent):
    """A bounded mailbox was at its capacity when a message came."""

    ref: ActorRef[Any] | None
    path: str
    message: str
    capacity: int


@dataclass(frozen=True, slots=True)
class SlowHandler(RuntimeEvent):
    """A handler has been running, without suspending, for longer than the limit; once a run."""

    ref: ActorRef[Any] | None
    path: str
    message: str
    running_for: float


@dataclass(frozen=True, slots=True)
class CallCycleFound(RuntimeEvent):
    """Asks that wait for each other, as a sentence."""

    chain: str
    allowed: bool


@dataclass(frozen=True, slots=True)
class AskTimedOut(RuntimeEvent):
    """An ask had no reply in time; ``where`` says where the request was."""

    to: str
    message: str
    where: str
    trace: int


@dataclass(frozen=True, slots=True)
class PeerUp(RuntimeEvent):
    """A connection to that incarnation of another node stands (again); ``address`` is its."""

    node: str
    system: str
    incarnation: int
    address: str


@dataclass(frozen=True, slots=True)
class PeerDown(RuntimeEvent):
    """There is no connection to the node any more; another is being tried for."""

    node: str
    incarnation: int
    why: str


@dataclass(frozen=True, slots=True)
class PeerGone(RuntimeEvent):
    """That incarnation of the node is gone for good; its actors count as unreachable."""

    node: str
    incarnation: int
    why: str


@dataclass(frozen=True, slots=True)
class PeerRejected(RuntimeEvent):
    """A connection was ended, or not let in; nothing of what was wrong with it was delivered.

    ``why`` is a key of :attr:`odeon.remote.EndpointMetrics.rejected`: "authentication",
    "certificate", "incompatible", "violation" …; ``node`` is whose it was, or said to be, empty
    when that was not known; ``reason`` a sentence.
    """

    why: str
    address: str
    node: str
    reason: str


@dataclass(frozen=True, slots=True)
class PeerOverloaded(RuntimeEvent):
    """The queue to a node has reached its bound; once for each time it does. Sizes in bytes."""

    node: str
    queued: int
    limit: int


@dataclass(frozen=True, slots=True)
class BlockingCall(RuntimeEvent):
    """A call that holds the thread of an event loop, or of a dispatcher, for too long.

    ``call`` is what is being called ("time.sleep"), at ``line`` of ``file``, in ``function``.
    ``path``, ``type`` and ``message`` are the actor's whose handler that is; empty for a callback
    of the loop. ``held`` is "loop" or "thread", ``held_for`` how long in seconds; ``stack`` has
    the thread's frames, outermost first.
    """

    call: str
    file: str
    line: int
    function: str
    path: str
    type: str
    message: str
    held: str
    held_for: float
    stack: tuple[str, ...]

    def __str__(self) -> str:
        where = f"{self.call} at {self.file}:{self.line}"
        if self.path:
            whose = f"in handler {self.function} of {self.path}"
        else:
            whose = f"in {self.function}"
        return f"{where} {whose} has been blocking the {self.held} for {self.held_for:.1f} s"


_NATIVE: dict[str, type[RuntimeEvent]] = {
    cls.__name__: cls
    for cls in (DeadLetter, LateReply, ActorStarted, ActorStopped, ActorRestarted, ActorFailed,
                HookFailed, TaskFailed, MailboxHighWater, MailboxOverflow, SlowHandler,
                CallCycleFound, AskTimedOut, PeerUp, PeerDown, PeerGone, PeerRejected,
                PeerOverloaded)
}

Target = Any  # ActorRef[Any] | Callable[[Any], object]; kept open: a ref is typed by its messages


def _subscriber_failed(call: Any, exc: BaseException | None) -> None:
    _log.error("a subscriber of events raised: %r", call, exc_info=exc)


class Subscription:
    """What ``subscribe`` gives; ``cancel()`` ends it, as leaving it as a ``with`` block does."""

    __slots__ = ("_classes", "_stream", "_target")

    def __init__(self, stream: EventStream, target: Target, classes: tuple[type, ...]) -> None:
        self._stream = stream
        self._target = target
        self._classes = classes

    def cancel(self) -> None:
        """Idempotent. A call that is under way on another thread may still come."""
        self._stream.unsubscribe(self._target, *self._classes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None,
                 at: TracebackType | None) -> None:
        self.cancel()


class EventStream:
    """Publish and subscribe inside one system, by class; ``system.events``. From any thread.

    A subscriber gets objects of the classes it named, and of those derived from them, once each,
    in the order of their publisher. An actor gets them as messages until it stops. A function is
    called on the system's own loop or thread, and should be short; what it raises is logged. At
    most 10,000 calls wait; further events are lost to functions, not to actors.
    """

    def __init__(self, system: ActorSystem) -> None:
        self._system = weakref.ref(system)
        self._lock = threading.Lock()
        self._classes: dict[Target, tuple[type, ...]] = {}
        self._native: dict[Target, dict[str, Any]] = {}

    def _open_system(self) -> ActorSystem:
        system = self._system()
        if system is None:
            raise OdeonError("the actor system of these events is gone")
        return system

    def subscribe(self, target: Target, *classes: type) -> Subscription:
        """Has events of ``classes`` (one at least) delivered to an actor, or to a function of one
        argument. Raises TypeError for anything else, and ``SystemStopped``."""
        is_ref = isinstance(target, _native.ActorRef)
        if not is_ref and not callable(target):
            raise TypeError(f"events go to an actor or a function, not {type(target).__qualname__}")
        if not classes or not all(isinstance(cls, type) for cls in classes):
            raise TypeError("subscribe takes the classes of events that are wanted")
        system = self._open_system()
        with self._lock:
            known = self._classes.get(target, ())
            wanted = known + tuple(cls for cls in dict.fromkeys(classes) if cls not in known)
            self._listen(system, target, wanted)
            self._classes[target] = wanted
        return Subscription(self, target, classes)

    def unsubscribe(self, target: Target, *classes: type) -> None:
        """Ends it for these classes; for all without any. Nothing happens where there is none."""
        with self._lock:
            known = self._classes.get(target)
            if known is None:
                return
            left = tuple(cls for cls in known if cls not in classes) if classes else ()
            system = self._system()
            if system is None or not system.is_open:
                self._native.pop(target, None)
            else:
                self._listen(system, target, left)
            if left:
                self._classes[target] = left
            else:
                del self._classes[target]

    def _listen(self, system: ActorSystem, target: Target, classes: tuple[type, ...]) -> None:
        """Has the runtime deliver those of its events that are of these classes."""
        wanted = {name for name, event in _NATIVE.items() if issubclass(event, classes or ())}
        have = self._native.setdefault(target, {})
        if isinstance(target, _native.ActorRef):
            if have.keys() - wanted:
                # From all of them: those that are still wanted come again.
                _native._event_unsubscribe(system, target)
                have.clear()
            for name in sorted(wanted - have.keys()):
                _native._event_subscribe(system, name, target)
                have[name] = None
        else:
            for name in have.keys() - wanted:
                del have[name]
            for name in sorted(wanted - have.keys()):
                have[name] = _native._event_on(system, name, target)
        if not have:
            del self._native[target]

    def publish(self, event: Any) -> None:
        """Delivers an object to those who subscribed to its class or a base of it. An actor that
        has ended falls out. Raises ``SystemStopped``."""
        system = self._open_system()
        bases = type(event).__mro__
        with self._lock:
            targets = [target for target, classes in self._classes.items()
                       if any(cls in bases for cls in classes)]
        for target in targets:
            if not isinstance(target, _native.ActorRef):
                _native._post(system, target, event)
            elif target.is_terminated():
                self.unsubscribe(target)
            else:
                try:
                    target.tell(event)
                except OdeonError as e:  # a full mailbox, or no codec for where it lives
                    _subscriber_failed(target, e)

    def _forget(self) -> None:
        with self._lock:
            self._native.clear()
            self._classes.clear()
