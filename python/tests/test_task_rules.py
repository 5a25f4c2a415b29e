"""The verbs of tasks, rule by rule."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from task_kit import aborted, collect, play

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
