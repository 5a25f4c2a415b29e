"""The dispatcher of several threads in one interpreter."""

from __future__ import annotations

import threading
from typing import Any

import pool_actors
import pytest

import odeon
from odeon import dispatchers, interpreters
from odeon.errors import InterpreterCompatError, QuotaExceeded

why_not = interpreters.why_no_nogil()


def start(count: int = 2, **options: Any) -> odeon.ActorSystem:
    option = dispatchers.nogil(count, with_gil=True, **options)
    return odeon.ActorSystem.start("threads", dispatchers={"crunch": option})


@pytest.mark.skipif(why_not is None, reason="this Python runs threads at the same time")
def test_a_python_whose_threads_take_turns_refuses_it_with_the_reason() -> None:
    with pytest.raises(InterpreterCompatError, match="free-threaded build"):
        odeon.ActorSystem.start("threads", dispatchers={"crunch": dispatchers.nogil(2)})


def test_actors_are_spread_over_the_threads_and_keep_to_them() -> None:
    with start() as system:
        actors = [system.spawn(pool_actors.Counter, dispatcher="crunch") for _ in range(4)]
        where = [actor.ask_blocking("where", timeout=5)[1] for actor in actors]
        assert len(set(where)) == 2 and threading.get_ident() not in where
        assert [actor.ask_blocking("where", timeout=5)[1] for actor in actors] == where
        slow = system.spawn(pool_actors.Slow, dispatcher="crunch")
        assert slow.ask_blocking(0.001, timeout=5) == 0.002


def test_objects_are_handed_over_as_they_are() -> None:
    class Echo:  # a class that could not be imported elsewhere
        def receive(self, msg: Any) -> Any:
            return msg

    with start() as system:
        echo = system.spawn(Echo, dispatcher="crunch")
        thing = object()
        assert echo.ask_blocking(thing, timeout=5) is thing


def test_many_senders_lose_nothing_and_keep_their_order() -> None:
    with start(4) as system:
        actors = [system.spawn(pool_actors.Counter, dispatcher="crunch") for _ in range(4)]

        def send(k: int) -> None:
            for i in range(500):
                for actor in actors:
                    actor.tell(pool_actors.Add(k * 1000 + i))

        senders = [threading.Thread(target=send, args=(k,)) for k in range(3)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        for actor in actors:
            seen = actor.ask_blocking("total", timeout=20).seen
            for k in range(3):
                assert [n for n in seen if n // 1000 == k] == [k * 1000 + i for i in range(500)]


def test_a_quota_of_actors_holds_across_the_threads() -> None:
    with start(max_actors=3) as system:
        for _ in range(3):
            system.spawn(pool_actors.Counter, dispatcher="crunch")
        with pytest.raises(QuotaExceeded):
            system.spawn(pool_actors.Counter, dispatcher="crunch")
        found = system.dispatcher_metrics()["crunch"]
        assert sorted(one["actors_hosted"] for one in found) == [1, 2]
