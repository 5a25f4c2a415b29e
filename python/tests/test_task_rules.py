"""The verbs of tasks, rule by rule."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any

import pytest
from task_kit import collect, play

from odeon import task
from odeon.errors import InvalidArgument, WrongType

Gen = Generator[Any, Any, Any]


# -- forks -------------------------------------------------------------------------------------


def test_a_fork_is_idle_until_it_is_activated() -> None:
    log: list[str] = []

    def work() -> Gen:
        log.append("ran")
        return 7
        yield

    f = task.fork(work())
    assert (f.status, f.result, log) == ("idle", None, [])
    assert f.activate() is f
    assert (f.status, f.result, log) == ("finished", task.Success(7), ["ran"])
    f.activate()
    assert log == ["ran"]


def test_yield_from_a_fork_starts_it_and_gives_its_handle() -> None:
    log: list[str] = []

    def work() -> Gen:
        log.append("work")
        return 1
        yield

    def program() -> Gen:
        f = yield from task.fork(work(), name="w")
        log.append("forked")
        assert (f.status, f.name) == ("active", "w")
        assert list(f) == []  # iterable, and no second start
        return (yield from task.join(f))

    assert play(program()) == 1
    assert log == ["forked", "work"]


def test_options_name_a_fork_and_ids_are_unique() -> None:
    a = task.fork(task.none_(), task.ForkOptions(name="a"))
    b = task.fork(task.none_(), name="b")
    assert (a.name, b.name, task.fork(task.none_()).name) == ("a", "b", "")
    assert a.id != b.id
    assert repr(a) == str(a) == f"Fork(id={a.id}, status='idle')"


def test_a_fork_runs_up_to_its_first_suspension_before_the_next_one() -> None:
    log: list[str] = []

    def work(name: str) -> Gen:
        log.append(f"{name}1")
        yield "a message is no suspension"
        log.append(f"{name}2")
        yield from task.wait(None)
        log.append(f"{name}3")

    def program() -> Gen:
        forks = []
        for name in "ab":
            forks.append((yield from task.fork(work(name))))
        yield from task.group(forks)

    play(program())
    assert log == ["a1", "a2", "b1", "b2", "a3", "b3"]


def test_a_detached_fork_outlives_its_parent_and_its_failure_harms_nobody() -> None:
    log: list[str] = []
    unhandled: list[task.UnhandledTaskError] = []

    def child() -> Gen:
        yield from task.sleep(1)
        log.append("child")
        raise ValueError("alone")

    def program() -> Gen:
        yield from task.fork(child(), name="kid")
        log.append("parent ends")
        return 3

    assert play(program(), on_unhandled=unhandled.append) == 3
    assert log == ["parent ends", "child"]
    assert [(str(e.error), e.task) for e in unhandled] == [("alone", "kid")]


def test_messages_of_a_fork_that_nobody_joins_are_dropped() -> None:
    def child() -> Gen:
        yield from task.send("lost")

    def program() -> Gen:
        yield from task.fork(child())
        yield from task.sleep(1)
        yield from task.send("kept")

    assert collect(program()) == (None, ["kept"])


def test_spawn_starts_when_it_is_run_and_gives_no_handle() -> None:
    log: list[str] = []

    def child() -> Gen:
        log.append("child")
        return
        yield

    def program() -> Gen:
        start = task.spawn(child())
        yield from task.wait(None)
        assert log == []
        yield from start
        yield from task.wait(None)
        assert log == ["child"]

    play(program())


# -- join and group ----------------------------------------------------------------------------


def test_join_passes_on_the_messages_from_the_join_on() -> None:
    def child() -> Gen:
        yield "before"
        yield from task.sleep(2)
        yield "after"
        return "value"

    def program() -> Gen:
        f = yield from task.fork(child())
        yield from task.sleep(0)
        yield "mine"
        return (yield from f.join())

    assert collect(program()) == ("value", ["mine", "after"])


def test_joining_an_idle_fork_starts_it() -> None:
    def child() -> Gen:
        yield "hi"
        return 5

    f = task.fork(child())
    assert collect(task.join(f)) == (5, ["hi"])


def test_joining_a_finished_fork_returns_without_a_suspension() -> None:
    f = task.fork(task.none_()).activate()
    with pytest.raises(StopIteration):
        next(task.join(f))


def test_join_raises_the_error_with_the_place_where_it_was_raised() -> None:
    def child() -> Gen:
        yield from task.sleep(1)
        raise ValueError("inside")

    def program() -> Gen:
        f = yield from task.fork(child())
        for _ in range(2):  # each join anew
            try:
                yield from task.join(f)
            except ValueError as error:
                names = []
                tb = error.__traceback__
                while tb is not None:
                    names.append(tb.tb_frame.f_code.co_name)
                    tb = tb.tb_next
                assert names[0] == "program" and names[-1] == "child"
                assert not any(n.startswith("_turns") for n in names)
        return "caught"

    assert play(program()) == "caught"


def test_two_tasks_may_join_the_same_fork() -> None:
    def child() -> Gen:
        yield from task.sleep(2)
        yield "said"
        return 9

    def joiner(f: Any) -> Gen:
        return (yield from task.join(f))

    def program() -> Gen:
        f = yield from task.fork(child())
        return (yield from task.all_([joiner(f), joiner(f)]))

    assert collect(program()) == ([9, 9], ["said"])


def test_a_joined_task_runs_inside_the_turn_of_the_joiner() -> None:
    log: list[str] = []

    def work(name: str) -> Gen:
        log.append(name)
        return
        yield

    def program() -> Gen:
        yield from task.fork(work("first"))
        second = yield from task.fork(work("second"))
        yield from task.join(second)
        log.append("joined")

    play(program())
    assert log == ["second", "joined", "first"]


def test_group_waits_for_all_and_gives_nothing() -> None:
    def work(ms: float) -> Gen:
        yield from task.sleep(ms)
        yield ms

    def program() -> Gen:
        forks = [task.fork(work(ms)) for ms in (6, 1)]
        yield from task.group(forks)
        return [f.status for f in forks]

    assert collect(program()) == (["finished", "finished"], [1, 6])
    play(task.group([]))


def test_the_first_failure_of_a_group_aborts_the_others_and_is_raised() -> None:
    log: list[str] = []
    boom = RuntimeError("boom")

    def steady(name: str) -> Gen:
        try:
            yield from task.sleep(1000)
        except RuntimeError as error:
            log.append(f"{name} {error}")
            raise
        finally:
            yield f"{name} cleans up"

    def failing() -> Gen:
        yield from task.sleep(2)
        raise boom

    def program() -> Gen:
        forks = []
        for work in (steady("a"), failing(), steady("b")):
            forks.append((yield from task.fork(work)))
        try:
            yield from task.group(forks)
        except RuntimeError as error:
            return error, [f.status for f in forks]

    (error, statuses), messages = collect(program())
    assert error is boom
    assert statuses == ["finished"] * 3
    assert log == ["a boom", "b boom"]
    assert messages == ["a cleans up", "b cleans up"]


def test_a_group_with_a_failed_member_starts_none_of_the_others() -> None:
    log: list[str] = []

    def fail() -> Gen:
        raise ValueError("early")
        yield

    def work() -> Gen:
        log.append("started")
        yield from task.sleep(1)

    def program() -> Gen:
        failed = yield from task.fork(fail())
        yield from task.sleep(0)
        yield from task.group([(yield from task.fork(work())), failed, task.fork(work())])

    with pytest.raises(ValueError, match="early"):
        play(program())
    assert log == []


# -- abort and exit ----------------------------------------------------------------------------


def aborted(work: Gen, verb: Callable[[Any], Gen]) -> tuple[Any, list[str]]:
    """The result of ``work`` after ``verb`` has been at it, and the events around."""
    log: list[str] = []

    def program() -> Gen:
        f = yield from task.fork(work)
        yield from task.sleep(1)
        log.append("before")
        yield from verb(f)
        log.append("after")
        yield from task.sleep(3)
        return f.result

    return play(program()), log


def test_abort_throws_into_the_task_which_may_go_on_and_clean_up() -> None:
    log: list[str] = []

    def work() -> Gen:
        try:
            yield from task.sleep(1000)
        except ValueError as error:
            log.append(f"caught {error}")
            yield from task.sleep(1)
            log.append("cleaned up")
        return "done"

    result, _ = aborted(work(), lambda f: task.abort(f, ValueError("stop")))
    assert result == task.Success("done")
    assert log == ["caught stop", "cleaned up"]


def test_what_an_aborted_task_raises_is_its_outcome_and_nobody_elses() -> None:
    oops = KeyError("oops")
    unhandled: list[Any] = []

    def work() -> Gen:
        try:
            yield from task.sleep(1000)
        finally:
            raise oops

    def program() -> Gen:
        f = yield from task.fork(work())
        yield from task.sleep(0)
        yield from f.abort(ValueError("stop"))
        yield from f.abort(ValueError("again"))  # harmless
        return f.status

    assert play(program(), on_unhandled=unhandled.append) == "finished"
    assert unhandled == []


def test_an_abort_does_nothing_until_it_is_run() -> None:
    def program() -> Gen:
        f = yield from task.fork(task.suspend())
        yield from task.wait(None)
        stop = task.abort(f, ValueError())
        assert f.status == "active"
        yield from stop
        assert f.status == "finished"

    play(program())


def test_abort_before_the_first_turn_runs_nothing_of_the_task() -> None:
    log: list[str] = []

    def work() -> Gen:
        log.append("ran")
        yield

    def program() -> Gen:
        idle: Any = task.fork(work())
        queued: Any = yield from task.fork(work())
        for f in (idle, queued):
            yield from task.abort(f, ValueError("never"))
        yield from task.exit_(idle, 1)
        yield from task.wait(None)
        return [repr(f.result.error) for f in (idle, queued)]

    assert play(program()) == ["ValueError('never')"] * 2
    assert log == []


def test_an_aborted_joiner_takes_the_joined_task_with_it() -> None:
    log: list[str] = []

    def inner() -> Gen:
        try:
            yield from task.sleep(1000)
        except ValueError as error:
            log.append(f"inner {error}")

    def outer() -> Gen:
        yield from task.join(task.fork(inner()))

    result, _ = aborted(outer(), lambda f: task.abort(f, ValueError("stop")))
    assert log == ["inner stop"]
    assert repr(result.error) == "ValueError('stop')"


def test_a_task_that_aborts_itself_has_it_thrown_at_its_next_suspension() -> None:
    log: list[str] = []

    def program() -> Gen:
        me = yield from task.current()
        yield from task.abort(me, ValueError("myself"))
        log.append("still here")
        try:
            yield from task.sleep(1000)
        except ValueError:
            log.append("thrown")

    play(program())
    assert log == ["still here", "thrown"]


def test_exit_ends_a_task_with_a_value_and_runs_its_finally() -> None:
    log: list[str] = []

    def work() -> Gen:
        try:
            yield from task.sleep(1000)
        finally:
            log.append("finally")
        return "not reached"

    result, order = aborted(work(), lambda f: task.exit_(f, 42))
    assert result == task.Success(42)
    assert (order, log) == (["before", "after"], ["finally"])


def test_exit_looks_like_a_generator_that_ends_from_inside() -> None:
    seen: list[Exception] = []

    def work() -> Gen:
        try:
            yield from task.sleep(1000)
        except Exception as error:
            seen.append(error)
        return "own value"

    result, _ = aborted(work(), lambda f: f.exit_(42))
    assert isinstance(seen[0], RuntimeError)
    assert str(seen[0]) == "generator raised StopIteration"
    assert result == task.Success("own value")


def test_terminate_ends_a_task_without_a_value() -> None:
    assert aborted(task.sleep(1000), task.terminate)[0] == task.Success(None)


def test_exit_of_a_joining_task_ends_those_it_joined_without_that_value() -> None:
    inner = task.fork(task.sleep(1000))

    def outer() -> Gen:
        return (yield from task.join(inner))

    result, _ = aborted(outer(), lambda f: task.exit_(f, "mine"))
    assert result == task.Success("mine")
    assert inner.result == task.Success(None)


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
            (task.sleep(20), 0.019, 0.5),
            (task.sleep(seconds=0.02), 0.019, 0.5),
            (task.sleep(), 0, 0.1),
            (task.sleep(-5), 0, 0.1),
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


# -- what bad input gets -----------------------------------------------------------------------


def test_a_function_instead_of_its_generator_is_refused_with_its_name() -> None:
    def work() -> Gen:
        yield

    with pytest.raises(WrongType, match=r"calling a generator function.*work"):
        task.fork(work)  # type: ignore[arg-type]
    with pytest.raises(WrongType, match="None"):
        task.fork(None)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="fork already"):
        task.fork(task.fork(work()))


def test_a_generator_that_runs_already_is_refused() -> None:
    def work() -> Gen:
        yield from task.suspend()

    g = work()
    task.fork(g).activate()
    with pytest.raises(InvalidArgument, match=r"work\(\) runs already"):
        task.fork(g)


def test_verbs_refuse_what_is_no_handle_and_abort_what_is_no_error() -> None:
    for verb in (
        task.join(7),  # type: ignore[arg-type]
        task.abort(7, ValueError()),  # type: ignore[arg-type]
        task.exit_("x"),  # type: ignore[arg-type]
        task.group([None]),  # type: ignore[list-item]
        task.abort(task.fork(task.none_()), "text"),  # type: ignore[arg-type]
    ):
        with pytest.raises(WrongType):
            play(verb)
