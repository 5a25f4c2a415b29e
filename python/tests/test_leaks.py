"""What a hundred thousand messages leave behind: nothing."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import tracemalloc
import weakref
from typing import Any

import odeon
import pytest
from actor_kit import Do, RESTARTS_FOR_EVER, on_loop
from odeon import ActorSystem, Context

ROUNDS = 5
SLACK_BYTES = 60_000


class Message:
    pass


class Sink(odeon.Actor[Any]):
    def receive(self, msg: Any, ctx: Context) -> Any:
        if msg == "fail":
            raise ValueError("expected")
        return msg


class AsyncSink(odeon.Actor[Any]):
    async def receive(self, msg: Any, ctx: Context) -> Any:
        if msg == "wait":
            await asyncio.sleep(0)
        return msg


async def drained() -> None:
    for _ in range(5):
        await asyncio.sleep(0)
    gc.collect()


async def flat(body: Any) -> None:
    """Runs ``body()`` in rounds: the memory that Python counts does not grow between them."""
    await body()
    await body()
    await drained()
    tracemalloc.start()
    try:
        await body()
        await drained()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(ROUNDS):
            await body()
        await drained()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < SLACK_BYTES, f"{grown} bytes more after {ROUNDS} rounds"


@pytest.mark.parametrize("sink", [Sink, AsyncSink])
def test_every_message_of_many_is_freed(sink: Any) -> None:
    message = Message()
    before = sys.getrefcount(message)

    async def main(system: ActorSystem) -> None:
        actor = system.spawn(sink)
        for _ in range(20):
            for _ in range(10_000):
                actor.tell(message)
            await actor.ask("barrier")

    on_loop(main)
    gc.collect()
    assert sys.getrefcount(message) == before


@pytest.mark.parametrize("sink", [Sink, AsyncSink])
def test_asks_leave_nothing(sink: Any) -> None:
    async def main(system: ActorSystem) -> None:
        actor = system.spawn(sink)

        async def body() -> None:
            for _ in range(100):
                await asyncio.gather(*(actor.ask(Message()) for _ in range(20)))
            for _ in range(200):
                actor.ask(Message())  # nobody awaits it
            await actor.ask("wait")

        await flat(body)

    on_loop(main)


def test_handlers_that_wait_leave_nothing() -> None:
    async def main(system: ActorSystem) -> None:
        actors = [system.spawn(AsyncSink) for _ in range(20)]

        async def body() -> None:
            for _ in range(30):
                await asyncio.gather(*(a.ask("wait") for a in actors))

        await flat(body)

    on_loop(main)


def test_failures_leave_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL", "odeon")

    async def main(system: ActorSystem) -> None:
        actor = system.spawn(Sink, supervision=RESTARTS_FOR_EVER)
        resumes = system.spawn(Sink, supervision=odeon.Supervision(otherwise="resume"))

        async def body() -> None:
            for target in (actor, resumes):
                for _ in range(100):
                    try:
                        await target.ask("fail")
                    except odeon.ActorFailed:
                        pass

        await flat(body)

    on_loop(main)


def test_actors_that_come_and_go_leave_nothing() -> None:
    async def main(system: ActorSystem) -> None:
        async def body() -> None:
            actors = [system.spawn(cls) for cls in (Sink, AsyncSink) for _ in range(100)]
            await asyncio.gather(*(a.ask("wait") for a in actors))
            for a in actors:
                system.stop_actor(a)
            while not all(a.is_terminated() for a in actors):
                await asyncio.sleep(0)

        await flat(body)

    on_loop(main)


def test_an_instance_is_freed_with_its_actor() -> None:
    async def main(system: ActorSystem) -> None:
        kept: list[Any] = []

        class Held(odeon.Actor[Any]):
            def __init__(self) -> None:
                kept.append(weakref.ref(self))

            async def receive(self, msg: Any, ctx: Context) -> Any:
                await asyncio.sleep(0)
                ctx.become(lambda m, c: m)
                return msg

        actor = system.spawn(Held)
        await actor.ask("x")
        system.stop_actor(actor)
        while not actor.is_terminated():
            await asyncio.sleep(0)
        await drained()
        assert kept[0]() is None

    on_loop(main)


def test_timers_leave_nothing() -> None:
    class Timed(odeon.Actor[Any]):
        fired = 0

        def receive(self, msg: Any, ctx: Context) -> Any:
            if isinstance(msg, Message):
                self.fired += 1
            if msg == "fired":
                return self.fired
            if msg == "arm":
                for n in range(100):
                    timer = ctx.send_after(0.0 if n % 2 else 60, Message())
                    if not n % 2:
                        timer.cancel()
            return msg

    async def main(system: ActorSystem) -> None:
        actor = system.spawn(Timed)

        async def body() -> None:
            before = await actor.ask("fired")
            for _ in range(10):
                await actor.ask("arm")
            while await actor.ask("fired") < before + 500:
                await asyncio.sleep(0.001)

        await flat(body)

    on_loop(main)


def freed(references: list[Any]) -> bool:
    gc.collect()
    return all(r() is None for r in references)


def test_messages_in_the_mailbox_of_an_actor_that_stops_are_freed() -> None:
    async def main(system: ActorSystem) -> None:
        entered = asyncio.Event()

        async def busy(ctx: Context) -> None:
            entered.set()
            await asyncio.Event().wait()

        actor = system.spawn(Do)
        asked = actor.ask(busy)
        await entered.wait()
        references = []
        for _ in range(1000):
            message = Message()
            references.append(weakref.ref(message))
            actor.tell(message)
        del message
        system.kill(actor)
        with pytest.raises(odeon.errors.ActorKilled):
            await asked
        message = Message()
        references.append(weakref.ref(message))
        actor.tell(message)
        del message
        await drained()
        assert freed(references)

    on_loop(main)


def test_what_threads_of_the_runtime_drop_is_freed() -> None:
    async def main(system: ActorSystem) -> None:
        class Armed(odeon.Actor[Any]):
            def receive(self, msg: Any, ctx: Context) -> Any:
                for _ in range(100):
                    message = Message()
                    references.append(weakref.ref(message))
                    ctx.send_every(0.0001, 0.0001, message)
                return "armed"

        references: list[Any] = []
        actor = system.spawn(Armed)
        assert await actor.ask("x") == "armed"
        system.kill(actor)
        while not actor.is_terminated():
            await asyncio.sleep(0)
        for _ in range(5000):
            await asyncio.sleep(0.002)
            await system.spawn(Sink).ask("drains")
            if freed(references):
                break
        assert freed(references)

    on_loop(main)


def test_a_system_and_its_loop_leave_nothing() -> None:
    async def main() -> None:
        async with ActorSystem("short") as system:
            await system.spawn(AsyncSink).ask("wait")

    def once() -> None:
        asyncio.run(main())

    for _ in range(3):
        once()
    gc.collect()
    tracemalloc.start()
    try:
        once()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(10):
            once()
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < SLACK_BYTES, f"{grown} bytes more after ten systems"


def test_an_actor_that_has_restarted_keeps_neither_the_exception_nor_itself(
        monkeypatch: pytest.MonkeyPatch) -> None:
    """A traceback has the handler's frame, that the context, and that the actor's cell."""
    monkeypatch.setattr(logging.root.manager, "disable", logging.CRITICAL)  # records keep them too

    class Own(Exception):
        pass

    class Fails(odeon.Actor[Any]):
        def receive(self, msg: Any, ctx: Context) -> Any:
            if msg == "fail":
                raise Own
            return msg

    def alive() -> int:
        gc.collect()
        return sum(isinstance(each, (Own, Fails)) for each in gc.get_objects())

    async def main(system: ActorSystem) -> None:
        actor = system.spawn(Fails, supervision=RESTARTS_FOR_EVER)
        actor.tell("fail")
        await actor.ask(1)
        await drained()
        assert alive() == 1, "the instance"
        system.stop_actor(actor)
        while not actor.is_terminated():
            await asyncio.sleep(0)
        del actor
        await drained()
        assert alive() == 0

    on_loop(main)
