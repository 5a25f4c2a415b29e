"""Journals: append-only stores of events, with the snapshots, timers and messages of each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

from .. import _native
from .._native import Ask
from .records import (
    LAST_SEQUENCE,
    AppendAck,
    Event,
    IdInfo,
    LoadedSnapshot,
    Mark,
    OutboxEntry,
    OutboxMessage,
    SnapshotInfo,
    State,
    StoredEvent,
    StoredTimer,
    TimerChange,
    TimerCursor,
    TimerRecord,
)

__all__ = ["Journal"]

LAST = LAST_SEQUENCE
_LAST_NS = (1 << 63) - 1


def _simulation() -> Any:
    """What the running event loop runs on; None: real time."""
    try:
        return getattr(asyncio.get_running_loop(), "simulation", None)
    except RuntimeError:
        return None


class Journal(_native.Journal):
    """An append-only store of events; the same one that C++ programs use.

    Made by :meth:`memory`, :meth:`sqlite`, :meth:`postgres` or :meth:`mariadb`, which block the
    thread while they open it. Every other call returns an ``Ask`` at once: await it, or block with
    ``.wait()``. May be called from any thread.

    What a writing call acknowledges has survived: the store's fsync returned before. Single writer:
    :meth:`open_writer` gives a persistence id a new epoch, and every older one is refused with
    :class:`odeon.errors.Fenced` from then on. Damage is found at read and raised as
    :class:`odeon.errors.CorruptRecord` with its place. Other errors: ``VersionConflict`` (another
    sequence number was expected), ``StoreFull``, ``IoFailed`` (also: closed), ``QuotaExceeded`` (a
    bound of the options), ``InvalidArgument``.

    Options of all kinds, beside their own: ``max_payload_bytes``, ``max_snapshot_bytes``,
    ``max_pending_appends``, ``max_pending_bytes``, ``group_wait`` (seconds) and the others of
    docs/guide/journals.md. Encryption at rest, of any kind: ``keys`` ("id:key" lines, the newest
    last), ``keys_file`` or ``keys_variable`` (an environment variable), and ``accept_plain``.

    Example::

        journal = Journal.sqlite("bank.db")
        async with odeon.ActorSystem("bank", journal=journal) as system:
            ...
    """

    @classmethod
    def memory(
        cls, *, store: Journal | None = None, system: _native.System | None = None, **options: Any
    ) -> Self:
        """In memory, for tests. ``store``: a closed one, whose content it goes on with.

        For a ``system`` in virtual time (:mod:`odeon.testing`), or made on a loop of such a one, it
        is part of the simulation.
        """
        simulation = getattr(system, "simulation", None) or _simulation()
        return cls._opened("memory", options, store, simulation)

    @classmethod
    def sqlite(cls, path: str | Path, **options: Any) -> Self:
        """One SQLite file in WAL mode, synced before every acknowledgement.

        One process may have it open; ``read_only=True`` shows one moment of it beside a writer.
        ``create=False``: :class:`odeon.errors.NotFound` where there is no file. Further options:
        ``readers``, ``busy_timeout``, ``cache_bytes``, ``max_file_bytes`` …
        """
        return cls._opened("sqlite", {**options, "path": str(path)}, None)

    @classmethod
    def postgres(cls, connection: str, **options: Any) -> Self:
        """On a PostgreSQL server (a libpq connection string); several programs may share it.

        Options: ``schema``, ``create``, ``readers``, ``connect_timeout``, ``statement_timeout`` …
        Raises NotImplementedError where the package was built without it.
        """
        return cls._opened("postgres", {**options, "connection": connection}, None)

    @classmethod
    def mariadb(cls, database: str, **options: Any) -> Self:
        """On a MariaDB server; several programs may share it.

        Options: ``host``, ``port``, ``socket``, ``user``, ``password``, ``table_prefix`` …
        Raises NotImplementedError where the package was built without it.
        """
        return cls._opened("mariadb", {**options, "database": database}, None)

    @classmethod
    def _opened(
        cls, kind: str, options: dict[str, Any], store: Journal | None, simulation: Any = None
    ) -> Self:
        self = cls()
        self._open(kind, options, store, simulation)
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- writing -------------------------------------------------------------------------------

    def open_writer(self, persistence_id: str) -> Ask[int]:
        """Takes over the writing of an id: its new epoch. Older ones are refused from then on."""
        return self._open_writer(persistence_id)

    def append(
        self, persistence_id: str, *, epoch: int, expected_sequence: int,
        events: Iterable[Event] = (), state: State | None = None,
        outbox: Iterable[OutboxMessage] = (), change_timers: Iterable[TimerChange] = (),
        cancel_timers: Iterable[str] = (), set_timers: Iterable[TimerRecord] = (),
        marks: Iterable[Mark] = (),
    ) -> Ask[AppendAck]:
        """Stores all of it or nothing. Events get ``expected_sequence + 1`` and so on; a ``state``
        is for ids without events, and gets the next revision."""
        return self._append(persistence_id, epoch, expected_sequence, events, state, outbox,
                            change_timers, cancel_timers, set_timers, marks)

    def save_snapshot(
        self, persistence_id: str, *, epoch: int, sequence: int, manifest: str, payload: bytes,
        version: int = 1, keep: int = 0,
    ) -> Ask[None]:
        """Stores a shortcut to the state as of ``sequence``; only the ``keep`` newest stay."""
        return self._save_snapshot(
            persistence_id, epoch, sequence, manifest, version, payload, keep)

    def delete_snapshots(
        self, persistence_id: str, min_sequence: int = 0, max_sequence: int = LAST
    ) -> Ask[int]:
        """Deletes snapshots or older revisions of these numbers: how many there were."""
        return self._delete_snapshots(persistence_id, min_sequence, max_sequence)

    def acknowledge_outbox(self, positions: Sequence[int]) -> Ask[None]:
        """Removes messages of the outbox; one that is not there is no error."""
        return self._acknowledge_outbox(positions)

    def change_timers(self, changes: Iterable[TimerChange]) -> Ask[int]:
        """Sets and removes timers without being their writer: how many changes applied."""
        return self._change_timers(changes)

    # -- reading -------------------------------------------------------------------------------

    def read_events(
        self, persistence_id: str, from_sequence: int = 1, to_sequence: int = LAST,
        max_events: int = 1000,
    ) -> Ask[list[StoredEvent]]:
        """A page of an id's events; may be shorter than ``max_events``, and is empty at the end."""
        return self._read_events(persistence_id, from_sequence, to_sequence, max_events)

    def by_tag(self, tag: str, after: int = 0, max_events: int = 1000) -> Ask[list[StoredEvent]]:
        """A page of the events with that tag behind the position ``after``; empty at the end."""
        return self._by_tag(tag, after, max_events)

    def highest_sequence(self, persistence_id: str) -> Ask[int]:
        """Of its last event, or the newest revision; 0: it has none."""
        return self._highest_sequence(persistence_id)

    def describe(self, persistence_id: str) -> Ask[IdInfo]:
        """What is known of an id."""
        return self._describe(persistence_id)

    def persistence_ids(self, after: str = "", max_ids: int = 1000) -> Ask[list[str]]:
        """A page of the ids greater than ``after``, in the order of their bytes."""
        return self._persistence_ids(after, max_ids)

    def load_snapshot(
        self, persistence_id: str, max_sequence: int = LAST, min_sequence: int = 0
    ) -> Ask[LoadedSnapshot]:
        """The newest good one of these numbers, and what was wrong with newer ones."""
        return self._load_snapshot(persistence_id, min_sequence, max_sequence)

    def snapshots_of(self, persistence_id: str, max_count: int = 100) -> Ask[list[SnapshotInfo]]:
        """What snapshots or revisions there are, the newest first."""
        return self._snapshots_of(persistence_id, 0, LAST, max_count)

    def read_mark(self, persistence_id: str, name: str) -> Ask[int]:
        """0: the id has no such mark."""
        return self._read_mark(persistence_id, name)

    def marks_of(
        self, persistence_id: str, after: str = "", max_count: int = 1000
    ) -> Ask[list[Mark]]:
        """A page of an id's marks, by name."""
        return self._marks_of(persistence_id, after, max_count)

    def timers_due(
        self, until_ns: int = _LAST_NS, after: TimerCursor | None = None, max_count: int = 1000
    ) -> Ask[list[StoredTimer]]:
        """A page of the timers due at ``until_ns`` or before, by due time."""
        return self._timers_due(until_ns, after, max_count)

    def timers_of(self, persistence_id: str) -> Ask[list[TimerRecord]]:
        """All timers of an id, by their ids."""
        return self._timers_of(persistence_id)

    def take_outbox(self, after: int = 0, max_count: int = 1000) -> Ask[list[OutboxEntry]]:
        """A page of the messages that wait to be delivered; taking one does not reserve it."""
        return self._take_outbox(after, max_count)

    # -- failures on demand, for tests: of a journal in memory ------------------------------------

    def fail_next_commits(self, count: int, *, store_full: bool = False) -> None:
        """The next ``count`` transactions fail, and leave nothing."""
        self._fail_commits(count, store_full)

    def hold_commits(self) -> None:
        """Transactions wait until :meth:`release_commits`."""
        self._hold_commits(True)

    def release_commits(self) -> None:
        """Lets held transactions go on."""
        self._hold_commits(False)

    def damage_event(self, persistence_id: str, sequence: int) -> bool:
        """Makes its checksum wrong; false: there is no such event."""
        return self._damage("event", persistence_id, sequence)

    def damage_snapshot(self, persistence_id: str, sequence: int) -> bool:
        """The same for a snapshot or revision."""
        return self._damage("snapshot", persistence_id, sequence)
