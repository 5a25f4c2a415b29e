"""Messages that come later, again and again, or because none came."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import odeon
import pytest
from actor_kit import HasSeen, Log, on_loop
from odeon import ActorSystem, Context


class Clocked(odeon.Actor[Any]):
    """Runs what it is called with; passes on what comes by time."""

    def __init__(self, log: Any) -> None:
        self.log = log
        self.kept: list[Any] = []

    async def receive(self, msg: Any, ctx: Context) -> Any:
        if callable(msg):
            made = msg(self, ctx)
            return await made if asyncio.iscoroutine(made) else made
        self.log.tell(msg)
        return None


async def run(system: ActorSystem, body: Any, count: int) -> list[Any]:
    log = system.spawn(Log)
    actor = system.spawn(Clocked, log)
    await actor.ask(lambda self, ctx: body(self, ctx) or "ok")
    return list(await log.ask(HasSeen(count)))


def test_a_delayed_message_comes_once_and_not_before_its_time() -> None:
    async def main(system: ActorSystem) -> None:
        began = time.monotonic()
        assert await run(system, lambda self, ctx: ctx.send_after(0.03, "late"), 1) == ["late"]
        assert time.monotonic() - began >= 0.03

    on_loop(main)


def test_messages_come_in_the_order_of_their_times() -> None:
    def body(self: Any, ctx: Context) -> None:
        for delay in (0.9, 0.3, 0.6, 0.0):
            ctx.send_after(delay, delay)

    async def main(system: ActorSystem) -> list[Any]:
        return await run(system, body, 4)

    assert on_loop(main) == [0.0, 0.3, 0.6, 0.9]


@pytest.mark.parametrize("way", ["send_every", "send_with_delay"])
def test_a_repeated_message_is_the_same_object_until_it_is_cancelled(way: str) -> None:
    tick = object()

    async def main(system: ActorSystem) -> None:
        log = system.spawn(Log)
        actor = system.spawn(Clocked, log)

        def begin(self: Any, ctx: Context) -> str:
            self.kept.append(getattr(ctx, way)(0.001, 0.002, tick))
            return "ok"

        def end(self: Any, ctx: Context) -> bool:
            (timer,) = self.kept
            assert timer.is_active
            timer.cancel()
            timer.cancel()
            return bool(timer.is_active)

        await actor.ask(begin)
        seen = await log.ask(HasSeen(5))
        assert all(message is tick for message in seen)
        assert await actor.ask(end) is False
        count = len(await log.ask(HasSeen(0)))
        await actor.ask(lambda self, ctx: asyncio.sleep(0.01, "waited"))
        assert len(await log.ask(HasSeen(0))) == count

    on_loop(main)


def test_a_timer_ends_with_its_actor_and_at_its_restart() -> None:
    async def main(system: ActorSystem) -> None:
        log = system.spawn(Log)
        actor = system.spawn(Clocked, log)
        await actor.ask(lambda self, ctx: ctx.send_after(0.01, "lost") and "ok")
        with pytest.raises(odeon.ActorFailed):
            await actor.ask(lambda self, ctx: 1 / 0)
        other = system.spawn(Clocked, log)
        await other.ask(lambda self, ctx: ctx.send_after(0.01, "lost") and "ok")
        system.stop_actor(other)
        await actor.ask(lambda self, ctx: ctx.send_after(0.02, "kept") and "ok")
        assert await log.ask(HasSeen(1)) == ["kept"]

    on_loop(main)


@pytest.mark.parametrize("at_spawn", [True, False])
def test_a_receive_timeout_comes_when_no_message_did(at_spawn: bool) -> None:
    class Waits(odeon.Actor[Any]):
        def __init__(self, log: Any) -> None:
            self.log = log

        def receive(self, msg: Any, ctx: Context) -> Any:
            if isinstance(msg, odeon.ReceiveTimeout):
                self.log.tell("timeout")
                ctx.receive_timeout(None)
                return None
            if not at_spawn:
                ctx.receive_timeout(0.02)
            return "ok"

    async def main(system: ActorSystem) -> list[Any]:
        log = system.spawn(Log)
        options = {"receive_timeout": 0.02} if at_spawn else {}
        await system.spawn(Waits, log, **options).ask("x")
        return list(await log.ask(HasSeen(1)))

    assert on_loop(main) == ["timeout"]


@pytest.mark.parametrize(("call", "error"), [
    (lambda ctx: ctx.send_after(-1, "x"), ValueError),
    (lambda ctx: ctx.send_after("soon", "x"), TypeError),
    (lambda ctx: ctx.send_after(1), TypeError),
    (lambda ctx: ctx.send_every(0, 0, "x"), ValueError),
    (lambda ctx: ctx.send_with_delay(0, -1, "x"), ValueError),
    (lambda ctx: ctx.receive_timeout(-1), ValueError)])
def test_times_that_make_no_sense_are_refused(call: Any, error: type[Exception]) -> None:
    def body(self: Any, ctx: Context) -> str:
        with pytest.raises(error):
            call(ctx)
        return "refused"

    async def main(system: ActorSystem) -> Any:
        return await system.spawn(Clocked, None).ask(body)

    assert on_loop(main) == "refused"


def test_thousands_of_timers_come_and_go() -> None:
    def body(self: Any, ctx: Context) -> None:
        for n in range(2000):
            timer = ctx.send_after(0.001 * (n % 10), n)
            if n % 2:
                timer.cancel()

    async def main(system: ActorSystem) -> int:
        return len(set(await run(system, body, 1000)))

    assert on_loop(main) == 1000
