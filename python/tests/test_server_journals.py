"""Journals on PostgreSQL and MariaDB from Python, on real servers of the tests' own."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from database_server import DatabaseServer, Kind, programs

import odeon
from odeon import errors
from odeon import persistence as p
from odeon.persistence import Journal
from odeon.persistence.records import Event, Mark, OutboxMessage, State, TimerRecord

pytestmark = pytest.mark.once  # servers take seconds to start; the interpreters differ in nothing

Open = Callable[..., Journal]


@pytest.fixture(scope="module", params=["postgres", "mariadb"])
def server(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    kind: Kind = request.param
    if programs(kind) is None:
        pytest.skip(f"the programs of {kind}'s server are not installed")
    made = DatabaseServer(kind)
    try:
        if not is_built(made):
            pytest.skip(f"the package is built without {kind}")
        if kind == "mariadb":
            sql(made, "create database odeon")
        yield made
    finally:
        made.close()


def is_built(server: DatabaseServer) -> bool:
    try:
        if server.kind == "postgres":
            Journal.postgres(server.connection, schema="probe").close()
        else:
            Journal.mariadb("none", user="root", socket=server.socket, create=False)
    except NotImplementedError:
        return False
    except errors.NotFound:
        pass
    return True


def sql(server: DatabaseServer, text: str) -> str:
    """What the server's own client says, as its administrator."""
    if server.kind == "postgres":
        words = ["psql", "-qAtX", "-h", str(server.folder), "-U", "odeon", "postgres", "-c", text]
    else:
        words = ["mariadb", "--no-defaults", "-N", "-S", server.socket, "-u", "root", "-e", text]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Of a store of the test's own: a schema, or a prefix of tables."""
    words = request.node.name.partition("[")[0].split("_")
    return "".join(word[:2] for word in words)[:24].lower()


def journal_on(server: DatabaseServer, store: str, **options: Any) -> Journal:
    if server.kind == "postgres":
        return Journal.postgres(server.connection, schema=store, **options)
    return Journal.mariadb("odeon", user="root", socket=server.socket,
                           table_prefix=store + "_", **options)


@pytest.fixture
def open_journal(server: DatabaseServer, name: str) -> Iterator[Open]:
    opened: list[Journal] = []

    def opener(**options: Any) -> Journal:
        opened.append(journal_on(server, name, **options))
        return opened[-1]

    yield opener
    for each in opened:
        each.close()


def test_one_append_stores_all_of_it_or_nothing(open_journal: Open) -> None:
    async def main() -> None:
        journal = open_journal()
        epoch = await journal.open_writer("a")
        ack = await journal.append(
            "a", epoch=epoch, expected_sequence=0,
            events=[Event("x", 1, b"one", ("t", "u")), Event("y", 7, b"\0\xff")],
            outbox=[OutboxMessage("1", "b", "m", 2, b"out")],
            set_timers=[TimerRecord("t", 1000, "m", 1, b"t")], marks=[Mark("in:c", 4)])
        assert ack.sequence == 2
        first, second = await journal.read_events("a")
        assert (first.manifest, first.payload, first.tags) == ("x", b"one", ["t", "u"])
        assert (second.version, second.payload, second.epoch) == (7, b"\0\xff", epoch)
        assert [e.sequence for e in await journal.by_tag("u")] == [1]
        (out,) = await journal.take_outbox()
        assert out.payload == b"out"
        assert await journal.timers_of("a") == [TimerRecord("t", 1000, "m", 1, b"t")]
        assert await journal.read_mark("a", "in:c") == 4
        with pytest.raises(errors.VersionConflict):
            await journal.append("a", epoch=epoch, expected_sequence=1, marks=[Mark("in:c", 9)],
                                 events=[Event("x", 1, b"")])
        assert await journal.read_mark("a", "in:c") == 4

    asyncio.run(main())


def test_states_and_snapshots_are_kept(open_journal: Open) -> None:
    async def main() -> None:
        journal = open_journal()
        epoch = await journal.open_writer("s")
        for revision in range(3):
            await journal.append("s", epoch=epoch, expected_sequence=revision,
                                 state=State("c", 1, b"r%d" % (revision + 1), keep=1))
        newest = (await journal.load_snapshot("s")).snapshot
        assert newest is not None and (newest.sequence, newest.payload) == (3, b"r3")

    asyncio.run(main())


def test_two_programs_share_a_store_and_the_older_writer_is_fenced(open_journal: Open) -> None:
    here, there = open_journal(), open_journal()
    old = here.open_writer("a").wait()
    here.append("a", epoch=old, expected_sequence=0, events=[Event("x", 1, b"1", ("t",))]).wait()
    new = there.open_writer("a").wait()
    assert new > old
    with pytest.raises(errors.Fenced):
        here.append("a", epoch=old, expected_sequence=1, events=[Event("x", 1, b"2")]).wait()
    there.append("a", epoch=new, expected_sequence=1, events=[Event("x", 1, b"3", ("t",))]).wait()
    assert [e.payload for e in here.by_tag("t").wait()] == [b"1", b"3"]


def test_bounds_are_the_documented_exception(open_journal: Open) -> None:
    journal = open_journal(max_payload_bytes=10)
    epoch = journal.open_writer("a").wait()
    with pytest.raises(errors.QuotaExceeded):
        journal.append("a", epoch=epoch, expected_sequence=0,
                       events=[Event("x", 1, b"." * 11)]).wait()


def test_what_cannot_be_opened_says_why_and_never_a_password(
        server: DatabaseServer, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="'colour'"):
        if server.kind == "postgres":
            Journal.postgres(server.connection, colour="red")
        else:
            Journal.mariadb("odeon", user="root", socket=server.socket, colour="red")
    with pytest.raises(errors.NotFound):
        if server.kind == "postgres":
            Journal.postgres(server.connection, schema="nothing", create=False)
        else:
            Journal.mariadb("nothing", user="root", socket=server.socket)
    with pytest.raises(errors.IoFailed) as raised:
        if server.kind == "postgres":
            Journal.postgres(f"host={tmp_path} dbname=x user=u password=sesame",
                             connect_timeout=1.0)
        else:
            Journal.mariadb("odeon", user="nobody-knows", password="sesame", socket=server.socket)
    assert "sesame" not in str(raised.value)


@dataclass
class Deposited:
    __manifest__ = "test.servers.deposited"
    cents: int


class Account(p.EventSourced[Any, Deposited, int]):
    persistence_id = "account"

    def initial_state(self) -> int:
        return 0

    def on_command(self, state: int, cmd: Any, ctx: odeon.Context) -> Any:
        return p.persist(Deposited(cmd)).reply_with(lambda s: s) if cmd else state

    def on_event(self, state: int, event: Deposited) -> int:
        return state + event.cents


def test_an_actor_goes_on_after_the_server_was_killed(server: DatabaseServer) -> None:
    """What was acknowledged is there; what comes while the server is away waits for it."""

    async def main(own: DatabaseServer) -> int:
        journal = journal_on(own, "killed", reconnect_patience=30.0)
        async with odeon.ActorSystem("bank", journal=journal) as system:
            account = system.spawn(Account)
            assert await account.ask(5) == 5
            own.kill()
            asked = asyncio.ensure_future(account.ask(7, timeout=40.0))
            await asyncio.sleep(0)
            own.start()
            # Its commit was lost with the connection, or waited: both are told.
            with contextlib.suppress(errors.OdeonError):
                assert await asked == 12
        async with odeon.ActorSystem("bank", journal=journal_on(own, "killed")) as system:
            account = system.spawn(Account)
            before = int(await account.ask(0))
            assert before in (5, 12)
            return int(await account.ask(2)) - before

    own = DatabaseServer(server.kind)
    try:
        if own.kind == "mariadb":
            sql(own, "create database odeon")
        assert asyncio.run(main(own)) == 2
    finally:
        own.close()


def test_another_process_reads_what_this_one_wrote(
        server: DatabaseServer, open_journal: Open, name: str) -> None:
    journal = open_journal()
    epoch = journal.open_writer("a").wait()
    journal.append("a", epoch=epoch, expected_sequence=0,
                   events=[Event("x", 1, b"from here")]).wait()
    where = (f"Journal.postgres({server.connection!r}, schema={name!r})"
             if server.kind == "postgres" else
             f"Journal.mariadb('odeon', user='root', socket={server.socket!r}, "
             f"table_prefix={name + '_'!r})")
    program = textwrap.dedent(f"""
        from odeon.persistence import Journal
        with {where} as journal:
            print(journal.read_events("a").wait()[0].payload.decode())
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          timeout=120)
    assert done.stdout == "from here\n", done.stderr
