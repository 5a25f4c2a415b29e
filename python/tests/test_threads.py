"""Actors and many threads."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import odeon
import pytest
from actor_kit import Do, on_loop
from odeon import ActorSystem, Context


class Collects(odeon.Actor[Any]):
    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def receive(self, msg: Any, ctx: Context) -> Any:
        if msg == "seen":
            return self.seen
        self.seen.append(msg)
        return None


def in_threads(count: int, body: Any) -> None:
    barrier = threading.Barrier(count)

    def run(me: int) -> None:
        barrier.wait()
        body(me)

    threads = [threading.Thread(target=run, args=(me,)) for me in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def check_order(seen: list[tuple[int, int]], threads: int, each: int) -> None:
    assert len(seen) == threads * each
    for me in range(threads):
        assert [n for who, n in seen if who == me] == list(range(each))


@pytest.mark.parametrize("threads", [1, 4, 8])
def test_threads_tell_at_once_and_each_keeps_its_order(threads: int) -> None:
    with ActorSystem.start("threads") as system:
        actor = system.spawn(Collects)
        in_threads(threads, lambda me: [actor.tell((me, n)) for n in range(2000)])
        check_order(actor.ask_blocking("seen"), threads, 2000)


def test_threads_tell_an_actor_of_a_loop() -> None:
    async def main(system: ActorSystem) -> Any:
        actor = system.spawn(Collects)
        await asyncio.to_thread(in_threads, 4,
                                lambda me: [actor.tell((me, n)) for n in range(2000)])
        return await actor.ask("seen")

    check_order(on_loop(main), 4, 2000)


def test_threads_spawn_ask_and_stop_at_once() -> None:
    with ActorSystem.start("threads") as system:
        sums: list[int] = []

        def body(me: int) -> None:
            total = 0
            for n in range(50):
                actor = system.spawn(Do)
                total += actor.ask_blocking(lambda ctx, n=n: n)
                system.stop_actor(actor)
            sums.append(total)

        in_threads(4, body)
        assert sums == [1225] * 4


def test_one_message_at_a_time_to_a_sleeping_actor_wakes_it_each_time() -> None:
    with ActorSystem.start("sleepy") as system:
        actor = system.spawn(Collects)
        for n in range(500):
            actor.tell((0, n))
            assert actor.ask_blocking("seen")[-1] == (0, n)


def test_an_actor_s_code_runs_on_one_thread_alone() -> None:
    class Where(odeon.Actor[Any]):
        def __init__(self) -> None:
            self.threads = {threading.get_ident()}

        async def receive(self, msg: Any) -> Any:
            self.threads.add(threading.get_ident())
            if msg == "wait":
                await asyncio.sleep(0)
                self.threads.add(threading.get_ident())
            return len(self.threads - {threading.main_thread().ident})

    with ActorSystem.start("where") as system:
        actor = system.spawn(Where)
        for _ in range(3):
            actor.ask_blocking("x")
            assert actor.ask_blocking("wait") == 1


def test_two_systems_on_threads_ask_each_other() -> None:
    with ActorSystem.start("one") as one, ActorSystem.start("two") as two:
        echo = two.spawn(Do)

        async def across(ctx: Context) -> int:
            total = 0
            for n in range(100):
                total += await echo.ask(lambda ctx, n=n: n)
            return total

        assert one.spawn(Do).ask_blocking(across) == 4950


def test_a_handler_may_not_wait_for_the_end_of_its_own_system() -> None:
    async def main(system: ActorSystem) -> None:
        with pytest.raises(odeon.WouldBlock):
            system.stop_blocking()
        with pytest.raises(odeon.WouldBlock, match="async with"):
            system.__enter__()

    on_loop(main)
    with pytest.raises(odeon.WouldBlock, match="start"):
        ActorSystem("no loop")
