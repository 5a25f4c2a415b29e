"""Messages that leave with a commit, and timers that survive: once for durable receivers."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

import odeon
from odeon import codecs, errors
from odeon import persistence as p
from odeon.patterns import Cron
from odeon.persistence import CatchUp, DurableRef, DurableState, DurableTimer, EventSourced, Journal
from odeon.testing import TestKit


@codecs.register
@dataclass
class Transfer:
    __manifest__ = "test.dm.transfer"
    amount: int


@codecs.register
@dataclass
class Note:
    __manifest__ = "test.dm.note"
    text: str


@dataclass
class Moved:
    __manifest__ = "test.dm.moved"
    amount: int


class Account(EventSourced[Any, Moved, int]):
    def __init__(self, number: str, fail_first: list[int] | None = None) -> None:
        self.persistence_id = f"account/{number}"
        self.failures = fail_first if fail_first is not None else []

    def initial_state(self) -> int:
        return 0

    def on_command(self, state: int, cmd: Any, ctx: odeon.Context) -> Any:
        match cmd:
            case ("send", to, amount):
                return p.persist(Moved(-amount)).send(to, Transfer(amount)).reply(state - amount)
            case Transfer(amount):
                if self.failures:
                    self.failures.pop()
                    raise ValueError("not now")
                return p.persist(Moved(amount))
            case ("timer", timer):
                return p.schedule(timer).reply("set")
            case ("cancel", name):
                return p.cancel(name)
            case Note(text):
                return p.persist(Moved(len(text)))
            case "balance":
                return state
        return p.unhandled()

    def on_event(self, state: int, event: Moved) -> int:
        return state + event.amount


class Ledger(DurableState):
    persistence_id = "ledger"
    write_behind = 0.0

    def __init__(self) -> None:
        self.total = 0

    def on_Transfer(self, msg: Transfer) -> None:
        self.total += msg.amount

    def receive(self, msg: str) -> int:
        return self.total


async def until(ref: Any, question: Any, holds: Callable[[Any], bool]) -> Any:
    """Asks until the answer is so."""
    async with asyncio.timeout(20):
        while not holds(answer := await ref.ask(question)):
            await asyncio.sleep(0.002)
    return answer


def run(*tests: Any) -> None:
    async def main() -> None:
        journal = None
        for test in tests:
            journal = Journal.memory(store=journal)
            async with odeon.ActorSystem("t", journal=journal) as system:
                await test(system, journal)

    asyncio.run(main())


async def empty(journal: Journal) -> None:
    async with asyncio.timeout(20):
        while await journal.take_outbox():
            await asyncio.sleep(0.002)


def test_a_message_leaves_with_the_commit_and_is_applied_once() -> None:
    async def test(system: odeon.ActorSystem, journal: Journal) -> None:
        a, b = system.spawn(Account, "a"), system.spawn(Account, "b", [1])  # b fails once
        await b.ask("balance")
        for _ in range(20):
            await a.ask(("send", DurableRef("account/b"), 5))
        assert await until(b, "balance", lambda n: n >= 100) == 100
        await empty(journal)
        assert await b.ask("balance") == 100
        assert await journal.read_mark("account/b", "in:account/a") == 20

    run(test)


def test_a_receiver_that_is_not_there_gets_its_messages_later_and_once() -> None:
    async def first(system: odeon.ActorSystem, journal: Journal) -> None:
        a = system.spawn(Account, "a")
        for _ in range(3):
            await a.ask(("send", "ledger", 7))
        assert len(await journal.take_outbox()) == 3

    async def second(system: odeon.ActorSystem, journal: Journal) -> None:
        ledger = system.spawn(Ledger)
        assert await until(ledger, "total", lambda n: n >= 21) == 21
        await empty(journal)
        assert await journal.highest_sequence("ledger") == 3

    run(first, second)


def test_a_delivery_that_was_settled_before_is_dropped() -> None:
    async def test(system: odeon.ActorSystem, journal: Journal) -> None:
        ledger = system.spawn(Ledger)
        await ledger.ask("total")
        epoch = await journal.open_writer("nobody")
        message = p.records.OutboxMessage(
            "1", "ledger", "test.dm.transfer", 1, b"\x81\xa6amount\x05")
        for expected in range(2):  # the same number twice, as after a crash before it was noted
            await journal.append("nobody", epoch=epoch, expected_sequence=0, outbox=[message])
            a = system.spawn(Account, f"poke-{expected}")
            await a.ask(("send", "ledger", 100))
            assert await until(ledger, "total", lambda n, e=expected: n >= 105 + 100 * e)
        await empty(journal)
        assert await ledger.ask("total") == 205

    run(test)


class Plain(odeon.Actor[Any]):
    def __init__(self, told: list[str]) -> None:
        self.told = told

    def on_Note(self, msg: Note) -> None:
        self.told.append(msg.text)
        if len(self.told) == 1:
            raise ValueError("once more")


class Sender(EventSourced[Any, Moved, int]):
    persistence_id = "sender"

    def initial_state(self) -> int:
        return 0

    def on_command(self, state: int, cmd: Any, ctx: odeon.Context) -> Any:
        return p.send(cmd, Note("hello"))

    def on_event(self, state: int, event: Moved) -> int:
        return state


def test_a_plain_actor_receives_at_least_once_and_others_are_refused() -> None:
    async def test(system: odeon.ActorSystem, journal: Journal) -> None:
        told: list[str] = []
        plain = system.spawn(Plain, told)
        sender = system.spawn(Sender)
        with pytest.raises(errors.InvalidArgument, match="no durable receiver"):
            await sender.ask(plain)
        p.receive(system, "notes", plain)
        await sender.ask(plain)
        await empty(journal)
        assert told == ["hello", "hello"]

    run(test)


def test_an_activator_brings_the_receiver() -> None:
    async def test(system: odeon.ActorSystem, journal: Journal) -> None:
        made: list[str] = []

        def start(address: str) -> None:
            if not made:
                made.append(address)
                system.spawn(Account, address.removeprefix("account/"), name="activated")

        p.activate_with(system, "account/", start)
        a = system.spawn(Account, "a")
        await a.ask(("send", "account/late", 5))
        await empty(journal)
        assert made == ["account/late"]
        assert await system.lookup("/user/activated").ask("balance") == 5

    run(test)


def test_a_timer_fires_once_and_survives_the_system() -> None:
    async def first(system: odeon.ActorSystem, journal: Journal) -> None:
        a = system.spawn(Account, "a")
        await a.ask(("timer", DurableTimer.after("t", 0.05, Note("12345"))))
        await a.ask(("timer", DurableTimer.after("gone", 0.05, Note("1"))))
        await a.ask(("cancel", "gone"))
        assert [t.id for t in await journal.timers_of("account/a")] == ["t"]

    async def second(system: odeon.ActorSystem, journal: Journal) -> None:
        timers = p.start_timers(system)
        a = system.spawn(Account, "a")
        assert await until(a, "balance", lambda n: n > 0) == 5
        assert await journal.timers_of("account/a") == []
        async with asyncio.timeout(10):  # it is counted when the answer has come back
            while timers.stats().fired != 1:
                await asyncio.sleep(0.002)
        with pytest.raises(errors.NameTaken):
            p.start_timers(system)

    run(first, second)


def test_timers_are_set_listed_edited_and_cancelled_from_outside() -> None:
    async def test(system: odeon.ActorSystem, journal: Journal) -> None:
        timers = p.start_timers(system, recheck=0.05)
        far = datetime.datetime(2100, 1, 1, tzinfo=datetime.timezone.utc)
        assert not await timers.edit("account/a", DurableTimer.at("t", far, Note("x")))
        await timers.set("account/a", DurableTimer.at("t", far, Note("x")))
        await timers.set("account/a", DurableTimer.on(
            "cron", Cron("0 6 * * mon", "Europe/Berlin"), Note("c")).catching_up(CatchUp.SKIP))
        found = {t.id: t for t in await timers.of("account/a")}
        assert found["t"].message == Note("x") and found["t"].due_ns == int(far.timestamp()) * 10**9
        assert (found["cron"].cron, found["cron"].zone) == ("0 6 * * mon", "Europe/Berlin")
        assert found["cron"].missed is CatchUp.SKIP
        assert [t.timer.id for t in await timers.list()] == ["cron", "t"]
        assert await timers.cancel("account/a", "cron")
        assert not await timers.cancel("account/a", "cron")
        a = system.spawn(Account, "a")
        assert await timers.edit("account/a", DurableTimer.every("t", 0.01, Note("xx")))
        assert await until(a, "balance", lambda n: n >= 6) % 2 == 0
        assert await timers.cancel("account/a", "t")
        with pytest.raises(errors.OdeonError):
            await timers.set("account/a", DurableTimer.on("no", "61 * * * *", Note("x")))

    run(test)


def test_rounds_that_were_missed_are_caught_up_as_the_timer_says() -> None:
    ago = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=10.5)

    async def test(system: odeon.ActorSystem, journal: Journal) -> None:
        before = p.DurableTimers(system)
        for name, missed in (("once", CatchUp.ONCE), ("all", CatchUp.ALL), ("skip", CatchUp.SKIP)):
            await before.set(f"account/{name}", DurableTimer.every(
                "t", 3600.0, Note("x"), first=ago).catching_up(missed))
        p.start_timers(system)
        accounts = {name: system.spawn(Account, name) for name in ("once", "all", "skip")}
        assert await until(accounts["all"], "balance", lambda n: n >= 11) == 11
        assert await until(accounts["once"], "balance", lambda n: n >= 1) == 1
        assert await accounts["skip"].ask("balance") == 0

    run(test)


def test_a_timer_of_ten_days_fires_in_virtual_time(virtual_time: TestKit) -> None:
    system = virtual_time.system
    p.install(system, Journal.memory(system=system))
    p.start_timers(system, recheck=3600.0)
    account = system.spawn(Account, "a")

    async def main() -> None:
        await account.ask(("timer", DurableTimer.after("t", 864000.0, Note("123"))))
        await asyncio.sleep(863000.0)
        assert await account.ask("balance") == 0
        await asyncio.sleep(1010.0)
        assert await account.ask("balance") == 3

    virtual_time.run(main())
