"""Tasks among coroutines, threads and other hosts."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import gc
import threading
import weakref
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import pytest
from task_kit import Simulated

from odeon import task
from odeon.errors import InvalidArgument, WouldBlock

Gen = Generator[Any, Any, Any]


def under_asyncio(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def run() -> None:
        asyncio.run(asyncio.wait_for(test(), 20))

    run.__name__ = test.__name__
    return run


def sleeper(log: list[str], ms: float = 5000) -> Gen:
    try:
        yield from task.sleep(ms)
        log.append("slept")
    except BaseException as error:
        log.append(type(error).__name__)
        raise
    finally:
        log.append("finally")


# -- await -------------------------------------------------------------------------------------


@under_asyncio
async def test_await_gives_the_value_or_raises_the_error() -> None:
    def work(fail: bool) -> Gen:
        yield from task.sleep(1)
        if fail:
            raise ValueError("no")
        return 3

    assert await task.fork(work(False)) == 3
    with pytest.raises(ValueError, match="no"):
        await task.fork(work(True))
    f = task.fork(work(False))
    assert list(await asyncio.gather(f, f)) == [3, 3]
    assert await f == 3


@under_asyncio
async def test_a_cancelled_await_cancels_the_task_and_waits_for_its_cleanup() -> None:
    log: list[str] = []

    def work() -> Gen:
        try:
            yield from task.suspend()
        except asyncio.CancelledError:
            yield from task.sleep(2)
            log.append("cleaned up")
            raise

    f = task.fork(work())
    waiting = asyncio.ensure_future(f)
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert log == ["cleaned up"] and f.status == "finished"


@under_asyncio
async def test_asyncio_timeout_ends_a_task() -> None:
    log: list[str] = []
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.005):
            await task.fork(sleeper(log))
    assert log == ["CancelledError", "finally"]


@under_asyncio
async def test_a_cancelled_await_stays_cancelled_when_the_task_swallows_it() -> None:
    def stubborn() -> Gen:
        try:
            yield from task.suspend()
        except asyncio.CancelledError:
            return "I stay"

    f = task.fork(stubborn())
    waiting = asyncio.ensure_future(f)
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert f.result == task.Success("I stay")


@under_asyncio
async def test_a_task_group_of_asyncio_runs_forks() -> None:
    log: list[str] = []

    async def fail() -> None:
        await asyncio.sleep(0.002)
        raise ValueError("sibling")

    async def forked() -> None:
        await task.fork(sleeper(log))

    with pytest.raises(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            group.create_task(forked())
            group.create_task(fail())
    assert log == ["CancelledError", "finally"]


# -- wait --------------------------------------------------------------------------------------


@under_asyncio
async def test_wait_takes_coroutines_futures_and_tasks_and_raises_their_errors() -> None:
    loop = asyncio.get_running_loop()

    async def coroutine(fail: bool = False) -> str:
        await asyncio.sleep(0.001)
        if fail:
            raise ValueError("from the coroutine")
        return "value"

    class Own:
        def __await__(self) -> Generator[Any, Any, str]:
            return coroutine().__await__()

    done = loop.create_future()
    done.set_result("done before")

    def work() -> Gen:
        got = []
        for awaitable in (coroutine(), loop.create_task(coroutine()), Own(), done):
            got.append((yield from task.wait(awaitable)))
        try:
            yield from task.wait(coroutine(fail=True))
        except ValueError as error:
            got.append(str(error))
        return got

    assert await task.fork(work()) == ["value"] * 3 + ["done before", "from the coroutine"]


@under_asyncio
async def test_a_future_that_is_done_already_still_takes_a_turn_of_the_loop() -> None:
    done = asyncio.get_running_loop().create_future()
    done.set_result(1)
    f = task.fork(task.wait(done)).activate()
    assert f.status == "active"
    assert await f == 1


@under_asyncio
async def test_an_abort_cancels_what_is_waited_for() -> None:
    log: list[str] = []

    async def coroutine() -> None:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    f = task.fork(task.wait(coroutine())).activate()
    await asyncio.sleep(0)
    f.cancel(ValueError("enough"))
    await asyncio.sleep(0)
    assert log == ["cancelled"]
    assert repr(f.result.error) == "ValueError('enough')"  # type: ignore[union-attr]


@under_asyncio
async def test_what_is_cancelled_by_others_is_raised_at_the_wait() -> None:
    future = asyncio.get_running_loop().create_future()

    def work() -> Gen:
        try:
            yield from task.wait(future)
        except asyncio.CancelledError:
            return "told"

    f = task.fork(work()).activate()
    future.cancel()
    assert await f == "told"

    other = asyncio.get_running_loop().create_future()
    g = task.fork(task.wait(other)).activate()
    other.cancel()
    with pytest.raises(asyncio.CancelledError):
        await g


@under_asyncio
async def test_coroutines_can_be_forked() -> None:
    async def double(n: int) -> int:
        await asyncio.sleep(0.001)
        return 2 * n

    def program() -> Gen:
        return (yield from task.all_([double(1), double(2)]))

    assert await task.fork(program()) == [2, 4]
    assert await task.fork(double(4)) == 8


def test_wait_takes_futures_of_threads() -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:

        def program() -> Gen:
            return (yield from task.wait(pool.submit(lambda: threading.get_ident())))

        assert task.run(program()) != threading.get_ident()


# -- turns and the loop ------------------------------------------------------------------------


@under_asyncio
async def test_tasks_that_are_always_ready_leave_timers_their_turn() -> None:
    loop = asyncio.get_running_loop()
    stop: list[bool] = []
    fired = loop.call_later(0.01, stop.append, True)

    def busy() -> Gen:
        turns = 0
        while not stop:
            yield from task.wait(None)
            turns += 1
        return turns

    def joins() -> Gen:
        return (yield from task.join(task.fork(busy())))

    turns = await task.fork(task.all_([joins(), busy(), joins()]))
    assert fired.when() <= loop.time()
    assert all(n > 0 for n in turns)


@under_asyncio
async def test_resume_in_a_callback_runs_the_task_inside_the_call() -> None:
    log: list[str] = []

    def work() -> Gen:
        yield from task.suspend()
        log.append("task")

    f = task.fork(work()).activate()

    def callback() -> None:
        task.resume(f)
        log.append("callback")

    asyncio.get_running_loop().call_soon(callback)
    await f
    assert log == ["task", "callback"]


@under_asyncio
async def test_a_fork_has_its_own_context_that_starts_as_its_parents() -> None:
    var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="none")
    seen: list[str] = []

    def child(name: str) -> Gen:
        seen.append(var.get())
        var.set(name)
        yield from task.sleep(1)
        yield from task.wait(asyncio.sleep(0))
        seen.append(var.get())

    def program() -> Gen:
        var.set("program")
        yield from task.all_([child("a"), child("b")])
        seen.append(var.get())

    var.set("main")
    await task.fork(program())
    assert seen == ["program", "program", "a", "b", "program"]
    assert var.get() == "main"


def test_each_loop_has_its_scheduler_and_none_keeps_a_closed_loop_alive() -> None:
    async def program() -> weakref.ref[Any]:
        await task.fork(task.sleep(1))
        return weakref.ref(asyncio.get_running_loop())

    loops = [asyncio.run(program()) for _ in range(3)]
    gc.collect()
    assert [ref() for ref in loops] == [None] * 3


# -- run and main ------------------------------------------------------------------------------


def test_run_drives_what_the_task_left_behind_before_it_returns() -> None:
    log: list[str] = []

    def program() -> Gen:
        yield from task.fork(sleeper(log, 5))
        return "value"

    assert task.run(program()) == "value"
    assert log == ["slept", "finally"]


def test_run_raises_the_error_of_the_task_after_what_it_left_behind() -> None:
    log: list[str] = []

    def program() -> Gen:
        yield from task.spawn(sleeper(log, 5))
        raise ValueError("main")

    with pytest.raises(ValueError, match="main"):
        task.run(program())
    assert log == ["slept", "finally"]


@under_asyncio
async def test_run_under_a_running_loop_is_refused() -> None:
    with pytest.raises(WouldBlock, match="await task.fork"):
        task.run(task.sleep(1))


def test_run_cancels_the_task_on_keyboard_interrupt() -> None:
    log: list[str] = []

    def interrupts() -> Gen:
        yield from task.sleep(2)
        raise KeyboardInterrupt

    def program() -> Gen:
        yield from task.fork(interrupts())
        yield from sleeper(log)

    with pytest.raises(KeyboardInterrupt):
        task.run(program())
    assert log == ["CancelledError", "finally"]


def test_main_without_a_loop_sleeps_and_waits_on_the_calling_thread() -> None:
    log: list[str] = []

    async def coroutine() -> str:
        await asyncio.sleep(0.001)
        return "coroutine"

    def program() -> Gen:
        yield from task.fork(sleeper(log, 60))
        log.append((yield from task.wait(coroutine())))

    task.main(program())
    assert log == ["coroutine", "slept", "finally"]


def test_main_without_a_loop_returns_when_nothing_can_go_on_by_itself() -> None:
    log: list[str] = []
    handles: list[Any] = []

    def program() -> Gen:
        handles.append((yield from task.current()))
        yield from task.suspend()
        log.append("resumed")

    task.main(program())
    assert log == []
    task.resume(handles[0])
    assert log == ["resumed"]


@under_asyncio
async def test_main_under_a_loop_starts_and_returns() -> None:
    log: list[str] = []
    task.main(sleeper(log, 2))
    assert log == []
    await asyncio.sleep(0.02)
    assert log == ["slept", "finally"]


# -- threads -----------------------------------------------------------------------------------


def test_resume_and_cancel_may_be_called_on_any_thread() -> None:
    def resumed() -> Gen:
        me = yield from task.current()
        there: list[int] = []

        def call() -> None:
            there.append(threading.get_ident())
            task.resume(me)

        thread = threading.Thread(target=call)
        thread.start()
        while not there:
            yield from task.suspend()
        thread.join()
        assert there[0] != threading.get_ident()
        return threading.get_ident()

    def cancelled() -> Gen:
        me = yield from task.current()
        thread = threading.Thread(target=lambda: me.cancel(ValueError("from there")))
        thread.start()
        try:
            while True:
                yield from task.suspend()
        except ValueError as error:
            thread.join()
            return str(error)

    assert task.run(resumed()) == threading.get_ident()
    assert task.run(cancelled()) == "from there"


def test_many_threads_resume_one_task_and_no_call_is_lost() -> None:
    total = 4 * 200

    def program() -> Gen:
        me = yield from task.current()
        calls: list[int] = []

        def call() -> None:
            for i in range(200):
                calls.append(i)
                task.resume(me)

        threads = [threading.Thread(target=call) for _ in range(4)]
        for t in threads:
            t.start()
        while len(calls) < total:
            yield from task.suspend()
        for t in threads:
            t.join()
        return len(calls)

    assert task.run(program()) == total


def test_a_call_from_another_thread_reaches_main_on_a_thread_without_a_loop() -> None:
    log: list[str] = []

    def program() -> Gen:
        me = yield from task.current()
        gate = threading.Event()

        def call() -> None:
            gate.wait(10)
            log.append("called")
            task.resume(me)

        thread = threading.Thread(target=call)
        thread.start()
        clock = yield from task.fork(task.sleep(10_000))  # main blocks, by its own loop
        gate.set()
        while not log:
            yield from task.suspend()
        thread.join()
        yield from task.terminate(clock)
        log.append("done")

    task.main(program())
    assert log == ["called", "done"]


def test_a_task_of_another_thread_cannot_be_joined_awaited_or_aborted_here() -> None:
    made: list[Any] = []
    ready, end = threading.Event(), threading.Event()

    async def other() -> None:
        made.append(task.fork(task.suspend()).activate())
        ready.set()
        await asyncio.to_thread(end.wait, 10)
        made[0].cancel()

    thread = threading.Thread(target=lambda: asyncio.run(other()))
    thread.start()
    ready.wait(10)

    async def here() -> None:
        with pytest.raises(InvalidArgument, match="another thread"):
            await task.fork(task.join(made[0]))
        with pytest.raises(InvalidArgument, match="another thread"):
            await made[0]
        with pytest.raises(InvalidArgument, match="another thread"):
            await task.fork(task.abort(made[0], ValueError()))

    asyncio.run(here())
    end.set()
    thread.join()
    assert made[0].status == "finished"


# -- a host of one's own -----------------------------------------------------------------------


def test_a_scheduler_runs_on_any_host() -> None:
    host = Simulated()
    tasks = task.Scheduler(host)
    log: list[Any] = []

    def program() -> Gen:
        yield from task.spawn(child())
        yield from task.sleep(seconds=3600)
        log.append(host.now)

    def child() -> Gen:
        yield from task.sleep(seconds=60)
        log.append(host.now)
        try:
            yield from task.wait(asyncio.sleep)  # a value
            yield from task.wait(task.fork(task.sleep(seconds=1)))
            log.append(host.now)
        finally:
            log.append("end")

    f = tasks.start(program(), name="p")
    host.advance(59)
    assert log == []
    host.advance(2)
    assert log == [60, 61, "end"]
    host.advance(3600)
    assert log[-1] == 3600 and f.status == "finished"


def test_closing_a_scheduler_aborts_what_has_not_ended() -> None:
    host = Simulated()
    unhandled: list[Any] = []
    tasks = task.Scheduler(host, on_unhandled=unhandled.append)
    log: list[str] = []
    done = tasks.start(task.none_())
    tasks.start(sleeper(log))
    tasks.start(task.join(task.fork(sleeper(log))))
    tasks.close()
    tasks.close()
    assert done.status == "finished"
    assert log == ["CancelledError", "finally"] * 2
    assert unhandled == []
    assert not tasks.is_busy()
