"""What a command handler of a durable actor asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Self

from .._native import ActorRef
from .timers import DurableTimer

__all__ = [
    "DurableRef",
    "Effect",
    "cancel",
    "no_effect",
    "persist",
    "persist_all",
    "refuse",
    "reply",
    "schedule",
    "send",
    "snapshot",
    "stash",
    "stop",
    "unhandled",
]


@dataclass(frozen=True, slots=True)
class DurableRef:
    """Where a durable receiver is: its persistence id, or its name given to ``receive``.

    It need not run now, nor be known here.
    """

    address: str


Target = DurableRef | str | ActorRef[Any]

_NONE = 0
_VALUE = 1
_FUNCTION = 2
_FAILURE = 3


class Effect:
    """What is to be done for a command; carried out in this order: commit events, outgoing messages
    and timers (all or nothing), apply the events to the state, call the ``then`` functions, reply,
    take a snapshot, stop. When the commit fails nothing of it happens.

    Made by :func:`persist` and its like, grown by the methods, each of which returns the effect.
    An effect that writes and names no reply answers an ask with None, after the commit.
    """

    __slots__ = (
        "answer",
        "answer_kind",
        "callbacks",
        "cancelled",
        "events",
        "outgoing",
        "save",
        "snapshots",
        "stashes",
        "stops",
        "timers",
        "untaken",
    )

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.outgoing: list[tuple[Target, Any]] = []
        self.timers: list[DurableTimer] = []
        self.cancelled: list[str] = []
        self.callbacks: list[Callable[[Any], Any]] = []
        self.answer: Any = None
        self.answer_kind = _NONE
        self.save = False
        self.snapshots = False
        self.stops = False
        self.stashes = False
        self.untaken = False

    @property
    def writes(self) -> bool:
        """Whether it needs a commit."""
        return bool(self.events or self.save or self.outgoing or self.timers or self.cancelled)

    def persist(self, *events: Any) -> Self:
        """Further events of the same commit."""
        self.events.extend(events)
        return self

    def then(self, function: Callable[[Any], Any]) -> Self:
        """Calls ``function(state)`` after the commit; what it awaits is awaited."""
        self.callbacks.append(function)
        return self

    def reply(self, value: Any) -> Self:
        """Answers with the value after the commit."""
        self.answer, self.answer_kind = value, _VALUE
        return self

    def reply_with(self, function: Callable[[Any], Any]) -> Self:
        """Answers with ``function(state)``, the events applied."""
        self.answer, self.answer_kind = function, _FUNCTION
        return self

    def refuse(self, why: BaseException) -> Self:
        """Fails the ask with that exception, and not the actor."""
        self.answer, self.answer_kind = why, _FAILURE
        return self

    def send(self, to: Target, message: Any) -> Self:
        """Sends with the commit: stored in the same transaction, delivered afterwards at least
        once, and handled once by a durable receiver. Messages to one receiver keep their order."""
        self.outgoing.append((to, message))
        return self

    def schedule(self, timer: DurableTimer) -> Self:
        """Sets a timer of this actor with the commit; it replaces the one with its id."""
        self.timers.append(timer)
        return self

    def cancel(self, timer_id: str) -> Self:
        """Removes a timer with the commit; one that is not there is no error."""
        self.cancelled.append(timer_id)
        return self

    def snapshot(self) -> Self:
        """Saves a snapshot after the commit. One that fails is logged: the events are the truth."""
        self.snapshots = True
        return self

    def stop(self) -> Self:
        """Stops the actor after all the rest."""
        self.stops = True
        return self

    def merge(self, other: Effect) -> Self:
        """Adds all of another one; the later reply counts."""
        self.events += other.events
        self.outgoing += other.outgoing
        self.timers += other.timers
        self.cancelled += other.cancelled
        self.callbacks += other.callbacks
        if other.answer_kind != _NONE:
            self.answer, self.answer_kind = other.answer, other.answer_kind
        self.save |= other.save
        self.snapshots |= other.snapshots
        self.stops |= other.stops
        self.stashes |= other.stashes
        self.untaken |= other.untaken
        return self


def persist(*events: Any) -> Effect:
    """Stores events, all or none, and applies them."""
    return Effect().persist(*events)


def persist_all(events: Iterable[Any]) -> Effect:
    """The same of an iterable."""
    return Effect().persist(*events)


def reply(value: Any) -> Effect:
    """Only answers."""
    return Effect().reply(value)


def refuse(why: BaseException) -> Effect:
    """Only fails the ask with that exception, and not the actor."""
    return Effect().refuse(why)


def no_effect() -> Effect:
    """Nothing. An ask then fails with :class:`odeon.errors.NoReply`."""
    return Effect()


def unhandled() -> Effect:
    """The command is none of this actor's: the ask fails with :class:`odeon.errors.Unhandled`."""
    effect = Effect()
    effect.untaken = True
    return effect


def stash() -> Effect:
    """Sets the command aside until ``ctx.unstash_all()``; of a coroutine, before its first
    await."""
    effect = Effect()
    effect.stashes = True
    return effect


def stop() -> Effect:
    """Stops the actor."""
    return Effect().stop()


def snapshot() -> Effect:
    """Saves a snapshot."""
    return Effect().snapshot()


def send(to: Target, message: Any) -> Effect:
    """Commits a message to a durable receiver; see :meth:`Effect.send`."""
    return Effect().send(to, message)


def schedule(timer: DurableTimer) -> Effect:
    """Commits a timer of this actor."""
    return Effect().schedule(timer)


def cancel(timer_id: str) -> Effect:
    """Commits the removal of one."""
    return Effect().cancel(timer_id)
