"""Routers: options, which are checked when they are made, and pools and groups in a system."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import logging
import pickle
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import odeon
import pytest
from odeon import routing
from odeon.errors import (
    ActorFailed,
    AskTimeout,
    InvalidArgument,
    MailboxFull,
    NoSuchActor,
    OdeonError,
    SpawnFailed,
    WrongType,
)
from odeon.patterns import HashRing, message_key
from odeon.routing import (
    PoolOptions,
    Resizer,
    Router,
    RouterControl,
    TroupeControl,
    TroupeOptions,
    balancing,
    broadcast,
    consistent_hash,
    round_robin,
    router_group,
    scatter_gather,
    smallest_mailbox,
    tail_chopping,
    troupe,
)


def test_each_strategy_has_its_settings() -> None:
    assert round_robin(4) == Router("round_robin", 4)
    assert routing.random(3).kind == "random"
    assert smallest_mailbox(2, replace=True).pool == PoolOptions(replace=True)
    assert broadcast(5).size == 5
    assert scatter_gather(3).within == 1.0
    chop = tail_chopping(3)
    assert (chop.interval, chop.within) == (0.05, 1.0)
    assert tail_chopping(3, 0.1, 2.0) == tail_chopping(3, within=2.0, interval=0.1)
    assert troupe(8, 1, attempts=5).workers == TroupeOptions(8, 1, attempts=5)
    assert balancing(2).needs_pool and troupe().needs_pool and not round_robin().needs_pool
    resize = Resizer(min=2, max=6)
    assert round_robin(4, resize=resize).pool.resize is resize
    assert routing.pull is balancing and routing.scatter_gather_first is scatter_gather


def test_options_are_values_that_cannot_be_changed() -> None:
    option = round_robin(4, resize=Resizer(max=20))
    with pytest.raises(dataclasses.FrozenInstanceError):
        option.size = 5  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(option)) == option
    assert hash(option) == hash(round_robin(4, resize=Resizer(max=20)))
    assert option != round_robin(4)


def test_the_key_is_a_function_of_the_message() -> None:
    def length(message: str) -> int:
        return len(message)

    assert consistent_hash(3, key=length).key is length
    with pytest.raises(TypeError, match="function of the message"):
        consistent_hash(3, key="account")  # type: ignore[arg-type]


@pytest.mark.parametrize(("made", "why"), [
    (lambda: round_robin(-1), "0 to 10,000 routees, not -1"),
    (lambda: round_robin(10_001), "not 10,001"),
    (lambda: scatter_gather(3, 0), "scatter_gather waits for a time above zero"),
    (lambda: tail_chopping(3, 0.0), "interval"), (lambda: tail_chopping(3, 1, -1), "within"),
    (lambda: troupe(0), "at least one worker"), (lambda: troupe(2, 3), "at most max workers idle"),
    (lambda: troupe(10_001), "at most 10,000"), (lambda: troupe(attempts=0), "at least once"),
    (lambda: troupe(idle_time=0), "idle_time"), (lambda: troupe(max_pending=-1), "max_pending"),
    (lambda: Router("loudest"), "no routing strategy 'loudest'"),
    (lambda: Resizer(min=0), "min is at least 1"), (lambda: Resizer(min=5, max=4), "at least its"),
    (lambda: Resizer(grow=-1), "grow"), (lambda: Resizer(grow=float("nan")), "grow"),
    (lambda: Resizer(shrink=2), "shrink is"), (lambda: Resizer(shrink_below=2), "shrink_below"),
    (lambda: Resizer(every=0), "every"), (lambda: Resizer(pressure=-1), "pressure")])
def test_what_makes_no_sense_is_refused(made: object, why: str) -> None:
    with pytest.raises(InvalidArgument, match=why):
        made()  # type: ignore[operator]


@pytest.mark.parametrize("size", [1.5, "4", None, True])
def test_a_size_that_is_no_number_of_routees_is_a_type_error(size: object) -> None:
    with pytest.raises(TypeError, match="size of a router is an int"):
        round_robin(size)  # type: ignore[arg-type]


# As src/pattern/resizer.cpp: pressed, size, and by how many routees the pool changes.
@pytest.mark.parametrize(("pressed", "size", "change"), [
    (4, 4, 1), (10, 10, 0), (9, 9, 1), (2, 4, 0), (1, 4, -1), (0, 8, -1), (0, 1, 0), (0, 30, -20),
    (0, 0, 1), (3, 9, 0), (2, 9, -1)])
def test_a_resizer_grows_and_shrinks_within_its_bounds(pressed: int, size: int,
                                                       change: int) -> None:
    assert Resizer().delta(pressed, size) == change


def test_a_resizer_without_shrink_never_shrinks() -> None:
    assert Resizer(shrink=0).delta(0, 8) == 0


# -- in a system -----------------------------------------------------------------------------------


class Worker(odeon.Actor[Any]):
    """Answers with its name; "die" and "wait" do what they say."""

    def __init__(self, *seen: list[str]) -> None:
        self.seen = seen

    async def receive(self, msg: Any, ctx: odeon.Context) -> Any:
        if msg == "die":
            raise RuntimeError("died")
        if isinstance(msg, asyncio.Event):
            await msg.wait()
        for all in self.seen:
            all.append(ctx.self.name)
        return ctx.self.name


class Keyed:
    def __init__(self, key: object) -> None:
        self.key = key

    def routing_key(self) -> object:
        return self.key


@pytest.fixture
def quiet() -> Iterator[None]:
    """Failures are meant."""
    log = logging.getLogger("odeon")
    before = log.level
    log.setLevel(logging.CRITICAL)
    yield
    log.setLevel(before)


def in_system(main: Callable[[odeon.ActorSystem], Awaitable[None]]) -> None:
    async def run() -> None:
        async with odeon.ActorSystem("app") as system:
            await main(system)

    asyncio.run(run())


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(50_000):
        if holds():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not come to be so")


def test_each_strategy_routes() -> None:
    async def main(system: odeon.ActorSystem) -> None:
        turns = system.spawn(Worker, name="pool", router=round_robin(3))
        assert [await turns.ask(1) for _ in range(4)] == ["r1", "r2", "r3", "r1"]
        for option in (routing.random(3), smallest_mailbox(3), scatter_gather(3),
                       tail_chopping(3), balancing(3), troupe(3), broadcast(3)):
            pool = system.spawn(Worker, router=option)
            assert await pool.ask(1) in ("r1", "r2", "r3")
            assert RouterControl(pool).stats().strategy == option.kind

    in_system(main)


def test_a_broadcast_reaches_all() -> None:
    async def main(system: odeon.ActorSystem) -> None:
        seen: list[str] = []
        system.spawn(Worker, seen, router=broadcast(4)).tell("to all")
        await until(lambda: len(seen) == 4)
        assert sorted(seen) == ["r1", "r2", "r3", "r4"]

    in_system(main)


def test_a_key_is_at_the_routee_that_the_ring_says_from_wherever_it_comes() -> None:
    class Region(enum.Enum):
        NORTH = "north"

    async def main(system: odeon.ActorSystem) -> None:
        seen: list[str] = []
        own = system.spawn(Worker, seen, router=consistent_hash(5))
        by_option = system.spawn(Worker, router=consistent_hash(5, key=lambda m: m["account"]))
        ring = HashRing.of([f"r{i}" for i in range(1, 6)])
        keys: tuple[Any, ...] = ("ada", "bob", b"raw", 7, -3, 2**70 + 1, Region.NORTH)
        for key in keys:
            name = f"r{ring.node_of(message_key(key)) + 1}"
            assert await own.ask(Keyed(key)) == name
            assert await by_option.ask({"account": key}) == name
            if not isinstance(key, Region):
                seen.clear()
                own.tell("no key of its own", key=key)
                await until(lambda: len(seen) == 1)
                assert seen == [name]
        assert await own.ask(Keyed(0)) == await own.ask(Keyed(0))

    in_system(main)


def test_a_message_without_a_key_is_refused_and_a_bad_key_raises() -> None:
    async def main(system: odeon.ActorSystem) -> None:
        pool = system.spawn(Worker, router=consistent_hash(2))
        with pytest.raises(InvalidArgument, match="has no key"):
            await pool.ask("none")
        pool.tell("none")
        await until(lambda: RouterControl(pool).stats().refused == 2)
        assert "has no key" in RouterControl(pool).stats().last_refusal
        with pytest.raises(TypeError, match="a routing key is text"):
            pool.tell(Keyed(1.5))
        broken = system.spawn(Worker, router=consistent_hash(2, key=lambda m: 1 / 0))
        with pytest.raises(ZeroDivisionError):
            broken.tell("x")

    in_system(main)


def test_a_pool_is_resized_while_it_runs_and_loses_nothing() -> None:
    async def main(system: odeon.ActorSystem) -> None:
        pool = system.spawn(Worker, name="pool", router=round_robin(2))
        control = RouterControl(pool)
        assert len(control) == 2
        asked = [pool.ask(n) for n in range(20)]
        assert await control.resize(5) == 5
        asked += [pool.ask(n) for n in range(20)]
        assert await control.resize(1) == 1
        asked += [pool.ask(n) for n in range(20)]
        assert len(await asyncio.gather(*asked)) == 60
        assert [r.path for r in control.routees()] == ["/user/pool/r1"]
        stats = control.stats()
        assert (stats.routed, stats.added, stats.removed) == (60, 5, 4)
        assert stats.routees[0].path == "/user/pool/r1"
        with pytest.raises(InvalidArgument):
            await control.resize(0)
        with pytest.raises(OverflowError):
            control.resize(-1)

    in_system(main)


def test_a_pool_resizes_itself_under_pressure() -> None:
    async def main(system: odeon.ActorSystem) -> None:
        gate = asyncio.Event()
        resize = Resizer(max=4, pressure=1, grow=1.0, every=0.005)
        pool = system.spawn(Worker, router=round_robin(1, resize=resize))
        waiting = [pool.ask(gate, timeout=10) for _ in range(40)]
        await until(lambda: len(RouterControl(pool)) >= 2)
        gate.set()
        await asyncio.gather(*waiting)
        await until(lambda: len(RouterControl(pool)) == 1)

    in_system(main)


def test_a_routee_that_stops_is_replaced_where_that_is_chosen() -> None:
    async def main(system: odeon.ActorSystem) -> None:
        pool = system.spawn(Worker, router=round_robin(2, replace=True))
        control = RouterControl(pool)
        first = control.routees()[0]
        system.stop_actor(first)
        await until(lambda: control.stats().replaced == 1)
        assert len(control) == 2 and first not in control.routees()
        assert {await pool.ask(1), await pool.ask(2)} == {"r1", "r2"}

    in_system(main)


def test_asks_of_several_fail_when_all_have_failed_or_none_came(quiet: None) -> None:
    async def main(system: odeon.ActorSystem) -> None:
        for option in (broadcast(2), scatter_gather(2), tail_chopping(2)):
            with pytest.raises(ActorFailed, match="died"):
                await system.spawn(Worker, router=option).ask("die")
        never = asyncio.Event()
        for option in (scatter_gather(2, 0.02), tail_chopping(2, 0.005, 0.02)):
            pool = system.spawn(Worker, router=option)
            with pytest.raises(AskTimeout):
                await pool.ask(never)
            system.kill(pool)

    in_system(main)


class Unlucky(odeon.Actor[Any]):
    """Dies over its job: by an exception, or with the answer in hand."""

    deaths = 0

    def receive(self, msg: Any, ctx: odeon.Context) -> Any:
        if Unlucky.deaths > 0:
            Unlucky.deaths -= 1
            if msg == "raise":
                raise RuntimeError("out of luck")
            self.unanswered = ctx.reply_to()
            ctx.stop()
            return None
        return msg


def test_a_troupe_gives_the_job_of_a_dead_worker_to_the_next_one() -> None:
    async def main(system: odeon.ActorSystem) -> None:
        Unlucky.deaths = 2
        pool = system.spawn(Unlucky, router=troupe(4, 1))
        assert await pool.ask("job") == "job"
        control = TroupeControl(pool)
        await until(lambda: control.status().completed == 1)
        status = control.status()
        assert (status.requeued, status.settings) == (2, TroupeOptions(4, 1))
        Unlucky.deaths = 99
        with pytest.raises(OdeonError):
            await pool.ask("job")
        await until(lambda: control.status().failed == 1)
        Unlucky.deaths = 0
        await control.set(TroupeOptions(3, 3))
        await until(lambda: control.status().workers == 3)

    in_system(main)


def test_a_job_that_comes_while_the_next_worker_is_being_made_is_taken() -> None:
    """The new worker may have answered and gone to rest before the router lists it: whoever then
    brings a job finds nobody to wake. Lost, that job would wait for ever; once in some 200 rounds.
    """

    async def main(system: odeon.ActorSystem) -> None:
        for _ in range(1000):
            Unlucky.deaths = 2
            pool = system.spawn(Unlucky, router=troupe(4, 1))
            assert await pool.ask("one", timeout=20.0) == "one"
            assert await pool.ask("two", timeout=20.0) == "two"
            system.kill(pool)

    in_system(main)


def test_a_worker_whose_handler_raises_has_died(quiet: None) -> None:
    async def main(system: odeon.ActorSystem) -> None:
        Unlucky.deaths = 2
        stop = odeon.Supervision(otherwise="stop")
        pool = system.spawn(Unlucky, router=troupe(4, 1), supervision=stop)
        assert await pool.ask("raise") == "raise"

    in_system(main)


def test_a_good_reply_wins_over_a_failure_that_came_before(quiet: None) -> None:
    async def main(system: odeon.ActorSystem) -> None:
        for option in (broadcast(3), scatter_gather(3), tail_chopping(3, 0.01)):
            Unlucky.deaths = 2
            pool = system.spawn(Unlucky, router=option)
            assert await pool.ask("raise") == "raise"

    in_system(main)


def test_a_troupes_queue_is_bounded() -> None:
    async def main(system: odeon.ActorSystem) -> None:
        gate = asyncio.Event()
        pool = system.spawn(Worker, router=troupe(1, 1, max_pending=1))
        asked = [pool.ask(gate, timeout=10) for _ in range(8)]
        refused = await asyncio.gather(*asked[4:], return_exceptions=True)
        assert all(isinstance(r, MailboxFull) for r in refused)
        gate.set()
        await asyncio.gather(*asked, return_exceptions=True)

    in_system(main)


def test_a_group_routes_to_members_by_reference_and_path() -> None:
    async def main(system: odeon.ActorSystem) -> None:
        a = system.spawn(Worker, name="a")
        b = system.spawn(Worker, name="b")
        c = system.spawn(Worker, name="c")
        group = router_group(system, round_robin(), [a, "/user/b"], name="readers")
        control = RouterControl(group)
        assert [await group.ask(1) for _ in range(3)] == ["a", "b", "a"]
        assert await control.add(c) == 3
        assert await control.add(c) == 3
        assert await control.remove(a) == 2
        assert set(control.routees()) == {b, c}
        system.stop_actor(b)
        await until(lambda: len(control) == 1)  # one that stops falls out
        system.stop_actor(group)
        await until(group.is_terminated)
        assert await c.ask(1) == "c"  # it does not own them
        with pytest.raises(InvalidArgument):
            await RouterControl(system.spawn(Worker, router=round_robin(1))).add(a)

    in_system(main)


def test_a_group_by_key_asks_the_function() -> None:
    async def main(system: odeon.ActorSystem) -> None:
        members = [system.spawn(Worker, name=f"m{i}") for i in range(4)]
        group = router_group(system, consistent_hash(key=str), members)
        ring = HashRing.of([m.path for m in members])
        for n in range(10):
            assert await group.ask(n) == f"m{ring.node_of(message_key(str(n)))}"

    in_system(main)


def test_groups_and_pools_that_make_no_sense_are_refused() -> None:
    async def main(system: odeon.ActorSystem) -> None:
        a = system.spawn(Worker, name="a")
        with pytest.raises(InvalidArgument, match="spawn a pool"):
            router_group(system, balancing(2), [a])
        with pytest.raises(InvalidArgument, match="at least one member"):
            router_group(system, round_robin(), [])
        with pytest.raises(NoSuchActor, match="/user/nobody"):
            router_group(system, round_robin(), ["/user/nobody"])
        with pytest.raises(TypeError, match="ActorRef is expected"):
            router_group(system, round_robin(), [7])  # type: ignore[list-item]
        with pytest.raises(WrongType, match="/user/a is no router"):
            RouterControl(a)
        with pytest.raises(WrongType, match="is no troupe"):
            TroupeControl(system.spawn(Worker, router=round_robin(1)))
        with pytest.raises(InvalidArgument, match="a pool has a size"):
            system.spawn(Worker, router=round_robin())
        with pytest.raises(TypeError, match="an option of odeon.routing"):
            system.spawn(Worker, router=4)  # type: ignore[arg-type]

    in_system(main)


def test_a_constructor_that_raises_fails_the_pools_spawn() -> None:
    class Broken(odeon.Actor[Any]):
        def __init__(self) -> None:
            raise ValueError("no")

        def receive(self, msg: Any) -> None:
            return None

    async def main(system: odeon.ActorSystem) -> None:
        with pytest.raises(SpawnFailed, match="no"):
            system.spawn(Broken, router=round_robin(2))

    in_system(main)
