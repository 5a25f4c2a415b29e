"""The state of workflows, and values as they are stored."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from odeon.errors import (
    DecodingError,
    EncodingError,
    IoFailed,
    NameTaken,
    QuotaExceeded,
    VersionConflict,
    WrongType,
)
from odeon.workflow import (
    SqliteState,
    StateStore,
    Values,
)


@dataclass
class Order:
    __manifest__ = "test.order"
    item: str
    amount: int = 0


@pytest.fixture(params=["memory", "sqlite"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateStore]:
    made = StateStore() if request.param == "memory" else SqliteState(tmp_path / "state.db")
    yield made
    made.close()


def test_a_transaction_sees_its_changes_and_commits_all_or_none(state: StateStore) -> None:
    async def main() -> None:
        t = state.begin()
        t.put("a", 1)
        t.put("b", [Order("x", 2)])
        assert (t.get("a"), state.get("a", "none"), t.keys()) == (1, "none", ["a", "b"])
        await t.commit()
        assert (state.get("a"), state.get("b"), state.keys("b")) == (1, [Order("x", 2)], ["b"])
        state.get("b").append("a copy")
        assert len(state.get("b")) == 1
        t.erase("a")
        assert t.keys() == ["b"]
        await t.commit()
        assert state.keys() == ["b"]
        dropped = state.begin()
        dropped.put("c", 1)
        with pytest.raises(EncodingError):
            dropped.put("d", object())
        assert state.keys() == ["b"]

    asyncio.run(main())


def test_a_key_that_was_changed_meanwhile_is_a_conflict(state: StateStore) -> None:
    async def main() -> None:
        read, blind = state.begin(), state.begin()
        assert read.get("n", 0) == 0
        read.put("m", 1)
        blind.put("k", 1)
        await state.put("n", 5)
        with pytest.raises(VersionConflict, match="the key 'n' was changed"):
            await read.commit()
        await blind.commit()
        assert state.keys() == ["k", "n"]

        async def add() -> None:
            while True:
                t = state.begin()
                t.put("sum", t.get("sum", 0) + 1)
                await asyncio.sleep(0)
                try:
                    return await t.commit()
                except VersionConflict:
                    continue

        await asyncio.gather(*[add() for _ in range(10)])
        assert state.get("sum") == 10

    asyncio.run(main())


def test_a_named_lock_is_given_in_the_order_of_asking(state: StateStore) -> None:
    log: list[int] = []

    async def main() -> None:
        async def one(i: int) -> None:
            async with state.lock("till"):
                log.append(i)
                await asyncio.sleep(0)
                log.append(i)

        await asyncio.gather(*[one(i) for i in range(5)])

    asyncio.run(main())
    assert log == [i for i in range(5) for _ in "ab"]


def test_bounds_of_a_state_refuse_the_commit(state: StateStore) -> None:
    async def main() -> None:
        with pytest.raises(QuotaExceeded, match="a key has at most"):
            await state.put("k" * 600, 1)
        with pytest.raises(QuotaExceeded, match="the value of 'v'"):
            await state.put("v", "x" * (1 << 20))
        assert state.keys() == []

    asyncio.run(main())


def test_a_commit_whose_waiter_is_cancelled_is_whole(tmp_path: Path) -> None:
    state = SqliteState(tmp_path / "s.db")

    async def main() -> None:
        commit = asyncio.create_task(state.put("a", 1))
        await asyncio.sleep(0)
        commit.cancel()
        await asyncio.wait([commit])
        await state.put("b", 2)
        assert (state.get("a"), state.get("b")) == (1, 2)

    asyncio.run(main())
    state.close()
    again = SqliteState(tmp_path / "s.db")
    assert (again.get("a"), again.get("b")) == (1, 2)
    again.close()


def test_a_file_keeps_its_values_and_has_one_user(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    first = SqliteState(path)
    asyncio.run(first.put("order", Order("clock", 7)))
    with pytest.raises(IoFailed, match="in use by another store"):
        SqliteState(path)
    first.close()
    again = SqliteState(path, Order)
    assert again.get("order") == Order("clock", 7)
    again.close()
    unknown = SqliteState(path)
    with pytest.raises(WrongType, match="no class is known for the manifest 'test.order'"):
        unknown.get("order")
    unknown.close()


def test_the_tables_are_those_of_the_runtimes_own_state_files(tmp_path: Path) -> None:
    state = SqliteState(tmp_path / "s.db", schema_version=3)
    asyncio.run(state.put("order", Order("clock", 7)))
    asyncio.run(state.put("total", 12))
    asyncio.run(state.put("who", "Ada"))
    state.close()
    db = sqlite3.connect(tmp_path / "s.db")
    assert db.execute("PRAGMA application_id").fetchone() == (0x6F647773,)
    assert db.execute("PRAGMA user_version").fetchone() == (1,)
    assert db.execute("SELECT version FROM schema").fetchall() == [(3,)]
    assert db.execute("SELECT key, type, version, value FROM state ORDER BY key").fetchall() == [
        ("order", "test.order", 1, '{"item":"clock","amount":7}'),
        ("total", "long", 1, "12"),
        ("who", "std::basic_string<char>", 1, '"Ada"'),
    ]
    db.close()


def test_an_older_schema_is_brought_up_in_one_transaction(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    old = SqliteState(path)
    asyncio.run(old.put("name", "Ada"))
    old.close()
    with pytest.raises(VersionConflict, match="schema version 1, and there is no migrate to 2"):
        SqliteState(path, schema_version=2)

    def migrate(version: int, t: Any) -> None:
        assert version == 1
        t.put("names", [t.get("name")])
        t.erase("name")

    def broken(version: int, t: Any) -> None:
        t.erase("name")
        raise KeyError("broken")

    with pytest.raises(KeyError):
        SqliteState(path, schema_version=2, migrate=broken)
    new = SqliteState(path, schema_version=2, migrate=migrate)
    assert (new.keys(), new.get("names")) == (["names"], ["Ada"])
    new.close()
    with pytest.raises(DecodingError, match="newer than 1"):
        SqliteState(path)


def test_a_value_of_an_older_version_is_read_through_upcast() -> None:
    @dataclass
    class Deposit:
        __manifest__ = "test.deposit"
        __version__ = 2
        amount: int
        currency: str

        @staticmethod
        def upcast(version: int, fields: dict[str, Any]) -> dict[str, Any]:
            return {"amount": fields["cents"], "currency": "EUR"}

    values = Values(Deposit)
    assert values.restore("test.deposit", 1, {"cents": 5}) == Deposit(5, "EUR")
    assert values.loads(values.dumps(Deposit(1, "$"))) == Deposit(1, "$")
    with pytest.raises(DecodingError, match="newer"):
        values.restore("test.deposit", 3, {})
    with pytest.raises(DecodingError, match="cannot be read"):
        values.loads('{"$":"test.deposit","version":2,"of":{"wrong":1}}')
    with pytest.raises(DecodingError, match="no class is known"):
        values.loads('{"$":"os.system","of":{}}')
    with pytest.raises(DecodingError, match="no JSON"):
        values.loads("{")

    def other() -> type:
        @dataclass
        class Deposit:
            __manifest__ = "test.deposit"

        return Deposit

    with pytest.raises(NameTaken):
        values.know((other(),))
