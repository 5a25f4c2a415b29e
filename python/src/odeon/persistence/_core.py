"""What event-sourced and durable-state actors share: recovery, commits, numbers of messages."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from .. import _native
from .._native import ActorRef, Context, Delivery
from ..errors import InvalidArgument, VersionConflict
from . import _wire
from .effects import DurableRef, Effect, Target
from .receivers import address_of, installed
from .records import Event, Mark, OutboxMessage, State, StoredEvent, StoredSnapshot, TimerChange

log = logging.getLogger("odeon.persistence")

_MARKS_MAX = 4096
_PAGE = 1000


class Core:
    """The writer of one persistence id. On its actor's turns only, one call at a time."""

    def __init__(self, ctx: Context, persistence_id: Any) -> None:
        if not isinstance(persistence_id, str) or not persistence_id:
            raise InvalidArgument(f"{ctx.path}: persistence_id is a text, not {persistence_id!r}")
        self.id = persistence_id
        self.system = ctx.system
        self.journal = installed(self.system)
        self.sequence = 0  # of the last event, or the revision of the state
        self.is_ready = False  # recovered: what the actor has is the whole of what is stored
        self._epoch = 0
        self._marks: dict[str, int] = {}

    async def recover(
        self, on_snapshot: Callable[[StoredSnapshot], Any],
        on_event: Callable[[StoredEvent], Awaitable[None] | None],
    ) -> int:
        """Takes a permit and the writing of the id, and reads: the snapshot's sequence number."""
        permit = await _native.durable_permit(self.system)
        try:
            self._epoch = await self.journal.open_writer(self.id)
            loaded = await self.journal.load_snapshot(self.id)
            for why in loaded.damaged:
                log.warning("%s: a snapshot was passed over: %s", self.id, why)
            highest = await self.journal.highest_sequence(self.id)
            at = start = 0
            if loaded.snapshot is not None:
                at = start = loaded.snapshot.sequence
                on_snapshot(loaded.snapshot)
            while at < highest:
                for event in await self.journal.read_events(self.id, at + 1, highest, _PAGE):
                    waits = on_event(event)
                    if waits is not None:
                        await waits
                    at = event.sequence
            self.sequence = highest
            return start
        finally:
            permit.release()

    def ready(self, ctx: Context) -> None:
        """Recovery has ended well: deliveries may come."""
        self.is_ready = True
        _native.durable_add_receiver(self.system, self.id, ctx.self)

    def address(self, to: Target) -> str:
        """Where a message is for."""
        if isinstance(to, DurableRef):
            return to.address
        if isinstance(to, str):
            return to
        if isinstance(to, ActorRef):
            found = address_of(self.system, to)
            if found:
                return found
            raise InvalidArgument(
                f"{to.path} is no durable receiver: make it one with persistence.receive, or send "
                "to a DurableRef")
        raise TypeError(
            f"a message is sent to a DurableRef or an ActorRef, not {type(to).__name__}")

    async def _mark(self, name: str) -> int:
        known = self._marks.get(name)
        if known is None:
            known = await self.journal.read_mark(self.id, name)
            self._remember(name, known)
        return known

    def _remember(self, name: str, value: int) -> None:
        if len(self._marks) >= _MARKS_MAX:
            self._marks.clear()
        self._marks[name] = value

    async def is_new(self, what: Delivery) -> bool:
        """False: it was settled before. ``VersionConflict``: one before it is missing."""
        if what.number == 0:
            return True
        last = await self._mark("in:" + what.sender)
        if what.number <= last:
            return False
        if what.number == last + 1:
            return True
        raise VersionConflict(
            f"{self.id!r} has had message {last} of {what.sender!r}, and this is number "
            f"{what.number}")

    async def commit(
        self, effect: Effect, events: list[Event], state: State | None, settling: Delivery | None
    ) -> None:
        """Stores it all, or nothing; ``settling`` is the delivery whose effect this is."""
        marks: dict[str, int] = {}
        outbox = []
        for to, message in effect.outgoing:
            address = self.address(to)
            name = "out:" + address
            number = marks[name] = (marks[name] if name in marks else await self._mark(name)) + 1
            outbox.append(OutboxMessage(str(number), address, *_wire.encode(message)))
        timers = [timer.to_record(self.system) for timer in effect.timers]
        changes = []
        if settling is not None:
            if settling.number > 0:
                marks["in:" + settling.sender] = settling.number
            if settling.timer:
                # Only the round that was handled: what has been set meanwhile stays.
                changes.append(
                    TimerChange(self.id, settling.timer, settling.due_ns, settling.again))
        ack = await self.journal.append(
            self.id, epoch=self._epoch, expected_sequence=self.sequence, events=events, state=state,
            outbox=outbox, change_timers=changes, cancel_timers=effect.cancelled, set_timers=timers,
            marks=[Mark(*mark) for mark in marks.items()])
        self.sequence = ack.sequence
        for mark in marks.items():
            self._remember(*mark)
        if outbox or timers:
            due = min((timer.due_ns for timer in timers), default=None)
            _native.durable_committed(self.system, bool(outbox), due)

    def save_snapshot(self, value: Any, keep: int) -> None:
        """Not waited for; a failure is logged."""
        manifest, version, payload = _wire.encode(value)
        saved = self.journal.save_snapshot(
            self.id, epoch=self._epoch, sequence=self.sequence, manifest=manifest, version=version,
            payload=payload, keep=keep)
        saved.add_done_callback(self._saved)

    def _saved(self, saved: Any) -> None:
        why = None if saved.cancelled() else saved.exception()
        if why is not None:
            log.warning("%s: a snapshot was not saved: %s", self.id, why)
