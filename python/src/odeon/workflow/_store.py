"""Where durable runs are recorded: in memory, in a file of SQLite, or where you like."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from typing import Any, Final, Protocol, TypeVar

from odeon.errors import DecodingError, Fenced, IoFailed, StoreFull, WrongType

R = TypeVar("R")
Record = dict[str, Any]
"""Of JSON; with ``kind`` started, done, failed, failing, undone or finished."""


class RunStore(Protocol):
    """Records of runs, in order. Each call is done when what it wrote survives a crash."""

    async def claim(self, run_id: str) -> tuple[int, list[Record]]:
        """Takes a run over: an epoch, and what was recorded. Older epochs cannot append any
        more."""
        ...

    async def append(self, run_id: str, epoch: int, workflow: str, records: list[Record]) -> None:
        """All or none. Raises ``Fenced`` when the run was claimed again since."""
        ...

    async def unfinished(self, workflow: str) -> list[str]:
        """The ids of the runs of that workflow that have begun and not ended, oldest first."""
        ...


class MemoryRuns:
    """Gone with the program."""

    def __init__(self) -> None:
        self._records: dict[str, list[str]] = {}
        self._epochs: dict[str, int] = {}
        self._open: dict[str, str] = {}

    async def claim(self, run_id: str) -> tuple[int, list[Record]]:
        epoch = self._epochs[run_id] = self._epochs.get(run_id, 0) + 1
        return epoch, [json.loads(r) for r in self._records.get(run_id, ())]

    async def append(self, run_id: str, epoch: int, workflow: str, records: list[Record]) -> None:
        if self._epochs.get(run_id) != epoch:
            raise Fenced(f"the run '{run_id}' was taken over by another one")
        self._records.setdefault(run_id, []).extend(json.dumps(r) for r in records)
        self._open[run_id] = workflow
        if any(r["kind"] == "finished" for r in records):
            del self._open[run_id]

    async def unfinished(self, workflow: str) -> list[str]:
        return [id for id, name in self._open.items() if name == workflow]


class SqliteRuns:
    """One file, of ``sqlite3``; several programs may share it. A commit is on the disk when it is
    acknowledged. ``close`` it at the end."""

    _APPLICATION: Final = 0x6F647772  # "odwr"
    _LAYOUT: Final = 1

    def __init__(self, path: str | PathLike[str]) -> None:
        self._path = str(path)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="odeon-runs")
        self._db: sqlite3.Connection | None = None

    def _opened(self) -> sqlite3.Connection:
        if self._db is not None:
            return self._db
        db = sqlite3.connect(self._path, isolation_level=None, timeout=10)
        try:
            tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            application = db.execute("PRAGMA application_id").fetchone()[0]
            layout = db.execute("PRAGMA user_version").fetchone()[0]
            if tables and application != self._APPLICATION:
                raise WrongType(f"{self._path} is the database of another program")
            if tables and layout > self._LAYOUT:
                raise DecodingError(f"{self._path} was written by a newer Odeon")
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            if not tables:
                db.executescript(
                    "BEGIN IMMEDIATE;"
                    f"PRAGMA application_id={self._APPLICATION};"
                    f"PRAGMA user_version={self._LAYOUT};"
                    "CREATE TABLE IF NOT EXISTS runs(id TEXT PRIMARY KEY, workflow TEXT NOT NULL,"
                    " epoch INTEGER NOT NULL, began INTEGER NOT NULL, ended INTEGER NOT NULL)"
                    " WITHOUT ROWID;"
                    "CREATE TABLE IF NOT EXISTS records(run TEXT NOT NULL,"
                    " sequence INTEGER NOT NULL, record TEXT NOT NULL,"
                    " PRIMARY KEY(run, sequence)) WITHOUT ROWID;"
                    "COMMIT"
                )
        except BaseException:
            db.close()
            raise
        self._db = db
        return db

    async def _run(self, work: Callable[[sqlite3.Connection], R]) -> R:
        def transaction() -> R:
            db = self._opened()
            db.execute("BEGIN IMMEDIATE")
            try:
                result = work(db)
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")
            return result

        def told() -> R:
            try:
                return transaction()
            except sqlite3.Error as error:
                full = "full" in str(error)
                raise (StoreFull if full else IoFailed)(f"{self._path}: {error}") from error

        return await asyncio.get_running_loop().run_in_executor(self._worker, told)

    async def claim(self, run_id: str) -> tuple[int, list[Record]]:
        def work(db: sqlite3.Connection) -> tuple[int, list[Record]]:
            db.execute(
                "INSERT INTO runs VALUES(?, '', 1, ?, 0)"
                " ON CONFLICT(id) DO UPDATE SET epoch = epoch + 1",
                (run_id, time.time_ns()),
            )
            epoch = db.execute("SELECT epoch FROM runs WHERE id = ?", (run_id,)).fetchone()[0]
            rows = db.execute(
                "SELECT record FROM records WHERE run = ? ORDER BY sequence", (run_id,)
            )
            return int(epoch), [json.loads(row[0]) for row in rows]

        return await self._run(work)

    async def append(self, run_id: str, epoch: int, workflow: str, records: list[Record]) -> None:
        def work(db: sqlite3.Connection) -> None:
            now = db.execute("SELECT epoch FROM runs WHERE id = ?", (run_id,)).fetchone()
            if now is None or now[0] != epoch:
                raise Fenced(f"the run '{run_id}' was taken over by another one")
            last = db.execute(
                "SELECT coalesce(max(sequence), 0) FROM records WHERE run = ?", (run_id,)
            ).fetchone()[0]
            db.executemany(
                "INSERT INTO records VALUES(?, ?, ?)",
                [
                    (run_id, last + 1 + i, json.dumps(r, ensure_ascii=False))
                    for i, r in enumerate(records)
                ],
            )
            ended = any(r["kind"] == "finished" for r in records)
            db.execute(
                "UPDATE runs SET workflow = ?, ended = ? WHERE id = ?", (workflow, ended, run_id)
            )

        await self._run(work)

    async def unfinished(self, workflow: str) -> list[str]:
        def work(db: sqlite3.Connection) -> list[str]:
            rows = db.execute(
                "SELECT id FROM runs WHERE workflow = ? AND ended = 0 ORDER BY began, id",
                (workflow,),
            )
            return [row[0] for row in rows]

        return await self._run(work)

    def close(self) -> None:
        """Ends its thread and closes the file. Blocks until what was begun is done."""

        def work() -> None:
            if self._db is not None:
                self._db.close()
                self._db = None

        self._worker.submit(work).result()
        self._worker.shutdown()
