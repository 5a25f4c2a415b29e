"""Queues, switches and hubs of ``odeon.streams``."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import odeon
from odeon.errors import NoReply
from odeon.streams import KillSwitch, Run, Sink, Source

from streams_kit import in_system


def test_offers_wait_for_room_and_the_end_comes_after_the_elements() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        gate = asyncio.Event()

        async def slow(n: int) -> int:
            await gate.wait()
            return n

        run = Source.queue(2).map_async(1, slow).run(system, Sink.collect())
        (queue,) = run.values
        offers = [asyncio.ensure_future(queue.offer(n)) for n in range(6)]
        for _ in range(30):
            await asyncio.sleep(0)
        assert 2 <= sum(o.done() for o in offers) < 6
        assert queue.try_offer(99) == "full"
        gate.set()
        assert await asyncio.gather(*offers) == ["enqueued"] * 6
        queue.complete()
        assert await run == list(range(6))
        assert await queue.offer(7) == "closed" and queue.is_closed

    in_system(body)


def test_a_full_queue_drops_as_it_was_told() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        for overflow, left in (("drop_newest", [0, 1]), ("drop_oldest", [2, 3]),
                               ("drop_all", [2, 3])):
            run = Source.queue(2, overflow).run(system, Sink.collect())  # type: ignore[arg-type]
            (queue,) = run.values
            told = [queue.try_offer(n) for n in range(4)]
            assert told[:3] == ["enqueued", "enqueued", "dropped"]
            queue.complete()
            assert await run == left
        run = Source.queue(1, "fail").run(system, Sink.collect())
        assert [run.values[0].try_offer(n) for n in range(2)] == ["enqueued", "closed"]
        with pytest.raises(odeon.OdeonError, match="full with 1"):
            await run

    in_system(body)


def test_a_queue_ends_with_the_exception_it_is_given_or_with_no_reply() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        error = EOFError()
        run = Source.queue(4).run(system, Sink.collect())
        assert await run.values[0].offer(1) == "enqueued"
        run.values[0].fail(error)
        with pytest.raises(EOFError) as caught:
            await run
        assert caught.value is error
        run = Source.queue(4).run(system, Sink.collect())
        result = run.result
        del run
        with pytest.raises(NoReply, match="let go of"):
            await result

    in_system(body)


def test_a_switch_ends_one_stream_or_many() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        forever = Source.repeat(1).async_(4)
        run = forever.kill_switch().watch_termination().run(system, Sink.count())
        switch, end = run.values
        await asyncio.sleep(0)
        switch.shutdown()
        assert await run >= 0 and await end == "completed"
        shared = KillSwitch()
        runs: list[Run[Any]] = [forever.via(shared.flow()).run(system, Sink.ignore())
                                for _ in range(3)]
        error = RuntimeError("enough")
        shared.abort(error)
        shared.shutdown()  # the first counts
        for each in runs:
            with pytest.raises(RuntimeError) as caught:
                await each
            assert caught.value is error
        late = forever.via(shared.flow()).run(system, Sink.ignore())
        with pytest.raises(RuntimeError):
            await late
        cut = forever.watch_termination().take(3).run(system, Sink.count())
        assert await cut == 3 and await cut.values[0] == "cancelled"

    in_system(body)


def test_streams_join_hubs_while_they_run() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        into = Source.merge_hub().run(system, Sink.collect())
        (hub,) = into.values
        for n in range(3):
            Source.range(n * 10, n * 10 + 3).run(system, hub.sink())
        hub.complete()
        assert sorted(await into) == [0, 1, 2, 10, 11, 12, 20, 21, 22]

        feed = Source.queue(4).run(system, Sink.broadcast_hub())
        news = feed.result
        readers = [news.source().run(system, Sink.collect()) for _ in range(2)]
        for n in range(5):
            await feed.values[0].offer(n)
        feed.values[0].complete()
        assert [await each for each in readers] == [list(range(5))] * 2

        split = Source.queue(4).run(system, Sink.partition_hub(lambda count, n: n % count))
        readers = [split.result.source().run(system, Sink.collect()) for _ in range(2)]
        for n in range(6):
            await split.values[0].offer(n)
        split.values[0].complete()
        assert [sorted(await each) for each in readers] == [[0, 2, 4], [1, 3, 5]]

    in_system(body)


def test_a_wait_that_is_given_up_takes_no_element_with_it() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        run = Source.queue(4).run(system, Sink.queue(4))
        for n in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await anext(run.result)
            await run.values[0].offer(n)
            assert await anext(run.result) == n
        run.values[0].complete()
        assert [n async for n in run.result] == []

    in_system(body)
