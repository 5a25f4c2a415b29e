"""Errors that nobody looks at, things that would hang, and large numbers."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from odeon import task
from odeon.errors import CallCycle, InvalidArgument

Gen = Generator[Any, Any, Any]


def fails(text: str = "boom") -> Gen:
    raise ValueError(text)
    yield


@pytest.fixture
def unhandled() -> Iterator[list[task.UnhandledTaskError]]:
    seen: list[task.UnhandledTaskError] = []
    before = task.set_unhandled_task_error_hook(seen.append)
    yield seen
    assert task.set_unhandled_task_error_hook(before) == seen.append


def test_an_error_nobody_looked_at_is_reported_once_the_handle_goes(
    unhandled: list[task.UnhandledTaskError],
) -> None:
    f = task.fork(fails(), name="f").activate()
    assert unhandled == []
    id = f.id
    del f
    assert [(e.task, e.id, str(e.error)) for e in unhandled] == [("f", id, "boom")]
    assert str(unhandled[0]) == f"the task 'f' (id={id}) failed: ValueError: boom"


def test_an_error_that_was_joined_awaited_looked_at_or_wanted_is_not_reported(
    unhandled: list[task.UnhandledTaskError],
) -> None:
    def program() -> Gen:
        for look in (task.join, lambda f: task.all_([f]), lambda f: task.group([f])):
            with pytest.raises(ValueError):
                yield from look((yield from task.fork(fails())))
        f = yield from task.fork(task.suspend())
        yield from task.abort(f, ValueError("wanted"))

    async def main() -> None:
        await task.fork(program())
        with pytest.raises(ValueError):
            await task.fork(fails())
        assert task.fork(fails()).activate().result == task.Failure(ValueError)

    with pytest.raises(AssertionError):  # the comparison alone: the error was looked at
        asyncio.run(main())
    gc.collect()
    assert unhandled == []


def test_errors_of_spawn_and_main_are_reported(unhandled: list[task.UnhandledTaskError]) -> None:
    def program() -> Gen:
        yield from task.spawn(fails("spawned"))
        yield from task.wait(None)
        return "went on"

    assert task.run(program()) == "went on"
    task.main(fails("main"))
    assert [str(e.error) for e in unhandled] == ["spawned", "main"]


def test_the_second_failure_of_a_group_is_reported_where_it_is_not_an_abort() -> None:
    seen: list[Any] = []

    def program() -> Gen:
        a = yield from task.fork(fails("a"))
        b = yield from task.fork(fails("b"))
        yield from task.wait(None)
        yield from task.group([a, b])

    with pytest.raises(ValueError, match="a"):
        task.run(program(), on_unhandled=seen.append)
    gc.collect()
    assert [str(e.error) for e in seen] == ["b"]


def test_without_a_hook_the_loop_is_told_and_without_a_loop_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, c: told.append(c))
        task.fork(fails("on a loop")).activate()

    asyncio.run(main())
    assert [str(c["exception"]) for c in told] == ["on a loop"]
    task.main(fails("on a thread"))
    text = capsys.readouterr().err
    assert "failed: ValueError: on a thread" in text and "in fails" in text


def test_a_hook_that_fails_is_told_and_harms_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    def hook(_: Any) -> None:
        raise KeyError("hook")

    def program() -> Gen:
        yield from task.spawn(fails())
        yield from task.wait(None)
        return 1

    assert task.run(program(), on_unhandled=hook) == 1
    assert "KeyError('hook')" in capsys.readouterr().err


def test_a_failed_task_lets_go_of_its_frames_at_once() -> None:
    class Held:
        pass

    refs: list[weakref.ref[Held]] = []

    def work() -> Gen:
        held = Held()
        refs.append(weakref.ref(held))
        yield from task.wait(None)
        raise ValueError

    def program() -> Gen:
        f = yield from task.fork(work())
        try:
            yield from task.join(f)
        except ValueError:
            pass
        del f

    gc.disable()
    try:
        task.run(program())
        assert [r() for r in refs] == [None]
    finally:
        gc.enable()


def test_joins_in_a_circle_are_found_at_the_join_that_would_hang() -> None:
    forks: list[Any] = []

    def work(other: int) -> Gen:
        yield from task.wait(None)
        yield from task.join(forks[other])

    def program() -> Gen:
        for i in range(3):
            forks.append((yield from task.fork(work((i + 1) % 3))))
        yield from task.group(forks)

    with pytest.raises(CallCycle, match=r"Fork\(id=.* joins Fork"):
        task.run(program())
    assert all(f.status == "finished" for f in forks)


def test_a_task_that_joins_itself_is_told_so() -> None:
    def program() -> Gen:
        me = yield from task.current()
        with pytest.raises(InvalidArgument, match="joins itself"):
            yield from task.join(me)
        return "went on"

    assert task.run(program()) == "went on"


def test_system_exit_and_keyboard_interrupt_leave_the_scheduler_usable() -> None:
    for error in (SystemExit(3), KeyboardInterrupt()):

        def stops(error: BaseException = error) -> Gen:
            raise error
            yield

        with pytest.raises(type(error)):
            task.fork(stops()).activate()
        assert task.fork(task.none_()).activate().status == "finished"


def test_an_error_in_a_turn_of_a_joined_task_leaves_the_others_theirs() -> None:
    log: list[str] = []

    def stops() -> Gen:
        yield from task.wait(None)
        raise SystemExit(3)

    def other() -> Gen:
        for i in range(3):
            yield from task.wait(None)
            log.append(str(i))

    def program() -> Gen:
        bystander = yield from task.fork(other())
        f = yield from task.fork(stops())
        try:
            yield from task.join(f)
        except SystemExit:
            log.append("told")
        yield from task.join(bystander)

    f = task.fork(program())
    with pytest.raises(SystemExit):
        f.activate()
    task.main(task.join(f))
    assert sorted(log) == ["0", "1", "2", "told"]


# -- large numbers -----------------------------------------------------------------------------


def test_a_hundred_thousand_tasks_wait_at_the_same_time() -> None:
    n = 100_000
    woken = 0

    def work() -> Gen:
        nonlocal woken
        yield from task.suspend()
        woken += 1

    def program() -> Gen:
        forks = [task.fork(work()) for _ in range(n)]
        whole = yield from task.fork(task.group(forks))
        yield from task.wait(None)
        yield from task.wait(None)
        for f in reversed(forks):
            task.resume(f)
        yield from task.join(whole)

    task.run(program())
    assert woken == n


def test_joining_many_forks_in_any_order_is_not_quadratic() -> None:
    def one() -> Gen:
        return 1
        yield

    def program() -> Gen:
        forks = []
        for _ in range(20_000):
            forks.append((yield from task.fork(one())))
        total = 0
        for f in reversed(forks):
            total += yield from task.join(f)
        return total

    assert task.run(program()) == 20_000


def test_an_abort_climbs_down_a_deep_chain_of_joins() -> None:
    depth = 2000
    log: list[int] = []

    def chain(n: int) -> Gen:
        try:
            if n == 0:
                yield from task.suspend()
            else:
                yield from task.join(task.fork(chain(n - 1)))
        except ValueError:
            log.append(n)
            raise

    def program() -> Gen:
        f = yield from task.fork(chain(depth))
        yield from task.wait(None)
        yield from task.abort(f, ValueError("down"))
        yield from task.sleep(1)
        return f.result

    assert isinstance(task.run(program()), task.Failure)
    assert sorted(log) == list(range(depth + 1))


def test_an_error_climbs_up_a_deep_chain_of_joins() -> None:
    def chain(n: int) -> Gen:
        yield from task.wait(None)
        if n == 0:
            raise ValueError("bottom")
        return (yield from task.join(task.fork(chain(n - 1))))

    with pytest.raises(ValueError, match="bottom"):
        task.run(chain(2000))


def test_a_deep_chain_of_yield_from_works_up_to_the_limit_of_python() -> None:
    depth = sys.getrecursionlimit() // 2

    def chain(n: int) -> Gen:
        if n == 0:
            yield from task.wait(None)
            yield "hello"
            return "bottom"
        return (yield from chain(n - 1))

    seen: list[Any] = []
    assert task.run(chain(depth), seen.append) == "bottom"
    assert seen == ["hello"]


def test_forks_that_fork_leave_nothing_behind() -> None:
    def child() -> Gen:
        yield from task.sleep(0)
        yield "m"
        return 1

    def program() -> Gen:
        for _ in range(50):
            yield from task.all_([child() for _ in range(10)])
            yield from task.race([child(), task.suspend()])

    task.run(program())
    gc.collect()
    before = sum(isinstance(o, task.Fork) for o in gc.get_objects())
    task.run(program())
    gc.collect()
    assert sum(isinstance(o, task.Fork) for o in gc.get_objects()) == before


def test_a_suspended_task_that_nothing_can_resume_is_collected_and_cleans_up() -> None:
    log: list[str] = []

    def work() -> Gen:
        try:
            yield from task.suspend()
        finally:
            log.append("finally")

    def program() -> Gen:
        yield from task.fork(work())
        yield from task.sleep(1)

    task.run(program())
    gc.collect()
    assert log == ["finally"]
