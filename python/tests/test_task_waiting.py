"""Tasks that suspend, sleep and wait, and several as one, rule by rule."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import pytest
from task_kit import aborted, collect, play

from odeon import task
from odeon.errors import InvalidArgument

Gen = Generator[Any, Any, Any]


# -- suspend and resume ------------------------------------------------------------------------


def test_suspend_waits_for_resume_which_is_a_plain_call() -> None:
    log: list[str] = []

    def work() -> Gen:
        log.append("suspends")
        yield from task.suspend()
        log.append("goes on")

    def program() -> Gen:
        f = yield from task.fork(work())
        yield from task.sleep(1)
        yield from f.resume()
        log.append("resumed")
        yield from task.join(f)

    play(program())
    assert log == ["suspends", "resumed", "goes on"]


def test_every_resume_is_worth_a_turn_so_that_suspend_may_return_early() -> None:
    turns: list[int] = []

    def work() -> Gen:
        for i in range(3):
            yield from task.suspend()
            turns.append(i)

    def program() -> Gen:
        f = yield from task.fork(work())
        yield from task.wait(None)
        task.resume(f)
        task.resume(f)
        yield from task.wait(None)
        return list(turns), f

    so_far, f = play(program())
    assert so_far == [0, 1]
    task.resume(f)
    assert turns == [0, 1, 2] and f.status == "finished"
    task.resume(f)  # does nothing


def test_a_resume_before_the_suspend_is_not_lost() -> None:
    def program() -> Gen:
        me = yield from task.current()
        task.resume(me)
        yield from task.suspend()
        return "went on"

    assert play(program()) == "went on"


def test_a_spurious_turn_ends_neither_sleep_nor_wait_nor_join() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        started = loop.time()

        def work() -> Gen:
            yield from task.sleep(20)
            slept = loop.time() - started
            loop.call_later(0.005, future.set_result, "waited")
            value = yield from task.wait(future)
            yield from task.join(task.fork(task.sleep(5)))
            return slept, value

        f = task.fork(work()).activate()
        for i in range(6):
            loop.call_later(0.004 * i, task.resume, f)
            task.resume(f)
        slept, value = await f
        assert slept >= 0.019 and value == "waited"

    asyncio.run(main())


def test_current_gives_the_handle_under_which_the_task_was_forked() -> None:
    def work() -> Gen:
        return (yield from task.current())

    f = task.fork(work()).activate()
    assert f.result == task.Success(f)


# -- sleep and wait ----------------------------------------------------------------------------


def test_sleep_counts_milliseconds_or_seconds_when_told() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for work, least, most in (
            (task.sleep(20), 0.019, 15),
            (task.sleep(seconds=0.02), 0.019, 15),
            (task.sleep(), 0, 15),
            (task.sleep(-5), 0, 15),
        ):
            started = loop.time()
            await task.fork(work)
            assert least <= loop.time() - started < most

    asyncio.run(main())
    with pytest.raises(InvalidArgument, match="not a number"):
        play(task.sleep(float("nan")))


def test_an_abort_cancels_the_timer_of_a_sleep() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        handles: list[asyncio.TimerHandle] = []
        call_later = loop.call_later

        f = task.fork(task.sleep(5000))
        host = task.current_scheduler().host
        host.call_later = lambda *a: handles.append(call_later(*a)) or handles[-1]  # type: ignore
        f.activate()
        f.cancel(ValueError())
        assert f.status == "finished"
        assert [h.cancelled() for h in handles] == [True]

    asyncio.run(main())


def test_a_plain_value_comes_back_in_the_same_loop_turn_after_all_who_are_ready() -> None:
    log: list[str] = []

    async def main() -> None:
        def other(name: str) -> Gen:
            log.append(name)
            return
            yield

        def work() -> Gen:
            yield from task.fork(other("ready"))
            value = yield from task.wait("value")
            log.append(value)

        task.fork(work()).activate()
        log.append("same turn of the loop")

    asyncio.run(main())
    assert log == ["ready", "value", "same turn of the loop"]


def test_a_plain_value_in_a_joined_task_waits_for_those_outside_as_well() -> None:
    log: list[str] = []

    def inner() -> Gen:
        yield from task.wait(None)
        log.append("inner")

    def outside() -> Gen:
        log.append("outside")
        return
        yield

    def program() -> Gen:
        yield from task.fork(outside())
        yield from task.join(task.fork(inner()))

    play(program())
    assert log == ["outside", "inner"]


def test_wait_joins_a_fork() -> None:
    def child() -> Gen:
        yield "said"
        return 1

    def program() -> Gen:
        return (yield from task.wait(task.fork(child())))

    assert collect(program()) == (1, ["said"])


# -- all, race, then ---------------------------------------------------------------------------


def later(ms: float, value: Any) -> Gen:
    yield from task.sleep(ms)
    yield ("at", ms)
    if isinstance(value, Exception):
        raise value
    return value


def test_all_gives_values_in_the_order_of_the_tasks_and_passes_on_messages() -> None:
    value, messages = collect(task.all_([later(6, "a"), later(1, "b"), task.fork(later(3, "c"))]))
    assert value == ["a", "b", "c"]
    assert messages == [("at", 1), ("at", 3), ("at", 6)]
    assert play(task.all_([])) == []
    assert play(task.all_(later(0, i) for i in range(3))) == [0, 1, 2]


def test_the_first_failure_of_all_aborts_the_rest() -> None:
    forks = [task.fork(w) for w in (later(900, "a"), later(2, ValueError("x")), later(1, "c"))]
    with pytest.raises(ValueError, match="x"):
        play(task.all_(forks))
    assert [type(f.result) for f in forks] == [task.Failure, task.Failure, task.Success]


def test_the_first_of_a_race_decides_and_the_others_are_aborted() -> None:
    slow = task.fork(later(900, "slow"))
    assert play(task.race([slow, later(1, "quick")])) == "quick"
    assert slow.status == "finished"
    assert isinstance(slow.result.error, asyncio.CancelledError)  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="quick"):
        play(task.race([later(900, "slow"), later(1, ValueError("quick"))]))
    with pytest.raises(InvalidArgument, match="no tasks"):
        play(task.race([]))


def test_then_maps_the_value_or_the_error_and_runs_a_task_they_give() -> None:
    assert play(task.then_(later(0, 2), lambda v: v * 10, repr)) == 20
    assert play(task.then_(later(0, ValueError("e")), repr, lambda e: f"no: {e}")) == "no: e"
    assert play(task.then_(later(0, 2), lambda v: later(0, v + 1), repr)) == 3


def test_an_error_of_then_s_resolve_is_not_given_to_its_reject() -> None:
    def resolve(_: Any) -> Any:
        raise KeyError("in resolve")

    with pytest.raises(KeyError, match="in resolve"):
        play(task.then_(later(0, 2), resolve, lambda e: "swallowed"))


def test_then_lets_an_exit_pass() -> None:
    result, _ = aborted(
        task.then_(task.sleep(1000), lambda v: "ok", lambda e: "failed"),
        lambda f: task.exit_(f, "exited"),
    )
    assert result == task.Success("exited")
