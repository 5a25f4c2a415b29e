"""Event-sourced actors: effects, recovery, snapshots, fencing, and what goes wrong."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

import odeon
from odeon import errors
from odeon import persistence as p
from odeon.persistence import EventSourced, Journal


@dataclass
class Deposit:
    amount: int


@dataclass
class Withdraw:
    amount: int


@dataclass
class Move:
    parts: list[int]


@dataclass
class Balance:
    pass


@dataclass
class Do:
    what: str


@dataclass
class Deposited:
    __manifest__ = "test.es.deposited"
    amount: int


@dataclass
class Withdrawn:
    __manifest__ = "test.es.withdrawn"
    amount: int


class Account(EventSourced[Any, Deposited | Withdrawn, int]):
    tags = ("account",)

    def __init__(self, number: str = "1", **options: Any) -> None:
        self.persistence_id = f"account/{number}"
        self.told: list[Any] = []
        for name, value in options.items():
            setattr(self, name, value)

    def initial_state(self) -> int:
        return 0

    def on_command(self, state: int, cmd: Any, ctx: odeon.Context) -> Any:
        match cmd:
            case Deposit(amount):
                return p.persist(Deposited(amount)).reply_with(lambda balance: balance)
            case Withdraw(amount) if amount > state:
                return p.refuse(errors.Refused("not so much"))
            case Withdraw(amount):
                return [p.persist(Withdrawn(amount)), p.reply("done")]
            case Move(parts):
                return p.persist_all(Deposited(n) for n in parts)
            case Balance():
                return state
            case Do("nothing"):
                return p.no_effect()
            case Do("unhandled"):
                return p.unhandled()
            case Do("snapshot"):
                return p.snapshot().reply("asked for")
            case Do("stop"):
                return p.persist(Deposited(1)).reply("bye").stop()
            case Do("then"):
                return (p.persist(Deposited(7)).then(self.told.append).then(self.later)
                        .reply_with(lambda _: list(self.told)))
            case Do("raise"):
                raise ValueError("no")
            case Do("odd"):
                return p.persist(object())
            case Do("sequence"):
                return self.sequence
        return p.unhandled()

    async def later(self, state: int) -> None:
        await asyncio.sleep(0)
        self.told.append(f"later {state}")

    def on_event(self, state: int, event: Deposited | Withdrawn) -> int:
        return state + event.amount if isinstance(event, Deposited) else state - event.amount


def test_a_reply_comes_after_the_event_and_the_state_survives_the_system() -> None:
    async def main() -> None:
        journal = Journal.memory()
        async with odeon.ActorSystem("a", journal=journal) as system:
            account = system.spawn(Account)
            assert await account.ask(Deposit(100)) == 100
            assert await account.ask(Withdraw(30)) == "done"
            assert await account.ask(Balance()) == 70
            stored = await journal.read_events("account/1")
            assert [(e.sequence, e.manifest, list(e.tags)) for e in stored] == [
                (1, "test.es.deposited", ["account"]), (2, "test.es.withdrawn", ["account"])]
        with pytest.raises(errors.IoFailed):  # the system has closed it
            await journal.highest_sequence("account/1")
        journal.close()
        async with odeon.ActorSystem("b", journal=Journal.memory(store=journal)) as system:
            account = system.spawn(Account)
            assert await account.ask(Balance()) == 70
            assert await account.ask(Do("sequence")) == 2

    asyncio.run(main())


def run(test: Any, **options: Any) -> None:
    """Runs ``test(system, journal)`` with a journal in memory."""

    async def main() -> None:
        journal = Journal.memory(**options)
        async with odeon.ActorSystem("t", journal=journal) as system:
            await test(system, journal)

    asyncio.run(main())


def test_several_events_are_one_commit_and_an_effect_without_an_answer_is_acknowledged() -> None:
    async def test(system: odeon.ActorSystem, journal: Journal) -> None:
        account = system.spawn(Account)
        before = journal.stats().commits
        assert await account.ask(Move([1, 2, 3])) is None
        assert journal.stats().commits - before <= 2  # the writer's epoch, and the events
        assert await account.ask(Balance()) == 6

    run(test)


def test_refusals_and_unknown_commands_fail_the_ask_and_not_the_actor() -> None:
    async def test(system: odeon.ActorSystem, journal: Journal) -> None:
        account = system.spawn(Account)
        with pytest.raises(errors.Refused, match="not so much"):
            await account.ask(Withdraw(1))
        with pytest.raises(errors.Unhandled):
            await account.ask(Do("unhandled"))
        with pytest.raises(errors.NoReply):
            await account.ask(Do("nothing"))
        assert await account.ask(Balance()) == 0
        assert await journal.highest_sequence("account/1") == 0

    run(test)


def test_then_functions_run_after_the_commit_and_are_awaited() -> None:
    async def test(system: odeon.ActorSystem, journal: Journal) -> None:
        account = system.spawn(Account)
        assert await account.ask(Do("then")) == [7, "later 7"]

    run(test)


def test_an_event_that_cannot_be_encoded_stores_nothing_and_fails_the_handler() -> None:
    async def test(system: odeon.ActorSystem, journal: Journal) -> None:
        account = system.spawn(Account)
        assert await account.ask(Deposit(5)) == 5
        with pytest.raises(errors.ActorFailed) as failed:
            await account.ask(Do("odd"))
        assert isinstance(failed.value.__cause__, errors.EncodingError)
        assert await account.ask(Balance()) == 5  # restarted, and recovered
        assert await journal.highest_sequence("account/1") == 1

    run(test)


def test_a_commit_that_fails_tells_the_asker_and_the_restart_has_what_the_journal_holds() -> None:
    async def test(system: odeon.ActorSystem, journal: Journal) -> None:
        account = system.spawn(Account)
        assert await account.ask(Deposit(5)) == 5
        journal.fail_next_commits(1, store_full=True)
        with pytest.raises(errors.StoreFull):
            await account.ask(Deposit(100))
        assert await account.ask(Balance()) == 5
        assert await account.ask(Deposit(1)) == 6

    run(test)


def test_the_mailbox_waits_while_a_commit_is_under_way() -> None:
    async def test(system: odeon.ActorSystem, journal: Journal) -> None:
        account = system.spawn(Account)
        await account.ask(Balance())
        journal.hold_commits()
        first = account.ask(Deposit(1))
        second = account.ask(Balance())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await second
        assert not first.done()
        journal.release_commits()
        assert await first == 1

    run(test)


def test_a_second_writer_fences_the_first_which_stops() -> None:
    async def test(system: odeon.ActorSystem, journal: Journal) -> None:
        old = system.spawn(Account)
        assert await old.ask(Deposit(1)) == 1
        new = system.spawn(Account)
        assert await new.ask(Deposit(1)) == 2
        with pytest.raises(errors.Fenced):
            await old.ask(Deposit(1))
        with pytest.raises(errors.ActorStopped):
            await old.ask(Balance())
        assert await new.ask(Deposit(1)) == 3

    run(test)


def test_snapshots_every_n_shorten_the_recovery_and_old_ones_go() -> None:
    async def test(system: odeon.ActorSystem, journal: Journal) -> None:
        account = system.spawn(Account, snapshot_every=10, keep_snapshots=2)
        for _ in range(35):
            await account.ask(Deposit(1))
        assert await account.ask(Do("snapshot")) == "asked for"
        async with asyncio.timeout(10):  # nobody waits for a snapshot
            while [s.sequence for s in await journal.snapshots_of("account/1")] != [35, 30]:
                await asyncio.sleep(0.002)
        journal.damage_snapshot("account/1", 35)
        again = system.spawn(Account)
        assert await again.ask(Balance()) == 35
        assert await again.ask(Do("sequence")) == 35

    run(test)


def test_a_damaged_event_fails_the_recovery_with_its_place() -> None:
    async def test(system: odeon.ActorSystem, journal: Journal) -> None:
        account = system.spawn(Account)
        await account.ask(Move([1, 2, 3]))
        assert journal.damage_event("account/1", 2)
        failures: list[BaseException] = []

        class Broken(Account):
            def pre_restart(self, exc: BaseException, msg: Any, ctx: odeon.Context) -> None:
                failures.append(exc)

        broken = system.spawn(Broken, supervision=odeon.Supervision(max_retries=1))
        with pytest.raises((errors.ActorStopped, errors.ActorFailed)):
            await broken.ask(Balance())
        assert isinstance(failures[0], errors.CorruptRecord)

    run(test)


def test_an_actor_without_a_journal_or_an_id_says_what_to_do() -> None:
    async def main() -> None:
        async with odeon.ActorSystem("t") as system:
            account = system.spawn(Account, supervision=odeon.Supervision(otherwise="stop"))
            with pytest.raises(errors.ActorStopped):
                await account.ask(Balance())
            with pytest.raises(errors.InvalidArgument, match="journal="):
                p.installed(system)

    asyncio.run(main())


def test_stop_and_deactivation_end_the_actor_and_keep_its_events() -> None:
    async def test(system: odeon.ActorSystem, journal: Journal) -> None:
        account = system.spawn(Account)
        assert await account.ask(Do("stop")) == "bye"
        with pytest.raises(errors.ActorStopped):
            await account.ask(Balance())
        idle = system.spawn(Account, deactivate_after=0.02)
        assert await idle.ask(Balance()) == 1
        async with asyncio.timeout(5):
            while not idle.is_terminated():
                await asyncio.sleep(0.005)

    run(test)


class Slow(EventSourced[str, Deposited, int]):
    persistence_id = "slow"

    def initial_state(self) -> int:
        self.open = False
        return 0

    async def on_command(self, state: int, cmd: str, ctx: odeon.Context) -> Any:
        if cmd == "open":
            self.open = True
            ctx.unstash_all()
            return p.reply("opened")
        if not self.open:
            return p.stash()
        await asyncio.sleep(0)
        return p.persist(Deposited(1)).reply_with(lambda s: (cmd, s))

    async def on_event(self, state: int, event: Deposited) -> int:
        await asyncio.sleep(0)
        return state + event.amount

    async def recovery_completed(self, ctx: odeon.Context) -> None:
        await asyncio.sleep(0)
        self.recovered = self.state


def test_handlers_may_be_coroutines_and_stash_commands() -> None:
    async def test(system: odeon.ActorSystem, journal: Journal) -> None:
        slow = system.spawn(Slow)
        first, second = slow.ask("a"), slow.ask("b")
        assert await slow.ask("open") == "opened"
        assert (await first, await second) == (("a", 1), ("b", 2))

    run(test)


@dataclass
class DepositedV1:
    cents: int


@dataclass
class Paid:
    __manifest__ = "test.es.paid"
    __version__ = 2
    amount: int
    currency: str

    @staticmethod
    def upcast(old: dict[str, Any]) -> Paid:
        return Paid(old["cents"], "EUR")


@dataclass
class Gone:
    __manifest__ = "test.es.gone"
    amount: int


class Modern(EventSourced[str, Paid, list[Any]]):
    persistence_id = "modern"
    events = (Gone,)

    def initial_state(self) -> list[Any]:
        return []

    def on_command(self, state: list[Any], cmd: str, ctx: odeon.Context) -> Any:
        return state

    def adapt(self, event: Any) -> Any:
        return [Paid(event.amount, "old"), Paid(0, "twice")] if isinstance(event, Gone) else event

    def on_event(self, state: list[Any], event: Paid) -> None:
        state.append((event.amount, event.currency))


def test_old_versions_are_upcast_and_old_classes_adapted() -> None:
    async def test(system: odeon.ActorSystem, journal: Journal) -> None:
        epoch = await journal.open_writer("modern")
        await journal.append("modern", epoch=epoch, expected_sequence=0, events=[
            p.records.Event("test.es.paid", 1, b"\x81\xa5cents\x07"),
            p.records.Event("test.es.gone", 1, b"\x81\xa6amount\x09")])
        modern = system.spawn(Modern)
        assert await modern.ask("what") == [(7, "EUR"), (9, "old"), (0, "twice")]

    run(test)


def test_an_event_nobody_knows_fails_the_recovery() -> None:
    async def test(system: odeon.ActorSystem, journal: Journal) -> None:
        epoch = await journal.open_writer("modern")
        await journal.append("modern", epoch=epoch, expected_sequence=0,
                             events=[p.records.Event("nobody.knows", 1, b"\xc0")])
        modern = system.spawn(Modern, supervision=odeon.Supervision(otherwise="stop"))
        with pytest.raises(errors.ActorStopped):
            await modern.ask("what")

    run(test)


def test_the_same_actor_runs_without_a_loop() -> None:
    journal = Journal.memory()
    with odeon.ActorSystem.start("blocking", journal=journal) as system:
        account = system.spawn(Account)
        assert account.ask_blocking(Deposit(3), timeout=5.0) == 3
        assert account.ask_blocking(Do("then"), timeout=5.0) == [10, "later 10"]


def test_many_actors_recover_with_few_permits() -> None:
    async def test(system: odeon.ActorSystem, journal: Journal) -> None:
        accounts = [system.spawn(Account, str(i)) for i in range(300)]
        assert await asyncio.gather(*(a.ask(Deposit(i)) for i, a in enumerate(accounts))) == [
            *range(300)]

    run(test)


def test_a_system_with_a_journal_that_cannot_be_used_does_not_begin() -> None:
    journal = Journal.memory()
    journal.close()

    async def main() -> None:
        with pytest.raises(errors.IoFailed, match="closed"):
            odeon.ActorSystem("t", journal=journal)
        with pytest.raises(TypeError, match="Journal"):
            odeon.ActorSystem("t", journal="bank.db")

    asyncio.run(main())
    with pytest.raises(errors.IoFailed):
        odeon.ActorSystem.start("t", journal=journal)
