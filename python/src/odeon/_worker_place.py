"""What the system has sent to an actor in a worker process, and what it hears of it.

`Place` keeps what was sent and is not over; `_worker_cell` tells how it is kept the same on both
sides. It outlives the instances that stand for the actor. It is changed by the host's thread (which
appends) and by the pool's (which removes); each step is one operation of a deque.
"""

from __future__ import annotations

import asyncio
import collections
import logging
from typing import Any

from . import _native
from . import _worker_frames as frames
from ._worker_actor import NO_ANSWER, Listener, WorkerActor
from .codecs import Encoded
from .errors import ActorFailed, ActorStopped, NoReply, SystemStopped, Unhandled, WorkerDied

_log = logging.getLogger("odeon.worker")

WINDOW = 512  # messages of an actor in its worker at a time
_ROOM_AT = WINDOW // 2  # where one that waited for room goes on


class Outgoing(tuple[Any, ...]):
    """A message encoded at its sender's call: (manifest, version, payload, buffers, count).

    It counts as waiting for as long as it lives.
    """

    __slots__ = ()

    def __del__(self) -> None:
        self[4].waiting -= 1


class Note:
    """To the actor that stands for one in a worker: look at your place. Not for users."""

    __slots__ = ()


NOTE = Note()


class _Failed(Note):
    """The same, of a message that failed there; a class of its own, which has the message's name,
    for each message, so that logs and notes tell what failed."""

    __slots__ = ()


_failures: dict[str, type[_Failed]] = {}


def _failure_note(message: str) -> _Failed:
    found = _failures.get(message)
    if found is None:
        module, _, name = message.rpartition(".")
        found = type(name, (_Failed,), {"__module__": module or "builtins", "__slots__": ()})
        if len(_failures) < 10_000:
            _failures[message] = found
    return found()


def _name_of(message: Any) -> str:
    return message.manifest if isinstance(message, Encoded) else frames.class_path(type(message))


class Sent:
    """A message in the worker, with the right to answer it; what settles its request."""

    __slots__ = ("is_settled", "message", "number", "place", "reply")

    def __init__(self, place: Place, message: Any, reply: Any) -> None:
        self.place = place
        self.message = message
        self.reply = reply
        self.number = 0
        self.is_settled = False

    def settled(self, value: Any, error: BaseException | None, is_others: bool = False) -> None:
        """On the pool's thread."""
        reply = self.reply
        self.is_settled = not isinstance(error, WorkerDied)
        if error is None:
            if value is not NO_ANSWER:
                reply(value)
                return
            error = NoReply(f"{self.place.path} gave no reply to {_name_of(self.message)}: its "
                            "handler returned None")
        elif not is_others and not isinstance(error, (Unhandled, SystemStopped)):
            text = f"{self.place.path} failed on {_name_of(self.message)}: "
            text += f"{frames.class_path(type(error))}: {error}"
            failed = ActorFailed(text)
            failed.__cause__ = error
            error = failed
        reply.fail(error)


class Ear(Listener):
    """Hears of one of the actors in workers that a place has had; of the present one it tells.

    On the pool's thread.
    """

    def __init__(self, place: Place) -> None:
        self._place = place

    def handled(self, count: int) -> None:
        if self._place.ear is self:
            self._place.handled(count)

    def aside(self) -> None:
        if self._place.ear is self:
            self._place.aside()

    def back(self, place: int) -> None:
        if self._place.ear is self:
            self._place.back(place)

    def holds(self, error: BaseException, message: str) -> None:
        if self._place.ear is self:
            self._place.failed(error, _failure_note(message))

    def failed(self, error: BaseException) -> None:
        _log.warning("%s: a message could not be read", self._place.path, exc_info=error)

    def died(self, error: WorkerDied) -> None:
        if self._place.ear is self:
            self._place.lose("unreachable")
            self._place.calls.clear()
            self._place.failed(error, NOTE)

    def stopped(self) -> None:
        if self._place.ear is self:
            self._place.stopped()

    def called(self, request: int, what: list[Any]) -> None:
        if self._place.ear is self:
            self._place.called(request, what)

    def unhandled(self, error: BaseException) -> None:
        if self._place.ear is self:
            self._place.unhandled()


class Place:
    """Where the actor lives now, and what is there."""

    def __init__(self) -> None:
        self.actor: WorkerActor | None = None
        self.ear: Ear | None = None
        self.ref: Any = None
        self.path = ""
        self.dispatcher: str | None = None  # where its children live
        self.sent: collections.deque[Any] = collections.deque()  # messages, or Sent; oldest first
        self.set_aside: list[Any] = []
        self.resuming: Any = None  # the timer of a failure that the supervision decides on
        self.unsent: list[Any] = []  # that found their worker dead
        self.failure: BaseException | None = None  # that the supervision has to hear of
        self.is_over = False  # the actor there has stopped
        self.must_look = False  # a note was refused: the next message looks
        self.calls: collections.deque[tuple[int, list[Any]]] = collections.deque()
        self._waits: tuple[asyncio.AbstractEventLoop, asyncio.Future[None]] | None = None

    # -- what the worker tells ---------------------------------------------------------------------

    def handled(self, count: int) -> None:
        sent = self.sent
        for _ in range(min(count, len(sent))):
            sent.popleft()
        if self._waits is not None and len(sent) <= _ROOM_AT:
            self.wake()

    def aside(self) -> None:
        if self.sent:
            self.set_aside.append(self.sent.popleft())

    def back(self, place: int) -> None:
        for one in reversed(self.set_aside):
            self.sent.insert(place, one)
        self.set_aside.clear()

    def failed(self, error: BaseException, note: Note) -> None:
        self.failure = error
        self._note(note)

    def stopped(self) -> None:
        self.is_over = True
        self._note(NOTE)

    def called(self, request: int, what: list[Any]) -> None:
        self.calls.append((request, what))
        self._note(NOTE)

    def unhandled(self) -> None:
        if self.sent and self.ref is not None:
            oldest = self.sent[0]
            message = oldest.message if isinstance(oldest, Sent) else oldest
            _native._lose(self.ref, message, "unhandled")

    def _note(self, note: Note) -> None:
        if self.ref is not None and not _native._hand(self.ref, note):
            self.must_look = True  # the mailbox is full: what fills it comes to see
        self.wake()

    def decided(self) -> None:
        """The supervision did not resume it."""
        if self.resuming is not None:
            self.resuming.cancel()
            self.resuming = None

    # -- the host's side ---------------------------------------------------------------------------

    @property
    def has_room(self) -> bool:
        return len(self.sent) < WINDOW and not (self.actor and self.actor.is_congested)

    async def room(self) -> None:
        """Until the worker has taken some of it, or there is something to look at."""
        loop = asyncio.get_running_loop()
        waits = loop.create_future()
        self._waits = loop, waits
        if self.actor is not None:
            self.actor.when_room(self.wake)
        try:
            if len(self.sent) < _ROOM_AT or self.must_wake:
                return
            await waits
        finally:
            self._waits = None

    @property
    def must_wake(self) -> bool:
        return self.failure is not None or self.is_over or bool(self.calls)

    def wake(self) -> None:
        """Any thread."""
        if self._waits is None:
            return
        loop, waits = self._waits

        def over() -> None:
            if not waits.done():
                waits.set_result(None)

        try:
            loop.call_soon_threadsafe(over)
        except RuntimeError:
            pass  # the loop is closed, and the actor with it

    def lose(self, code: str) -> None:
        """What was sent and is not over becomes dead letters."""
        lost = [*self.set_aside, *self.sent]
        if code != "unreachable":
            lost += self.unsent
            self.unsent.clear()
        self.set_aside.clear()
        self.sent.clear()
        for one in lost:
            message = one
            if isinstance(one, Sent):
                message = one.message
                if self.actor is not None:
                    self.actor.forget(one.number)
                why = "its worker process ended" if code == "unreachable" else "it has stopped"
                if one.is_settled:
                    continue  # answered, which the worker had yet to count
                one.reply.fail(ActorStopped(f"{self.path}: {why} before it was handled"))
            if self.ref is not None:
                _native._lose(self.ref, message, code)
