"""Streams as elements of streams."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

import odeon
from odeon.errors import InvalidArgument
from odeon.streams import Group, Part, Sink, Source

from streams_kit import freed, in_system, raises, until


async def lists(system: odeon.ActorSystem, parts: Source[Any]) -> list[Any]:
    return await parts.flat_map_concat(lambda p: p.fold([], lambda all, e: [*all, e])).run(
        system, Sink.collect())


def test_groups_have_their_keys_and_the_elements_of_these_in_order() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        words = Source.from_iterable("to be or not to be that is the question".split())

        def of(group: Group[str, str]) -> Source[tuple[str, list[str]]]:
            assert isinstance(group, Part)
            return group.fold([], lambda all, w: [*all, w]).map(lambda all: (group.key, all))

        got = await words.group_by(10, lambda w: w[0]).flat_map_merge(10, of).run(
            system, Sink.collect())
        assert dict(got) == {
            "t": ["to", "to", "that", "the"], "b": ["be", "be"], "o": ["or"], "n": ["not"],
            "i": ["is"], "q": ["question"]}
        # Equal keys are one, whatever their types.
        mixed = Source.from_iterable([1, 1.0, True, 2]).group_by(2, lambda n: n)
        assert await mixed.flat_map_merge(2, lambda g: g.fold(0, lambda n, _: n + 1)).run(
            system, Sink.collect()) == [3, 1]

    in_system(body)


@pytest.mark.parametrize(
    ("name", "numbers", "wanted"),
    [
        ("split_when", [1, 0, 2, 3, 0, 0], [[1], [0, 2, 3], [0], [0]]),
        ("split_when", [0, 1], [[0, 1]]),
        ("split_after", [1, 0, 2, 3, 0, 0], [[1, 0], [2, 3, 0], [0]]),
        ("split_after", [0, 1], [[0], [1]]),
        ("split_when", [], []),
    ],
)
def test_a_stream_is_split_where_the_predicate_says(
    name: str, numbers: list[int], wanted: list[list[int]]
) -> None:
    async def body(system: odeon.ActorSystem) -> None:
        parts = getattr(Source.from_iterable(numbers), name)(lambda n: n == 0)
        assert await lists(system, parts) == wanted

    in_system(body)


def test_a_prefix_and_what_comes_after_it() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        prefix, tail = await Source.range(100).prefix_and_tail(2).concat(Source.never()).run(
            system, Sink.first())
        assert prefix == [0, 1]
        with pytest.raises(odeon.OdeonError):  # its stream was cancelled with the sink's end
            await tail.run(system, Sink.collect())

        def header(pair: tuple[list[int], Part[int]]) -> Source[list[int]]:
            return pair[1].map(lambda n: [*pair[0], n])

        got = await Source.range(5).prefix_and_tail(2).flat_map_concat(header).run(
            system, Sink.collect())
        assert got == [[0, 1, 2], [0, 1, 3], [0, 1, 4]]
        short = await Source.range(1).prefix_and_tail(3).map(lambda p: p[0]).run(
            system, Sink.collect())
        assert short == [[0]]

    in_system(body)


def test_parts_run_by_themselves_hold_the_stream_back() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        made: list[int] = []
        gate = asyncio.Event()
        counted: list[int] = []

        async def slowly(n: int) -> None:
            await gate.wait()
            counted.append(n)

        runs: list[Any] = []
        parts = Source.range(1000).wire_tap(made.append).group_by(2, lambda n: n % 2, capacity=4)
        main = parts.run(system, Sink.foreach(
            lambda g: runs.append(g.run(system, Sink.foreach(slowly)))))
        await until(lambda: len(runs) == 2)
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(made) <= 30, made
        gate.set()
        await main
        for each in runs:
            await each
        assert sorted(counted) == list(range(1000))

    in_system(body)


def test_a_part_that_is_let_go_is_skipped_and_a_second_run_is_refused() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        dropped = Source.range(1000).group_by(2, lambda n: n % 2).map(lambda g: g.key)
        assert await dropped.run(system, Sink.collect()) == [0, 1]
        kept: list[Part[int]] = []
        twice = Source.range(3).split_when(lambda n: False).wire_tap(kept.append)
        assert await lists(system, twice) == [[0, 1, 2]]
        with pytest.raises(InvalidArgument, match="run once"):
            kept[0].run(system, Sink.ignore())

    in_system(body)


def test_failures_reach_the_parts_and_those_who_read_them() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        why = KeyError("mine")
        failing = Source.range(3).concat(Source.failed(why)).group_by(5, lambda n: 0)
        seen: list[Any] = []
        recovered = failing.flat_map_merge(5, lambda g: g.recover(lambda e: seen.append(e) or -1))
        with pytest.raises(KeyError) as caught:
            await recovered.run(system, Sink.ignore())
        assert caught.value is why
        assert seen == [why]
        with pytest.raises(odeon.OdeonError, match="more than 3 keys"):
            await Source.range(9).group_by(3, lambda n: n).flat_map_merge(9, lambda g: g).run(
                system, Sink.ignore())
        with pytest.raises(TypeError, match="unhashable"):
            await Source.range(9).group_by(3, lambda n: [n]).run(system, Sink.ignore())
        for parts in (Source.range(3).group_by(3, raises(why)),
                      Source.range(3).split_when(raises(why)),
                      Source.range(3).split_after(raises(why))):
            with pytest.raises(KeyError):
                await parts.run(system, Sink.ignore())

    in_system(body)


class Element:
    alive = 0

    def __init__(self, n: int) -> None:
        self.n = n
        Element.alive += 1

    def __del__(self) -> None:
        Element.alive -= 1


@pytest.mark.parametrize("how", ["cancel", "iterator", "system"])
def test_parts_that_end_midway_free_what_they_held(how: str) -> None:
    async def body(system: odeon.ActorSystem) -> None:
        source = Source.unfold(0, lambda n: (n + 1, Element(n)))
        groups: Source[Group[int, Element]] = source.group_by(4, lambda e: e.n % 4)
        merged = groups.flat_map_merge(4, lambda g: g.buffer(2))
        if how == "iterator":
            async with asyncio.timeout(5):
                async for e in merged.run_iter(system):
                    if e.n > 40:
                        break
            del e
        else:
            waits = merged.map_async(2, lambda e: asyncio.sleep(3600 if e.n > 20 else 0))
            run = waits.run(system, Sink.ignore())
            await until(lambda: Element.alive > 10)
            if how == "system":
                return
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run
        await freed(lambda: Element.alive)

    in_system(body)
    gc.collect()
    assert Element.alive == 0
