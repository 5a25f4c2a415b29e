"""The journals of C++ from Python: the contract's calls, their errors, encryption, and the tool."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import odeon
from odeon import errors
from odeon import persistence as p
from odeon.persistence import Journal
from odeon.persistence.records import (
    LAST_SEQUENCE,
    AppendAck,
    Event,
    IdInfo,
    Mark,
    OutboxMessage,
    State,
    TimerChange,
    TimerRecord,
    at,
)

ROOT = Path(__file__).resolve().parents[2]
KEYS = "k1:" + "0f" * 32
TOOLS = [Path(os.environ.get("ODEON_TOOL", "/nowhere")), *ROOT.glob("build/*/apps/odeon/odeon")]


def call(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, args)], capture_output=True, text=True, timeout=120)


@functools.cache
def the_tool() -> Path | None:
    """A build of the C++ program that has its journal commands; an old one may not."""
    built = [path for path in TOOLS if path.exists()]
    built.sort(key=lambda path: -path.stat().st_mtime)
    return next((path for path in built if call(path, "journal", "--help").returncode == 0), None)


def tool(*args: str | Path) -> str:
    program = the_tool()
    if program is None:
        pytest.skip("the program odeon is not built")
    done = call(program, *args)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(params=["memory", "sqlite", "encrypted"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    with (Journal.memory() if request.param == "memory"
          else Journal.sqlite(tmp_path / "j.db", **(
              {"keys": KEYS} if request.param == "encrypted" else {}))) as opened:
        yield opened


def test_one_append_stores_all_of_it(journal: Journal) -> None:
    async def main() -> None:
        epoch = await journal.open_writer("a")
        ack = await journal.append(
            "a", epoch=epoch, expected_sequence=0,
            events=[Event("x", 1, b"one", ("t", "u")), Event("y", 7, b"")],
            outbox=[OutboxMessage("1", "b", "m", 2, b"out")],
            set_timers=[TimerRecord("t", 1000, "m", 1, b"t")], marks=[Mark("in:c", 4)])
        assert ack == AppendAck(2, 2)
        first, second = await journal.read_events("a")
        assert (first.sequence, first.manifest, first.version, first.payload, first.tags) == (
            1, "x", 1, b"one", ["t", "u"])
        assert (second.version, second.payload, second.epoch) == (7, b"", epoch)
        assert at(first.written_ns).year >= 2024
        assert [e.sequence for e in await journal.by_tag("u")] == [1]
        assert await journal.by_tag("u", after=1) == []
        (out,) = await journal.take_outbox()
        assert (out.persistence_id, out.target, out.payload) == ("a", "b", b"out")
        await journal.acknowledge_outbox([out.position])
        assert await journal.take_outbox() == []
        assert await journal.timers_of("a") == [TimerRecord("t", 1000, "m", 1, b"t")]
        assert [t.persistence_id for t in await journal.timers_due(until_ns=1000)] == ["a"]
        assert await journal.timers_due(until_ns=999) == []
        late = [TimerChange("a", "t", 999), TimerChange("a", "no")]
        assert await journal.change_timers(late) == 0
        assert await journal.change_timers([TimerChange("a", "t", 1000)]) == 1
        assert await journal.read_mark("a", "in:c") == 4
        assert await journal.marks_of("a") == [Mark("in:c", 4)]
        assert await journal.describe("a") == IdInfo(epoch, 2, False)
        assert await journal.persistence_ids() == ["a"]
        assert journal.stats().events == 2

    asyncio.run(main())


def test_snapshots_and_states(journal: Journal) -> None:
    async def main() -> None:
        epoch = await journal.open_writer("a")
        await journal.append("a", epoch=epoch, expected_sequence=0, events=[Event("x", 1, b"")] * 3)
        for sequence in (1, 2, 3):
            await journal.save_snapshot("a", epoch=epoch, sequence=sequence, manifest="s",
                                        payload=b"s%d" % sequence, keep=2)
        assert [s.sequence for s in await journal.snapshots_of("a")] == [3, 2]
        newest = (await journal.load_snapshot("a")).snapshot
        assert newest is not None and newest.payload == b"s3"
        assert await journal.delete_snapshots("a", max_sequence=2) == 1
        epoch = await journal.open_writer("s")
        for revision in range(2):
            ack = await journal.append("s", epoch=epoch, expected_sequence=revision,
                                       state=State("c", 1, b"state", keep=0))
            assert ack.sequence == revision + 1
        assert (await journal.describe("s")).keeps_states
        with pytest.raises(errors.InvalidArgument):
            await journal.append("s", epoch=epoch, expected_sequence=2, events=[Event("x", 1, b"")])
        assert await journal.highest_sequence("nobody") == 0
        assert (await journal.load_snapshot("nobody", LAST_SEQUENCE)).snapshot is None

    asyncio.run(main())


def test_writers_are_fenced_and_sequences_checked(journal: Journal) -> None:
    async def main() -> None:
        old = await journal.open_writer("a")
        new = await journal.open_writer("a")
        with pytest.raises(errors.Fenced):
            await journal.append("a", epoch=old, expected_sequence=0)
        with pytest.raises(errors.VersionConflict, match="expected 5"):
            await journal.append("a", epoch=new, expected_sequence=5, events=[Event("x", 1, b"")])
        assert await journal.highest_sequence("a") == 0
        journal.close()
        assert not journal.is_open
        with pytest.raises(errors.IoFailed, match="closed"):
            await journal.highest_sequence("a")

    asyncio.run(main())


def test_bad_arguments_are_refused_before_anything_happens(tmp_path: Path) -> None:
    with Journal.memory(max_payload_bytes=10, max_name_bytes=20) as journal:
        epoch = journal.open_writer("a").wait()
        with pytest.raises(errors.QuotaExceeded):
            journal.append("a", epoch=epoch, expected_sequence=0,
                           events=[Event("x", 1, b"." * 11)]).wait()
        with pytest.raises(errors.QuotaExceeded):
            journal.open_writer("a" * 21).wait()
        with pytest.raises(errors.InvalidArgument):
            journal.open_writer("").wait()
        broken: Any = journal
        with pytest.raises(TypeError, match="an event has 4 fields"):
            broken.append("a", epoch=epoch, expected_sequence=0, events=[("x", 1)])
        with pytest.raises(TypeError):
            broken.append("a", epoch=epoch, expected_sequence=0, events=[("x", 1, "text", ())])
        with pytest.raises(OverflowError):
            broken.append("a", epoch=epoch, expected_sequence=0, events=[("x", 1 << 40, b"", ())])
        with pytest.raises((OverflowError, ValueError)):
            broken.read_events("a", -1)
    with pytest.raises(TypeError, match="'colour'"):
        Journal.sqlite(tmp_path / "x.db", colour="red")
    with pytest.raises(errors.NotFound):
        Journal.sqlite(tmp_path / "no" / "x.db")
    with pytest.raises(errors.NotFound):
        Journal.sqlite(tmp_path / "x.db", create=False)
    (tmp_path / "text.db").write_text("this is no database at all, only a longer text" * 100)
    with pytest.raises(errors.DecodingError):
        Journal.sqlite(tmp_path / "text.db")
    with Journal.sqlite(tmp_path / "x.db"), pytest.raises(errors.IoFailed):
        Journal.sqlite(tmp_path / "x.db")


def test_an_encrypted_journal_needs_its_keys(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sealed.db"
    with Journal.sqlite(path, keys=KEYS) as journal:
        epoch = journal.open_writer("a").wait()
        journal.append("a", epoch=epoch, expected_sequence=0,
                       events=[Event("x", 1, b"a secret of some length")]).wait()
    assert b"a secret of some length" not in b"".join(
        file.read_bytes() for file in tmp_path.iterdir())
    with Journal.sqlite(path, keys="k2:" + "11" * 32) as journal:
        with pytest.raises(errors.NotFound, match="k1"):
            journal.read_events("a").wait()
    monkeypatch.setenv("TEST_KEYS", f"{KEYS}\nk2:" + "11" * 32)
    with Journal.sqlite(path, keys_variable="TEST_KEYS") as journal:
        assert journal.read_events("a").wait()[0].payload == b"a secret of some length"
    with pytest.raises(errors.OdeonError):
        Journal.memory(keys="k1:too short")


def test_calls_from_many_tasks_share_commits(tmp_path: Path) -> None:
    async def main() -> None:
        with Journal.sqlite(tmp_path / "many.db") as journal:
            ids = [f"a/{i}" for i in range(200)]
            epochs = await asyncio.gather(*map(journal.open_writer, ids))
            before = journal.stats().commits
            await asyncio.gather(*(
                journal.append(id, epoch=epoch, expected_sequence=0, events=[Event("x", 1, b"")])
                for id, epoch in zip(ids, epochs, strict=True)))
            assert journal.stats().commits - before < 100
            assert await journal.persistence_ids(max_ids=1000) == sorted(ids)

    asyncio.run(main())


@dataclass
class Deposited:
    __manifest__ = "test.jn.deposited"
    cents: int
    by: str


class Account(p.EventSourced[Any, Deposited, int]):
    persistence_id = "account"

    def initial_state(self) -> int:
        return 0

    def on_command(self, state: int, cmd: Any, ctx: odeon.Context) -> Any:
        return p.persist(Deposited(cmd, "py")).reply_with(lambda s: s) if cmd else state

    def on_event(self, state: int, event: Deposited) -> int:
        return state + event.cents


async def deposit(path: Path, *amounts: int) -> int:
    async with odeon.ActorSystem("bank", journal=Journal.sqlite(path)) as system:
        account = system.spawn(Account)
        for amount in amounts:
            await account.ask(amount)
        return int(await account.ask(0))


def test_the_tool_of_cpp_reads_what_python_wrote_and_the_reverse(tmp_path: Path) -> None:
    path, copy = tmp_path / "py.db", tmp_path / "cpp.db"
    assert asyncio.run(deposit(path, 5, 6)) == 11
    assert "2 events" in tool("journal", "verify", "--journal", path)
    lines = tool("journal", "cat", "--journal", path, "account").splitlines()
    assert ["test.jn.deposited v1" in line for line in lines] == [True, True]
    assert json.loads(lines[1][lines[1].index("{"):]) == {"cents": 6, "by": "py"}
    # A file that C++ writes, from its own export; Python's actor recovers from it and goes on.
    tool("journal", "export", "--journal", path, tmp_path / "export")
    tool("journal", "import", "--journal", copy, tmp_path / "export")
    assert asyncio.run(deposit(copy, 7)) == 18
    assert "3 events" in tool("journal", "verify", "--journal", copy)
