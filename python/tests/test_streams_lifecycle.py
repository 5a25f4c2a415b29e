"""Failures, ends and back-pressure of ``odeon.streams``, and what is freed."""

from __future__ import annotations

import asyncio
import gc
import operator
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import odeon
from odeon.errors import InvalidArgument
from odeon.streams import Sink, Source

from streams_kit import freed, in_system, raises, until


class Element:
    """Counts those alive."""

    alive = 0
    most = 0

    def __init__(self, n: int) -> None:
        self.n = n
        Element.alive += 1
        Element.most = max(Element.most, Element.alive)

    def __del__(self) -> None:
        Element.alive -= 1


class Calling:
    """An iterable whose iterators call a function for each element."""

    def __init__(self, fn: Callable[[Any], Any]) -> None:
        self.fn = fn

    def __iter__(self) -> Iterator[Any]:
        return map(self.fn, [1])


def elements(n: int = 1_000_000) -> Iterator[Element]:
    return (Element(i) for i in range(n))


@pytest.fixture(autouse=True)
def count_from_zero() -> Iterator[None]:
    gc.collect()
    Element.alive = Element.most = 0
    yield
    gc.collect()
    assert Element.alive == 0, "elements are left"


@pytest.mark.parametrize(
    "stage",
    [
        lambda s, f: s.map(f),
        lambda s, f: s.filter(f),
        lambda s, f: s.map_concat(f),
        lambda s, f: s.take_while(f),
        lambda s, f: s.wire_tap(f),
        lambda s, f: s.scan(0, f),
        lambda s, f: s.fold(0, f),
        lambda s, f: s.map_async(2, f),
        lambda s, f: s.flat_map_merge(2, f),
        lambda s, f: s.async_().map(f).async_(),
        lambda s, f: s.partition(f, lambda a: a),
        lambda s, f: s.merge_sorted(s, f),
        lambda s, f: s.zip_with(s, f),
        lambda s, f: s.concat(Source.unfold(0, f)),
        lambda s, f: s.concat(Source.from_iterable(Calling(f))),
        lambda s, f: s.concat(Source.single(1).map(f)),
    ],
)
def test_a_callback_s_exception_fails_the_stream_with_that_very_one(stage: Any) -> None:
    async def body(system: odeon.ActorSystem) -> None:
        error = LookupError("mine")
        stream: Source[Any] = stage(Source.range(5), raises(error))
        with pytest.raises(LookupError) as caught:
            await stream.run(system, Sink.collect())
        assert caught.value is error
        with pytest.raises(LookupError) as caught:
            async for _ in stream.run_iter(system):
                pass
        assert caught.value is error

    in_system(body)


def test_what_is_awaited_fails_the_stream_with_its_exception() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        error = OSError("gone")

        async def work(n: int) -> int:
            await asyncio.sleep(0)
            if n == 3:
                raise error
            return n

        seen: list[int] = []
        with pytest.raises(OSError) as caught:
            await Source.range(9).map_async(2, work).run(system, Sink.foreach(seen.append))
        assert caught.value is error
        assert seen == [0, 1, 2]
        resumed = Source.range(5).map_async(2, work).supervised({OSError: "resume"})
        assert await resumed.run(system, Sink.collect()) == [0, 1, 2, 4]

    in_system(body)


def test_sinks_fail_with_their_functions_exceptions() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        error = ZeroDivisionError()
        sinks: list[Sink[Any, Any]] = [
            Sink.foreach(raises(error)), Sink.fold(0, raises(error)), Sink.reduce(raises(error)),
            Sink.broadcast(Sink.foreach(raises(error)))]
        for sink in sinks:
            with pytest.raises(ZeroDivisionError) as caught:
                await Source.range(5).run(system, sink)
            assert caught.value is error
        with pytest.raises(odeon.OdeonError, match="more than 3 elements"):
            await Source.range(5).run(system, Sink.collect(3))

    in_system(body)


def test_supervised_streams_go_on_by_the_class_of_the_exception() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        def parse(text: str) -> int:
            if text == "?":
                raise KeyError(text)
            return int(text)

        source = Source.from_iterable(["1", "x", "2", "y", "3"]).map(parse)
        kept = source.supervised({ValueError: "resume"})
        assert await kept.run(system, Sink.collect()) == [1, 2, 3]
        summed = source.scan(0, operator.add)
        resumed = summed.supervised(otherwise="resume")
        assert await resumed.run(system, Sink.collect()) == [0, 1, 3, 6]
        by_base = source.supervised({"builtins.Exception": odeon.Directive.RESUME})
        assert await by_base.run(system, Sink.count()) == 3
        with pytest.raises(KeyError):
            odd = Source.from_iterable(["1", "?"]).map(parse).supervised({ValueError: "resume"})
            await odd.run(system, Sink.collect())

        def add(total: int, n: int) -> int:
            if n == 2:
                raise ValueError(n)
            return total + n

        again = Source.range(1, 5).scan(0, add).supervised({ValueError: "restart"})
        assert await again.run(system, Sink.collect()) == [0, 1, 3, 7]

    in_system(body)


def test_recovering_and_replacing_failures() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        broken = Source.range(2).concat(Source.failed(ValueError("late")))
        assert await broken.recover(str).run(system, Sink.collect()) == [0, 1, "late"]
        with pytest.raises(ValueError, match="late"):
            await broken.recover(raises(ValueError("late"))).run(system, Sink.collect())
        twice = broken.recover_with_retries(2, lambda e: broken)
        seen: list[int] = []
        with pytest.raises(ValueError):
            await twice.run(system, Sink.foreach(seen.append))
        assert seen == [0, 1] * 3
        with pytest.raises(TypeError, match="other"):
            await broken.map_error(lambda e: TypeError("other")).run(system, Sink.ignore())
        with pytest.raises(TypeError, match="returns an exception"):
            poor: Any = broken.map_error(lambda e: "none")  # type: ignore[arg-type,return-value]
            await poor.run(system, Sink.ignore())

    in_system(body)


def test_a_source_restarts_after_a_wait_that_grows() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        loop = asyncio.get_running_loop()
        began: list[float] = []

        def make() -> Source[int]:
            began.append(loop.time())
            return Source.range(2).concat(Source.failed(OSError(len(began))))

        source = Source.restart(make, min_backoff=0.01, max_backoff=1, random_factor=0,
                                max_restarts=2)
        seen: list[int] = []
        with pytest.raises(OSError, match="3"):
            await source.run(system, Sink.foreach(seen.append))
        assert seen == [0, 1] * 3
        first, second = began[1] - began[0], began[2] - began[1]
        assert first >= 0.008 and second >= 0.018

    in_system(body)


def test_what_is_no_stream_is_refused_at_run() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        with pytest.raises(TypeError, match="not iterable"):
            Source.from_iterable(5).run(system, Sink.ignore())  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="no source"):
            Source((("sauce",),)).run(system, Sink.ignore())
        with pytest.raises(ValueError, match="overflow"):
            Source.queue(1, "explode").run(system, Sink.ignore())  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="at least one"):
            Source.range(1).run(system, Sink.broadcast())
        with pytest.raises(InvalidArgument, match="not on 'default'"):
            Source.range(1).run(system, Sink.ignore(), dispatcher="default")
        with pytest.raises(TypeError, match="unfold"):
            await Source.unfold(0, lambda n: n).run(system, Sink.ignore())  # type: ignore

    in_system(body)


# -- back-pressure, and what is freed -------------------------------------------------------------


def test_no_more_elements_are_made_than_wait_somewhere() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        async def work(e: Element) -> Element:
            await asyncio.sleep(0)
            return e

        stream = Source.from_iterable(elements(3000)).async_(8).buffer(4).map_async(4, work)
        assert await stream.run(system, Sink.count()) == 3000
        assert Element.most <= 40, Element.most
        Element.most = 0
        n = 0
        async for _ in Source.from_iterable(elements(1000)).run_iter(system, capacity=4):
            n += 1
            await asyncio.sleep(0)
        assert n == 1000 and Element.most <= 16, Element.most

    in_system(body)


@pytest.mark.parametrize("how", ["cancel", "task", "iterator", "switch", "failure", "system"])
def test_a_stream_that_ends_midway_frees_all_it_held(how: str) -> None:
    cancelled = 0

    async def work(e: Element) -> Element:
        nonlocal cancelled
        if e.n < 20:
            return e
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled += 1
            raise
        return e

    async def body(system: odeon.ActorSystem) -> None:
        source = Source.from_iterable(elements()).async_(16).buffer(4).map_async(3, work)
        if how == "iterator":
            iterator = source.run_iter(system)
            async for e in iterator:
                if e.n == 10:
                    break
            del e, iterator
        else:
            if how == "failure":
                source = source.map(lambda e: 1 // (15 - e.n))  # type: ignore[assignment]
            last: list[int] = []
            source = source.wire_tap(lambda e: last.append(1)).kill_switch()
            run = source.run(system, Sink.collect())
            if how == "failure":
                with pytest.raises(ZeroDivisionError):
                    await run
            else:
                await until(lambda: len(last) == 20)
            if how == "cancel":
                run.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await run
            elif how == "task":
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.01):
                        await run
            elif how == "switch":
                run.values[0].shutdown()
                assert len(await run) == 20
            elif how == "system":
                return
            del run
        await freed(lambda: Element.alive)

    in_system(body)
    gc.collect()
    if how not in ("iterator", "failure"):
        assert cancelled == 3


def test_an_asynchronous_iterable_that_is_not_wanted_any_more_is_closed() -> None:
    closed: list[str] = []

    async def feed() -> AsyncIterator[int]:
        try:
            for n in range(1000):
                await asyncio.sleep(0)
                yield n
        finally:
            closed.append("closed")

    async def body(system: odeon.ActorSystem) -> None:
        source = Source.from_async_iterable(feed())
        assert await source.take(3).run(system, Sink.collect()) == [0, 1, 2]
        del source
        await until(lambda: gc.collect() >= 0 and bool(closed))

    in_system(body)


def test_a_long_stream_leaves_the_loop_its_turns() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        def busy(n: int) -> int:
            return sum(range(500))

        run = Source.range(10_000).map(busy).async_().map(busy).run(system, Sink.count())
        turns = 0
        while not run.done():
            await asyncio.sleep(0)
            turns += 1
        assert await run == 10_000 and turns >= 40, turns

    in_system(body)


def test_programs_without_a_loop_run_streams_as_well() -> None:
    async def work(n: int) -> tuple[int, str]:
        await asyncio.sleep(0)
        return n, threading.current_thread().name

    with odeon.ActorSystem.start("streams") as system:
        assert Source.range(4).run(system, Sink.collect()).wait() == [0, 1, 2, 3]
        worked = Source.range(20).map_async(4, work).run(system, Sink.collect()).wait()
        assert [n for n, _ in worked] == list(range(20))
        assert {name for _, name in worked} == {"streams-python"}
        run = Source.queue(2).run(system, Sink.queue())
        assert run.values[0].offer_blocking(1) == "enqueued"
        assert run.result.pull_blocking() == 1
        run.values[0].complete()
        with pytest.raises(StopAsyncIteration):
            run.result.pull_blocking()
        pending = Source.never().run(system, Sink.collect())
    with pytest.raises(odeon.OdeonError):
        pending.wait()
