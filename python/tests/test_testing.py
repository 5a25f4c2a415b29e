"""The test kit: virtual time, seeds, probes, event filters and fixtures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import odeon
import pytest
from odeon.testing import ExpectationError, TestKit, TestProbe, TestSystem, explore

pytest_plugins = ["pytester"]


@dataclass(frozen=True)
class Ping:
    n: int = 0


@dataclass(frozen=True)
class Pong:
    n: int = 0


class Player(odeon.Actor[Any]):
    """Answers pings, gives up half a minute after it was told to serve."""

    def __init__(self, other: odeon.ActorRef[Any]) -> None:
        self.other = other

    def receive(self, msg: Any, ctx: odeon.Context) -> Any:
        match msg:
            case "serve":
                ctx.receive_timeout(30)
                self.other.tell(Ping(1))
            case Ping(n):
                self.other.tell(Pong(n))
            case odeon.ReceiveTimeout():
                self.other.tell("gave up")
                ctx.stop()
            case "fail":
                raise ValueError("out of the court")
        return None


class Sleeper(odeon.Actor[float]):
    async def receive(self, seconds: float) -> float:
        loop = asyncio.get_running_loop()
        before = loop.time()
        await asyncio.sleep(seconds)
        return loop.time() - before


class Relay(odeon.Actor[Any]):
    """Passes on what it gets, each with its own name."""

    def __init__(self, to: odeon.ActorRef[Any], name: str) -> None:
        self.to, self.name = to, name

    async def receive(self, msg: Any) -> None:
        await asyncio.sleep(0)
        self.to.tell((self.name, msg))


# -- virtual time ----------------------------------------------------------------------------------


def test_timers_fire_when_virtual_time_has_come_and_not_before(virtual_time: TestKit) -> None:
    probe = virtual_time.probe()
    player = virtual_time.system.spawn(Player, probe.ref)
    player.tell("serve")
    assert probe.expect_message_blocking(Ping) == Ping(1)
    virtual_time.advance(29.9)
    probe.expect_no_message_blocking(0)
    virtual_time.advance(0.1)
    probe.expect_message_blocking("gave up")
    probe.watch(player)
    assert probe.expect_terminated_blocking(player).kind == "stopped"


def test_an_hour_of_sleep_passes_at_once(virtual_time: TestKit) -> None:
    began = time.monotonic()
    sleepers = [virtual_time.system.spawn(Sleeper) for _ in range(10)]
    asks = [sleeper.ask_blocking for sleeper in sleepers]
    assert [ask(3600.0, timeout=None) for ask in asks] == [pytest.approx(3600.0, abs=0.002)] * 10
    assert virtual_time.now() == pytest.approx(36000, abs=0.1)
    assert time.monotonic() - began < 100


def test_time_outs_of_asyncio_and_of_asks_are_of_virtual_time(virtual_time: TestKit) -> None:
    class Careful(odeon.Actor[float]):
        async def receive(self, limit: float) -> str:
            try:
                async with asyncio.timeout(limit):
                    await asyncio.sleep(100)
            except TimeoutError:
                return f"after {asyncio.get_running_loop().time():.0f}"
            return "slept"

    careful = virtual_time.system.spawn(Careful)
    assert careful.ask_blocking(20.0, timeout=50) == "after 20"
    with pytest.raises(odeon.AskTimeout):
        careful.ask_blocking(90.0, timeout=7)
    assert virtual_time.now() == pytest.approx(27, abs=0.01)


def test_the_awaitable_twins_work_in_a_coroutine_that_the_kit_runs(virtual_time: TestKit) -> None:
    async def body() -> float:
        probe = virtual_time.probe()
        player = virtual_time.system.spawn(Player, probe.ref)
        player.tell("serve")
        await probe.expect_message(Ping)
        await probe.expect_no_message(29)
        await probe.expect_message("gave up", within=2)
        assert await virtual_time.system.spawn(Sleeper).ask(60.0, timeout=100) >= 60
        return virtual_time.now()

    assert virtual_time.run(body()) == pytest.approx(90, abs=0.05)


def test_work_on_real_threads_holds_up_virtual_time(virtual_time: TestKit) -> None:
    class Threaded(odeon.Actor[str]):
        async def receive(self, msg: str) -> tuple[str, float]:
            loop = asyncio.get_running_loop()
            found = await asyncio.to_thread(str.upper, msg)
            return found, loop.time()

    virtual_time.system.spawn(Sleeper).tell(50.0)
    assert virtual_time.system.spawn(Threaded).ask_blocking("x") == ("X", 0.0)


def test_what_a_system_computes_beside_its_actors_takes_no_virtual_time(
        virtual_time: TestKit) -> None:
    class Computes(odeon.Actor[str]):
        async def receive(self, msg: str, ctx: odeon.Context) -> tuple[str, float]:
            found = await ctx.system.compute(str.upper, msg)
            return found, asyncio.get_running_loop().time()

    virtual_time.system.spawn(Sleeper).tell(50.0)
    assert virtual_time.system.spawn(Computes).ask_blocking("x") == ("X", 0.0)


def test_a_wait_that_nothing_can_end_says_so(virtual_time: TestKit) -> None:
    async def forever() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(odeon.WouldBlock, match="nothing is left to run"):
        virtual_time.run(forever())
    assert virtual_time.run(asyncio.sleep(1, "and it goes on")) == "and it goes on"


def test_actors_that_never_settle_are_told(virtual_time: TestKit,
                                           monkeypatch: pytest.MonkeyPatch) -> None:
    from odeon.testing import virtual

    class Restless(odeon.Actor[str]):
        def receive(self, msg: str, ctx: odeon.Context) -> None:
            ctx.self.tell(msg)

    monkeypatch.setattr(virtual, "_ROUNDS_MAX", 2000)
    restless = virtual_time.system.spawn(Restless)
    restless.tell("again")
    with pytest.raises(odeon.WouldBlock, match="without end"):
        virtual_time.run_until_idle()
    virtual_time.system.kill(restless)


def test_time_of_a_real_system_cannot_be_moved(test_kit: TestKit) -> None:
    assert not test_kit.is_virtual and test_kit.seed is None
    with pytest.raises(odeon.WouldBlock, match="real time"):
        test_kit.advance(1)


def test_a_kit_whose_time_does_not_move_by_itself_fails_at_once() -> None:
    with TestKit(moves_time=False) as kit:
        probe = kit.probe()
        with pytest.raises(ExpectationError):
            probe.expect_message_blocking(within=60)
        assert kit.now() == 0


# -- seeds -----------------------------------------------------------------------------------------


def orders(seed: int) -> list[tuple[str, int]]:
    with TestKit(seed=seed) as kit:
        probe = kit.probe()
        relays = [kit.system.spawn(Relay, probe.ref, name) for name in "abcd"]
        for n in range(3):
            for relay in relays:
                relay.tell(n)
        return probe.receive_n_blocking(12)


def test_a_seed_is_an_order_and_the_same_seed_the_same() -> None:
    runs = {seed: orders(seed) for seed in range(1, 9)}
    assert all(orders(seed) == run for seed, run in runs.items())
    assert len({tuple(run) for run in runs.values()}) > 3
    for run in runs.values():
        for name in "abcd":  # what one actor sends another stays in order
            assert [n for each, n in run if each == name] == [0, 1, 2]


def test_exploring_finds_the_order_that_breaks_a_test_and_names_its_seed() -> None:
    tried: list[int] = []

    @explore(seeds=50)
    def a_race(kit: TestKit) -> None:
        assert kit.seed is not None
        tried.append(kit.seed)
        probe = kit.probe()
        for name in ("first", "second", "third"):
            kit.system.spawn(Relay, probe.ref, name).tell(0)
        got = probe.receive_n_blocking(3)
        assert got[0][0] == "first"

    with pytest.raises(AssertionError) as raised:
        a_race()
    seed = tried[-1]
    assert tried == list(range(1, seed + 1)) and 1 <= seed < 50
    assert f"ODEON_TEST_SEED={seed} repeats" in "".join(raised.value.__notes__)


def test_the_environment_repeats_one_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int | None] = []

    @explore(seeds=50)
    async def note(kit: TestKit) -> None:
        await asyncio.sleep(10)
        tried.append(kit.seed)

    monkeypatch.setenv("ODEON_TEST_SEED", "17")
    note()
    assert tried == [17]
    with TestKit() as kit:
        assert kit.seed == 17


@explore(seeds=5)
def test_exploring_takes_fixtures_beside_the_kit(kit: TestKit, tmp_path: Any) -> None:
    assert kit.is_virtual and tmp_path.exists()


# -- probes ----------------------------------------------------------------------------------------


def failure(what: Callable[[], Any]) -> str:
    with pytest.raises(ExpectationError) as raised:
        what()
    return str(raised.value)


def test_an_expectation_says_what_was_expected_and_what_came(virtual_time: TestKit) -> None:
    probe = virtual_time.probe("probe")
    assert failure(lambda: probe.expect_message_blocking(Pong, within=2)) == (
        "expected Pong within 2 s, but nothing came (seed 1)")
    probe.ref.tell(Ping(3))
    probe.ref.tell(Ping(4))
    virtual_time.run_until_idle()
    assert failure(lambda: probe.expect_message_blocking(Pong(3))) == (
        "expected Pong(n=3), but Ping(n=3) came; 1 more wait (seed 1)")
    assert failure(lambda: probe.expect_no_message_blocking(0)) == (
        "expected no message for 0 s, but Ping(n=4) came (seed 1)")
    assert "likes" in failure(lambda: probe.expect_message_blocking(lambda m: m == 1, within=0))


def test_messages_are_expected_by_class_value_and_predicate(virtual_time: TestKit) -> None:
    probe = virtual_time.probe()
    for n in range(8):
        probe.ref.tell(Ping(n))
    assert probe.expect_message_blocking(Ping) == Ping(0)
    assert probe.expect_message_blocking(Ping(1)) == Ping(1)
    assert probe.expect_message_blocking(lambda m: m.n == 2) == Ping(2)
    assert probe.fish_for_blocking(lambda m: m.n >= 4) == Ping(4)
    assert probe.last_message == Ping(4) and probe.sender is None and probe.pending == 3
    assert probe.expect_all_blocking(Ping(5), Ping) == [Ping(5), Ping(6)]
    probe.clear()
    assert "1 of 2" in failure(lambda: probe.receive_n_blocking(2, Ping, within=0.1))
    probe.ref.tell("other")
    assert failure(lambda: probe.fish_for_blocking(Pong, within=1)) == (
        "expected Pong within 1 s, but it did not come; 1 others did (seed 1)")


def test_a_request_is_answered_failed_or_left_to_no_reply(virtual_time: TestKit) -> None:
    market = virtual_time.probe("market")

    async def body() -> None:
        async with asyncio.TaskGroup() as group:
            asks = [group.create_task(ask_one(market.ref, n)) for n in range(3)]
            await market.expect_message(0)
            market.reply(12.5)
            await market.expect_message(1)
            market.fail(ValueError("closed"))
            await market.expect_message(2)
            market._last = None  # the right to answer is let go
        assert [each.result() for each in asks] == [12.5, "ValueError: closed", "NoReply"]

    async def ask_one(ref: odeon.ActorRef[Any], n: int) -> Any:
        try:
            return await ref.ask(n)
        except ValueError as e:
            return f"{type(e).__name__}: {e}"
        except odeon.NoReply:
            return "NoReply"

    virtual_time.run(body())
    with pytest.raises(ExpectationError):
        market.reply(1)


def test_a_told_message_is_answered_to_its_sender(virtual_time: TestKit) -> None:
    probe, other = virtual_time.probe(), virtual_time.probe()
    other.send(probe.ref, "question")
    probe.expect_message_blocking("question")
    assert probe.sender == other.ref
    probe.reply("answer")
    assert other.expect_message_blocking() == "answer"
    assert other.sender == probe.ref
    probe.ref.tell("from outside")
    probe.expect_message_blocking()
    assert "nobody waits" in failure(lambda: probe.reply("to nobody"))


def test_an_auto_pilot_answers_and_messages_are_still_seen(virtual_time: TestKit) -> None:
    probe = virtual_time.probe()
    probe.set_auto_pilot(lambda ctx, msg: msg * 2 if isinstance(msg, int) else None)
    assert probe.ref.ask_blocking(21) == 42
    assert probe.expect_message_blocking(int) == 21
    probe.set_auto_pilot(None)
    with pytest.raises(odeon.AskTimeout):
        probe.ref.ask_blocking(21, timeout=1)


def test_a_probe_watches_links_and_does_whatever_an_actor_does(virtual_time: TestKit) -> None:
    probe = virtual_time.probe()
    first, second = (virtual_time.system.spawn(Player, probe.ref) for _ in range(2))
    probe.watch(first)
    virtual_time.run_until_idle()
    virtual_time.system.kill(first)
    assert probe.expect_terminated_blocking(first).kind == "killed"
    assert "the end of" in failure(lambda: probe.expect_terminated_blocking(second, within=0))
    probe.link(second)
    virtual_time.run_until_idle()
    virtual_time.system.stop_actor(second)
    assert probe.expect_message_blocking(odeon.ExitSignal).ref == second
    assert probe.run_blocking(lambda ctx: ctx.path) == probe.ref.path
    with pytest.raises(ZeroDivisionError):
        probe.run_blocking(lambda ctx: 1 / 0)
    assert virtual_time.run(probe.run(lambda ctx: ctx.stash_size)) == 0
    probe.stop()
    virtual_time.run_until_idle()
    assert probe.ref.is_terminated()


def test_expectations_work_in_real_time_from_another_thread(test_kit: TestKit) -> None:
    probe = test_kit.probe()
    player = test_kit.system.spawn(Player, probe.ref)
    player.tell(Ping(7))
    assert probe.expect_message_blocking(Pong(7), within=60) == Pong(7)
    assert failure(lambda: probe.expect_message_blocking(within=0.01)) == (
        "expected a message within 0.01 s, but nothing came")
    test_kit.eventually_blocking(lambda: test_kit.system.metrics()["messages"] >= 2, 60)
    assert "the condition" in failure(lambda: test_kit.eventually_blocking(lambda: False, 0.01))


async def test_a_coroutine_runs_on_the_loop_of_its_actor_system(
        actor_system: odeon.ActorSystem, test_kit: TestKit) -> None:
    probe = test_kit.probe()
    player = actor_system.spawn(Player, probe.ref)
    player.tell(Ping(7))
    assert await probe.expect_message(Pong, within=60) == Pong(7)
    with pytest.raises(odeon.WouldBlock, match="await its twin"):
        probe.expect_message_blocking(within=0.1)
    await test_kit.eventually(lambda: probe.pending == 0, 60)


async def test_a_coroutine_may_use_virtual_time(virtual_time: TestKit) -> None:
    before = virtual_time.now()
    await asyncio.sleep(1000)
    await virtual_time.idle()
    assert virtual_time.now() - before == pytest.approx(1000, abs=0.01)
    with pytest.raises(odeon.WouldBlock, match="in a coroutine"):
        virtual_time.run_until_idle()


# -- event filters ---------------------------------------------------------------------------------


def test_exactly_so_many_failures_are_expected(virtual_time: TestKit) -> None:
    player = virtual_time.system.spawn(Player, virtual_time.probe().ref, name="player")
    with virtual_time.expect_failures(ValueError, match="court", exactly=2) as failures:
        player.tell("fail")
        player.tell("fail")
    assert [each.path for each in failures.seen] == ["/user/player"] * 2

    def too_many() -> None:
        with virtual_time.expect_failures(ValueError, exactly=1):
            player.tell("fail")
            player.tell("fail")

    assert failure(too_many).startswith(
        "expected exactly 1 failures by ValueError within 1 s, but 2")

    def none() -> None:
        with virtual_time.expect_failures(KeyError):
            player.tell("fail")

    assert failure(none).endswith("but 0 came: none (seed 1)")


def test_dead_letters_and_warnings_are_expected(virtual_time: TestKit) -> None:
    player = virtual_time.system.spawn(Player, virtual_time.probe().ref)
    virtual_time.system.stop_actor(player)
    virtual_time.run_until_idle()
    with virtual_time.expect_dead_letters(Ping) as letters:
        player.tell(Ping(1))
        player.tell("something else")
    assert letters.seen[0].reason == "actor_stopped"
    with virtual_time.expect_dead_letters(exactly=0):
        pass
    loud = virtual_time.system.spawn(Player, virtual_time.probe().ref)
    with virtual_time.expect_warnings(match="failed on str"):
        loud.tell("fail")


def test_a_filter_in_real_time_awaits_what_other_threads_do(test_kit: TestKit) -> None:
    player = test_kit.system.spawn(Player, test_kit.probe().ref)
    with test_kit.expect_failures(ValueError):
        player.tell("fail")


def test_an_exception_of_the_block_itself_is_not_replaced(virtual_time: TestKit) -> None:
    with pytest.raises(ZeroDivisionError), virtual_time.expect_failures():
        raise ZeroDivisionError


# -- the system and the plugin ---------------------------------------------------------------------


def test_a_test_system_stands_alone_and_can_be_closed_twice() -> None:
    system = TestSystem("alone", seed=3)
    probe = TestProbe(TestKit(system))
    probe.ref.tell(Ping())
    assert probe.expect_message_blocking(Ping) == Ping()
    assert system.stop_blocking()
    assert system.stop_blocking() and system.loop.is_closed()
    with pytest.raises(odeon.SystemStopped):
        system.spawn(Player, probe.ref)


def test_what_is_suspended_is_cancelled_at_the_end_and_time_out_is_told() -> None:
    cancelled: list[float] = []

    class Stuck(odeon.Actor[str]):
        async def receive(self, msg: str) -> None:
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                cancelled.append(asyncio.get_running_loop().time())
                raise

    with TestSystem(shutdown_limit=3) as system:
        system.spawn(Stuck).tell("x")
        system.loop.pump(idle=True)
        assert system.stop_blocking() is False
    assert cancelled == [pytest.approx(3, abs=0.01)]


def test_the_plugin_tells_the_seed_of_a_failure(pytester: pytest.Pytester) -> None:
    pytester.makeconftest('pytest_plugins = ["odeon.testing.pytest_plugin"]')
    pytester.makepyfile("""
        def test_fails(virtual_time):
            virtual_time.probe().expect_message_blocking(str)

        async def test_runs(virtual_time):
            assert virtual_time.now() == 0
    """)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*expected str within 1 s, but nothing came (seed 1)*",
                                 "*seed 1: ODEON_TEST_SEED=1 repeats it*"])


def test_the_blocks_of_the_guide_run_in_their_order(guide_blocks: Callable[[str], int]) -> None:
    assert guide_blocks("python-testing.md") >= 5
