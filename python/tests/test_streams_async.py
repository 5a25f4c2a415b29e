"""Coroutine functions as stages of ``odeon.streams``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import odeon
from odeon.streams import Sink, Source

from streams_kit import in_system, until


async def plus(a: int, b: int) -> int:
    await asyncio.sleep(0)
    return a + b


async def odd(n: int) -> bool:
    await asyncio.sleep(0)
    return n % 2 == 1


async def small(n: int) -> bool:
    await asyncio.sleep(0)
    return n < 3


async def doubled(n: int) -> int:
    await asyncio.sleep(0)
    return n * 2


async def half(n: int) -> int | None:
    await asyncio.sleep(0)
    return None if n % 2 else n // 2


async def up_to(n: int) -> range:
    await asyncio.sleep(0)
    return range(n)


async def each_up_to(n: int) -> AsyncIterator[int]:
    for i in range(n):
        await asyncio.sleep(0)
        yield i


async def source_up_to(n: int) -> Source[int]:
    await asyncio.sleep(0)
    return Source.range(n)


async def next_power(n: int) -> tuple[int, int] | None:
    await asyncio.sleep(0)
    return (n * 2, n) if n < 9 else None


class Countdown:
    """Called anew for each element, with a state of its own."""

    def __init__(self, n: int) -> None:
        self.n = n

    async def __call__(self) -> int:
        await asyncio.sleep(0)
        self.n -= 1
        return self.n


N = Source.range(6)
CASES: list[tuple[str, Source[Any], list[Any]]] = [
    ("map", N.map(doubled), [0, 2, 4, 6, 8, 10]),
    ("filter", N.filter(odd), [1, 3, 5]),
    ("filter_map", N.filter_map(half), [0, 1, 2]),
    ("map_concat", Source.range(4).map_concat(up_to), [0, 0, 1, 0, 1, 2]),
    ("map_concat of generators", Source.range(4).map_concat(each_up_to), [0, 0, 1, 0, 1, 2]),
    ("take_while", N.take_while(small), [0, 1, 2]),
    ("drop_while", N.concat(N).drop_while(small), [3, 4, 5, 0, 1, 2, 3, 4, 5]),
    ("scan", Source.range(4).scan(10, plus), [10, 10, 11, 13, 16]),
    ("scan of nothing", Source.empty().scan(10, plus), [10]),
    ("fold", N.fold(5, plus), [20]),
    ("fold of nothing", Source.empty().fold(5, plus), [5]),
    ("reduce", N.reduce(plus), [15]),
    ("flat_map_concat", Source.range(4).flat_map_concat(source_up_to), [0, 0, 1, 0, 1, 2]),
    ("unfold", Source.unfold(1, next_power), [1, 2, 4, 8]),
    ("generate", Source.generate(Countdown(4), end=0), [3, 2, 1]),
    ("from_awaitable", Source.from_awaitable(lambda: doubled(4)), [8]),
]


@pytest.mark.parametrize(("name", "source", "wanted"), CASES, ids=[name for name, *_ in CASES])
def test_a_coroutine_function_does_as_a_plain_one(
    name: str, source: Source[Any], wanted: list[Any]
) -> None:
    async def body(system: odeon.ActorSystem) -> None:
        assert await source.run(system, Sink.collect()) == wanted
        if name != "generate":
            assert await source.run(system, Sink.collect()) == wanted, "with a state of its own"

    in_system(body)
    if name != "generate":
        with odeon.ActorSystem.start("streams") as system:
            assert source.run(system, Sink.collect()).wait() == wanted


def test_sinks_take_coroutine_functions() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        seen: list[int] = []

        async def see(n: int) -> None:
            await asyncio.sleep(0)
            seen.append(n)

        assert await N.run(system, Sink.fold(5, plus)) == 20
        assert await N.run(system, Sink.reduce(plus)) == 15
        await N.run(system, Sink.foreach(see))
        await N.wire_tap(see).run(system, Sink.ignore())
        assert seen == [*range(6), *range(6)]

    in_system(body)


STAGES: list[Callable[[Source[int], Any], Source[Any]]] = [
    lambda s, f: s.map(f),
    lambda s, f: s.filter(f),
    lambda s, f: s.filter_map(f),
    lambda s, f: s.map_concat(f),
    lambda s, f: s.take_while(f),
    lambda s, f: s.drop_while(f),
    lambda s, f: s.wire_tap(f),
    lambda s, f: s.flat_map_concat(f),
    lambda s, f: s.flat_map_merge(2, f),
    lambda s, f: s.flat_map_concat(lambda n: Source.from_awaitable(lambda: f(n))),
    lambda s, f: s.concat(Source.unfold(0, f)),
]


@pytest.mark.parametrize("stage", STAGES, ids=range(len(STAGES)))
def test_its_exception_fails_the_stream_and_its_wait_is_cancelled_with_it(stage: Any) -> None:
    cancelled: list[int] = []
    waiting: list[int] = []

    async def fails(n: int) -> Any:
        await asyncio.sleep(0)
        raise OverflowError(n)

    async def waits(n: int) -> Any:
        waiting.append(n)
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(n)

    async def body(system: odeon.ActorSystem) -> None:
        with pytest.raises(OverflowError):
            await stage(Source.single(0), fails).run(system, Sink.ignore())
        run = stage(Source.single(0), waits).run(system, Sink.ignore())
        await until(lambda: bool(waiting))
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        await until(lambda: bool(cancelled))

    in_system(body)
    assert waiting == cancelled == [0]


def test_a_supervised_step_that_fails_leaves_what_was_accumulated() -> None:
    async def step(total: int, n: int) -> int:
        await asyncio.sleep(0)
        if n == 2:
            raise ValueError
        return total + n

    async def body(system: odeon.ActorSystem) -> None:
        kept = Source.range(5).fold(0, step).supervised({ValueError: "resume"})
        assert await kept.run(system, Sink.collect()) == [8]

    in_system(body)
