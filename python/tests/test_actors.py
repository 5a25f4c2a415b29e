"""Ways to write an actor, and what its context gives."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import odeon
import pytest
from actor_kit import Do, DoNow, on_loop
from odeon import ActorSystem, Context


@dataclass
class Add:
    n: int


@dataclass
class AddTwice(Add):
    pass


@dataclass
class Get:
    pass


def test_receive_may_leave_the_context_out() -> None:
    class Short(odeon.Actor[int]):
        def receive(self, msg: int) -> int:
            return msg + 1

    class ShortAsync(odeon.Actor[int]):
        async def receive(self, msg: int) -> int:
            return msg + 2

    async def main(system: ActorSystem) -> list[int]:
        return [await system.spawn(Short).ask(1), await system.spawn(ShortAsync).ask(1)]

    assert on_loop(main) == [2, 3]


def test_handlers_are_found_by_name_by_mark_and_by_base_class() -> None:
    class Counter(odeon.Actor[Any]):
        def __init__(self, total: int = 0) -> None:
            self.total = total

        def on_Add(self, msg: Add) -> None:  # noqa: N802
            self.total += msg.n

        @odeon.on(Get)
        async def total_of(self, msg: Get, ctx: Context) -> int:
            await asyncio.sleep(0)
            return self.total

        @odeon.on(int, str)
        def odd(self, msg: Any) -> str:
            return f"odd {msg}"

    async def main(system: ActorSystem) -> list[Any]:
        counter = system.spawn(Counter, total=10)
        counter.tell(Add(1))
        counter.tell(AddTwice(2))
        seen = [await counter.ask(Get()), await counter.ask(7), await counter.ask("s")]
        with pytest.raises(odeon.errors.Unhandled):
            await counter.ask(1.5)
        return seen

    assert on_loop(main) == [13, "odd 7", "odd s"]


def test_receive_takes_what_no_method_does() -> None:
    class Mixed(odeon.Actor[Any]):
        def on_add(self, msg: Add) -> str:
            return "add"

        def receive(self, msg: Any) -> str:
            return "rest"

    async def main(system: ActorSystem) -> list[str]:
        actor = system.spawn(Mixed)
        return [await actor.ask(Add(1)), await actor.ask("x")]

    assert on_loop(main) == ["add", "rest"]


def test_a_class_without_handlers_is_no_actor() -> None:
    class Nothing:
        pass

    async def main(system: ActorSystem) -> None:
        with pytest.raises(TypeError, match="no class of actors"):
            system.spawn(Nothing)
        with pytest.raises(TypeError, match="spawn takes"):
            system.spawn()
        with pytest.raises(TypeError):
            system.spawn(42)

    on_loop(main)


def test_functions_are_actors_with_a_state_of_their_own() -> None:
    def count(state: list[int], msg: Any, ctx: Context) -> int:
        if msg == "fail":
            raise ValueError
        state.append(msg)
        return len(state)

    async def slow(state: dict[str, int], msg: str) -> int:
        await asyncio.sleep(0)
        state[msg] = state.get(msg, 0) + 1
        return state[msg]

    async def main(system: ActorSystem) -> list[int]:
        initial: list[int] = []
        recipe = odeon.behavior(initial, count)
        one, two = system.spawn(recipe), system.spawn(recipe)
        seen = [await one.ask(1), await one.ask(2), await two.ask(1)]
        with pytest.raises(odeon.ActorFailed):
            await one.ask("fail")
        words = system.spawn(odeon.behavior({}, slow))
        seen += [await one.ask(1), await words.ask("a"), await words.ask("a"), len(initial)]
        return seen

    assert on_loop(main) == [1, 2, 1, 1, 1, 2, 0]


def test_generators_are_actors_that_end_with_their_function() -> None:
    closed = []

    @odeon.generator_actor
    def accumulator(ctx: Context, start: int = 0) -> Any:
        total = start
        try:
            while total < 10:
                total += yield total
            return "full"
        finally:
            closed.append(total)

    async def main(system: ActorSystem) -> list[Any]:
        actor = system.spawn(accumulator, start=1)
        seen = [await actor.ask(2), await actor.ask(3), await actor.ask(9)]
        with pytest.raises(odeon.ActorStopped):
            await actor.ask(1)
        other = system.spawn(accumulator)
        await other.ask(1)
        return seen

    assert on_loop(main) == [3, 6, "full"]
    assert closed == [15, 1]


def test_props_keep_arguments_that_are_named_as_options_are() -> None:
    class Named(odeon.Actor[Any]):
        def __init__(self, name: str, *, tags: str) -> None:
            self.text = f"{name} {tags}"

        def receive(self, msg: Any) -> str:
            return self.text

    async def main(system: ActorSystem) -> str:
        actor = system.spawn(odeon.Props(Named, "inner", tags="t"), name="outer")
        assert actor.path == "/user/outer"
        return str(await actor.ask("?"))

    assert on_loop(main) == "inner t"


def test_refs_compare_hash_and_show_by_actor() -> None:
    async def main(system: ActorSystem) -> None:
        one, two = system.spawn(DoNow, name="one"), system.spawn(DoNow)
        same = system.lookup("one")
        assert same == one
        assert len({one, same, two}) == 2
        assert one != two
        assert (one.name, one.path) == ("one", "/user/one")
        assert "/user/one" in repr(one)
        assert system.lookup("/user/one") == one
        assert system.lookup("nobody") is None
        with pytest.raises(odeon.errors.NameTaken):
            system.spawn(DoNow, name="one")
        system.stop_actor(one)
        while not one.is_terminated():
            await asyncio.sleep(0)
        again = system.spawn(DoNow, name="one")
        assert again != one
        assert again.uid != one.uid

    on_loop(main)


def test_the_context_tells_who_and_where() -> None:
    async def main(system: ActorSystem) -> None:
        sender = system.spawn(Do, name="sender")
        target = system.spawn(DoNow, name="target")

        def look(ctx: Context) -> Any:
            return ctx.sender, ctx.self, ctx.path, ctx.parent is not None, ctx.system is system

        async def asks(ctx: Context) -> Any:
            first = await target.ask(look)
            await asyncio.sleep(0)
            return first, await target.ask(look)

        assert await target.ask(look) == (None, target, "/user/target", True, True)
        for seen in await sender.ask(asks):
            assert seen == (sender, target, "/user/target", True, True)

    on_loop(main)


def test_children_live_below_their_parent_and_end_with_it() -> None:
    async def main(system: ActorSystem) -> None:
        parent = system.spawn(DoNow, name="parent")

        def makes(ctx: Context) -> Any:
            return [ctx.spawn(DoNow, name=n) for n in ("a", "b")]

        a, b = await parent.ask(makes)
        assert a.path == "/user/parent/a"
        assert await parent.ask(lambda ctx: ctx.children) == [a, b]
        assert await parent.ask(lambda ctx: ctx.child("b") == b and ctx.parent.path) == "/user"
        await parent.ask(lambda ctx: ctx.stop(a) or "ok")
        while not a.is_terminated():
            await asyncio.sleep(0)
        assert not b.is_terminated()
        system.stop_actor(parent)
        while not parent.is_terminated():
            await asyncio.sleep(0)
        assert b.is_terminated()

    on_loop(main)


def test_a_context_is_for_its_actor_s_own_thread_and_life() -> None:
    async def main(system: ActorSystem) -> None:
        kept: list[Any] = []
        actor = system.spawn(DoNow)
        await actor.ask(lambda ctx: kept.append(ctx) or "ok")
        with pytest.raises(odeon.OdeonError, match="another thread"):
            await asyncio.to_thread(kept[0].spawn, DoNow)
        with pytest.raises(odeon.OdeonError, match="handler's own code"):
            kept[0].stash()
        system.stop_actor(actor)
        while not actor.is_terminated():
            await asyncio.sleep(0)
        with pytest.raises(odeon.ActorStopped):
            kept[0].stop()

    on_loop(main)


def test_messages_of_one_sender_keep_their_order_whatever_they_are() -> None:
    async def main(system: ActorSystem) -> list[int]:
        seen: list[int] = []
        actor = system.spawn(Do)
        asks = []
        for n in range(0, 200, 2):
            actor.tell(lambda ctx, n=n: seen.append(n))
            asks.append(actor.ask(lambda ctx, n=n: seen.append(n + 1) or "ok"))
        await asyncio.gather(*asks)
        return seen

    assert on_loop(main) == list(range(200))
