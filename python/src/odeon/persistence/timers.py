"""Timers that survive restarts, and the service that fires them."""

from __future__ import annotations

import datetime
import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .. import _native, codecs
from ..errors import DecodingError, OdeonError
from . import _wire
from .receivers import installed
from .records import StoredTimer, TimerChange, TimerCursor, TimerRecord, TimerStats

if TYPE_CHECKING:
    from ..patterns import Cron

__all__ = ["CatchUp", "DurableTimer", "DurableTimers", "start_timers"]

_EDITS = 8  # attempts against others that change the same timer


class CatchUp(enum.Enum):
    """What becomes of rounds that nobody fired in time, because the system was down, or busy."""

    ONCE = 0  #: all missed rounds are one, fired now
    ALL = 1  #: each of them, one after the other, at most ``most`` of them
    SKIP = 2  #: none of them; a timer of one round is removed


@dataclass(frozen=True, slots=True)
class DurableTimer:
    """When a message is to come to its owner, and how it repeats. A value.

    Made by :meth:`at`, :meth:`after`, :meth:`every` and :meth:`on`. The message comes at least
    once; the timer goes, or goes on, with the commit of its handler's effects.

    Example::

        schedule(DurableTimer.after("lease", 600.0, Expire()))
        schedule(DurableTimer.on("report", "0 6 * * mon", MakeReport(), zone="Europe/Berlin"))
    """

    id: str
    message: Any
    due_ns: int | None = None  #: of the (next) round; None: ``wait`` seconds after it is set
    wait: float = 0.0
    interval: float = 0.0
    cron: str = ""
    zone: str = ""
    missed: CatchUp = CatchUp.ONCE
    most: int = 1000

    @classmethod
    def at(cls, id: str, when: datetime.datetime, message: Any) -> DurableTimer:
        """Once, at ``when`` (with a time zone); at once if that has passed."""
        return cls(id, message, due_ns=_nanoseconds(when))

    @classmethod
    def after(cls, id: str, seconds: float, message: Any) -> DurableTimer:
        """Once, so many seconds after it is set."""
        return cls(id, message, wait=seconds)

    @classmethod
    def every(
        cls, id: str, interval: float, message: Any, first: datetime.datetime | None = None
    ) -> DurableTimer:
        """At a fixed rate, first ``interval`` seconds after it is set, or at ``first``."""
        due = None if first is None else _nanoseconds(first)
        return cls(id, message, due_ns=due, wait=interval, interval=interval)

    @classmethod
    def on(cls, id: str, expression: str | Cron, message: Any, zone: str = "UTC") -> DurableTimer:
        """Whenever a cron expression says: a text with its zone, or an ``odeon.patterns.Cron``."""
        if not isinstance(expression, str):
            zone, expression = expression.zone, expression.expression
        return cls(id, message, cron=expression, zone=zone)

    def catching_up(self, missed: CatchUp, most: int = 1000) -> DurableTimer:
        """The same with that policy for missed rounds."""
        return replace(self, missed=missed, most=most)

    def to_record(self, system: _native.System) -> TimerRecord:
        """As the journal keeps it, set now. Raises ``InvalidArgument`` (an empty id, a negative
        wait, an expression that never comes)."""
        manifest, version, payload = _wire.encode(self.message)
        due = self.due_ns
        if due is None:
            if self.wait < 0:
                raise ValueError(f"timer {self.id!r}: a wait of {self.wait} s is negative")
            due = _native.durable_wall_now(system) + round(self.wait * 1e9)
        made: TimerRecord = _native.durable_timer_make(
            system, self.id, due, self.interval, self.cron, self.zone, self.missed.value, self.most,
            manifest, version, payload)
        return made

    @classmethod
    def from_record(cls, record: TimerRecord) -> DurableTimer | None:
        """What the journal keeps; None for a timer of another kind. A message whose class is not
        known here stays a :class:`odeon.codecs.Encoded`."""
        parts = _native.durable_timer_read(record)
        if parts is None:
            return None
        due, interval, cron, zone, missed, most, manifest, version, payload = parts
        message: Any
        try:
            message = _wire.decode(manifest, version, payload)
        except DecodingError:
            message = codecs.Encoded(manifest, version, payload)
        return cls(record.id, message, due, 0.0, interval, cron, zone, CatchUp(missed), most)


def _nanoseconds(when: datetime.datetime) -> int:
    if when.tzinfo is None:
        raise ValueError("a time without a zone is no moment: use datetime.now(timezone.utc)")
    since = when - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return (since // datetime.timedelta(microseconds=1)) * 1000


class DurableTimers:
    """The timers of a system's journal. The service need not run here: a timer is then fired by
    whoever runs it on the store."""

    def __init__(self, system: _native.System) -> None:
        self._system = system
        self._journal = installed(system)

    async def set(self, owner: str, timer: DurableTimer) -> None:
        """Sets a timer, or replaces the owner's one of that id. Durable when it returns."""
        record = timer.to_record(self._system)
        await self._journal.change_timers([TimerChange(owner, timer.id, None, record)])
        _native.durable_committed(self._system, False, record.due_ns)

    async def edit(self, owner: str, timer: DurableTimer) -> bool:
        """Replaces the owner's timer of that id; false: there is none, and none is made."""
        record = timer.to_record(self._system)
        for _ in range(_EDITS):
            there = {t.id: t for t in await self._journal.timers_of(owner)}.get(timer.id)
            if there is None:
                return False
            change = TimerChange(owner, timer.id, there.due_ns, record)
            if await self._journal.change_timers([change]):
                _native.durable_committed(self._system, False, record.due_ns)
                return True
        raise OdeonError(f"timer {timer.id!r} of {owner!r} was changed by others all the time")

    async def cancel(self, owner: str, id: str) -> bool:
        """False: there is none."""
        return await self._journal.change_timers([TimerChange(owner, id)]) > 0

    async def of(self, owner: str) -> list[DurableTimer]:
        """The owner's timers, by their ids; those of other kinds are left out."""
        found = map(DurableTimer.from_record, await self._journal.timers_of(owner))
        return [timer for timer in found if timer is not None]

    async def list(
        self, after: TimerCursor | None = None, max_count: int = 1000
    ) -> list[StoredTimer]:
        """A page of all owners' timers, by due time."""
        return await self._journal.timers_due(after=after, max_count=max_count)

    def stats(self) -> TimerStats:
        """All zero where no service runs."""
        stats: TimerStats = _native.durable_timer_stats(self._system)
        return stats


def start_timers(
    system: _native.System, *, grace: float = 60.0, recheck: float = 5.0, page: int = 1024,
    window: int = 4096, window_bytes: int = 64 << 20, min_backoff: float = 0.1,
    max_backoff: float = 60.0,
) -> DurableTimers:
    """Starts the service of this system, once (:class:`odeon.errors.NameTaken` the second time).

    A round looked at more than ``grace`` seconds late has been missed: see :class:`CatchUp`. The
    store and the wall clock are looked at every ``recheck`` seconds at least. At most ``window``
    deliveries (``window_bytes`` of messages) are under way; one that fails is repeated after
    ``min_backoff`` seconds, then twice that, up to ``max_backoff``.
    """
    timers = DurableTimers(system)
    _native.durable_start_timers(
        system, grace, recheck, page, window, window_bytes, min_backoff, max_backoff)
    return timers
