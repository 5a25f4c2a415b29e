"""The dispatcher of worker processes."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pool_actors
import pytest

import odeon
from odeon import dispatchers
from odeon.errors import EncodingError, QuotaExceeded, WorkerDied
from odeon.subprocess_worker import WorkerPool


try:
    import numpy
except ImportError:
    numpy = None


class Collector:
    def __init__(self, into: list[Any]) -> None:
        self.into = into

    def receive(self, msg: Any) -> None:
        self.into.append(msg)


def eventually(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not what():
        assert time.monotonic() < until
        time.sleep(0.002)


def start(workers: int = 1, **options: Any) -> odeon.ActorSystem:
    option = dispatchers.subprocess(workers, **options)
    return odeon.ActorSystem.start("procs", dispatchers={"crunch": option})


def test_an_actor_in_a_worker_takes_messages_and_answers() -> None:
    with start() as system:
        counter = system.spawn(pool_actors.Counter, 10, dispatcher="crunch", name="counter")
        counter.tell(pool_actors.Add(5))
        assert counter.ask_blocking(pool_actors.Add(7), timeout=60) == 22
        total = counter.ask_blocking("total", timeout=60)
        assert total == pool_actors.Total(22, [5, 7])
        assert counter.ask_blocking("where", timeout=60)[0] != os.getpid()
        assert counter.path == "/user/counter"
        with pytest.raises(odeon.NoReply):
            counter.ask_blocking("nothing", timeout=60)


def test_messages_stay_in_order_and_none_is_lost() -> None:
    with start() as system:
        counter = system.spawn(pool_actors.Counter, dispatcher="crunch")
        for i in range(500):
            counter.tell(pool_actors.Add(i))
        assert counter.ask_blocking("total", timeout=30).seen == list(range(500))


def test_actors_on_a_loop_work_side_by_side() -> None:
    async def main() -> None:
        option = dispatchers.subprocess(2)
        async with odeon.ActorSystem("procs", dispatchers={"crunch": option}) as system:
            actors = [system.spawn(pool_actors.Counter, i, dispatcher="crunch") for i in range(4)]
            found = await asyncio.gather(*(a.ask(pool_actors.Add(10), timeout=60) for a in actors))
            assert found == [10, 11, 12, 13]
            where = await asyncio.gather(*(a.ask("where", timeout=60) for a in actors))
            assert len({pid for pid, _ in where}) == 2
            slow = system.spawn(pool_actors.Slow, dispatcher="crunch")
            assert await slow.ask(0.001, timeout=60) == 0.002

    asyncio.run(main())


def test_what_cannot_be_encoded_raises_at_tell_and_at_spawn() -> None:
    with start() as system:
        counter = system.spawn(pool_actors.Counter, dispatcher="crunch")
        with pytest.raises(EncodingError):
            counter.tell(lambda: None)
        with pytest.raises(EncodingError):
            counter.ask_blocking(object(), timeout=60)
        with pytest.raises(EncodingError):
            system.spawn(pool_actors.Counter, lambda: 1, dispatcher="crunch")

        class Local:
            def receive(self, msg: Any) -> None: ...

        with pytest.raises(ValueError, match="inside a function"):
            system.spawn(Local, dispatcher="crunch")
        assert counter.ask_blocking(pool_actors.Add(1), timeout=60) == 1


def test_what_changes_after_the_tell_does_not_change_the_message() -> None:
    with start() as system:
        counter = system.spawn(pool_actors.Counter, dispatcher="crunch")
        message = pool_actors.Add(1)
        counter.tell(message)
        message.n = 50
        assert counter.ask_blocking("total", timeout=60).value == 1


def test_a_failure_restarts_the_actor_in_its_worker() -> None:
    with start() as system:
        counter = system.spawn(pool_actors.Counter, 3, dispatcher="crunch")
        assert counter.ask_blocking(pool_actors.Add(1), timeout=60) == 4
        pid, _ = counter.ask_blocking("where", timeout=60)
        with pytest.raises(odeon.ActorFailed, match="no more of this"):
            counter.ask_blocking("boom", timeout=60)
        assert counter.ask_blocking(pool_actors.Add(1), timeout=60) == 4, "begun again from 3"
        assert counter.ask_blocking("where", timeout=60)[0] == pid


def test_a_worker_killed_by_a_signal_fails_its_actors_which_restart_elsewhere() -> None:
    with start(2) as system:
        dying = system.spawn(pool_actors.Dying, dispatcher="crunch")
        first, n = dying.ask_blocking("x", timeout=60)
        assert n == 1
        with pytest.raises(odeon.ActorFailed, match="ended") as caught:
            dying.ask_blocking("die", timeout=60)
        assert isinstance(caught.value.__cause__, WorkerDied)
        again, n = dying.ask_blocking("x", timeout=60)
        assert again != first and n == 1
        # Between messages, from outside.
        os.kill(again, signal.SIGKILL)

        def restarted() -> bool:
            try:
                third, _ = dying.ask_blocking("x", timeout=60)
            except odeon.OdeonError:
                return False
            return third != again

        eventually(restarted)


def test_a_supervisor_may_stop_what_lost_its_worker() -> None:
    with start() as system:
        decider = odeon.Supervision(decider=[(WorkerDied, odeon.Directive.STOP)])
        dying = system.spawn(pool_actors.Dying, dispatcher="crunch", supervision=decider)
        with pytest.raises(odeon.ActorFailed):
            dying.ask_blocking("die", timeout=60)
        eventually(dying.is_terminated)


def test_references_work_from_inside_a_worker() -> None:
    with start() as system:
        got: list[Any] = []
        here = system.spawn(Collector, got)
        there = system.spawn(pool_actors.Counter, dispatcher="crunch")
        assert there.ask_blocking(pool_actors.Forward(here, 9), timeout=60) is True
        eventually(lambda: got == [pool_actors.Add(9)])


def test_bytes_arrive_as_they_were() -> None:
    with start() as system:
        arrays = system.spawn(pool_actors.Arrays, dispatcher="crunch")
        assert arrays.ask_blocking(bytes(range(10)), timeout=60) == ("bytes", 10, 45)


@pytest.mark.skipif(numpy is None, reason="numpy is not installed")
def test_an_array_arrives_as_a_view_of_shared_memory() -> None:
    with start() as system:
        arrays = system.spawn(pool_actors.Arrays, dispatcher="crunch")
        array = numpy.arange(1_000_000, dtype=numpy.float64)
        total, writeable, owns = arrays.ask_blocking(array, timeout=60)
        assert total == float(array.sum())
        assert not writeable and not owns, "it is a view, not a copy"


def test_quotas_refuse_actors_and_messages_and_give_room_again() -> None:
    with start(max_actors=1, max_mailbox_total=20) as system:
        slow = system.spawn(pool_actors.Slow, dispatcher="crunch")
        assert slow.ask_blocking(0.0, timeout=60) == 0
        with pytest.raises(QuotaExceeded, match="as many as it may"):
            system.spawn(pool_actors.Counter, dispatcher="crunch")
        with pytest.raises(QuotaExceeded, match="20 messages"):
            for _ in range(200):
                slow.tell(0.05)
        eventually(lambda: system.dispatcher_metrics()["crunch"][0]["mailbox_depth_total"] < 20)
        slow.tell(0.0)
        system.kill(slow)
        eventually(slow.is_terminated)
        del slow

        def room() -> bool:
            try:
                system.spawn(pool_actors.Counter, dispatcher="crunch")
            except QuotaExceeded:
                return False
            return True

        eventually(room)


def test_a_spawn_that_nobody_waits_for_any_more_leaves_no_actor_in_the_worker() -> None:
    pool = WorkerPool(1)
    try:
        given_up = pool.spawn(pool_actors.Counter)
        assert given_up.cancel()
        stays = pool.spawn(pool_actors.Counter).result(20)
        eventually(lambda: pool.metrics()[0].actors == 1)
        assert stays.ask(pool_actors.Add(1)).result(20) == 1
    finally:
        pool.close()


def test_metrics_tell_of_each_process() -> None:
    with start(2) as system:
        counter = system.spawn(pool_actors.Counter, dispatcher="crunch")
        pid, _ = counter.ask_blocking("where", timeout=60)
        found = system.dispatcher_metrics()["crunch"]
        assert len(found) == 2 and pid in {one["pid"] for one in found}
        assert sum(one["actors_hosted"] for one in found) == 1
