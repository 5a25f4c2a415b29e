"""Everything of asyncio works inside an ``async def`` handler."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import functools
import threading
from typing import Any

import odeon
import pytest
from actor_kit import Do, DoNow, on_loop
from odeon import ActorSystem, Context


def in_handler(body: Any) -> Any:
    """What the coroutine function ``body(ctx)`` gives as a handler."""

    async def main(system: ActorSystem) -> Any:
        return await system.spawn(Do).ask(body, timeout=10)

    return on_loop(main)


# -- time -----------------------------------------------------------------------------------------


def test_a_timeout_that_expires_raises_timeout_error_in_the_handler() -> None:
    async def body(ctx: Context) -> str:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        except TimeoutError:
            await asyncio.sleep(0)
            left = asyncio.current_task().cancelling()  # type: ignore[union-attr]
            return f"expired, {left} left"
        return "not expired"

    assert in_handler(body) == "expired, 0 left"


def test_a_timeout_that_does_not_expire_changes_nothing() -> None:
    async def body(ctx: Context) -> str:
        async with asyncio.timeout(30):
            await asyncio.sleep(0.001)
        return "in time"

    assert in_handler(body) == "in time"


def test_of_nested_timeouts_the_one_that_expires_is_the_one_that_raises() -> None:
    async def body(ctx: Context) -> list[str]:
        seen = []
        try:
            async with asyncio.timeout(0.02):
                try:
                    async with asyncio.timeout(30):
                        await asyncio.Event().wait()
                except TimeoutError:
                    seen.append("inner")
        except TimeoutError:
            seen.append("outer")
        try:
            async with asyncio.timeout(30):
                try:
                    async with asyncio.timeout(0.01):
                        await asyncio.Event().wait()
                except TimeoutError:
                    seen.append("inner")
        except TimeoutError:
            seen.append("outer")
        return seen

    assert in_handler(body) == ["outer", "inner"]


def test_a_timeout_of_zero_expires_at_the_first_wait() -> None:
    async def body(ctx: Context) -> str:
        try:
            async with asyncio.timeout(0):
                await asyncio.sleep(10)
        except TimeoutError:
            return "expired"
        return "went on"

    assert in_handler(body) == "expired"


def test_wait_for_gives_the_result_or_raises() -> None:
    async def body(ctx: Context) -> list[Any]:
        good = await asyncio.wait_for(asyncio.sleep(0.001, "value"), 10)
        try:
            await asyncio.wait_for(asyncio.Event().wait(), 0.01)
        except TimeoutError as e:
            return [good, type(e).__name__]
        return [good]

    assert in_handler(body) == ["value", "TimeoutError"]


# -- tasks ----------------------------------------------------------------------------------------


def test_current_task_is_the_same_before_and_after_every_wait() -> None:
    async def body(ctx: Context) -> int:
        tasks = {asyncio.current_task()}
        await asyncio.sleep(0)
        tasks.add(asyncio.current_task())
        await asyncio.sleep(0.001)
        tasks.add(asyncio.current_task())
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0))
        tasks.add(asyncio.current_task())
        assert None not in tasks
        return len(tasks)

    assert in_handler(body) == 1


def test_handlers_that_are_suspended_together_have_tasks_of_their_own() -> None:
    async def main(system: ActorSystem) -> int:
        gate = asyncio.Event()
        entered = asyncio.Semaphore(0)

        async def body(ctx: Context) -> int:
            before = asyncio.current_task()
            entered.release()
            await gate.wait()
            assert asyncio.current_task() is before
            return id(before)

        asks = [system.spawn(Do).ask(body) for _ in range(50)]
        everything = asyncio.gather(*asks)
        for _ in range(50):
            await entered.acquire()
        gate.set()
        return len(set(await everything))

    assert on_loop(main) == 50


def test_a_task_group_gives_its_tasks_results() -> None:
    async def body(ctx: Context) -> list[int]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asyncio.sleep(0.001 * n, n)) for n in range(5)]
        return [t.result() for t in tasks]

    assert in_handler(body) == [0, 1, 2, 3, 4]


def test_a_child_that_fails_cancels_the_task_group_and_leaves_the_handler_sound() -> None:
    async def body(ctx: Context) -> list[str]:
        seen = []

        async def waits() -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise

        async def fails() -> None:
            await asyncio.sleep(0)
            raise ValueError("child")

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(waits())
                group.create_task(fails())
                await asyncio.Event().wait()
        except* ValueError as e:
            seen.append(str(e.exceptions[0]))
        await asyncio.sleep(0)
        seen.append(str(asyncio.current_task().cancelling()))  # type: ignore[union-attr]
        return seen

    assert in_handler(body) == ["cancelled", "child", "0"]


def test_a_task_group_inside_a_timeout_is_cancelled_with_it() -> None:
    async def body(ctx: Context) -> str:
        try:
            async with asyncio.timeout(0.01), asyncio.TaskGroup() as group:
                group.create_task(asyncio.Event().wait())
        except TimeoutError:
            return "timeout"
        return "ended"

    assert in_handler(body) == "timeout"


def test_gather_gives_results_in_order_and_the_first_failure() -> None:
    async def fails() -> None:
        raise KeyError("second")

    async def body(ctx: Context) -> list[Any]:
        good = await asyncio.gather(asyncio.sleep(0.002, "a"), asyncio.sleep(0, "b"))
        both = await asyncio.gather(asyncio.sleep(0, 1), fails(), return_exceptions=True)
        try:
            await asyncio.gather(asyncio.sleep(0, 1), fails())
        except KeyError as e:
            return [good, type(both[1]).__name__, str(e)]
        return []

    assert in_handler(body) == [["a", "b"], "KeyError", "'second'"]


def test_a_shield_keeps_the_inner_work_from_the_timeout_outside() -> None:
    async def body(ctx: Context) -> str:
        release = asyncio.Event()
        inner = asyncio.create_task(release.wait())
        try:
            async with asyncio.timeout(0.01):
                await asyncio.shield(inner)
        except TimeoutError:
            pass
        assert not inner.done()
        release.set()
        return "inner " + str(await inner)

    assert in_handler(body) == "inner True"


def test_a_task_made_by_a_handler_outlives_it_and_may_tell() -> None:
    async def main(system: ActorSystem) -> str:
        done = asyncio.get_running_loop().create_future()
        kept = []

        async def body(ctx: Context) -> str:
            me = ctx.self

            async def later() -> None:
                await asyncio.sleep(0.001)
                me.tell(lambda ctx: done.set_result("told"))

            kept.append(asyncio.create_task(later()))
            return "made"

        assert await system.spawn(Do).ask(body) == "made"
        return str(await done)

    assert on_loop(main) == "told"


def test_a_task_may_be_named_and_cancelled_by_its_handler() -> None:
    async def body(ctx: Context) -> str:
        task = asyncio.create_task(asyncio.Event().wait(), name="mine")
        await asyncio.sleep(0)
        task.cancel("enough")
        try:
            await task
        except asyncio.CancelledError:
            return task.get_name() + " cancelled"
        return "?"

    assert in_handler(body) == "mine cancelled"


# -- threads, executors, streams ------------------------------------------------------------------


def test_to_thread_runs_elsewhere_and_comes_back() -> None:
    async def body(ctx: Context) -> bool:
        here = threading.get_ident()
        there = await asyncio.to_thread(threading.get_ident)
        return there != here == threading.get_ident()

    assert in_handler(body)


def test_run_in_executor_gives_the_result_or_the_exception() -> None:
    def fails() -> None:
        raise OSError("disk")

    async def body(ctx: Context) -> list[Any]:
        loop = asyncio.get_running_loop()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            value = await loop.run_in_executor(pool, functools.partial(pow, 2, 10))
            try:
                await loop.run_in_executor(pool, fails)
            except OSError as e:
                return [value, str(e)]
        return []

    assert in_handler(body) == [1024, "disk"]


def test_streams_of_the_network_work() -> None:
    async def body(ctx: Context) -> bytes:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write((await reader.readline()).upper())
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        return answer

    assert in_handler(body) == b"HELLO\n"


def test_a_subprocess_can_be_awaited() -> None:
    async def body(ctx: Context) -> bytes:
        process = await asyncio.create_subprocess_exec(
            "echo", "out", stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        return out

    assert in_handler(body) == b"out\n"


# -- what actors share on a loop ------------------------------------------------------------------


def test_queues_events_locks_and_semaphores_are_shared_by_actors() -> None:
    async def main(system: ActorSystem) -> list[Any]:
        queue: asyncio.Queue[int] = asyncio.Queue(maxsize=1)
        event = asyncio.Event()
        lock = asyncio.Lock()
        room = asyncio.Semaphore(2)
        inside = 0
        most = 0

        async def produce(ctx: Context) -> str:
            for n in range(10):
                await queue.put(n)
            return "produced"

        async def consume(ctx: Context) -> list[int]:
            return [await queue.get() for _ in range(10)]

        async def waits(ctx: Context) -> bool:
            return await event.wait()

        async def sets(ctx: Context) -> str:
            event.set()
            return "set"

        async def counts(ctx: Context) -> int:
            nonlocal inside, most
            async with room:
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1
            async with lock:
                before = most
                await asyncio.sleep(0)
                return before - before + 1

        actors = [system.spawn(Do) for _ in range(6)]
        first = await asyncio.gather(
            actors[0].ask(consume),
            actors[1].ask(produce),
            actors[2].ask(waits),
            actors[3].ask(sets),
        )
        total = sum(await asyncio.gather(*(a.ask(counts) for a in actors)))
        return [*first, total, most]

    assert on_loop(main) == [list(range(10)), "produced", True, "set", 6, 2]


def test_a_future_of_the_loop_is_awaited_by_a_handler_and_resolved_by_another() -> None:
    async def main(system: ActorSystem) -> str:
        future = asyncio.get_running_loop().create_future()

        async def waits(ctx: Context) -> str:
            return str(await future)

        def sets(ctx: Context) -> str:
            future.set_result("from the other")
            return "ok"

        waiting = system.spawn(Do).ask(waits)
        assert await system.spawn(DoNow).ask(sets) == "ok"
        return str(await waiting)

    assert on_loop(main) == "from the other"


# -- cancellation ---------------------------------------------------------------------------------


def test_a_handler_that_is_cancelled_while_it_waits_may_go_on() -> None:
    async def main(system: ActorSystem) -> list[str]:
        task = asyncio.get_running_loop().create_future()

        async def body(ctx: Context) -> str:
            task.set_result(asyncio.current_task())
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError as e:
                await asyncio.sleep(0)
                return "cancelled: " + str(e)
            return "?"

        actor = system.spawn(Do)
        first = actor.ask(body)
        (await task).cancel("by hand")
        return [await first, await actor.ask(lambda ctx: "sound")]

    assert on_loop(main) == ["cancelled: by hand", "sound"]


def test_a_handler_that_cancels_its_own_task_is_cancelled_at_its_next_wait() -> None:
    async def main(system: ActorSystem) -> list[str]:
        async def body(ctx: Context) -> str:
            asyncio.current_task().cancel()  # type: ignore[union-attr]
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                return "cancelled"
            return "?"

        async def harmless(ctx: Context) -> str:
            await asyncio.sleep(0)
            await asyncio.sleep(0.001)
            return "not cancelled"

        actor = system.spawn(Do)
        return [await actor.ask(body)] + [await actor.ask(harmless) for _ in range(3)]

    assert on_loop(main) == ["cancelled"] + ["not cancelled"] * 3


@pytest.mark.parametrize("waits_before", [0, 1, 2])
def test_a_cancellation_asked_for_as_the_handler_ends_does_not_reach_the_next(
    waits_before: int,
) -> None:
    async def main(system: ActorSystem) -> list[str]:
        async def body(ctx: Context) -> str:
            for _ in range(waits_before):
                await asyncio.sleep(0)
            asyncio.current_task().cancel()  # type: ignore[union-attr]
            return "ended"

        async def harmless(ctx: Context) -> str:
            await asyncio.sleep(0)
            await asyncio.sleep(0.001)
            assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]
            return "not cancelled"

        actor = system.spawn(Do)
        seen = []
        for _ in range(3):
            seen += [await actor.ask(body), await actor.ask(harmless)]
        return seen

    assert on_loop(main) == ["ended", "not cancelled"] * 3


def test_a_cancelled_error_that_leaves_a_handler_is_a_failure() -> None:
    async def main(system: ActorSystem) -> list[str]:
        async def at_once(ctx: Context) -> None:
            raise asyncio.CancelledError("own")

        async def later(ctx: Context) -> None:
            await asyncio.sleep(0)
            raise asyncio.CancelledError("own")

        seen = []
        for body in (at_once, later):
            actor = system.spawn(Do)
            with pytest.raises(odeon.ActorFailed) as failed:
                await actor.ask(body)
            seen.append(type(failed.value.__cause__).__name__)
            assert await actor.ask(lambda ctx: "restarted") == "restarted"
        return seen

    assert on_loop(main) == ["CancelledError", "CancelledError"]


def test_a_killed_actor_s_handler_is_cancelled_where_it_waits() -> None:
    async def main(system: ActorSystem) -> list[str]:
        seen = []
        gone = asyncio.Event()
        entered = asyncio.Event()

        async def body(ctx: Context) -> None:
            entered.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise
            finally:
                gone.set()

        actor = system.spawn(Do)
        asked = actor.ask(body)
        await entered.wait()
        system.kill(actor)
        with pytest.raises(odeon.errors.ActorKilled):
            await asked
        await gone.wait()
        return seen

    assert on_loop(main) == ["cancelled"]


def test_swallowed_cancellations_of_a_killed_handler_harm_nobody() -> None:
    async def main(system: ActorSystem) -> str:
        entered = asyncio.Event()
        gone = asyncio.Event()

        async def body(ctx: Context) -> None:
            entered.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await asyncio.sleep(0)
                with pytest.raises(odeon.ActorStopped):
                    ctx.stop()
                gone.set()

        actor = system.spawn(Do)
        asked = actor.ask(body)
        await entered.wait()
        system.kill(actor)
        with pytest.raises(odeon.errors.ActorKilled):
            await asked
        await gone.wait()
        return str(await system.spawn(Do).ask(lambda ctx: "sound"))

    assert on_loop(main) == "sound"


def test_asks_inside_a_handler_are_cancelled_with_its_timeout() -> None:
    async def main(system: ActorSystem) -> str:
        never = system.spawn(Do)

        async def hangs(ctx: Context) -> None:
            await asyncio.sleep(0.05)

        async def body(ctx: Context) -> str:
            try:
                async with asyncio.timeout(0.01):
                    await never.ask(hangs)
            except TimeoutError as e:
                return type(e).__name__
            return "?"

        return str(await system.spawn(Do).ask(body))

    assert on_loop(main) == "TimeoutError"


# -- context variables ----------------------------------------------------------------------------

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.mark.parametrize("wait", [False, True])
def test_context_variables_stay_with_their_actor_between_messages(wait: bool) -> None:
    async def main(system: ActorSystem) -> list[str]:
        def sets(value: str) -> Any:
            async def body(ctx: Context) -> str:
                variable.set(value)
                if wait:
                    await asyncio.sleep(0)
                return variable.get()

            return body

        async def gets(ctx: Context) -> str:
            if wait:
                await asyncio.sleep(0)
            return variable.get()

        first, second, third = (system.spawn(Do) for _ in range(3))
        await asyncio.gather(first.ask(sets("one")), second.ask(sets("two")))
        seen = await asyncio.gather(first.ask(gets), second.ask(gets), third.ask(gets))
        return [*seen, variable.get()]

    assert on_loop(main) == ["one", "two", "unset", "unset"]


def test_variables_set_by_plain_handlers_reach_no_caller_and_no_async_handler() -> None:
    async def main(system: ActorSystem) -> list[str]:
        def sets(ctx: Context) -> str:
            variable.set("plain")
            return variable.get()

        first, other = system.spawn(DoNow), system.spawn(Do)
        return [await first.ask(sets), await other.ask(lambda ctx: variable.get()), variable.get()]

    assert on_loop(main) == ["plain", "unset", "unset"]


def test_a_task_made_by_a_handler_has_the_actor_s_variables() -> None:
    async def body(ctx: Context) -> str:
        variable.set("handler's")

        async def child() -> str:
            return variable.get()

        return await asyncio.create_task(child())

    assert in_handler(body) == "handler's"


# -- loops -----------------------------------------------------------------------------------------


def test_several_systems_live_on_one_loop_and_ask_each_other() -> None:
    async def main() -> list[str]:
        async with ActorSystem("one") as one, ActorSystem("two") as two:
            target = two.spawn(Do)

            async def body(ctx: Context) -> str:
                return await target.ask(name)

            async def name(ctx: Context) -> str:
                await asyncio.sleep(0)
                return ctx.system.name

            seen = [await one.spawn(Do).ask(body), await two.spawn(Do).ask(name)]
        async with ActorSystem("three") as three:
            seen.append(await three.spawn(Do).ask(name))
        return seen

    assert asyncio.run(main()) == ["two", "two", "three"]


def test_a_loop_after_another_on_the_same_thread_has_a_host_of_its_own() -> None:
    async def body(ctx: Context) -> str:
        await asyncio.sleep(0)
        return "done"

    assert [in_handler(body) for _ in range(5)] == ["done"] * 5


def test_two_loops_on_two_threads_ask_each_other_s_actors() -> None:
    rounds = 200
    refs: dict[int, Any] = {}
    started = threading.Barrier(2)
    ended = threading.Barrier(2)
    sums: dict[int, int] = {}

    async def double(n: int) -> int:
        await asyncio.sleep(0)
        return 2 * n

    class Doubler(odeon.Actor[int]):
        async def receive(self, msg: int, ctx: Context) -> int:
            return await double(msg) if msg % 10 == 0 else 2 * msg

    async def main(me: int) -> None:
        async with ActorSystem(f"loop{me}") as system:
            refs[me] = system.spawn(Doubler)
            await asyncio.to_thread(started.wait)
            other = refs[1 - me]
            sums[me] = sum(await asyncio.gather(*(other.ask(n) for n in range(rounds))))
            for n in range(rounds):
                sums[me] += await other.ask(n)
            await asyncio.to_thread(ended.wait)

    threads = [threading.Thread(target=lambda me=me: asyncio.run(main(me))) for me in (0, 1)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sums == {0: 2 * rounds * (rounds - 1), 1: 2 * rounds * (rounds - 1)}


class CountingLoop(asyncio.SelectorEventLoop):
    """As a loop of another maker: only what AbstractEventLoop promises is used of it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        self.calls += 1
        return super().call_soon(callback, *args, context=context)


def test_a_loop_of_one_s_own_class_runs_actors() -> None:
    async def body(ctx: Context) -> str:
        async with asyncio.timeout(5):
            await asyncio.sleep(0.001)
        assert isinstance(asyncio.get_running_loop(), CountingLoop)
        return "done"

    async def main() -> str:
        async with ActorSystem("own") as system:
            return str(await system.spawn(Do).ask(body))

    loop = CountingLoop()
    try:
        assert loop.run_until_complete(main()) == "done"
    finally:
        loop.close()
    assert loop.calls > 0


def test_everything_works_in_asyncio_s_debug_mode(caplog: pytest.LogCaptureFixture) -> None:
    async def body(ctx: Context) -> str:
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0.001))
        try:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        except TimeoutError:
            return "done"
        return "?"

    async def main() -> list[Any]:
        async with ActorSystem("debug") as system:
            actors = [system.spawn(Do) for _ in range(5)]
            return list(await asyncio.gather(*(a.ask(body) for a in actors)))

    assert asyncio.run(main(), debug=True) == ["done"] * 5
    assert not [r for r in caplog.records if r.levelname in ("ERROR", "CRITICAL")]


def test_an_async_handler_on_a_thread_s_system_gets_a_loop() -> None:
    async def body(ctx: Context) -> str:
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0.001))
        assert await asyncio.to_thread(lambda: "other") == "other"
        return "done"

    with ActorSystem.start("thread") as system:
        plain, actor = system.spawn(DoNow), system.spawn(Do)
        assert plain.ask_blocking(lambda ctx: 1) == 1
        assert actor.ask_blocking(body) == "done"
        assert plain.ask_blocking(lambda ctx: 2) == 2
        assert actor.ask_blocking(body) == "done"


# -- the mailbox ----------------------------------------------------------------------------------


def test_while_a_handler_waits_its_mailbox_waits() -> None:
    async def main(system: ActorSystem) -> list[str]:
        seen: list[str] = []
        gate = asyncio.Event()

        async def first(ctx: Context) -> str:
            seen.append("first begins")
            await gate.wait()
            seen.append("first ends")
            return "1"

        async def second(ctx: Context) -> str:
            seen.append("second")
            return "2"

        actor, other = system.spawn(Do), system.spawn(Do)
        asks = [actor.ask(first), actor.ask(second)]
        await other.ask(lambda ctx: "barrier")
        seen.append("barrier")
        gate.set()
        await asyncio.gather(*asks)
        return seen

    assert on_loop(main) == ["first begins", "barrier", "first ends", "second"]


def test_a_reentrant_actor_takes_messages_while_a_handler_waits() -> None:
    class Reentrant(odeon.Actor[str]):
        reentrant = True

        def __init__(self) -> None:
            self.gate = asyncio.Event()

        async def receive(self, msg: str, ctx: Context) -> str:
            if msg == "open":
                self.gate.set()
                return "opened"
            await self.gate.wait()
            return "waited"

    async def main(system: ActorSystem) -> list[str]:
        actor = system.spawn(Reentrant)
        return list(await asyncio.gather(actor.ask("wait"), actor.ask("wait"), actor.ask("open")))

    assert on_loop(main) == ["waited", "waited", "opened"]


def test_a_thousand_handlers_wait_at_once() -> None:
    async def main(system: ActorSystem) -> int:
        gate = asyncio.Event()

        async def body(ctx: Context) -> int:
            await gate.wait()
            return 1

        asks = [system.spawn(Do).ask(body) for _ in range(1000)]
        everything = asyncio.gather(*asks)
        await system.spawn(Do).ask(lambda ctx: "barrier")
        gate.set()
        return sum(await everything)

    assert on_loop(main) == 1000


def test_a_yield_of_none_gives_way_to_other_callbacks() -> None:
    async def body(ctx: Context) -> list[str]:
        seen: list[str] = []
        asyncio.get_running_loop().call_soon(seen.append, "callback")
        await asyncio.sleep(0)
        seen.append("handler")
        return seen

    assert in_handler(body) == ["callback", "handler"]


def test_async_generators_and_context_managers_work() -> None:
    async def numbers(n: int) -> Any:
        for i in range(n):
            await asyncio.sleep(0)
            yield i

    async def body(ctx: Context) -> list[int]:
        return [n async for n in numbers(4)]

    assert in_handler(body) == [0, 1, 2, 3]


def test_what_a_handler_may_not_await_raises_inside_it() -> None:
    class Odd:
        def __await__(self) -> Any:
            yield "no future"

    async def body(ctx: Context) -> str:
        try:
            await Odd()  # type: ignore[misc]
        except RuntimeError as e:
            return str(e)
        return "?"

    assert "bad yield" in in_handler(body)


def test_a_future_of_another_loop_raises_inside_the_handler() -> None:
    other = asyncio.new_event_loop()
    future = other.create_future()

    async def body(ctx: Context) -> str:
        try:
            await future
        except RuntimeError as e:
            return str(e)
        return "?"

    try:
        assert "attached to a different loop" in in_handler(body)
    finally:
        other.close()
