"""Setting messages aside, and taking on other behaviours."""

from __future__ import annotations

import asyncio
from typing import Any

import odeon
import pytest
from actor_kit import HasSeen, Log, on_loop
from odeon import ActorSystem, Context


class Connection(odeon.Actor[Any]):
    """Sets requests aside until it is open."""

    def __init__(self, log: Any) -> None:
        self.log = log
        self.open = False

    def receive(self, msg: Any, ctx: Context) -> Any:
        if msg == "open":
            self.open = True
            ctx.unstash_all()
            return "opened"
        if msg == "fail":
            raise ValueError(msg)
        if not self.open:
            ctx.stash()
            return None
        self.log.tell(msg)
        return f"sent {msg}"


def test_stashed_messages_come_next_in_their_order_with_their_asks() -> None:
    async def main(system: ActorSystem) -> Any:
        log = system.spawn(Log)
        connection = system.spawn(Connection, log)
        asks = [connection.ask(n) for n in range(3)]
        connection.tell("told")
        opened = connection.ask("open")
        after = connection.ask("after")
        return (await asyncio.gather(*asks, opened, after), await log.ask(HasSeen(5)))

    answers, seen = on_loop(main)
    assert answers == ["sent 0", "sent 1", "sent 2", "opened", "sent after"]
    assert seen == [0, 1, 2, "told", "after"]


def test_a_stashed_message_keeps_its_sender() -> None:
    class Keeps(odeon.Actor[Any]):
        held = True

        def receive(self, msg: Any, ctx: Context) -> Any:
            if msg == "open":
                self.held = False
                ctx.unstash_all()
                return "ok"
            if self.held:
                ctx.stash()
                return None
            return ctx.sender.name if ctx.sender else "nobody"

    class Asks(odeon.Actor[Any]):
        async def receive(self, msg: Any) -> Any:
            return await msg.ask("who")

    async def main(system: ActorSystem) -> Any:
        keeps = system.spawn(Keeps)
        ask = system.spawn(Asks, name="asker").ask(keeps)
        mine = keeps.ask("mine")
        await asyncio.sleep(0.005)
        await keeps.ask("open")
        return await ask, await mine

    assert on_loop(main) == ("asker", "nobody")


def test_a_full_stash_raises_in_the_handler() -> None:
    class Full(odeon.Actor[Any]):
        def receive(self, msg: Any, ctx: Context) -> Any:
            if msg == "size":
                return ctx.stash_size
            try:
                ctx.stash()
            except odeon.errors.StashFull:
                return "full"
            return None

    async def main(system: ActorSystem) -> Any:
        actor = system.spawn(Full, stash_capacity=2)
        waiting = [actor.ask(n) for n in range(2)]
        seen = [await actor.ask(2), await actor.ask("size")]
        system.stop_actor(actor)
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        return seen, [type(e) for e in ends]

    assert on_loop(main) == (["full", 2], [odeon.ActorStopped] * 2)


def test_after_a_restart_the_stash_comes_first() -> None:
    async def main(system: ActorSystem) -> Any:
        log = system.spawn(Log)
        connection = system.spawn(Connection, log)
        connection.tell("a")
        with pytest.raises(odeon.ActorFailed):
            await connection.ask("fail")
        connection.tell("b")
        await connection.ask("open")
        return await log.ask(HasSeen(2))

    assert on_loop(main) == ["a", "b"]


class Light(odeon.Actor[Any]):
    def receive(self, msg: Any, ctx: Context) -> Any:
        if msg == "deep":
            ctx.become(self.green, keep=True)
            return "red, deeper"
        if msg == "fail":
            raise ValueError
        ctx.become(self.green)
        return "red"

    def green(self, msg: Any, ctx: Context) -> Any:
        if msg == "fail":
            raise ValueError
        if msg == "back":
            ctx.unbecome()
        elif msg == "odd":
            return NotImplemented
        elif msg == "slow":
            ctx.become(self.slow, keep=True)
        return "green"

    async def slow(self, msg: Any) -> Any:
        await asyncio.sleep(0)
        return "slow"


def test_become_takes_effect_with_the_next_message_and_unbecome_goes_back() -> None:
    async def main(system: ActorSystem) -> list[Any]:
        light = system.spawn(Light)
        seen = [await light.ask(m) for m in ("x", "x", "slow", "x", "x")]
        with pytest.raises(odeon.ActorFailed):
            await system.spawn(Light).ask("fail")
        return seen

    assert on_loop(main) == ["red", "green", "green", "slow", "slow"]


def test_unbecome_brings_the_behaviour_before() -> None:
    async def main(system: ActorSystem) -> list[Any]:
        light = system.spawn(Light)
        return [await light.ask(m) for m in ("x", "back", "x", "x", "back", "back", "x")]

    assert on_loop(main) == ["red", "green", "red", "green", "green", "red", "green"]


def test_what_a_behaviour_does_not_handle_is_unhandled() -> None:
    async def main(system: ActorSystem) -> Any:
        light = system.spawn(Light)
        await light.ask("x")
        with pytest.raises(odeon.errors.Unhandled):
            await light.ask("odd")
        return await light.ask("x")

    assert on_loop(main) == "green"


def test_a_restart_forgets_the_behaviours() -> None:
    async def main(system: ActorSystem) -> list[Any]:
        light = system.spawn(Light)
        seen = [await light.ask("x"), await light.ask("x")]
        with pytest.raises(odeon.ActorFailed):
            await light.ask("fail")
        return [*seen, await light.ask("x")]

    assert on_loop(main) == ["red", "green", "red"]


def test_become_takes_a_callable_and_says_so() -> None:
    class Wrong(odeon.Actor[Any]):
        def receive(self, msg: Any, ctx: Context) -> Any:
            with pytest.raises(TypeError, match="callable"):
                ctx.become(msg)
            ctx.unbecome()
            return "ok"

    async def main(system: ActorSystem) -> Any:
        return await system.spawn(Wrong).ask(42)

    assert on_loop(main) == "ok"
