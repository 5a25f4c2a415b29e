"""The state of workflows: named values beside the ones that go along the edges."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from os import PathLike
from typing import Any, Final

from odeon.errors import (
    DecodingError,
    IoFailed,
    QuotaExceeded,
    StoreFull,
    VersionConflict,
    WrongType,
)

from ._values import Values

MAX_KEYS: Final = 100_000
MAX_KEY_BYTES: Final = 512
MAX_VALUE_BYTES: Final = 1 << 20
MAX_LOCK_WAITERS: Final = 10_000

Row = tuple[str, int, str]  # manifest, version, JSON
Migrate = Callable[[int, "Transaction"], object]


class Transaction:
    """Reads and changes that happen together or not at all; dropped, it does nothing."""

    def __init__(self, store: StateStore) -> None:
        self._store = store
        self._seen: dict[str, int] = {}
        self._changes: dict[str, Row | None] = {}

    def get(self, key: str, default: Any = None) -> Any:
        """A copy of the value, as this transaction leaves it."""
        self._note(key)
        row = self._changes[key] if key in self._changes else self._store._rows.get(key)
        return default if row is None else self._store.values.of_row(*row)

    def put(self, key: str, value: Any) -> None:
        """Raises ``EncodingError`` for what cannot be stored."""
        self._note(key)
        self._changes[key] = self._store.values.to_row(value)

    def erase(self, key: str) -> None:
        self._note(key)
        self._changes[key] = None

    def keys(self, prefix: str = "") -> list[str]:
        """Those that begin with ``prefix``, in order, as this transaction leaves them."""
        all = set(self._store._rows) | {k for k, row in self._changes.items() if row is not None}
        gone = {k for k, row in self._changes.items() if row is None}
        return sorted(k for k in all - gone if k.startswith(prefix))

    async def commit(self) -> None:
        """Makes the changes, all or none. Raises ``VersionConflict`` when a key that was read or
        written here has been changed by another commit since, ``QuotaExceeded`` past a bound."""
        seen, self._seen = self._seen, {}
        changes, self._changes = self._changes, {}
        # A commit that was begun ends, also when who waits for it is cancelled.
        await asyncio.shield(self._store._commit(seen, changes))

    def _note(self, key: str) -> None:
        self._seen.setdefault(key, self._store._revisions.get(key, 0))


class StateStore:
    """A store of named values, in memory. Used on one loop."""

    def __init__(self, *types: type) -> None:
        """``types``: dataclasses that it may have to read before it has written one."""
        self.values = Values(*types)
        self._rows: dict[str, Row] = {}
        self._revisions: dict[str, int] = {}
        self._commits = 0
        self._turn = asyncio.Lock()
        self._locks: dict[str, tuple[asyncio.Lock, list[int]]] = {}

    def begin(self) -> Transaction:
        return Transaction(self)

    def get(self, key: str, default: Any = None) -> Any:
        """A copy of the value that the last commit left."""
        return self.begin().get(key, default)

    async def put(self, key: str, value: Any) -> None:
        """One change as a transaction."""
        t = self.begin()
        t.put(key, value)
        await t.commit()

    def keys(self, prefix: str = "") -> list[str]:
        return self.begin().keys(prefix)

    @asynccontextmanager
    async def lock(self, name: str) -> AsyncIterator[None]:
        """``async with store.lock("till")``: one at a time, first come, first served."""
        lock, waiting = self._locks.setdefault(name, (asyncio.Lock(), [0]))
        if waiting[0] >= MAX_LOCK_WAITERS:
            raise QuotaExceeded(f"more than {MAX_LOCK_WAITERS} wait for the lock '{name}'")
        waiting[0] += 1
        try:
            async with lock:
                yield
        finally:
            waiting[0] -= 1
            if not waiting[0]:
                self._locks.pop(name, None)

    def close(self) -> None:
        """Nothing is left to do; a file is closed."""

    async def _commit(self, seen: dict[str, int], changes: dict[str, Row | None]) -> None:
        async with self._turn:
            for key, revision in seen.items():
                if self._revisions.get(key, 0) != revision:
                    raise VersionConflict(f"the key '{key}' was changed meanwhile")
            self._check(changes)
            if changes:
                await self._write(changes)
            self._commits += 1
            for key, row in changes.items():
                self._revisions[key] = self._commits
                if row is None:
                    self._rows.pop(key, None)
                else:
                    self._rows[key] = row

    def _check(self, changes: dict[str, Row | None]) -> None:
        for key, row in changes.items():
            if len(key.encode()) > MAX_KEY_BYTES:
                raise QuotaExceeded(f"a key has at most {MAX_KEY_BYTES} bytes: '{key[:40]}…'")
            if row is not None and len(row[2].encode()) > MAX_VALUE_BYTES:
                raise QuotaExceeded(f"the value of '{key}' has more than {MAX_VALUE_BYTES} bytes")
        new = sum(1 for key, row in changes.items() if row is not None and key not in self._rows)
        if len(self._rows) + new > MAX_KEYS:
            raise QuotaExceeded(f"a store has at most {MAX_KEYS} keys")

    async def _write(self, changes: dict[str, Row | None]) -> None:
        """Before a commit is acknowledged."""


class SqliteState(StateStore):
    """One file of SQLite, in the layout of C++'s ``open_sqlite_state``; a commit writes the changed
    keys, with fsync. The file has one user at a time. Opening it blocks while it reads.

    ``migrate(from_version, transaction)`` brings a file of an older ``schema_version`` up, in one
    transaction with its new number. Raises ``DecodingError`` for a newer file, ``VersionConflict``
    for an older one without ``migrate``, ``WrongType`` for the database of another program and
    ``IoFailed`` for a file in use.
    """

    _APPLICATION: Final = 0x6F647773  # "odws"
    _LAYOUT: Final = 1

    def __init__(
        self,
        path: str | PathLike[str],
        *types: type,
        schema_version: int = 1,
        migrate: Migrate | None = None,
    ) -> None:
        super().__init__(*types)
        self._path = str(path)
        self._schema = schema_version
        self._lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise IoFailed(f"{self._path} is in use by another store or program") from error
            self._db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            try:
                found = self._read()
                self._bring_up(found, migrate)
            except BaseException:
                self._db.close()
                raise
        except sqlite3.Error as error:
            os.close(self._lock)
            raise IoFailed(f"{self._path}: {error}") from error
        except BaseException:
            os.close(self._lock)
            raise
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="odeon-state")

    def close(self) -> None:
        """Closes the file, after what was begun. Blocks for that."""
        self._worker.shutdown()
        self._db.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _read(self) -> int:
        """The schema version of what is there; 0: nothing yet."""
        db = self._db
        if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.executescript(
                "BEGIN IMMEDIATE;"
                f"PRAGMA application_id={self._APPLICATION};"
                f"PRAGMA user_version={self._LAYOUT};"
                "CREATE TABLE schema(version INTEGER NOT NULL);"
                "CREATE TABLE state(key TEXT PRIMARY KEY, type TEXT NOT NULL,"
                " version INTEGER NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;"
                "COMMIT"
            )
            return 0
        if db.execute("PRAGMA application_id").fetchone()[0] != self._APPLICATION:
            raise WrongType(f"{self._path} is the database of another program")
        if db.execute("PRAGMA user_version").fetchone()[0] > self._LAYOUT:
            raise DecodingError(f"{self._path} was written by a newer Odeon")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        for key, type, version, value in db.execute("SELECT key, type, version, value FROM state"):
            self._rows[key] = (type, version, value)
            self._revisions[key] = 1
        self._commits = 1
        row = db.execute("SELECT version FROM schema").fetchone()
        return int(row[0]) if row else 0

    def _bring_up(self, found: int, migrate: Migrate | None) -> None:
        if found > self._schema:
            raise DecodingError(
                f"{self._path} has schema version {found}, newer than {self._schema}"
            )
        changes: dict[str, Row | None] = {}
        if 0 < found < self._schema:
            if migrate is None:
                raise VersionConflict(
                    f"{self._path} has schema version {found}, and there is no migrate "
                    f"to {self._schema}"
                )
            t = self.begin()
            migrate(found, t)
            changes = t._changes
            self._check(changes)
        if found != self._schema:
            self._write_rows(changes, found)
            for key, row in changes.items():
                self._revisions[key] = 1
                if row is None:
                    self._rows.pop(key, None)
                else:
                    self._rows[key] = row

    def _write_rows(self, changes: dict[str, Row | None], schema: int) -> None:
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            if schema != self._schema:
                db.execute("DELETE FROM schema")
                db.execute("INSERT INTO schema VALUES(?)", (self._schema,))
            for key, row in changes.items():
                if row is None:
                    db.execute("DELETE FROM state WHERE key = ?", (key,))
                else:
                    db.execute("INSERT OR REPLACE INTO state VALUES(?, ?, ?, ?)", (key, *row))
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")

    async def _write(self, changes: dict[str, Row | None]) -> None:
        def work() -> None:
            try:
                self._write_rows(changes, self._schema)
            except sqlite3.Error as error:
                full = "full" in str(error)
                raise (StoreFull if full else IoFailed)(f"{self._path}: {error}") from error

        await asyncio.get_running_loop().run_in_executor(self._worker, work)
