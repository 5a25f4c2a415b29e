"""What goes into a journal and what comes out of it. All are named tuples.

Sequence numbers count the events of one persistence id: 1, 2, 3 … Positions count all events of a
journal in the order of their commits. Times named ``…_ns`` are nanoseconds since 1970 in UTC;
:func:`at` makes a ``datetime`` of one.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import NamedTuple

__all__ = [
    "LAST_SEQUENCE", "Activation", "AppendAck", "Event", "IdInfo", "JournalStats",
    "LoadedSnapshot", "Mark",
    "OutboxEntry", "OutboxMessage", "SnapshotInfo", "State", "StoredEvent", "StoredSnapshot",
    "StoredTimer", "TimerChange", "TimerCursor", "TimerRecord", "TimerStats", "at",
]

LAST_SEQUENCE = (1 << 64) - 1  #: beyond all
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def at(ns: int) -> datetime.datetime:
    """The moment, in UTC, to a microsecond."""
    return _EPOCH + datetime.timedelta(microseconds=ns // 1000)


class Event(NamedTuple):
    """An event to be stored: the name of its type, the version of that type's layout, its bytes."""

    manifest: str
    version: int
    payload: bytes
    tags: Sequence[str] = ()


class StoredEvent(NamedTuple):
    """An event as it is stored."""

    persistence_id: str
    sequence: int
    position: int
    epoch: int
    written_ns: int
    manifest: str
    version: int
    payload: bytes
    tags: Sequence[str]


class OutboxMessage(NamedTuple):
    """A message to be delivered after its append was committed. ``id`` is for the receiver."""

    id: str
    target: str
    manifest: str
    version: int
    payload: bytes


class OutboxEntry(NamedTuple):
    """An outbox message in the store; ``position`` names it."""

    position: int
    persistence_id: str
    sequence: int
    id: str
    target: str
    manifest: str
    version: int
    payload: bytes


class TimerRecord(NamedTuple):
    """A timer as the journal keeps it; :class:`odeon.persistence.DurableTimer` makes it."""

    id: str
    due_ns: int
    manifest: str
    version: int
    payload: bytes


class StoredTimer(NamedTuple):
    """A timer, and whose it is."""

    persistence_id: str
    timer: TimerRecord


class TimerCursor(NamedTuple):
    """A place in the order of timers, for reading on."""

    due_ns: int
    persistence_id: str
    timer_id: str


class TimerChange(NamedTuple):
    """Sets a timer, or (``set`` None) removes it; where ``only_if_due_ns`` is given, only when it
    is due just then."""

    persistence_id: str
    timer_id: str
    only_if_due_ns: int | None = None
    set: TimerRecord | None = None


class Mark(NamedTuple):
    """A number that an id keeps under a name; 0: there is none."""

    name: str
    value: int


class State(NamedTuple):
    """The whole of a state, for an id that keeps states; the ``keep`` newest stay (0: all)."""

    manifest: str
    version: int
    payload: bytes
    keep: int = 1


class AppendAck(NamedTuple):
    """The sequence number of the last event (or revision), and the position of the last event."""

    sequence: int
    position: int


class StoredSnapshot(NamedTuple):
    """A snapshot, or a revision of a state."""

    sequence: int
    written_ns: int
    manifest: str
    version: int
    payload: bytes


class SnapshotInfo(NamedTuple):
    """A snapshot without its content; ``size`` in bytes."""

    sequence: int
    written_ns: int
    manifest: str
    version: int
    size: int
    damaged: bool


class LoadedSnapshot(NamedTuple):
    """The newest good snapshot, and what was wrong with newer ones."""

    snapshot: StoredSnapshot | None
    damaged: Sequence[str]


class IdInfo(NamedTuple):
    """What is known of a persistence id; all zero: nothing."""

    epoch: int
    highest_sequence: int
    keeps_states: bool


class JournalStats(NamedTuple):
    """What a journal has done since it was opened, and has in hand."""

    commits: int
    failed_commits: int
    appends: int
    events: int
    refused: int
    pending_appends: int
    pending_bytes: int
    pending_reads: int


class TimerStats(NamedTuple):
    """What the service of durable timers has done since it began."""

    fired: int
    skipped: int
    failed: int
    reads: int
    under_way: int


class Activation(NamedTuple):
    """Somebody is wanted at an address."""

    address: str
