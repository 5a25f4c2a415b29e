"""Durable-state actors: when they write, what they find again, revisions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

import odeon
from odeon import codecs, errors
from odeon import persistence as p
from odeon.persistence import DurableState, Journal
from odeon.testing import TestKit


@dataclass
class Add:
    item: str


@dataclass
class Pay:
    pass


@dataclass
class Break:
    pass


@dataclass
class Restore:
    revision: int


class Cart(DurableState):
    write_behind = 0.0
    state_exclude = ("cache",)

    def __init__(self, id: str = "1", **options: Any) -> None:
        self.persistence_id = f"cart/{id}"
        self.items: list[str] = []
        self.cache = "not stored"
        self._secret = "not stored"
        for name, value in options.items():
            setattr(self, name, value)

    def on_Add(self, msg: Add) -> int:
        self.items.append(msg.item)
        return len(self.items)

    def on_Pay(self, msg: Pay) -> p.Effect:
        return p.checkpoint().reply_with(lambda me: list(me.items))

    async def on_Break(self, msg: Break) -> None:
        await asyncio.sleep(0)
        self.items.append("lost")
        raise ValueError("broken")

    async def on_Restore(self, msg: Restore, ctx: odeon.Context) -> Any:
        await self.restore(msg.revision)
        return self.revision, list(self.items)

    def receive(self, msg: Any, ctx: odeon.Context) -> Any:
        return (self.revision, list(self.items)) if msg == "look" else NotImplemented


Test = Callable[[odeon.ActorSystem, Journal], Awaitable[None]]


def run(*tests: Test) -> None:
    """Runs them one after the other, each in its own system on what the one before has left."""

    async def main() -> None:
        journal = None
        for test in tests:
            journal = Journal.memory(store=journal)
            async with odeon.ActorSystem("t", journal=journal) as system:
                await test(system, journal)

    asyncio.run(main())


def test_the_state_is_written_at_the_end_and_found_again() -> None:
    async def first(system: odeon.ActorSystem, journal: Journal) -> None:
        cart = system.spawn(Cart)
        assert await cart.ask(Add("a")) == 1
        assert await cart.ask("look") == (0, ["a"])
        assert await journal.highest_sequence("cart/1") == 0

    async def second(system: odeon.ActorSystem, journal: Journal) -> None:
        stored = (await journal.load_snapshot("cart/1")).snapshot
        assert stored is not None
        assert codecs.default.native.decode(
            stored.manifest, stored.version, stored.payload, None, 0) == {"items": ["a"]}
        assert await system.spawn(Cart).ask("look") == (1, ["a"])

    run(first, second)


def test_a_checkpoint_is_on_disk_before_its_answer() -> None:
    async def test(system: odeon.ActorSystem, journal: Journal) -> None:
        cart = system.spawn(Cart)
        await cart.ask(Add("a"))
        assert await cart.ask(Pay()) == ["a"]
        assert await journal.highest_sequence("cart/1") == 1
        assert await cart.ask(Pay()) == ["a"]  # nothing changed: no new revision
        assert await journal.highest_sequence("cart/1") == 1

    run(test)


def test_a_change_is_written_behind() -> None:
    async def test(system: odeon.ActorSystem, journal: Journal) -> None:
        cart = system.spawn(Cart, write_behind=0.01)
        await cart.ask(Add("a"))
        async with asyncio.timeout(5):
            while await journal.highest_sequence("cart/1") == 0:
                await asyncio.sleep(0.002)
        system.kill(cart)
        async with asyncio.timeout(5):
            while not cart.is_terminated():
                await asyncio.sleep(0.002)
        assert await system.spawn(Cart).ask("look") == (1, ["a"])

    run(test)


def test_with_write_through_the_answer_comes_after_the_write() -> None:
    async def test(system: odeon.ActorSystem, journal: Journal) -> None:
        cart = system.spawn(Cart, write_through=True)
        assert await cart.ask(Add("a")) == 1
        assert await journal.highest_sequence("cart/1") == 1
        assert await cart.ask("look") == (1, ["a"])
        journal.fail_next_commits(1)
        with pytest.raises(errors.IoFailed):
            await cart.ask(Add("b"))
        assert await cart.ask("look") == (1, ["a"])  # restarted with what is stored

    run(test)


def test_a_failed_actor_is_not_stored() -> None:
    async def test(system: odeon.ActorSystem, journal: Journal) -> None:
        cart = system.spawn(Cart)
        await cart.ask(Add("a"))
        await cart.ask(Pay())
        with pytest.raises(errors.ActorFailed):
            await cart.ask(Break())
        assert await cart.ask("look") == (1, ["a"])

    run(test)


def test_revisions_are_kept_and_restored() -> None:
    async def test(system: odeon.ActorSystem, journal: Journal) -> None:
        cart = system.spawn(Cart, keep_revisions=3)
        for item in "abcd":
            await cart.ask(Add(item))
            await cart.ask(Pay())
        assert [one.sequence for one in await journal.snapshots_of("cart/1")] == [4, 3, 2]
        assert await cart.ask(Restore(2)) == (5, ["a", "b"])
        with pytest.raises(errors.ActorFailed) as failed:
            await cart.ask(Restore(1))
        assert isinstance(failed.value.__cause__, errors.NotFound)
        again = system.spawn(Cart, begin_with=4, keep_revisions=3)
        assert await again.ask("look") == (6, ["a", "b", "c", "d"])

    run(test)


def test_another_writer_stops_the_older_one_and_a_damaged_state_is_no_state() -> None:
    async def test(system: odeon.ActorSystem, journal: Journal) -> None:
        old = system.spawn(Cart)
        await old.ask(Add("a"))
        await old.ask(Pay())
        new = system.spawn(Cart)
        await new.ask("look")
        await old.ask(Add("b"))
        with pytest.raises(errors.Fenced):
            await old.ask(Pay())
        assert await new.ask("look") == (1, ["a"])
        assert journal.damage_snapshot("cart/1", 1)
        third = system.spawn(Cart, supervision=odeon.Supervision(otherwise="stop"))
        with pytest.raises(errors.ActorStopped):
            await third.ask("look")

    run(test)


@dataclass
class Count:
    __manifest__ = "test.ds.count"
    value: int = 0


class Counter(DurableState):
    persistence_id = "counter"
    write_behind = 0.0

    def __init__(self) -> None:
        self._count = Count()
        self.ended = False

    def get_state(self) -> Count:
        return self._count

    def set_state(self, state: Count) -> None:
        self._count = state

    def receive(self, msg: str) -> int:
        self._count.value += 1
        return self._count.value

    async def deactivated(self, ctx: odeon.Context) -> None:
        self._count.value += 100


def test_a_class_of_its_own_as_state_is_stored_by_its_manifest() -> None:
    async def first(system: odeon.ActorSystem, journal: Journal) -> None:
        counter = system.spawn(Counter, name="c")
        assert await counter.ask("up") == 1

    async def second(system: odeon.ActorSystem, journal: Journal) -> None:
        stored = (await journal.load_snapshot("counter")).snapshot
        assert stored is not None and stored.manifest == "test.ds.count"
        assert await system.spawn(Counter).ask("up") == 102

    run(first, second)


def test_an_unknown_message_is_unhandled_and_an_idle_actor_is_deactivated() -> None:
    async def test(system: odeon.ActorSystem, journal: Journal) -> None:
        cart = system.spawn(Cart, deactivate_after=0.02)
        with pytest.raises(errors.Unhandled):
            await cart.ask(17)
        await cart.ask(Add("a"))
        async with asyncio.timeout(5):
            while not cart.is_terminated():
                await asyncio.sleep(0.002)
        assert await journal.highest_sequence("cart/1") == 1

    run(test)


def test_write_behind_goes_by_virtual_time(virtual_time: TestKit) -> None:
    journal = Journal.memory(system=virtual_time.system)
    p.install(virtual_time.system, journal)
    cart = virtual_time.system.spawn(Cart, write_behind=30.0)

    async def main() -> None:
        assert await cart.ask(Add("a")) == 1
        await asyncio.sleep(29.0)
        assert await journal.highest_sequence("cart/1") == 0
        await asyncio.sleep(2.0)
        assert await journal.highest_sequence("cart/1") == 1

    virtual_time.run(main())
    assert 31.0 <= virtual_time.now() < 40.0
