"""Streams from actors, and streams that actors run."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import dataclass
from typing import Any

import pytest

import odeon
from odeon.errors import ActorStopped, InvalidArgument
from odeon.streams import Graph, Sink, Source, StreamComplete, StreamFail

from streams_kit import in_system, until


def test_what_an_actor_is_told_and_asked_comes_in_order_and_ends() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        run = Source.from_actor(4).map(lambda n: n * 2).run(system, Sink.collect())
        (ref,) = run.values
        assert await ref.ask(1, timeout=5) == "enqueued"
        for n in range(2, 50):  # more than wait in the stream: the others wait in the mailbox
            ref.tell(n)
        ref.tell(StreamComplete())
        ref.tell("too late")
        assert await run == [n * 2 for n in range(1, 50)]
        await until(ref.is_terminated)

    in_system(body)


def test_an_element_that_is_asked_waits_for_its_place() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        gate = asyncio.Event()
        run = Source.from_actor(1).run(system, Sink.foreach_async(1, lambda n: gate.wait()))
        (ref,) = run.values
        asks = [asyncio.ensure_future(_asked(ref, n)) for n in range(6)]
        for _ in range(50):
            await asyncio.sleep(0)
        answered = sum(each.done() for each in asks)
        assert 1 <= answered <= 4
        gate.set()
        assert await asyncio.gather(*asks) == ["enqueued"] * 6
        assert await ref.ask(StreamComplete(), timeout=5) is None
        await run
        with pytest.raises(odeon.OdeonError):
            await ref.ask(7, timeout=5)

    in_system(body)


async def _asked(ref: Any, message: Any) -> Any:
    return await ref.ask(message, timeout=5)


def test_a_full_source_drops_as_it_was_told_to() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        run = Source.from_actor(2, "drop_newest").initial_delay(0.05).run(system, Sink.collect())
        (ref,) = run.values
        assert [await _asked(ref, n) for n in range(4)] == ["enqueued"] * 2 + ["dropped"] * 2
        ref.tell(StreamComplete())
        assert await run == [0, 1]

    in_system(body)


def test_a_stream_fails_as_its_actor_says_or_when_it_is_stopped() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        why = KeyError("mine")
        seen: list[int] = []
        run = Source.from_actor(4).run(system, Sink.foreach(seen.append))
        run.values[0].tell(1)
        run.values[0].tell(StreamFail(why))
        with pytest.raises(KeyError) as caught:
            await run
        assert caught.value is why and seen == [1]
        run = Source.from_actor(4).run(system, Sink.ignore())
        system.stop_actor(run.values[0])
        with pytest.raises(ActorStopped, match="from_actor"):
            await run
        run = Source.from_actor(4).take(1).run(system, Sink.collect())
        run.values[0].tell("last")
        assert await run == ["last"]
        await until(run.values[0].is_terminated)

    in_system(body)


def test_programs_without_a_loop_have_sources_that_are_actors() -> None:
    with odeon.ActorSystem.start("streams") as system:
        run = Source.from_actor(1).run(system, Sink.collect())
        (ref,) = run.values
        assert [ref.ask_blocking(n, timeout=5) for n in range(5)] == ["enqueued"] * 5
        ref.tell(StreamComplete())
        assert run.wait() == [0, 1, 2, 3, 4]


# -- streams as children --------------------------------------------------------------------------


@dataclass
class Begin:
    what: str


class Owner(odeon.Actor[Begin]):
    """Runs streams as its children."""

    def __init__(self) -> None:
        self.runs: list[Any] = []

    async def receive(self, msg: Begin, ctx: odeon.Context) -> Any:
        if msg.what == "graph":
            g = Graph()
            g.connect(g.add_source(Source.never()), g.add_sink(Sink.ignore()))
            self.runs.append(g.run(ctx))
        elif msg.what == "sum":
            return await Source.range(5).map_async(2, self.slow).run(ctx, Sink.fold(0, int.__add__))
        else:
            self.runs.append(Source.never().run(ctx, Sink.ignore(), name="stream"))
        return self.runs[-1], [each.name for each in ctx.children]

    async def slow(self, n: int) -> int:
        await asyncio.sleep(0)
        return n


def test_a_stream_that_an_actor_runs_is_its_child_and_ends_with_it() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        owner = system.spawn(Owner)
        assert await owner.ask(Begin("sum"), timeout=5) == 10
        line, children = await owner.ask(Begin("line"), timeout=5)
        assert "stream" in children
        graph, children = await owner.ask(Begin("graph"), timeout=5)
        assert len(children) >= 2
        system.stop_actor(owner)
        for run in (line, graph):
            with pytest.raises(odeon.OdeonError):
                await run
            assert run.done()

    in_system(body)


def test_a_context_of_an_actor_that_has_ended_runs_no_stream() -> None:
    class Shares(odeon.Actor[str]):
        def receive(self, msg: str, ctx: odeon.Context) -> object:
            return ctx

    async def body(system: odeon.ActorSystem) -> None:
        ref = system.spawn(Shares)
        ctx = await ref.ask("", timeout=5)
        assert await Source.range(3).run(ctx, Sink.count()) == 3  # on its thread
        other = await asyncio.to_thread(_refused, ctx)
        assert isinstance(other, InvalidArgument)
        system.stop_actor(ref)
        await until(ref.is_terminated)
        with pytest.raises(ActorStopped):
            Source.range(3).run(ctx, Sink.count())

    in_system(body)
    gc.collect()


def _refused(ctx: Any) -> Any:
    try:
        return Source.range(3).run(ctx, Sink.count())
    except odeon.OdeonError as why:
        return why
