"""What mypy makes of streams: checked by test_stubs.py, not run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, assert_type

import odeon
from odeon.streams import (
    BidiFlow,
    Flow,
    Graph,
    Group,
    Part,
    Run,
    Sink,
    Source,
    compress,
    file,
    framing,
    tcp,
)


async def length(text: str) -> int:
    return len(text)


async def words(text: str) -> AsyncIterator[str]:
    for word in text.split():
        yield word


def same(n: int) -> int:
    return n


def sources(texts: Source[str], numbers: Source[int]) -> None:
    assert_type(texts.map(len), Source[int])
    assert_type(texts.map(length), Source[int])
    assert_type(texts.map_async(4, length), Source[int])
    assert_type(texts.map_concat(words), Source[str])
    assert_type(texts.map_concat(str.split), Source[str])
    assert_type(numbers.filter_map(lambda n: str(n) if n else None), Source[str])
    assert_type(numbers.grouped(3), Source[list[int]])
    assert_type(texts.zip(numbers), Source[tuple[str, int]])
    assert_type(numbers.scan(0.5, lambda a, n: a + n), Source[float])
    assert_type(texts.group_by(9, len), Source[Group[int, str]])
    assert_type(texts.split_when(str.isupper), Source[Part[str]])
    assert_type(texts.prefix_and_tail(2), Source[tuple[list[str], Part[str]]])
    assert_type(Source.range(3).flat_map_concat(lambda n: Source.single(str(n))), Source[str])
    any_of: Source[object] = numbers  # what gives numbers gives objects
    del any_of


def flows(numbers: Source[int]) -> None:
    texts = Flow[int, int]().filter(bool).map(str)
    assert_type(texts, Flow[int, str])
    assert_type(numbers.via(texts), Source[str])
    assert_type(numbers.via(lambda s: s.map(same)), Source[int])
    assert_type(framing.lines().map(bytes.decode).map(length), Flow[framing.Bytes, int])
    both = BidiFlow(Flow[int, int]().map(str), Flow[bytes, bytes]().map(int))
    assert_type(both, BidiFlow[int, str, bytes, int])


async def runs(system: odeon.ActorSystem, numbers: Source[int]) -> None:
    assert_type(await numbers.run(system, Sink.collect()), list[int])
    assert_type(numbers.run(system, Sink.count()), Run[int])
    assert_type(await numbers.run(system, Sink.fold("", lambda s, n: s + str(n))), str)
    assert_type(await numbers.map(str).map(str.encode).run(system, file.write("x")), int)
    assert_type(await file.read("x").via(compress()).run(system, Sink.collect()), list[bytes])
    assert_type(await tcp.incoming("x").run(system, Sink.first()), tcp.Connection)
    async for n in numbers.run_iter(system):
        assert_type(n, int)
    assert_type(await Graph().run(system), tuple[Any, ...])
