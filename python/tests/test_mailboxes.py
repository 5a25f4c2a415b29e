"""Mailboxes that are full, in order of priority, or of an actor that has gone."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import odeon
import pytest
from actor_kit import Do, on_loop
from odeon import ActorSystem, Context, Mailbox


async def filled(system: ActorSystem, mailbox: Mailbox, tell: Any) -> list[Any]:
    """What an actor handles of that which ``tell(actor, log)`` sends while it is busy."""
    gate, entered = asyncio.Event(), asyncio.Event()
    seen: list[Any] = []

    async def busy(ctx: Context) -> str:
        entered.set()
        await gate.wait()
        return "done"

    actor = system.spawn(Do, mailbox=mailbox)
    first = actor.ask(busy)
    await entered.wait()
    tell(actor, seen)
    gate.set()
    await first
    await actor.ask(lambda ctx: "barrier")
    return seen


def note(seen: list[Any], n: int) -> Any:
    return lambda ctx: seen.append(n)


@pytest.mark.parametrize(("overflow", "kept"), [
    ("fail", [0, 1, 2]), ("drop_newest", [0, 1, 2]), ("dead_letter", [0, 1, 2]),
    ("drop_oldest", [7, 8, 9]), ("block", [0, 1, 2])])
def test_a_full_mailbox_keeps_what_its_overflow_says(overflow: str, kept: list[int]) -> None:
    async def main(system: ActorSystem) -> list[Any]:
        def tell(actor: Any, seen: list[Any]) -> None:
            # From a handler where telling might wait: it must not, there.
            for n in range(10):
                actor.tell(note(seen, n))

        async def from_actor(ctx: Context) -> list[Any]:
            return await filled(system, Mailbox.bounded(3, overflow), tell)

        return list(await system.spawn(Do).ask(from_actor))

    assert on_loop(main) == kept


@pytest.mark.parametrize("overflow", ["fail", "dead_letter"])
def test_try_tell_and_asks_say_that_a_mailbox_is_full(overflow: str) -> None:
    async def main(system: ActorSystem) -> None:
        asks: list[Any] = []

        def tell(actor: Any, seen: list[Any]) -> None:
            for n in range(2):
                actor.tell(note(seen, n))
            with pytest.raises(odeon.MailboxFull):
                actor.try_tell(note(seen, 9))
            asks.append(actor.ask(note(seen, 9)))

        assert await filled(system, Mailbox.bounded(2, overflow), tell) == [0, 1]
        with pytest.raises(odeon.MailboxFull):
            await asks[0]

    on_loop(main)


def test_tell_wait_waits_for_room() -> None:
    async def main(system: ActorSystem) -> list[Any]:
        seen: list[Any] = []
        actor = system.spawn(Do, mailbox=Mailbox.bounded(2, "block"))

        async def sends(ctx: Context) -> str:
            for n in range(50):
                await actor.tell_wait(note(seen, n))
            return "sent"

        assert await system.spawn(Do).ask(sends) == "sent"
        await actor.ask(lambda ctx: "barrier")
        return seen

    assert on_loop(main) == list(range(50))


def test_threads_wait_for_room_in_a_mailbox_that_blocks() -> None:
    with ActorSystem.start("blocks") as system:
        seen: list[Any] = []
        actor = system.spawn(Do, mailbox=Mailbox.bounded(4, "block"))

        def sends(me: int) -> None:
            for n in range(100):
                actor.tell(note(seen, (me, n)))

        threads = [threading.Thread(target=sends, args=(me,)) for me in range(3)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        actor.ask_blocking(lambda ctx: "barrier")
    assert len(seen) == 300
    for me in range(3):
        assert [n for who, n in seen if who == me] == list(range(100))


def test_the_highest_priority_comes_first_and_equals_in_their_order() -> None:
    def tell(actor: Any, seen: list[Any]) -> None:
        for n in range(9):
            actor.tell(note(seen, n), priority=n % 3)

    async def main(system: ActorSystem) -> list[Any]:
        return await filled(system, Mailbox.priority(), tell)

    assert on_loop(main) == [2, 5, 8, 1, 4, 7, 0, 3, 6]


def test_a_message_whose_time_to_live_has_passed_is_not_handled() -> None:
    async def main(system: ActorSystem) -> list[Any]:
        gate, entered = asyncio.Event(), asyncio.Event()
        seen: list[Any] = []

        async def busy(ctx: Context) -> str:
            entered.set()
            await gate.wait()
            return "done"

        actor = system.spawn(Do)
        first = actor.ask(busy)
        await entered.wait()
        actor.tell(note(seen, 1), ttl=0.005)
        actor.tell(note(seen, 2), ttl=30)
        await asyncio.sleep(0.02)
        gate.set()
        await first
        await actor.ask(lambda ctx: "barrier")
        return seen

    assert on_loop(main) == [2]


@pytest.mark.parametrize(("mailbox", "error"), [
    (Mailbox("square"), ValueError), (Mailbox("bounded", 3, "explode"), ValueError),
    (Mailbox("bounded", -1), (ValueError, OverflowError)), (42, AttributeError)])
def test_a_mailbox_that_makes_no_sense_is_refused_at_spawn(mailbox: Any, error: Any) -> None:
    async def main(system: ActorSystem) -> None:
        with pytest.raises(error):
            system.spawn(Do, mailbox=mailbox)

    on_loop(main)


def test_an_option_that_tell_does_not_have_is_a_type_error() -> None:
    async def main(system: ActorSystem) -> None:
        actor = system.spawn(Do)
        with pytest.raises(TypeError, match="colour"):
            actor.tell("x", colour="red")
        with pytest.raises(TypeError, match="one message"):
            actor.tell()
        with pytest.raises(ValueError, match="ttl"):
            actor.tell("x", ttl=-1)

    on_loop(main)


def test_a_message_to_an_actor_that_has_ended_is_a_dead_letter() -> None:
    async def main(system: ActorSystem) -> None:
        actor = system.spawn(Do, name="gone")
        system.stop_actor(actor)
        while not actor.is_terminated():
            await asyncio.sleep(0)
        actor.tell("lost")
        with pytest.raises(odeon.ActorStopped):
            await actor.ask("asked")
        letters = [x for x in system.dead_letters() if x.to == "/user/gone"]
        assert [(x.reason, x.was_ask) for x in letters] == [("actor_stopped", False),
                                                           ("actor_stopped", True)]
        assert all("str" in x.message for x in letters)

    on_loop(main)


@pytest.mark.parametrize("overflow", ["fail", "drop_newest", "drop_oldest", "dead_letter"])
def test_what_a_full_mailbox_does_not_take_is_a_dead_letter(overflow: str) -> None:
    async def main(system: ActorSystem) -> list[Any]:
        def tell(actor: Any, seen: list[Any]) -> None:
            for n in range(5):
                actor.tell(note(seen, n))

        await filled(system, Mailbox.bounded(2, overflow), tell)
        return [x.reason for x in system.dead_letters()]

    assert on_loop(main) == ["mailbox_full"] * 3
