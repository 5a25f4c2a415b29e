"""Patterns that are actors, and machines and deliveries, in a real system."""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Iterator
from typing import Any

import odeon
import pytest
from odeon.errors import (
    ActorFailed,
    ActorStopped,
    AskTimeout,
    InvalidArgument,
    MailboxFull,
    NoReply,
    Unhandled,
)
from odeon.patterns import (
    Aggregated,
    BackoffSettings,
    CircuitBreaker,
    ConsumerController,
    ConsumerOptions,
    Deliver,
    Delivery,
    Fsm,
    FsmDot,
    GetWorkStatus,
    MemoryQueue,
    NotEnough,
    ProducerController,
    ProducerOptions,
    Send,
    Start,
    Step,
    WorkController,
    ask_all,
    ask_first,
    gather,
    graceful_stop,
    pipe_to,
    retry,
    spawn_aggregator,
    spawn_backoff,
    spawn_throttler,
)

SHORT = BackoffSettings(min=0.005, max=0.02, jitter=0.0)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Failures are meant here."""
    log = logging.getLogger("odeon")
    before = log.level
    log.setLevel(logging.CRITICAL)
    yield
    log.setLevel(before)


class Echo(odeon.Actor[Any]):
    def receive(self, msg: Any, ctx: odeon.Context) -> Any:
        if msg == "die":
            raise RuntimeError("died")
        if msg == "stop":
            ctx.stop()
            return "stopping"
        return msg


class Slow(odeon.Actor[Any]):
    async def receive(self, msg: Any, ctx: odeon.Context) -> Any:
        await asyncio.sleep(30)


class Keeper(odeon.Actor[Any]):
    def __init__(self, got: list[Any], enough: int, done: asyncio.Event) -> None:
        self.got = got
        self.enough = enough
        self.done = done

    def receive(self, msg: Any) -> None:
        self.got.append(msg)
        if len(self.got) >= self.enough:
            self.done.set()


# -- many answers ----------------------------------------------------------------------------------


def test_asks_of_many_actors_are_gathered() -> None:
    async def main() -> None:
        async with odeon.ActorSystem("app", shutdown_limit=0.2) as system:
            refs = [system.spawn(Echo) for _ in range(3)]
            slow = system.spawn(Slow)
            assert (await ask_all(refs, 7, 5.0)).values() == [7, 7, 7]
            got = await gather([refs[0].ask("die"), refs[1].ask(1), slow.ask(2)], 2.0)
            assert isinstance(got.replies[0], ActorFailed)
            assert got.replies[1] == 1
            assert isinstance(got.replies[2], AskTimeout)
            assert await ask_first([slow, refs[0]], "x") == "x"
            with pytest.raises(NotEnough):
                await ask_first([slow], "x", within=0.02)

    asyncio.run(main())


def test_an_aggregator_gives_its_messages_when_they_are_enough_or_the_time_is_over() -> None:
    async def main() -> None:
        async with odeon.ActorSystem("app", shutdown_limit=0.2) as system:
            full = spawn_aggregator(system, 2)
            for n in (1, 2, 3):
                full.ref.tell(n)
            assert await full == Aggregated((1, 2), True)
            part = spawn_aggregator(system, 2, within=0.02)
            part.ref.tell(1)
            assert await part == Aggregated((1,), False)
            chosen = spawn_aggregator(system, 99, 5.0, enough=lambda all: bool(sum(all) > 4))
            for n in (1, 2, 3):
                chosen.ref.tell(n)
            assert await chosen == Aggregated((1, 2, 3), True)
            broken = spawn_aggregator(system, 9, enough=lambda all: bool(all[1]))
            broken.ref.tell("x")
            assert await broken == Aggregated(("x",), False)
            with pytest.raises(InvalidArgument):
                spawn_aggregator(system, 0)

    asyncio.run(main())


def test_an_aggregators_result_can_be_waited_for_without_a_loop() -> None:
    with odeon.ActorSystem.start("app") as system:
        all = spawn_aggregator(system, 2)
        all.ref.tell("a")
        all.ref.tell("b")
        assert all.wait() == Aggregated(("a", "b"), True)


# -- not too fast ----------------------------------------------------------------------------------


def test_a_throttler_keeps_the_order_the_asks_and_the_rate() -> None:
    async def main() -> None:
        async with odeon.ActorSystem("app", shutdown_limit=0.2) as system:
            slow = spawn_throttler(system, system.spawn(Echo), 50, 1.0, burst=2)
            began = asyncio.get_running_loop().time()
            assert await asyncio.gather(*(slow.ask(n) for n in range(5))) == [0, 1, 2, 3, 4]
            assert asyncio.get_running_loop().time() - began >= 0.055

    asyncio.run(main())


def test_a_throttlers_queue_is_bounded_and_it_ends_with_its_target() -> None:
    async def main() -> None:
        async with odeon.ActorSystem("app", shutdown_limit=0.2) as system:
            target = system.spawn(Echo)
            slow = spawn_throttler(system, target, 1, 1000.0, capacity=1)
            assert await slow.ask("first") == "first"
            waiting = slow.ask("second")
            with pytest.raises(MailboxFull):
                await slow.ask("third")
            waiting.cancel()
            prompt = spawn_throttler(system, target, 1000, 1.0)
            await graceful_stop(target)
            for _ in range(50_000):
                if prompt.is_terminated():
                    break
                await asyncio.sleep(0.001)
            assert prompt.is_terminated()

    asyncio.run(main())


# -- after a pause ---------------------------------------------------------------------------------


class Shaky(Echo):
    """Its constructor raises `failing` times."""

    failing = 0
    made = 0

    def __init__(self) -> None:
        Shaky.made += 1
        if Shaky.failing > 0:
            Shaky.failing -= 1
            raise ConnectionError("not yet")

    def receive(self, msg: Any, ctx: odeon.Context) -> Any:
        return (super().receive(msg, ctx), Shaky.made)


@pytest.fixture(autouse=True)
def fresh() -> None:
    Shaky.failing = Shaky.made = 0


def test_a_child_is_started_again_after_failures_and_stops_and_keeps_its_messages() -> None:
    async def main() -> None:
        async with odeon.ActorSystem("app", shutdown_limit=0.2) as system:
            Shaky.failing = 2  # a first start that fails
            settings = BackoffSettings(min=0.005, max=0.02, on_stop=True)
            front = spawn_backoff(system, Shaky, settings=settings, name="front")
            assert await front.ask("early") == ("early", 3)
            front.tell("die")
            assert await front.ask("late") == ("late", 4)
            assert (await front.ask("stop"))[0] == "stopping"
            # While the child ends a message may still reach it, and is refused.
            again = await retry(lambda: front.ask("anew"), 50, worth=ActorStopped)
            assert again == ("anew", 5)

    asyncio.run(main())


def test_messages_are_refused_meanwhile_where_that_is_chosen() -> None:
    async def main() -> None:
        async with odeon.ActorSystem("app", shutdown_limit=0.2) as system:
            settings = BackoffSettings(min=30.0, max=30.0, meanwhile="reject")
            front = spawn_backoff(system, Shaky, settings=settings)
            with pytest.raises(ActorFailed):
                await front.ask("die")
            with pytest.raises(ActorStopped):
                await front.ask("anybody?")

    asyncio.run(main())


def test_it_gives_up_after_so_many_restarts_in_a_row() -> None:
    async def main() -> None:
        async with odeon.ActorSystem("app", shutdown_limit=0.2) as system:
            Shaky.failing = 99
            settings = BackoffSettings(min=0.001, max=0.001, max_restarts=3)
            front = spawn_backoff(system, Shaky, settings=settings)
            for _ in range(50_000):
                if front.is_terminated():
                    break
                await asyncio.sleep(0.001)
            assert front.is_terminated()
            assert Shaky.made == 4

    asyncio.run(main())


def test_the_front_ends_with_a_child_that_stops_by_itself() -> None:
    async def main() -> None:
        async with odeon.ActorSystem("app", shutdown_limit=0.2) as system:
            front = spawn_backoff(system, Shaky, settings=SHORT)
            await front.ask("stop")
            for _ in range(50_000):
                if front.is_terminated():
                    break
                await asyncio.sleep(0.001)
            assert front.is_terminated()

    asyncio.run(main())


@pytest.mark.parametrize("wrong", [{"min": 2.0, "max": 1.0}, {"jitter": 2}, {"meanwhile": "hope"},
                                   {"capacity": 0}])
def test_backoff_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        BackoffSettings(**wrong)


# -- to a message ----------------------------------------------------------------------------------


def test_what_comes_later_becomes_a_message() -> None:
    async def later(value: Any) -> Any:
        await asyncio.sleep(0)
        if isinstance(value, Exception):
            raise value
        return value

    async def main() -> None:
        async with odeon.ActorSystem("app", shutdown_limit=0.2) as system:
            got: list[Any] = []
            done = asyncio.Event()
            keeper = system.spawn(Keeper, got, 4, done)
            pipe_to(later(1), keeper)
            pipe_to(later(2), keeper, lambda v: v * 10)
            pipe_to(later(KeyError("k")), keeper, on_error=repr)
            pipe_to(system.spawn(Echo).ask(3), keeper)
            await asyncio.wait_for(done.wait(), 5)
            assert sorted(map(str, got)) == ["1", "20", "3", "KeyError('k')"]
            with pytest.raises(KeyError):
                await pipe_to(later(KeyError("k")), keeper)
            with pytest.raises(ZeroDivisionError):
                await pipe_to(later(KeyError("k")), keeper, on_error=lambda e: 1 / 0)
            given_up = pipe_to(later(5), keeper)
            given_up.cancel()
            with pytest.raises(asyncio.CancelledError):
                await given_up
            assert len(got) == 4

    asyncio.run(main())


def test_the_end_of_an_actor_is_awaited() -> None:
    async def main() -> None:
        async with odeon.ActorSystem("app", shutdown_limit=0.2) as system:
            ref = system.spawn(Echo)
            assert (await graceful_stop(ref)).kind == "stopped"
            assert ref.is_terminated()
            assert (await graceful_stop(ref)).ref == ref  # had ended before
            own = system.spawn(Echo)
            assert (await graceful_stop(own, 5.0, "stop")).kind == "stopped"
            slow = system.spawn(Slow)
            slow.tell("begin")
            with pytest.raises(AskTimeout, match="did not end within 20 ms"):
                await graceful_stop(slow, 0.02, "never taken")
            system.kill(slow)

    asyncio.run(main())


def test_a_breaker_and_retries_around_an_ask() -> None:
    async def main() -> None:
        async with odeon.ActorSystem("app", shutdown_limit=0.2) as system:
            breaker = CircuitBreaker(3, name="echo")
            echo = system.spawn(Echo)
            assert await breaker.call(echo.ask, 5) == 5
            with pytest.raises(ActorFailed):
                await retry(lambda: breaker.call(echo.ask, "die"), 3)
            assert breaker.state == "open"
            timed = CircuitBreaker(1, call_timeout=0.02)
            with pytest.raises(AskTimeout):
                await timed.call(system.spawn(Slow).ask, 1)
            assert timed.counters.timed_out == 1

    asyncio.run(main())


# -- a machine -------------------------------------------------------------------------------------


class Light(enum.Enum):
    RED = 1
    GREEN = 2


class Go: ...


class Which: ...


class Stop: ...


class Lamp(Fsm[Light, list[str]]):
    def __init__(self) -> None:
        super().__init__(Light.RED, [])
        self.when(Light.RED).on(Go, lambda d, m: self.go_to(Light.GREEN, reply="gone"),
                                to=[Light.GREEN])
        self.when(Light.GREEN).after(1.0, lambda d: self.go_to(Light.RED), to=[Light.RED])
        self.whenever().on(Which, lambda d, m: self.stay(reply=self.state)).on(Stop, self.end)
        self.on_transition(lambda a, b, d: d.append(f"{a.name}-{b.name}"))

    async def end(self, data: list[str], message: Stop) -> Step:
        await asyncio.sleep(0)
        return self.finish(reply=data)


def test_a_machine_lives_in_a_system() -> None:
    async def main() -> None:
        async with odeon.ActorSystem("app", shutdown_limit=0.2) as system:
            lamp = system.spawn(Lamp, name="lamp")
            assert await lamp.ask(Which()) is Light.RED
            assert await lamp.ask(Go()) == "gone"
            with pytest.raises(Unhandled):
                await lamp.ask(Go())
            while await lamp.ask(Which()) is not Light.RED:
                await asyncio.sleep(0.001)
            assert '"RED" -> "GREEN" [label="Go"]' in await lamp.ask(FsmDot())
            assert await lamp.ask(Stop()) == ["RED-GREEN", "GREEN-RED"]
            with pytest.raises(ActorStopped):
                await lamp.ask(Which())

    asyncio.run(main())


# -- delivery --------------------------------------------------------------------------------------


class Clerk:
    """Confirms, and dies once at one message."""

    fail_at = 0

    def __init__(self, source: Any, got: list[int], enough: int, done: asyncio.Event) -> None:
        self.source = source
        self.got = got
        self.enough = enough
        self.done = done

    def pre_start(self, ctx: odeon.Context) -> None:
        self.source.tell(Start(ctx.self))

    def on_delivery(self, d: Delivery) -> None:
        if d.message == Clerk.fail_at:
            Clerk.fail_at = 0
            raise RuntimeError("crashed")
        self.got.append(d.message)
        d.confirm()
        if len(self.got) >= self.enough:
            self.done.set()


def test_messages_are_delivered_in_order_over_restarts_of_every_part() -> None:
    async def main() -> None:
        async with odeon.ActorSystem("app", shutdown_limit=0.2) as system:
            got: list[int] = []
            done = asyncio.Event()
            Clerk.fail_at = 33
            out = system.spawn(ProducerController,
                               ProducerOptions("shop", resend_after=0.02), MemoryQueue())
            into = system.spawn(ConsumerController, ConsumerOptions(8, ask_after=0.02), out)
            system.spawn(Clerk, into, got, 100, done)
            assert [await out.ask(Send(n)) for n in range(1, 51)] == list(range(1, 51))
            for n in range(51, 100):
                out.tell(Send(n))
            assert await out.ask(Deliver(100), timeout=5.0) == 100
            await asyncio.wait_for(done.wait(), 5)
            assert got == list(range(1, 101))
            with pytest.raises((NoReply, Unhandled)):
                await out.ask("what?")

    asyncio.run(main())


def test_workers_share_the_work_and_a_killed_ones_goes_to_the_others() -> None:
    async def main() -> None:
        async with odeon.ActorSystem("app", shutdown_limit=0.2) as system:
            got: list[int] = []
            done = asyncio.Event()
            work = system.spawn(WorkController, ProducerOptions("jobs", resend_after=0.02))
            idle = system.spawn(ConsumerController, ConsumerOptions(4, ask_after=0.02), work)
            replies = [work.ask(Deliver(n), timeout=5.0) for n in range(1, 5)]
            for _ in range(50_000):
                if (await work.ask(GetWorkStatus())).in_hand == 4:
                    break
                await asyncio.sleep(0.001)
            system.kill(idle)  # it had no consumer
            into = system.spawn(ConsumerController, ConsumerOptions(2, ask_after=0.02), work)
            system.spawn(Clerk, into, got, 4, done)
            assert sorted(await asyncio.gather(*replies)) == [1, 2, 3, 4]
            assert sorted(got) == [1, 2, 3, 4]
            assert (await work.ask(GetWorkStatus())).given_back == 4

    asyncio.run(main())
