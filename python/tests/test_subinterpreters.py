"""The dispatcher of interpreters with a lock of their own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pool_actors
import pytest

import odeon
from odeon import dispatchers, events, interpreters
from odeon.routing import router_group
from odeon.errors import (ActorFailed, EncodingError, InterpreterCompatError, NoReply, OdeonError,
                          QuotaExceeded)

why_not = interpreters.why_no_subinterpreters()
needs_interpreters = pytest.mark.skipif(why_not is not None, reason=why_not or "")


class Collector:
    def __init__(self, into: list[Any]) -> None:
        self.into = into

    def receive(self, msg: Any) -> None:
        self.into.append(msg)


def eventually(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not what():
        assert time.monotonic() < until
        time.sleep(0.001)


def start(**options: Any) -> odeon.ActorSystem:
    options.setdefault("count", 1)
    option = dispatchers.subinterpreters(**options)
    return odeon.ActorSystem.start("pool", dispatchers={"crunch": option})


@pytest.mark.skipif(why_not is None, reason="this Python has interpreters with their own lock")
def test_a_python_without_such_interpreters_says_so() -> None:
    with pytest.raises(InterpreterCompatError, match="need CPython 3.13"):
        start()


@needs_interpreters
def test_an_actor_in_another_interpreter_takes_messages_and_answers() -> None:
    with start() as system:
        counter = system.spawn(pool_actors.Counter, 10, dispatcher="crunch", name="counter")
        counter.tell(pool_actors.Add(5))
        assert counter.ask_blocking(pool_actors.Add(7), timeout=5) == 22
        total = counter.ask_blocking("total", timeout=5)
        assert isinstance(total, pool_actors.Total)
        assert total == pool_actors.Total(22, [5, 7])
        assert counter.path == "/user/counter"


@needs_interpreters
def test_no_stack_is_looked_at_while_there_are_other_interpreters() -> None:
    """CPython would make frames of theirs that they cannot free: the process would end."""
    found: list[events.BlockingCall] = []

    class Holder:
        def receive(self, seconds: float) -> bool:
            time.sleep(seconds)
            return True

    with start() as first:  # so that the one looked at starts beside an interpreter
        with odeon.ActorSystem.start("held", slow_handler=0.02) as system:
            system.events.subscribe(found.append, events.BlockingCall)
            held = system.spawn(Holder).ask(0.5)
            counter = first.spawn(pool_actors.Counter, dispatcher="crunch")
            for i in range(2000):
                counter.tell(pool_actors.Add(i))
            assert counter.ask_blocking("total", timeout=60).seen == list(range(2000))
            assert held.wait() is True
    assert found == []


@needs_interpreters
def test_asks_from_a_running_loop_are_awaited() -> None:
    async def main() -> None:
        option = dispatchers.subinterpreters(2)
        async with odeon.ActorSystem("pool", dispatchers={"crunch": option}) as system:
            actors = [system.spawn(pool_actors.Counter, i, dispatcher="crunch") for i in range(6)]
            found = await asyncio.gather(*(c.ask(pool_actors.Add(9), timeout=5) for c in actors))
            assert found == [9 + i for i in range(6)]
            where = await asyncio.gather(*(c.ask("where", timeout=5) for c in actors))
            assert len({thread for _, thread in where}) == 2, "both interpreters have actors"
            slow = system.spawn(pool_actors.Slow, dispatcher="crunch")
            assert await slow.ask(0.001, timeout=5) == 0.002

    asyncio.run(main())


@needs_interpreters
def test_messages_stay_in_order_and_none_is_lost() -> None:
    with start() as system:
        counter = system.spawn(pool_actors.Counter, dispatcher="crunch")
        for i in range(3000):
            counter.tell(pool_actors.Add(i))
        assert counter.ask_blocking("total", timeout=20).seen == list(range(3000))


@needs_interpreters
def test_a_failure_arrives_as_text_with_its_traceback_and_the_actor_restarts() -> None:
    with start() as system:
        counter = system.spawn(pool_actors.Counter, 3, dispatcher="crunch")
        assert counter.ask_blocking(pool_actors.Add(1), timeout=5) == 4
        with pytest.raises(ActorFailed, match="no more of this") as caught:
            counter.ask_blocking("boom", timeout=5)
        assert caught.value.class_path == "builtins.ValueError"
        assert "pool_actors.py" in "".join(caught.value.__notes__)
        assert counter.ask_blocking(pool_actors.Add(1), timeout=5) == 4, "begun again from 3"
        with pytest.raises(NoReply):
            counter.ask_blocking("nothing", timeout=5)


@needs_interpreters
def test_what_cannot_be_encoded_raises_at_tell() -> None:
    with start() as system:
        counter = system.spawn(pool_actors.Counter, dispatcher="crunch")
        with pytest.raises(EncodingError):
            counter.tell(lambda: None)
        with pytest.raises(EncodingError):
            counter.ask_blocking(lambda: None, timeout=5)
        with pytest.raises(EncodingError, match="reply"):
            counter.ask_blocking("unencodable", timeout=5)
        assert counter.ask_blocking(pool_actors.Add(1), timeout=5) == 1


@needs_interpreters
def test_references_travel_in_messages_and_answers() -> None:
    with start(count=2) as system:
        got: list[Any] = []
        here = system.spawn(Collector, got)
        there = system.spawn(pool_actors.Counter, dispatcher="crunch")
        other = system.spawn(pool_actors.Counter, dispatcher="crunch")
        assert there.ask_blocking(pool_actors.Forward(here, 9), timeout=5) is True
        eventually(lambda: got == [pool_actors.Add(9)])
        assert there.ask_blocking(pool_actors.Forward(other, 5), timeout=5) is True
        eventually(lambda: other.ask_blocking("total", timeout=5).value == 5)
        child = there.ask_blocking("children", timeout=5)
        assert child.path.endswith("/child")
        assert child.ask_blocking("total", timeout=5).value == 42


@needs_interpreters
def test_a_group_of_actors_in_several_interpreters_is_told_and_asked() -> None:
    with start(count=2) as system:
        actors = [system.spawn(pool_actors.Counter, dispatcher="crunch") for _ in range(4)]
        turns = router_group(system, odeon.routing.round_robin(), actors)
        found = [turns.ask_blocking(pool_actors.Add(i), timeout=5) for i in range(4)]
        assert found == [0, 1, 2, 3], "each of the four was asked once"
        everyone = router_group(system, odeon.routing.broadcast(), actors)
        everyone.tell(pool_actors.Add(100))
        for actor in actors:
            assert actor.ask_blocking("total", timeout=5).value >= 100
        by_key = router_group(system, odeon.routing.consistent_hash(), actors)
        for _ in range(5):
            by_key.tell(pool_actors.Add(1000), key="always the same")
        totals = [actor.ask_blocking("total", timeout=5).value for actor in actors]
        assert sorted(total // 1000 for total in totals) == [0, 0, 0, 5]
        with pytest.raises(EncodingError):
            everyone.tell(lambda: None)


@needs_interpreters
def test_hooks_run_in_the_actors_own_interpreter_and_stopping_awaits_them() -> None:
    got: list[Any] = []
    with start() as system:
        told = system.spawn(Collector, got)
        hooks = system.spawn(pool_actors.Hooks, told, dispatcher="crunch")
        assert hooks.ask_blocking("x", timeout=5) == "x"
        system.stop_actor(hooks)
        eventually(lambda: got == ["pre_start", "post_stop"])
        assert hooks.is_terminated()


@needs_interpreters
def test_a_factory_that_raises_is_supervised_and_its_actor_stops() -> None:
    with start() as system:
        broken = system.spawn(pool_actors.Broken, dispatcher="crunch")
        eventually(broken.is_terminated)
        again = system.spawn(pool_actors.Counter, dispatcher="crunch")
        assert again.ask_blocking(pool_actors.Add(1), timeout=5) == 1


@needs_interpreters
def test_a_class_that_cannot_be_imported_there_is_refused() -> None:
    class Local:
        def receive(self, msg: Any) -> None: ...

    with start() as system:
        with pytest.raises(TypeError, match="inside a function"):
            system.spawn(Local, dispatcher="crunch")
        Local.__module__ = "__main__"
        with pytest.raises(TypeError, match="main program"):
            system.spawn(Local, dispatcher="crunch")
        with pytest.raises(EncodingError):
            system.spawn(pool_actors.Counter, lambda: 1, dispatcher="crunch")
        with pytest.raises(odeon.OdeonError, match="router"):
            router = odeon.routing.round_robin(2)
            system.spawn(pool_actors.Counter, dispatcher="crunch", router=router)


@needs_interpreters
def test_quotas_refuse_actors_and_messages_and_give_room_again() -> None:
    with start(max_actors=2, max_mailbox_total=50) as system:
        first = system.spawn(pool_actors.Counter, dispatcher="crunch")
        second = system.spawn(pool_actors.Slow, dispatcher="crunch")
        with pytest.raises(QuotaExceeded, match="as many as it may"):
            system.spawn(pool_actors.Counter, dispatcher="crunch")
        second.tell(0.05)
        with pytest.raises(QuotaExceeded, match="50 messages"):
            for _ in range(51):
                second.tell(0.0)
        assert second.ask_blocking  # it goes on
        system.stop_actor(first)

        def room() -> bool:
            try:
                system.spawn(pool_actors.Counter, dispatcher="crunch")
            except QuotaExceeded:
                return False
            return True

        eventually(room)


@needs_interpreters
def test_a_memory_limit_that_is_reached_refuses_actors() -> None:
    with start(memory_soft_limit_bytes=1) as system:
        with pytest.raises(QuotaExceeded, match="bytes of memory"):
            system.spawn(pool_actors.Counter, dispatcher="crunch")


@needs_interpreters
def test_an_unsafe_module_is_refused_with_its_reason() -> None:
    interpreters.register_unsafe("wave", "for the sake of this test")
    try:
        with start(module_denylist=["colorsys"]) as system:
            importer = system.spawn(pool_actors.Importer, dispatcher="crunch")
            with pytest.raises(ActorFailed, match="for the sake of this test") as caught:
                importer.ask_blocking("wave", timeout=5)
            assert caught.value.class_path == "odeon.errors.InterpreterCompatError"
            with pytest.raises(ActorFailed, match="must not be imported"):
                importer.ask_blocking("colorsys", timeout=5)
            assert importer.ask_blocking("graphlib", timeout=5) == "imported"
    finally:
        interpreters.declare_compat("wave", True, True)


@needs_interpreters
def test_an_import_that_fails_at_the_start_is_told_and_nothing_is_left() -> None:
    with pytest.raises(OdeonError, match="no_such_module"):
        start(imports=["no_such_module"])


@needs_interpreters
def test_metrics_tell_what_each_interpreter_has_done() -> None:
    with start(count=2) as system:
        for _ in range(4):
            counter = system.spawn(pool_actors.Counter, dispatcher="crunch")
            counter.ask_blocking(pool_actors.Add(1), timeout=5)
        found = system.dispatcher_metrics()["crunch"]
        assert [one["actors_hosted"] for one in found] == [2, 2]
        assert sum(one["messages_handled"] for one in found) == 4

        def held() -> bool:  # it is noted when a drain ends, after the answers
            now = system.dispatcher_metrics()["crunch"]
            return all(one["gil_hold_ns_total"] > 0 for one in now)

        eventually(held)
