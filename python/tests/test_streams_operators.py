"""Sources, flows and sinks of ``odeon.streams``: what comes out, in which order."""

from __future__ import annotations

import asyncio
import itertools
import logging
import operator
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import odeon
from odeon.errors import Expired, NotFound
from odeon.streams import Flow, Sink, Source
from odeon.testing import TestKit


def collected(*sources: Source[Any]) -> list[Any]:
    """What each gives, as a list; of one source its own."""

    async def main() -> list[Any]:
        async with odeon.ActorSystem("streams") as system:
            return [await each.run(system, Sink.collect()) for each in sources]

    out = asyncio.run(main())
    return out[0] if len(out) == 1 else out


def even(n: int) -> bool:
    return n % 2 == 0


N = Source.range(10)
CASES: list[tuple[str, Source[Any], list[Any]]] = [
    ("from_iterable", Source.from_iterable("abc"), ["a", "b", "c"]),
    ("single", Source.single(None), [None]),
    ("empty", Source.empty(), []),
    ("repeat", Source.repeat(7).take(3), [7, 7, 7]),
    ("unfold", Source.unfold(1, lambda n: (n * 2, n) if n < 20 else None), [1, 2, 4, 8, 16]),
    ("map", N.map(lambda n: n * n).take(4), [0, 1, 4, 9]),
    ("filter", N.filter(even), [0, 2, 4, 6, 8]),
    ("filter_map", N.filter_map(lambda n: n // 3 or None), [1, 1, 1, 2, 2, 2, 3]),
    ("try_map", N.try_map(lambda n: -n).take(2), [0, -1]),
    ("generate", Source.generate(iter([1, 2, 0, 3]).__next__, end=0), [1, 2]),
    ("prepend", Source.range(2).prepend(Source.single(9)), [9, 0, 1]),
    ("expand", Source.single(7).concat(Source.never()).expand(itertools.count).take(3), [7, 8, 9]),
    ("expand of what always comes", N.expand(itertools.repeat), list(range(10))),
    ("expand to nothing", Source.range(4).expand(lambda n: range(n - 1)), [0, 0]),
    ("extrapolate", Source.single(5).concat(Source.never()).extrapolate(
        lambda n: itertools.count(n * 10)).take(3), [5, 50, 51]),
    ("extrapolate from the beginning",
     Source.never().extrapolate(lambda n: itertools.repeat(n), "?").take(2), ["?", "?"]),
    ("skip", N.skip(7).skip_while(lambda n: n < 9), [9]),
    ("map_concat", Source.range(4).map_concat(range), [0, 0, 1, 0, 1, 2]),
    ("take 0", N.take(0), []),
    ("take_while", N.take_while(lambda n: n < 3), [0, 1, 2]),
    ("drop", N.drop(8), [8, 9]),
    ("drop_while", N.drop_while(lambda n: n < 7), [7, 8, 9]),
    ("scan", Source.range(4).scan(0, operator.add), [0, 0, 1, 3, 6]),
    ("fold", N.fold(0, operator.add), [45]),
    ("reduce", N.reduce(max), [9]),
    ("grouped", Source.range(5).grouped(2), [[0, 1], [2, 3], [4]]),
    ("grouped_within", Source.range(5).grouped_within(3, 60), [[0, 1, 2], [3, 4]]),
    ("sliding", Source.range(5).sliding(3, 2), [[0, 1, 2], [2, 3, 4]]),
    ("distinct", Source.from_iterable([1, 2, 1, 3, 2]).distinct(), [1, 2, 3]),
    ("distinct by key", Source.from_iterable("aAbB").distinct(str.lower), ["a", "b"]),
    ("changes", Source.from_iterable([1, 1, 2, 1]).changes(), [1, 2, 1]),
    ("zip", N.zip(Source.from_iterable("ab")), [(0, "a"), (1, "b")]),
    ("zip_with", N.zip_with(Source.range(3), operator.add), [0, 2, 4]),
    ("concat", Source.range(2).concat(Source.range(2), Source.single(9)), [0, 1, 0, 1, 9]),
    ("interleave", Source.range(4).interleave(Source.from_iterable("ab"), 2),
     [0, 1, "a", "b", 2, 3]),
    ("merge_sorted", Source.from_iterable([1, 4, 5]).merge_sorted(Source.from_iterable([2, 4])),
     [1, 2, 4, 4, 5]),
    ("merge in turn", Source.range(2).merge(Source.from_iterable("ab")), [0, "a", 1, "b"]),
    ("merge_prioritized",
     Source.repeat("a").take(4).merge_prioritized(3, Source.repeat("b").take(2), 1),
     ["a", "a", "a", "b", "a", "b"]),
    ("flat_map_concat", Source.range(3).flat_map_concat(lambda n: Source.repeat(n).take(n)),
     [1, 2, 2]),
    ("async_", N.map(lambda n: n + 1).async_(2).map(str).take(3), ["1", "2", "3"]),
    ("buffer", N.buffer(4).take(3), [0, 1, 2]),
    ("via", N.via(Flow.of(lambda s: s.drop(8))).via(lambda s: s.map(str)), ["8", "9"]),
    ("flow via flow", N.via(Flow.of(lambda s: s.drop(7)).via(Flow.of(lambda s: s.take(1)))), [7]),
    ("recover", Source.failed(KeyError("x")).recover(lambda e: e.args[0]), ["x"]),
]


def test_each_operator_gives_what_it_says() -> None:
    given = collected(*(source for _, source, _ in CASES))
    for (name, _, expected), got in zip(CASES, given, strict=True):
        assert got == expected, name


def slow(elements: str) -> Iterator[str]:
    """Each takes longer than streams may run before the loop has its turn."""
    for one in elements:
        end = time.perf_counter() + 0.002
        while time.perf_counter() < end:
            pass
        yield one


def test_merge_takes_turns_also_where_the_loop_has_its_own_in_between() -> None:
    merged = Source.from_iterable(slow("a" * 20)).merge(Source.from_iterable(slow("b" * 20)))
    assert "".join(collected(merged)) == "ab" * 20


def test_try_map_fails_with_the_exception_that_is_returned() -> None:
    async def main() -> None:
        async with odeon.ActorSystem("streams") as system:
            why = KeyError("three")
            source = N.try_map(lambda n: why if n == 3 else n)
            with pytest.raises(KeyError) as caught:
                await source.run(system, Sink.collect())
            assert caught.value is why
            kept = source.supervised({KeyError: "resume"}).run(system, Sink.count())
            assert await kept == 9

    asyncio.run(main())


def test_expand_gives_each_element_where_a_turn_ends_between_it_and_its_first_one() -> None:
    assert len(collected(Source.range(5000).drop(1).expand(lambda n: (n,)))) == 4999


def test_a_description_runs_again_with_a_state_of_its_own() -> None:
    source = Source.range(3).concat(Source.range(3)).distinct().scan(0, operator.add)
    assert collected(source, source) == [[0, 0, 1, 3]] * 2


@pytest.mark.parametrize(
    ("name", "others"),
    [("broadcast", []), ("balance", []), ("partition", [even])],
)
def test_fanned_out_flows_give_what_they_give(
    name: str, others: list[Callable[[int], bool]]
) -> None:
    flows = (lambda s: s.map(lambda n: ("a", n)), Flow.of(lambda s: s.map(lambda n: ("b", n))))
    got = collected(getattr(N, name)(*others, *flows))
    numbers = sorted(n for _, n in got)
    if name == "broadcast":
        assert numbers == sorted([*range(10), *range(10)])
        assert [n for who, n in got if who == "a"] == list(range(10))
    else:
        assert numbers == list(range(10))
    if name == "partition":
        assert all(who == ("b" if even(n) else "a") for who, n in got)


def test_flat_map_merge_runs_so_many_sources_at_once() -> None:
    open_now: set[int] = set()
    most = [0]

    def inner(n: int) -> Source[int]:
        open_now.add(n)
        most[0] = max(most[0], len(open_now))
        return Source.range(3).concat(
            Source.empty().watch_termination(), Source.single(-1).wire_tap(
                lambda _: open_now.discard(n)))

    got = collected(Source.range(6).flat_map_merge(2, inner))
    assert sorted(got) == sorted([0, 1, 2, -1] * 6)
    assert most[0] == 2


def test_map_async_keeps_the_order_and_unordered_does_not() -> None:
    async def main() -> None:
        gates = [asyncio.Event() for _ in range(3)]
        order: list[int] = []

        async def work(n: int) -> int:
            await gates[n].wait()
            order.append(n)
            if n:
                gates[n - 1].set()
            return n

        async with odeon.ActorSystem("streams") as system:
            gates[2].set()
            assert await Source.range(3).map_async(3, work).run(system, Sink.collect()) == [0, 1, 2]
            assert order == [2, 1, 0]
            gates[:] = [asyncio.Event() for _ in range(3)]
            gates[2].set()
            got = await Source.range(3).map_async_unordered(3, work).run(system, Sink.collect())
            assert got == [2, 1, 0]
            ready = await N.map_async(4, lambda n: -n).run(system, Sink.collect())  # no awaitable
            assert ready == [-n for n in range(10)]

    asyncio.run(main())


def test_map_async_has_no_more_at_work_than_it_may() -> None:
    now, most = 0, 0

    async def work(n: int) -> int:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        return n

    assert sorted(collected(Source.range(50).map_async_unordered(4, work))) == list(range(50))
    assert most == 4


def test_an_asynchronous_iterable_is_a_source() -> None:
    async def ticks() -> AsyncIterator[int]:
        for n in range(5):
            await asyncio.sleep(0)
            yield n

    assert collected(Source.from_async_iterable(ticks()).map(lambda n: n + 1)) == [1, 2, 3, 4, 5]


def test_sinks_give_their_results() -> None:
    async def main() -> None:
        seen: list[int] = []

        async def store(n: int) -> None:
            await asyncio.sleep(0)
            seen.append(n)

        async with odeon.ActorSystem("streams") as system:
            assert await N.run(system, Sink.fold("", lambda s, n: s + str(n))) == "0123456789"
            assert await N.run(system, Sink.reduce(operator.add)) == 45
            assert await N.run(system, Sink.count()) == 10
            assert await N.run(system, Sink.first()) == 0
            assert await N.run(system, Sink.last()) == 9
            assert await Source.empty().run(system, Sink.first(None)) is None
            assert await Source.empty().run(system, Sink.last("none")) == "none"
            assert await N.run(system, Sink.ignore()) is None
            assert await N.run(system, Sink.head()) == 0
            assert await N.run(system, Sink.head_option()) == 0
            assert await Source.empty().run(system, Sink.head_option()) is None
            assert await Source.empty().run(system, Sink.last_option()) is None
            asked: list[int] = []
            assert await N.wire_tap(asked.append).run(system, Sink.cancelled()) is None
            assert not asked
            await N.run(system, Sink.foreach(store))
            assert seen == list(range(10))
            await N.run(system, Sink.foreach(seen.remove))
            assert not seen
            evens = Flow.of(lambda s: s.filter(even)).to(Sink.collect())
            both = Sink.broadcast(Sink.count(), evens)
            assert await N.run(system, both) == (10, [0, 2, 4, 6, 8])
            parts = await N.run(system, Sink.partition(even, Sink.count(), Sink.collect()))
            assert parts == (5, [0, 2, 4, 6, 8])
            shares = await N.run(system, Sink.balance(Sink.count(), Sink.count()))
            assert sum(shares) == 10
            run = N.also_to(Sink.count()).run(system, Sink.last())
            assert await run == 9 and await run.values[0] == 10
            for sink in (Sink.first(), Sink.last(), Sink.reduce(max)):
                with pytest.raises(NotFound):
                    await Source.empty().run(system, sink)

    asyncio.run(main())


def test_a_stream_to_an_actor_waits_for_its_replies() -> None:
    class Slow(odeon.Actor[int]):
        def __init__(self) -> None:
            self.seen: list[int] = []

        async def receive(self, msg: int, ctx: odeon.Context) -> object:
            if msg < 0:
                return self.seen
            await asyncio.sleep(0)
            self.seen.append(msg)
            if msg == 13:
                raise ValueError("13")
            return True

    async def main() -> None:
        asked: list[int] = []
        async with odeon.ActorSystem("streams") as system:
            slow = system.spawn(Slow)
            source = Source.range(8).wire_tap(asked.append)
            await source.run(system, Sink.to_actor(slow, window=2))
            assert await slow.ask(-1, timeout=5) == asked == list(range(8))
            with pytest.raises(odeon.ActorFailed):
                await Source.range(12, 1000).run(system, Sink.to_actor(slow))

    asyncio.run(main())


def test_logged_streams_tell_of_elements_ends_and_failures(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="odeon.streams")
    collected(Source.range(2).log("good", level=logging.INFO),
              Source.failed(ValueError("bad")).log("poor").recover(str))
    assert [r.getMessage() for r in caplog.records] == [
        "good: 0", "good: 1", "good: completed", "poor: failed: ValueError('bad')"]


def test_time_is_kept_to() -> None:
    async def main() -> None:
        async with odeon.ActorSystem("streams") as system:
            loop = asyncio.get_running_loop()
            began = loop.time()
            assert await Source.tick(0.005, "t").take(4).run(system, Sink.count()) == 4
            assert await Source.range(5).throttle(1, 0.005).run(system, Sink.count()) == 5
            assert await Source.range(3).delay(0.01).run(system, Sink.count()) == 3
            assert await Source.range(1).initial_delay(0.01).run(system, Sink.count()) == 1
            assert loop.time() - began >= 0.055
            last = Source.range(4).concat(Source.never()).debounce(0.01).take(1)
            assert await last.run(system, Sink.collect()) == [3]
            kept = Source.never().keep_alive(0.005, lambda: "?").take(2)
            assert await kept.run(system, Sink.collect()) == ["?", "?"]
            for late in (Source.never().timeout(0.01), Source.never().idle_timeout(0.01)):
                with pytest.raises(Expired):
                    await late.run(system, Sink.ignore())

    asyncio.run(main())


def test_a_slow_sink_has_conflated_and_batched_elements() -> None:
    async def main() -> None:
        gate = asyncio.Event()
        seen: list[Any] = []

        async def slow(element: Any) -> None:
            seen.append(element)
            await gate.wait()

        async with odeon.ActorSystem("streams") as system:
            for source in (N.conflate(operator.add),
                           N.conflate(operator.add, lambda n: n),
                           N.batch(100, lambda n: n, operator.add)):
                gate.clear()
                seen.clear()
                run = source.run(system, Sink.foreach(slow))
                while not seen:
                    await asyncio.sleep(0)
                for _ in range(20):
                    await asyncio.sleep(0)
                gate.set()
                await run
                assert sum(seen) == 45 and len(seen) <= 3, seen

    asyncio.run(main())


def test_an_hour_of_ticks_and_work_passes_at_once_in_virtual_time() -> None:
    async def work(n: int) -> int:
        await asyncio.sleep(600)
        return n

    with TestKit(seed=3) as kit:
        ticks = Source.tick(60, "t").take(60).run(kit.system, Sink.count())
        kit.advance(3600)
        assert ticks.done() and ticks.wait() == 60
        began = kit.now()
        worked = Source.range(6).map_async(2, work).run(kit.system, Sink.collect())
        assert worked.wait() == list(range(6))
        assert kit.now() - began == pytest.approx(1800, abs=1)
