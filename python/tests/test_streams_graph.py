"""Graphs of streams: what they compute, what is refused, and how they end."""

from __future__ import annotations

import asyncio
import operator
from collections import Counter
from typing import Any

import pytest

import odeon
from odeon.errors import InvalidArgument
from odeon.streams import Flow, Graph, Node, Sink, Source
from odeon.testing import TestKit

from streams_kit import in_system, raises, until


def fan_out_and_in(g: Graph, fan: Node) -> Node:
    """Each of two ways marks what comes through it; a merge; a sink of a list."""
    merge = g.add_merge(2)
    for i, mark in enumerate("ab"):
        flow = g.add_flow(Flow.of(lambda s, mark=mark: s.map(lambda n: (mark, n))))  # type: ignore
        g.connect(fan.outlets[i], flow)
        g.connect(flow, merge.inlets[i])
    out = g.add_sink(Sink.collect())
    g.connect(merge, out)
    return out


def countdown(flow: Any = lambda s: s.map(lambda n: n - 1), overflow: Any = "fail") -> Graph:
    """Numbers go round until they are zero."""
    g = Graph(4)
    numbers = g.add_source(Source.from_iterable([3, 0, 5]), name="numbers")
    start = g.add_merge(2, name="start")
    zero = g.add_partition(2, lambda n: int(n <= 0), name="zero")
    less = g.add_flow(flow, name="less")
    back = g.add_feedback(100, overflow, name="back")
    out = g.add_sink(Sink.collect(), name="out")
    g.connect(numbers, start.inlets[0])
    g.connect(start, zero)
    g.connect(zero.outlets[0], less)
    g.connect(less, back)
    g.connect(back, start.inlets[1])
    g.connect(zero.outlets[1], out)
    return g


def test_what_fans_out_comes_together_again() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        g = Graph(2)
        both = g.add_broadcast(2)
        g.connect(g.add_source(Source.range(100)), both)
        fan_out_and_in(g, both)
        assert g.check() == []
        for _ in range(2):  # a description runs again
            (got,) = await g.run(system)
            assert Counter(got) == Counter((m, n) for m in "ab" for n in range(100))
        g = Graph()
        share = g.add_balance(2)
        g.connect(g.add_source(Source.range(100)), share)
        fan_out_and_in(g, share)
        (got,) = await g.run(system)
        assert sorted(n for _, n in got) == list(range(100))
        g = Graph()
        parity = g.add_partition(2, lambda n: n % 2)
        g.connect(g.add_source(Source.range(100)), parity)
        fan_out_and_in(g, parity)
        (got,) = await g.run(system)
        assert Counter(got) == Counter(("ab"[n % 2], n) for n in range(100))

    in_system(body)


A = [1, 4, 5, 9]
B = [2, 4, 8]


@pytest.mark.parametrize(
    ("junction", "wanted"),
    [
        (lambda g: g.add_concat(2), [1, 4, 5, 9, 2, 4, 8]),
        (lambda g: g.add_zip(), [(1, 2), (4, 4), (5, 8)]),
        (lambda g: g.add_interleave(), [1, 2, 4, 4, 5, 8, 9]),
        (lambda g: g.add_merge_sorted(), [1, 2, 4, 4, 5, 8, 9]),
        (lambda g: g.add_fan_in(2, lambda a, b: a.zip_with(b, operator.sub).map(abs)), [1, 0, 3]),
        (lambda g: g.add_fan_in(2, lambda a, b: b.concat(a.take(1))), [2, 4, 8, 1]),
    ],
)
def test_junctions_put_inlets_together(junction: Any, wanted: list[Any]) -> None:
    async def body(system: odeon.ActorSystem) -> None:
        g = Graph()
        node = junction(g)
        out = g.add_sink(Sink.collect())
        g.connect(g.add_source(Source.from_iterable(A)), node.inlets[0])
        g.connect(g.add_source(Source.from_iterable(B)), node.inlets[1])
        g.connect(node, out)
        run = g.run(system)
        assert await run.result_of(out) == wanted
        assert await run == (wanted,)

    in_system(body)


def test_merges_lose_nothing_and_zips_take_any_number() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        for add in (lambda g: g.add_merge(2), lambda g: g.add_merge_prioritized(3, 1)):
            g = Graph()
            node = add(g)
            g.connect(g.add_source(Source.from_iterable(A)), node.inlets[0])
            g.connect(g.add_source(Source.from_iterable(B)), node.inlets[1])
            g.connect(node, g.add_sink(Sink.collect()))
            (got,) = await g.run(system)
            assert sorted(got) == sorted(A + B)
        g = Graph()
        three = g.add_zip(3)
        for i in range(3):
            g.connect(g.add_source(Source.range(i, i + 3)), three.inlets[i])
        g.connect(three, g.add_sink(Sink.collect()))
        assert await g.run(system) == ([(0, 1, 2), (1, 2, 3), (2, 3, 4)],)

    in_system(body)


def test_a_cycle_ends_when_nothing_goes_round_any_more() -> None:
    async def minus(n: int) -> int:
        await asyncio.sleep(0)
        return n - 1

    async def body(system: odeon.ActorSystem) -> None:
        for flow in (lambda s: s.map(lambda n: n - 1), lambda s: s.map_async(2, minus),
                     lambda s: s.map(minus).async_().wire_tap(str).log("n")):
            g = countdown(flow)
            assert g.check() == []
            assert await g.run(system) == ([0, 0, 0],)

    in_system(body)


def test_which_cycles_end_by_themselves_is_told() -> None:
    def ends(flow: Any, overflow: Any = "fail") -> bool:
        g = countdown(flow, overflow)
        back = next(i for i, node in enumerate(g._nodes) if node[0] == "feedback")
        return g.ends_by_itself(Node(g, "back", back, 1, 1))

    assert ends(lambda s: s.map(lambda n: n - 1))
    assert not ends(lambda s: s.filter(bool))
    assert not ends(lambda s: s.map_concat(lambda n: (n, n)))
    assert not ends(lambda s: s.map(lambda n: n - 1).supervised({ValueError: "resume"}))
    assert not ends(lambda s: s, "drop_oldest")


@pytest.mark.parametrize("how", ["shutdown", "cancel", "sink", "system"])
def test_a_cycle_that_does_not_end_by_itself_is_ended(how: str) -> None:
    rounds: list[int] = []

    async def body(system: odeon.ActorSystem) -> None:
        g = Graph(2)
        start = g.add_merge(2)
        both = g.add_broadcast(2)
        keep = g.add_flow(lambda s: s.filter(lambda n: True).wire_tap(rounds.append))
        back = g.add_feedback(10, "drop_oldest")
        g.connect(g.add_source(Source.single(1)), start.inlets[0])
        g.connect(start, both)
        g.connect(both.outlets[0], keep)
        g.connect(keep, back)
        g.connect(back, start.inlets[1])
        limit = 5 if how == "sink" else 10**9
        watched = Flow.of(lambda s: s.watch_termination())
        g.connect(both.outlets[1], g.add_sink(
            watched.to(Flow.of(lambda s: s.take(limit)).to(Sink.count()))))
        run = g.run(system)
        await until(lambda: len(rounds) >= 5)
        if how == "shutdown":
            run.shutdown()
            assert (await run)[0] >= 5
            assert await run.values[0] == "completed"
        elif how == "cancel":
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run
        elif how == "sink":
            assert await run == (5,)
            run.shutdown()
        else:
            return
        seen = -1
        while seen != len(rounds):  # it goes round no more
            seen = len(rounds)
            for _ in range(20):
                await asyncio.sleep(0)

    in_system(body)


def test_what_is_no_graph_is_refused_with_the_names_of_its_nodes() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        g = Graph()
        numbers = g.add_source(Source.range(3), name="numbers")
        merge = g.add_merge(2, name="merge")
        out = g.add_sink(Sink.collect(), name="out")
        g.connect(numbers, merge.inlets[0])
        g.connect(merge, out)
        assert any("merge" in each for each in g.check())
        with pytest.raises(InvalidArgument, match="merge"):
            g.run(system)
        with pytest.raises(InvalidArgument, match="has an edge already"):
            g.connect(numbers, merge.inlets[1])
        with pytest.raises(InvalidArgument, match="2 inlets"):
            g.connect(numbers, merge)
        with pytest.raises(InvalidArgument, match="another graph"):
            Graph().connect(numbers, merge.inlets[1])
        with pytest.raises(InvalidArgument, match="may not wait"):
            g.add_feedback(1, "wait")
        loop = Graph()
        start, both = loop.add_merge(2, name="start"), loop.add_broadcast(2, name="both")
        loop.connect(loop.add_source(Source.range(3)), start.inlets[0])
        loop.connect(start, both)
        loop.connect(both.outlets[0], start.inlets[1])
        loop.connect(both.outlets[1], loop.add_sink(Sink.ignore()))
        with pytest.raises(InvalidArgument, match="start"):
            loop.run(system)
        unused = Graph()
        node = unused.add_fan_in(2, lambda a, b: a, name="half")
        unused.connect(unused.add_source(Source.range(3)), node.inlets[0])
        unused.connect(unused.add_source(Source.range(3)), node.inlets[1])
        unused.connect(node, unused.add_sink(Sink.ignore()))
        with pytest.raises(InvalidArgument, match="half.*inlet 1"):
            unused.run(system)
        with pytest.raises(InvalidArgument, match="no sink of this graph"):
            ok = countdown().run(system)
            try:
                ok.result_of(out)
            finally:
                await ok

    in_system(body)


def test_an_exception_in_a_node_fails_every_sink_with_it() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        why = LookupError("mine")
        g = Graph()
        both = g.add_broadcast(2)
        bad = g.add_flow(lambda s: s.map(raises(why)))
        g.connect(g.add_source(Source.range(9)), bad)
        g.connect(bad, both)
        sinks = [g.add_sink(Sink.collect()), g.add_sink(Sink.queue())]
        g.connect(both.outlets[0], sinks[0])
        g.connect(both.outlets[1], sinks[1])
        run = g.run(system)
        with pytest.raises(LookupError) as caught:
            await run
        assert caught.value is why
        with pytest.raises(LookupError):
            await anext(run.result_of(sinks[1]))
        with pytest.raises(LookupError):
            await countdown(lambda s: s.map(raises(why))).run(system)

    in_system(body)


def test_a_sink_that_fails_is_told_while_others_go_on() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        g = Graph()
        g.connect(g.add_source(Source.never()), g.add_sink(Sink.ignore()))
        g.connect(g.add_source(Source.failed(KeyError("mine"))), g.add_sink(Sink.ignore()))
        run = g.run(system)
        with pytest.raises(KeyError):
            await run
        assert not run.done()
        run.cancel()
        await until(run.done)

    in_system(body)


def test_sources_of_a_graph_give_their_values_and_time_is_virtual_in_the_kit() -> None:
    with TestKit(seed=7) as kit:
        g = Graph()
        merge = g.add_merge(2)
        g.connect(g.add_source(Source.queue(4)), merge.inlets[0])
        g.connect(g.add_source(Source.tick(60.0, "tick").take(3)), merge.inlets[1])
        g.connect(merge, g.add_sink(Sink.collect()))
        run = g.run(kit.system)
        (queue,) = run.values
        queue.try_offer("first")
        queue.complete()
        kit.advance(181)
        assert run.wait() == (["first", "tick", "tick", "tick"],)
