"""Queries and projections: in order, live, exactly once, and what cannot be handled."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import odeon
from odeon import codecs, errors
from odeon import persistence as p
from odeon.persistence import Journal, SqliteOffsets, queries
from odeon.persistence.records import Event, StoredEvent

TABLE = "CREATE TABLE IF NOT EXISTS balance(id TEXT PRIMARY KEY, cents INTEGER NOT NULL)"


@codecs.register
@dataclass
class Paid:
    __manifest__ = "test.pj.paid"
    cents: int


async def write(journal: Journal, id: str, *amounts: int, manifest: str = "test.pj.paid") -> None:
    epoch = await journal.open_writer(id)
    at = await journal.highest_sequence(id)
    await journal.append(id, epoch=epoch, expected_sequence=at, events=[
        Event(manifest, 1, codecs.encode(Paid(n)).payload, ("paid",)) for n in amounts])


async def progress(ref: Any, holds: Callable[[p.Progress], bool]) -> p.Progress:
    async with asyncio.timeout(20):
        while not holds(now := await ref.ask(p.GetProgress())):
            await asyncio.sleep(0.002)
    return now  # type: ignore[no-any-return]


def done(now: p.Progress) -> bool:
    return now.caught_up


def add(event: Paid, info: StoredEvent, db: sqlite3.Connection) -> None:
    db.execute("INSERT INTO balance VALUES(?, ?) ON CONFLICT(id) DO UPDATE SET cents = cents + ?",
               (info.persistence_id, event.cents, event.cents))


def balances(db: sqlite3.Connection) -> dict[str, int]:
    return dict(db.execute("SELECT id, cents FROM balance").fetchall())


def test_queries_read_page_by_page_in_order() -> None:
    async def main() -> None:
        with Journal.memory() as journal:
            await write(journal, "a", *range(7))
            await write(journal, "b", 10, 11)
            found = [queries.value_of(e).cents async for e in queries.events_by_tag(
                journal, "paid", page=2)]
            assert found == [*range(7), 10, 11]
            assert [e.sequence async for e in queries.events_by_id(
                journal, "a", first=3, last=5, page=2)] == [3, 4, 5]
            assert [i async for i in queries.persistence_ids(journal, page=1)] == ["a", "b"]
            assert [e async for e in queries.events_by_tag(journal, "nobody")] == []
            journal.damage_event("a", 4)
            seen = []
            with pytest.raises(errors.CorruptRecord):
                async for event in queries.events_by_id(journal, "a", page=1):
                    seen.append(event.sequence)
            assert seen == [1, 2, 3]

    asyncio.run(main())


def test_live_queries_hear_of_commits_at_once() -> None:
    async def main() -> None:
        with Journal.memory() as journal:
            await write(journal, "a", 1)
            tagged = queries.live_events_by_tag(journal, "paid", poll=600.0)
            by_id = queries.live_events_by_id(journal, "a", last=3, poll=600.0)
            assert (await anext(tagged)).sequence == (await anext(by_id)).sequence == 1
            waiting = asyncio.ensure_future(anext(tagged))  # type: ignore[arg-type]
            await asyncio.sleep(0)
            await write(journal, "other", 5)
            assert (await waiting).persistence_id == "other"
            await write(journal, "a", 2, 3)
            assert [event.sequence async for event in by_id] == [2, 3]
            await tagged.aclose()  # type: ignore[attr-defined]

    asyncio.run(main())


def test_rows_and_offset_are_one_transaction_and_survive(tmp_path: Path) -> None:
    path = tmp_path / "books.db"

    async def round_of(journal: Journal, expected: dict[str, int]) -> None:
        books = SqliteOffsets(path, TABLE)
        async with odeon.ActorSystem("p", journal=journal) as system:
            await write(journal, "a", 1, 2)
            await write(journal, "b", 30)
            ref = p.start_projection(system, "balances", "paid", add, store=books, batch=2)
            await progress(ref, lambda now: now.caught_up and now.handled == 3)
            assert await books.read(balances) == expected
        books.close()

    async def main() -> None:
        journal = Journal.memory()
        await round_of(journal, {"a": 3, "b": 30})
        await round_of(Journal.memory(store=journal), {"a": 6, "b": 60})

    asyncio.run(main())


def test_a_handler_that_raises_undoes_its_rows_and_halts_with_the_event(tmp_path: Path) -> None:
    def picky(event: Paid, info: StoredEvent, db: sqlite3.Connection) -> None:
        add(event, info, db)
        if event.cents == 13:
            raise ValueError("bad luck")

    async def main() -> None:
        journal = Journal.memory()
        books = SqliteOffsets(tmp_path / "books.db", TABLE)
        async with odeon.ActorSystem("p", journal=journal) as system:
            await write(journal, "a", 1, 2, 13, 4)
            halted = p.start_projection(system, "h", "paid", picky, store=books, pause=0.0)
            async with asyncio.timeout(10):
                while not halted.is_terminated():
                    await asyncio.sleep(0.002)
            assert await books.read(balances) == {"a": 3}
            assert await books.load("h") == 2
            going_on = p.start_projection(
                system, "h", "paid", picky, store=books, pause=0.0, skip_poison=True)
            now = await progress(going_on, done)
            assert (now.handled, now.skipped, now.retries) == (1, 1, 2)
            assert await books.read(balances) == {"a": 7}
        books.close()

    asyncio.run(main())


def test_an_unknown_event_is_skipped_only_when_asked() -> None:
    async def main() -> None:
        seen: list[int] = []

        async def note(event: Paid, info: StoredEvent) -> None:
            await asyncio.sleep(0)
            seen.append(event.cents)

        journal = Journal.memory()
        async with odeon.ActorSystem("p", journal=journal) as system:
            await write(journal, "a", 1)
            await write(journal, "a", 2, manifest="nobody.knows")
            await write(journal, "a", 3)
            ref = p.start_projection(system, "n", "paid", note, skip_unknown=True, pause=0.0)
            assert (await progress(ref, done)).skipped == 1
            assert seen == [1, 3]
            strict = p.start_projection(system, "s", "paid", note, pause=0.0)
            async with asyncio.timeout(10):
                while not strict.is_terminated():
                    await asyncio.sleep(0.002)

    asyncio.run(main())


def test_it_pauses_rewinds_and_goes_on(tmp_path: Path) -> None:
    class Balances:
        def __call__(self, event: Paid, info: StoredEvent, db: sqlite3.Connection) -> None:
            add(event, info, db)

        def rewound(self, to: int, db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM balance")

    async def main() -> None:
        journal = Journal.memory()
        books = SqliteOffsets(tmp_path / "books.db", TABLE)
        async with odeon.ActorSystem("p", journal=journal) as system:
            ref = p.start_projection(system, "b", "paid", Balances(), store=books, poll=600.0)
            await write(journal, "a", 1, 2)
            await progress(ref, lambda now: now.handled == 2)
            await ref.ask(p.Pause())
            await write(journal, "a", 3)
            assert (await ref.ask(p.GetProgress())).handled == 2
            await ref.ask(p.Rewind(0))
            assert await books.read(balances) == {}
            await ref.ask(p.Resume())
            await progress(ref, lambda now: now.handled == 5)
            assert await books.read(balances) == {"a": 6}
            with pytest.raises(errors.NameTaken):
                p.start_projection(system, "b", "paid", Balances(), store=books)
            with pytest.raises(errors.InvalidArgument, match="SqliteOffsets"):
                p.start_projection(system, "c", "paid", add)
        books.close()

    asyncio.run(main())


def test_of_two_of_one_name_the_slower_one_stops() -> None:
    async def main() -> None:
        store = p.MemoryOffsets()
        await store.save("x", 0, 5)
        with pytest.raises(errors.VersionConflict, match="another one"):
            await store.save("x", 0, 6)

    asyncio.run(main())
