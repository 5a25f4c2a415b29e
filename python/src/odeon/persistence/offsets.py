"""Where projections keep how far they have read."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ..errors import VersionConflict

__all__ = ["MemoryOffsets", "OffsetStore", "SqliteOffsets"]

T = TypeVar("T")


class OffsetStore(Protocol):
    """One number, the position of the last event handled, under the name of each projection."""

    def load(self, projection: str) -> Awaitable[int]:
        """0: the projection has handled nothing."""

    def save(self, projection: str, before: int, after: int) -> Awaitable[None]:
        """Moves the offset from ``before``. Raises ``VersionConflict`` when it is another one."""


def _conflict(projection: str, before: int, there: int) -> VersionConflict:
    return VersionConflict(f"the offset of the projection {projection!r} is {there}, not {before}: "
                           "another one of that name has moved it")


class MemoryOffsets:
    """Offsets in memory, for tests and for projections that begin anew with each process."""

    def __init__(self) -> None:
        self._offsets: dict[str, int] = {}

    async def load(self, projection: str) -> int:
        """0: the projection has handled nothing."""
        return self._offsets.get(projection, 0)

    async def save(self, projection: str, before: int, after: int) -> None:
        """Moves the offset."""
        there = self._offsets.get(projection, 0)
        if there != before:
            raise _conflict(projection, before, there)
        self._offsets[projection] = after


class SqliteOffsets:
    """Offsets in an SQLite file that also holds the projections' own tables, as C++ has them.

    One connection, on a thread of its own; WAL and ``synchronous=FULL``. ``setup``: SQL run at the
    opening, for tables ("CREATE TABLE IF NOT EXISTS …"). Several processes may use one file; it is
    not to be a journal's. Close it when its projections have ended.
    """

    def __init__(self, path: str | Path, setup: str = "", *, busy_timeout: float = 5.0) -> None:
        self._thread = ThreadPoolExecutor(1, "odeon-offsets")
        try:
            self._db = self._thread.submit(self._open, str(path), setup, busy_timeout).result()
        except BaseException:
            self._thread.shutdown()
            raise

    @staticmethod
    def _open(path: str, setup: str, busy_timeout: float) -> sqlite3.Connection:
        db = sqlite3.connect(path, timeout=busy_timeout, isolation_level=None)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("CREATE TABLE IF NOT EXISTS odeon_projections(name TEXT PRIMARY KEY,"
                   " position INTEGER NOT NULL) WITHOUT ROWID")
        if setup:
            db.executescript(setup)
        return db

    def close(self) -> None:
        """Ends the thread. Blocks."""
        self._thread.submit(self._db.close).result()
        self._thread.shutdown()

    async def _call(self, function: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)

    async def load(self, projection: str) -> int:
        """0: the projection has handled nothing."""
        return await self._call(self._position, projection)

    async def save(self, projection: str, before: int, after: int) -> None:
        """Moves the offset."""
        await self.run(projection, before, after, lambda db: None)

    async def run(
        self, projection: str, before: int, after: int, work: Callable[[sqlite3.Connection], Any]
    ) -> None:
        """Moves the offset, and does ``work(connection)`` in the same transaction, on the store's
        thread, where it may block. What it raises undoes all. It must not commit by itself."""
        await self._call(self._transaction, projection, before, after, work)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The result of ``work(connection)`` on the store's thread: to read what was projected."""
        return await self._call(lambda: work(self._db))

    def _position(self, projection: str) -> int:
        row = self._db.execute("SELECT position FROM odeon_projections WHERE name = ?",
                               (projection,)).fetchone()
        return int(row[0]) if row else 0

    def _transaction(self, projection: str, before: int, after: int,
                     work: Callable[[sqlite3.Connection], Any]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            there = self._position(projection)
            if there != before:
                raise _conflict(projection, before, there)
            self._db.execute(
                "INSERT OR REPLACE INTO odeon_projections(name, position) VALUES(?, ?)",
                (projection, after))
            work(self._db)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
