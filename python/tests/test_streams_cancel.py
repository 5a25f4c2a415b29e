"""A stream that is cancelled, or fails, at any stage frees what that stage held; also what threads
of C++ give up."""

from __future__ import annotations

import asyncio
import gc
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import odeon
from odeon.streams import Flow, Graph, KillSwitch, Sink, Source, file

from streams_kit import freed, in_system, until


class Element:
    alive = 0

    def __init__(self, n: int) -> None:
        self.n = n
        Element.alive += 1

    def __del__(self) -> None:
        Element.alive -= 1

    def __lt__(self, other: Element) -> bool:
        return self.n < other.n


def elements() -> Source[Element]:
    return Source.from_iterable(Numbered())


class Numbered:
    def __iter__(self) -> Iterator[Element]:
        return map(Element, itertools.count())


async def later(element: Any) -> Any:
    await asyncio.sleep(0)
    return element


async def latest(_: Any, element: Any) -> Any:
    return await later(element)


@pytest.fixture(autouse=True)
def count_from_zero() -> Iterator[None]:
    gc.collect()
    Element.alive = 0
    yield
    gc.collect()
    assert Element.alive == 0, "elements are left"


def kept(s: Source[Any]) -> Source[Any]:
    return s


STAGES: dict[str, Callable[[Source[Any]], Source[Any]]] = {
    "map": lambda s: s.map(lambda e: e),
    "map coroutine": lambda s: s.map(later),
    "filter": lambda s: s.filter(lambda e: e.n % 2),
    "filter coroutine": lambda s: s.filter(later),
    "filter_map": lambda s: s.filter_map(lambda e: e),
    "map_concat": lambda s: s.map_concat(lambda e: [e] * 3),
    "take_while": lambda s: s.take_while(lambda e: True),
    "drop": lambda s: s.drop(5),
    "scan": lambda s: s.scan(None, lambda a, e: e),
    "scan coroutine": lambda s: s.scan(None, latest),
    "grouped": lambda s: s.grouped(7),
    "grouped_within": lambda s: s.grouped_within(7, 100),
    "sliding": lambda s: s.sliding(7, 3),
    "distinct": lambda s: s.distinct(),
    "changes": lambda s: s.changes(),
    "expand": lambda s: s.expand(lambda e: [e, e]),
    "extrapolate": lambda s: s.extrapolate(itertools.repeat),
    "map_async": lambda s: s.map_async(8, later),
    "map_async_unordered": lambda s: s.map_async_unordered(8, later),
    "async_": lambda s: s.async_(9),
    "buffer": lambda s: s.buffer(9),
    "buffer that drops": lambda s: s.buffer(9, "drop_oldest"),
    "conflate": lambda s: s.throttle(1, 0.001).conflate(lambda a, e: e),
    "batch": lambda s: s.batch(9, lambda e: [e], lambda a, e: [*a, e]),
    "delay": lambda s: s.delay(0.001),
    "throttle": lambda s: s.throttle(50, 0.001),
    "debounce": lambda s: s.take(9).concat(s.take(9)).debounce(0.001).concat(s),
    "keep_alive": lambda s: s.keep_alive(0.001, lambda: Element(-1)),
    "idle_timeout": lambda s: s.idle_timeout(100),
    "merge": lambda s: s.merge(s, s),
    "merge_sorted": lambda s: s.merge_sorted(s),
    "merge_prioritized": lambda s: s.merge_prioritized(2, s, 1),
    "concat": lambda s: s.take(9).concat(s),
    "prepend": lambda s: s.prepend(s.take(9)),
    "interleave": lambda s: s.interleave(s, 3),
    "zip": lambda s: s.zip(s),
    "zip_with": lambda s: s.zip_with(s, lambda a, b: a),
    "broadcast": lambda s: s.broadcast(kept, kept),
    "balance": lambda s: s.balance(kept, kept),
    "partition": lambda s: s.partition(lambda e: e.n % 2, kept, kept),
    "also_to": lambda s: s.also_to(Sink.ignore()),
    "flat_map_concat": lambda s: s.flat_map_concat(lambda e: Source.single(e).async_()),
    "flat_map_merge": lambda s: s.flat_map_merge(3, lambda e: Source.repeat(e).take(3)),
    "group_by": lambda s: s.group_by(5, lambda e: e.n % 5).flat_map_merge(5, kept),
    "split_when": lambda s: s.split_when(lambda e: e.n % 9 == 0).flat_map_concat(kept),
    "split_after": lambda s: s.split_after(lambda e: e.n % 9 == 0).flat_map_concat(kept),
    "prefix_and_tail": lambda s: s.prefix_and_tail(3).flat_map_concat(lambda p: p[1]),
    "supervised": lambda s: s.map(lambda e: e if e.n % 2 else 1 // 0).supervised(
        {ZeroDivisionError: "resume"}),
    "recover": lambda s: s.take(5).concat(Source.failed(KeyError())).recover(
        lambda why: Element(-1)).concat(s),
    "recover_with_retries": lambda s: s.take(5).concat(
        Source.failed(KeyError())).recover_with_retries(9, lambda why: s),
    "watch_termination": lambda s: s.watch_termination(),
    "kill_switch": lambda s: s.kill_switch(),
    "restart": lambda s: Source.restart(
        lambda: s.take(9).concat(Source.failed(KeyError())), min_backoff=0.001, max_restarts=9999),
}


@pytest.mark.parametrize("name", list(STAGES))
def test_a_stage_of_a_cancelled_stream_frees_what_it_held(name: str) -> None:
    async def waits(element: Any) -> Any:
        seen.append(1)
        if len(seen) > 5:
            await asyncio.Event().wait()
        return element

    seen: list[int] = []

    async def body(system: odeon.ActorSystem) -> None:
        # While its elements wait for a sink that has stopped to take them.
        run = STAGES[name](elements()).map_async(2, waits).run(system, Sink.ignore())
        await until(lambda: len(seen) > 6)
        for _ in range(20):
            await asyncio.sleep(0)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        del run
        await freed(lambda: Element.alive)
        # While it runs, by an iterator that is let go.
        async with asyncio.timeout(10):
            async for element in STAGES[name](elements()).run_iter(system, capacity=2):
                break
        del element
        await freed(lambda: Element.alive)
        # By a failure behind it.
        with pytest.raises(ZeroDivisionError):
            await STAGES[name](elements()).drop(3).map(lambda e: 1 // 0).run(system, Sink.ignore())
        await freed(lambda: Element.alive)

    in_system(body)


@pytest.mark.parametrize("name", ["async_", "group_by", "broadcast", "buffer", "map_async"])
def test_the_end_of_a_system_frees_what_its_streams_hold(name: str) -> None:
    """The islands are stopped by threads of C++, some with elements in channels."""
    for _ in range(5):
        with odeon.ActorSystem.start("streams") as system:
            run = STAGES[name](elements()).run(system, Sink.queue(4))
            run.result.pull_blocking()
            held = STAGES[name](elements()).take(1_000_000).run(system, Sink.ignore())
        del run
        with pytest.raises(odeon.OdeonError):
            held.wait()
        del held
        gc.collect()
        assert Element.alive == 0


def test_an_exception_that_crosses_a_thread_of_c_is_the_same_and_freed(tmp_path: Path) -> None:
    """The island that writes the file holds it, fails with it, and gives it up, without ever having
    the interpreter."""

    class Held(Exception):
        alive = 0

        def __init__(self, text: str) -> None:
            super().__init__(text)
            Held.alive += 1

        def __del__(self) -> None:
            Held.alive -= 1

    def failing() -> Source[bytes]:
        numbers = itertools.count()

        def fails(piece: bytes) -> bytes:
            if next(numbers) == 50:
                raise Held("mine")
            return piece

        return Source.repeat(b"x").map(fails)

    async def body(system: odeon.ActorSystem) -> None:
        for n in range(10):
            path = tmp_path / str(n)
            with pytest.raises(Held, match="mine"):
                await failing().run(system, file.write(path))
            assert path.read_bytes() == b"x" * 50
            run = failing().run(system, file.write(tmp_path / "unasked"))
            await until(run.done)  # and nobody asks how it ended
        del run
        await freed(lambda: Held.alive)

    in_system(body)


def test_a_graph_that_is_cancelled_frees_what_its_edges_hold() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        g = Graph(8)
        both = g.add_broadcast(2)
        merge = g.add_merge(3)
        back = g.add_feedback(8, "drop_oldest")
        again = g.add_broadcast(2)
        out = g.add_sink(Flow.of(lambda s: s.map_async(1, waits)).to(Sink.ignore()))
        g.connect(g.add_source(elements()), both)
        g.connect(both.outlets[0], merge.inlets[0])
        g.connect(both.outlets[1], merge.inlets[1])
        g.connect(merge, again)
        g.connect(again.outlets[0], back)
        g.connect(back, merge.inlets[2])
        g.connect(again.outlets[1], out)
        run = g.run(system)
        await until(lambda: bool(seen))
        for _ in range(20):
            await asyncio.sleep(0)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        del run
        await freed(lambda: Element.alive)

    seen: list[int] = []

    async def waits(element: Any) -> None:
        seen.append(1)
        await asyncio.Event().wait()

    in_system(body)


@pytest.mark.parametrize(
    "sink",
    [
        lambda f: Sink.foreach(f),
        lambda f: Sink.foreach_async(4, f),
        lambda f: Sink.fold(None, accumulates(f)),
        lambda f: Sink.broadcast(Sink.foreach(f), Sink.ignore()),
        lambda f: Flow.of(lambda s: s.map(f).async_()).to(Sink.queue()),
    ],
)
def test_cancelling_a_run_cancels_the_work_of_its_sinks(sink: Any) -> None:
    begun: list[int] = []
    cancelled: list[int] = []

    async def work(element: Element) -> None:
        begun.append(element.n)
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(element.n)

    async def body(system: odeon.ActorSystem) -> None:
        run = elements().run(system, sink(work))
        await until(lambda: bool(begun))
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            if isinstance(run.result, tuple) or hasattr(run.result, "wait"):
                await run
            else:
                await anext(run.result)
        await until(lambda: len(cancelled) == len(begun))
        del run
        await freed(lambda: Element.alive)

    in_system(body)


def accumulates(f: Any) -> Any:
    async def step(_: Any, element: Any) -> Any:
        return await f(element)

    return step


class Mine(Exception):
    """Holds, once it was raised, the frames that hold what it was raised from."""


async def _cancelled(system: odeon.ActorSystem) -> None:
    run = Source.never().run(system, Sink.ignore())
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


async def _aborted(system: odeon.ActorSystem) -> None:
    switch = KillSwitch()
    run = Source.never().via(switch.flow()).run(system, Sink.ignore())
    switch.abort(Mine())
    with pytest.raises(Mine):
        await run
    with pytest.raises(Mine):
        await Source.never().via(switch.flow()).run(system, Sink.ignore())


async def _failed_queue(system: odeon.ActorSystem) -> None:
    run = Source.queue(4).run(system, Sink.queue())
    queue, iterator = run.values[0], run.result
    queue.fail(Mine())
    with pytest.raises(Mine):
        await anext(iterator)
    with pytest.raises(StopAsyncIteration):
        await anext(iterator)


async def _failed_function(system: odeon.ActorSystem) -> None:
    def fn(n: int) -> int:
        assert run is not None
        raise Mine

    run = Source.range(3).map(fn).run(system, Sink.collect())
    with pytest.raises(Mine):
        await run


async def _failed_hub(system: odeon.ActorSystem) -> None:
    run = Source.queue(4).run(system, Sink.broadcast_hub())
    queue, hub = run.values[0], run.result
    consumers = [hub.source().run(system, Sink.ignore()) for _ in range(2)]
    queue.fail(Mine("of the hub"))
    consumers.append(consumers[0])
    for each in consumers:
        with pytest.raises(Mine, match="of the hub"):
            await each
    with pytest.raises(Mine, match="of the hub"):  # one that comes late
        await hub.source().run(system, Sink.ignore())


ENDS = [_cancelled, _aborted, _failed_queue, _failed_hub, _failed_function]


@pytest.mark.parametrize("once", ENDS)
def test_exceptions_that_hold_what_they_went_through_are_collected(once: Any) -> None:
    async def body(system: odeon.ActorSystem) -> None:
        await once(system)
        for _ in range(50):
            await asyncio.sleep(0)
        gc.collect()
        before = len(gc.get_objects())
        for _ in range(30):
            await once(system)
        for _ in range(50):
            await asyncio.sleep(0)
        gc.collect()
        assert len(gc.get_objects()) - before < 60

    in_system(body)
