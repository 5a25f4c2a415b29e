"""Asks: how they are answered, and each way in which they are not."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import warnings
from typing import Any

import odeon
import pytest
from actor_kit import Do, DoNow, on_loop, run_program
from odeon import ActorSystem, Context
from odeon.errors import AskCancelled, CallCycle


class Echo(odeon.Actor[Any]):
    def receive(self, msg: Any, ctx: Context) -> Any:
        return msg


async def hang(ctx: Context) -> None:
    await asyncio.Event().wait()


# -- answers --------------------------------------------------------------------------------------


def test_the_value_that_a_handler_returns_is_the_very_object() -> None:
    async def main(system: ActorSystem) -> None:
        value = object()
        assert await system.spawn(Echo).ask(value) is value

    on_loop(main)


def test_a_thousand_asks_are_gathered_in_their_order() -> None:
    async def main(system: ActorSystem) -> list[int]:
        echo = system.spawn(Echo)
        return list(await asyncio.gather(*(echo.ask(n) for n in range(1000))))

    assert on_loop(main) == list(range(1000))


@pytest.mark.parametrize("actor", [Do, DoNow])
def test_ctx_reply_answers_before_the_handler_ends(actor: Any) -> None:
    async def main(system: ActorSystem) -> list[Any]:
        seen: list[Any] = []

        def body(ctx: Context) -> str:
            seen.append(ctx.reply("first"))
            seen.append(ctx.reply("second"))
            return "third"

        return [await system.spawn(actor).ask(body), *seen]

    assert on_loop(main) == ["first", True, False]


def test_none_is_an_answer_only_when_it_is_meant() -> None:
    async def main(system: ActorSystem) -> None:
        actor = system.spawn(DoNow, name="quiet")
        with pytest.raises(odeon.NoReply, match="/user/quiet gave no reply .* returned None"):
            await actor.ask(lambda ctx: None)
        assert await actor.ask(lambda ctx: ctx.reply(None) and None) is None

        async def waits(ctx: Context) -> None:
            await asyncio.sleep(0)

        with pytest.raises(odeon.NoReply):
            await system.spawn(Do).ask(waits)

    on_loop(main)


def test_false_values_are_answers() -> None:
    async def main(system: ActorSystem) -> list[Any]:
        echo = system.spawn(Echo)
        return [await echo.ask(v) for v in (0, False, "", [], 0.0)]

    assert on_loop(main) == [0, False, "", [], 0.0]


def test_not_implemented_says_that_the_message_is_unhandled() -> None:
    async def main(system: ActorSystem) -> None:
        actor = system.spawn(DoNow)
        with pytest.raises(odeon.errors.Unhandled):
            await actor.ask(lambda ctx: NotImplemented)

    on_loop(main)


def test_a_reply_comes_later_from_a_task_or_another_thread() -> None:
    async def main(system: ActorSystem) -> list[Any]:
        kept: list[Any] = []
        threads: list[threading.Thread] = []

        def by_task(ctx: Context) -> None:
            to = ctx.reply_to()

            async def later() -> None:
                await asyncio.sleep(0)
                to("task")

            kept.append(asyncio.get_running_loop().create_task(later()))

        def by_thread(ctx: Context) -> None:
            to = ctx.reply_to()
            threads.append(threading.Thread(target=lambda: to("thread")))
            threads[-1].start()

        actor = system.spawn(DoNow)
        seen = [await actor.ask(by_task), await actor.ask(by_thread)]
        for t in threads:
            t.join()
        return seen

    assert on_loop(main) == ["task", "thread"]


def test_a_right_to_answer_is_used_once() -> None:
    async def main(system: ActorSystem) -> list[Any]:
        kept: list[Any] = []

        def body(ctx: Context) -> None:
            to = ctx.reply_to()
            kept.extend([to.is_open, to("one"), to("two"), to.is_open])

        return [await system.spawn(DoNow).ask(body), *kept]

    assert on_loop(main) == ["one", True, True, False, False]


def test_a_right_to_answer_that_is_let_go_fails_the_ask() -> None:
    async def main(system: ActorSystem) -> None:
        def body(ctx: Context) -> None:
            ctx.reply_to()

        with pytest.raises(odeon.NoReply, match="let go unused"):
            await system.spawn(DoNow).ask(body)

    on_loop(main)


def test_a_right_to_answer_may_fail_the_ask_and_not_the_actor() -> None:
    async def main(system: ActorSystem) -> int:
        count = 0

        def body(ctx: Context) -> None:
            nonlocal count
            count += 1
            ctx.reply_to().fail(LookupError("not here"))

        actor = system.spawn(DoNow)
        for _ in range(5):
            with pytest.raises(LookupError, match="not here"):
                await actor.ask(body)
        assert not actor.is_terminated()
        return count

    assert on_loop(main) == 5


def test_reply_to_of_a_tell_goes_to_nobody() -> None:
    async def main(system: ActorSystem) -> list[Any]:
        seen: list[Any] = []

        def body(ctx: Context) -> None:
            to = ctx.reply_to()
            seen.extend([to.is_open, to("x"), ctx.reply("y")])

        actor = system.spawn(DoNow)
        actor.tell(body)
        await actor.ask(lambda ctx: "barrier")
        return seen

    assert on_loop(main) == [False, False, False]


def test_a_forwarded_ask_is_answered_by_its_new_receiver() -> None:
    class Front(odeon.Actor[Any]):
        def __init__(self, back: Any) -> None:
            self.back = back

        def receive(self, msg: Any, ctx: Context) -> None:
            ctx.forward(self.back)

    async def main(system: ActorSystem) -> list[Any]:
        front = system.spawn(Front, system.spawn(Front, system.spawn(Echo)))
        gone = system.spawn(Echo)
        lost = system.spawn(Front, gone)
        system.stop_actor(gone)
        while not gone.is_terminated():
            await asyncio.sleep(0)
        with pytest.raises(odeon.ActorStopped):
            await lost.ask("into the void")
        return [await front.ask(n) for n in range(3)]

    assert on_loop(main) == [0, 1, 2]


# -- no answer ------------------------------------------------------------------------------------


def test_an_ask_that_times_out_says_where_its_request_was() -> None:
    async def main(system: ActorSystem) -> None:
        actor = system.spawn(Do, name="slow")
        with pytest.raises(odeon.AskTimeout, match="/user/slow") as caught:
            await actor.ask(hang, timeout=0.02)
        assert isinstance(caught.value, TimeoutError)
        with pytest.raises(odeon.AskTimeout, match="(?i)queue|wait|mailbox"):
            await actor.ask(hang, timeout=0.02)
        system.kill(actor)

    on_loop(main)


def test_the_default_timeout_is_the_system_s_option() -> None:
    async def main(system: ActorSystem) -> None:
        actor = system.spawn(Do)
        with pytest.raises(odeon.AskTimeout):
            await actor.ask(hang)
        system.kill(actor)

    on_loop(main, ask_timeout=0.02)


@pytest.mark.parametrize(
    ("timeout", "error"), [(-1, ValueError), ("soon", TypeError), (float("nan"), ValueError)]
)
def test_a_timeout_that_is_no_time_is_refused(timeout: Any, error: type[Exception]) -> None:
    async def main(system: ActorSystem) -> None:
        with pytest.raises(error):
            system.spawn(Echo).ask("x", timeout=timeout)

    on_loop(main)


def test_an_ask_of_a_stopped_actor_fails_at_once() -> None:
    async def main(system: ActorSystem) -> None:
        actor = system.spawn(Echo)
        system.stop_actor(actor)
        with pytest.raises(odeon.ActorStopped):
            await actor.ask("x", timeout=None)
        with pytest.raises(odeon.ActorStopped):
            actor.try_tell("x")

    on_loop(main)


def test_requests_that_wait_when_their_actor_ends_fail_their_askers() -> None:
    async def main(system: ActorSystem) -> None:
        entered = asyncio.Event()

        async def body(ctx: Context) -> None:
            entered.set()
            await asyncio.Event().wait()

        actor = system.spawn(Do)
        asks = [actor.ask(body), *(actor.ask(hang) for _ in range(5))]
        await entered.wait()
        system.kill(actor)
        ends = await asyncio.gather(*asks, return_exceptions=True)
        assert [type(e) for e in ends] == [odeon.errors.ActorKilled] + [odeon.ActorStopped] * 5

    on_loop(main)


def test_asks_that_are_open_when_the_system_ends_end_with_it() -> None:
    async def main() -> None:
        async with ActorSystem("short", shutdown_limit=0.1) as system:
            asks = [system.spawn(Do).ask(hang) for _ in range(3)]
            await asyncio.sleep(0)
        ends = await asyncio.gather(*asks, return_exceptions=True)
        assert len([e for e in ends if isinstance(e, Exception)]) == 3
        with pytest.raises(odeon.SystemStopped):
            system.spawn(Echo)

    asyncio.run(main())


def test_a_ref_outlives_its_system() -> None:
    async def main() -> Any:
        async with ActorSystem("short") as system:
            return system.spawn(Echo, name="echo")

    ref = asyncio.run(main())
    assert ref.is_terminated()
    assert ref.path == "/user/echo"
    ref.tell("lost")

    async def ask() -> None:
        with pytest.raises((odeon.SystemStopped, odeon.ActorStopped)):
            await ref.ask("x")

    asyncio.run(ask())
    with pytest.raises((odeon.SystemStopped, odeon.ActorStopped)):
        ref.ask_blocking("x")


def test_a_cycle_of_asks_fails_at_once_with_the_chain() -> None:
    class Asker(odeon.Actor[Any]):
        other: Any = None

        async def receive(self, msg: Any, ctx: Context) -> Any:
            if msg == "begin":
                return await self.other.ask("end")
            if isinstance(msg, odeon.ActorRef):
                self.other = msg
                return "set"
            return await self.other.ask("back")

    async def main(system: ActorSystem) -> None:
        a, b = system.spawn(Asker, name="a"), system.spawn(Asker, name="b")
        await a.ask(b)
        await b.ask(a)
        with pytest.raises(odeon.ActorFailed) as failed:
            await a.ask("begin", timeout=None)
        cause: BaseException | None = failed.value
        while cause is not None and not isinstance(cause, CallCycle):
            cause = cause.__cause__
        assert isinstance(cause, CallCycle)
        assert "/user/a" in str(cause)
        assert "/user/b" in str(cause)

    on_loop(main)


# -- cancelling, awaiting again, and leaving alone ------------------------------------------------


def test_a_cancelled_ask_is_cancelled_and_its_reply_goes_nowhere() -> None:
    async def main(system: ActorSystem) -> str:
        gate = asyncio.Event()

        async def body(ctx: Context) -> str:
            await gate.wait()
            return "late"

        actor = system.spawn(Do)
        ask = actor.ask(body)
        task = asyncio.ensure_future(ask)
        await asyncio.sleep(0)
        assert ask.cancel()
        assert not ask.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ask.cancelled()
        assert ask.done()
        gate.set()
        return str(await actor.ask(lambda ctx: "next"))

    assert on_loop(main) == "next"


def test_an_ask_whose_task_is_cancelled_is_given_up() -> None:
    async def main(system: ActorSystem) -> None:
        actor = system.spawn(Do)
        entered = asyncio.Event()

        async def body(ctx: Context) -> None:
            entered.set()
            await asyncio.Event().wait()

        async def asks() -> None:
            await actor.ask(body)

        task = asyncio.create_task(asks())
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        system.kill(actor)

    on_loop(main)


def test_a_request_whose_asker_gave_up_is_not_handled() -> None:
    async def main(system: ActorSystem) -> list[str]:
        seen: list[str] = []
        gate = asyncio.Event()

        async def first(ctx: Context) -> str:
            await gate.wait()
            return "first"

        actor = system.spawn(Do)
        one = actor.ask(first)
        two = actor.ask(lambda ctx: seen.append("two"))
        two.cancel()
        gate.set()
        await one
        await actor.ask(lambda ctx: "barrier")
        return seen

    assert on_loop(main) == []


def test_wait_for_shield_and_wait_take_asks() -> None:
    async def main(system: ActorSystem) -> list[Any]:
        echo, slow = system.spawn(Echo), system.spawn(Do)
        seen = [await asyncio.wait_for(echo.ask("a"), 5), await asyncio.shield(echo.ask("b"))]
        done, pending = await asyncio.wait(
            [asyncio.ensure_future(slow.ask(hang)), asyncio.ensure_future(echo.ask("c"))],
            return_when=asyncio.FIRST_COMPLETED,
        )
        seen += [d.result() for d in done]
        for p in pending:
            p.cancel()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(slow.ask(hang), 0.01)
        system.kill(slow)
        return seen

    assert on_loop(main) == ["a", "b", "c"]


def test_an_ask_may_be_awaited_again_and_by_several() -> None:
    async def main(system: ActorSystem) -> list[Any]:
        gate = asyncio.Event()

        async def body(ctx: Context) -> str:
            await gate.wait()
            return "value"

        ask = system.spawn(Do).ask(body)

        async def waits() -> Any:
            return await ask

        tasks = [asyncio.create_task(waits()) for _ in range(3)]
        await asyncio.sleep(0)
        gate.set()
        return [*(await asyncio.gather(*tasks)), await ask, await ask, ask.result()]

    assert on_loop(main) == ["value"] * 6


def test_a_failed_ask_raises_each_time_it_is_awaited() -> None:
    async def main(system: ActorSystem) -> None:
        ask = system.spawn(DoNow).ask(lambda ctx: 1 / 0)
        for _ in range(3):
            with pytest.raises(odeon.ActorFailed):
                await ask
        assert isinstance(ask.exception(), odeon.ActorFailed)

    on_loop(main)


def test_an_ask_has_the_protocol_of_futures() -> None:
    async def main(system: ActorSystem) -> None:
        ask = system.spawn(Echo).ask("v")
        called = asyncio.get_running_loop().create_future()

        def removed(_: Any) -> None:
            raise AssertionError

        ask.add_done_callback(removed)
        ask.add_done_callback(called.set_result)
        assert ask.remove_done_callback(removed) == 1
        if not ask.done():
            with pytest.raises(asyncio.InvalidStateError):
                ask.result()
        assert ask.get_loop() is asyncio.get_running_loop()
        assert asyncio.isfuture(ask)
        assert await called is ask
        assert ask.result() == "v"
        assert ask.exception() is None

    on_loop(main)


def test_asks_that_nobody_awaits_warn_of_nothing() -> None:
    async def main(system: ActorSystem) -> None:
        echo, fails = system.spawn(Echo), system.spawn(DoNow)
        for n in range(100):
            echo.ask(n)
        fails.ask(lambda ctx: NotImplemented)
        await echo.ask("barrier")
        gc.collect()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        on_loop(main)


# -- blocking -------------------------------------------------------------------------------------


def test_threads_ask_by_blocking_all_at_once() -> None:
    sums: list[int] = []

    def many(echo: Any, me: int) -> None:
        sums.append(sum(echo.ask_blocking(n * me) for n in range(200)))

    with ActorSystem.start("threads") as system:
        echo = system.spawn(Echo)
        threads = [threading.Thread(target=many, args=(echo, me)) for me in range(1, 5)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert sorted(sums) == [19900 * me for me in range(1, 5)]


def test_a_blocking_ask_raises_what_an_awaited_one_does() -> None:
    with ActorSystem.start("threads") as system:
        actor = system.spawn(DoNow)
        with pytest.raises(odeon.ActorFailed) as failed:
            actor.ask_blocking(lambda ctx: 1 / 0)
        assert isinstance(failed.value.__cause__, ZeroDivisionError)
        with pytest.raises(odeon.NoReply):
            actor.ask_blocking(lambda ctx: None)
        slow = system.spawn(Do)
        with pytest.raises(odeon.AskTimeout):
            slow.ask_blocking(hang, timeout=0.02)
        system.kill(slow)


def test_a_blocking_ask_from_another_thread_of_a_loop_s_actor() -> None:
    async def main(system: ActorSystem) -> Any:
        echo = system.spawn(Echo)
        return await asyncio.to_thread(lambda: [echo.ask_blocking(n) for n in range(50)])

    assert on_loop(main) == list(range(50))


@pytest.mark.parametrize("wait", [False, True])
def test_a_blocking_ask_on_the_thread_of_its_target_is_refused(wait: bool) -> None:
    async def main(system: ActorSystem) -> None:
        echo = system.spawn(Echo)

        async def body(ctx: Context) -> Any:
            if wait:
                await asyncio.sleep(0)
            return echo.ask_blocking("x")

        with pytest.raises(odeon.ActorFailed) as failed:
            await system.spawn(Do).ask(body)
        assert isinstance(failed.value.__cause__, odeon.WouldBlock)
        with pytest.raises(odeon.WouldBlock, match="await"):
            echo.ask_blocking("x")

    on_loop(main)
    with ActorSystem.start("thread") as system:
        echo = system.spawn(Echo)
        with pytest.raises(odeon.ActorFailed) as failed:
            system.spawn(DoNow).ask_blocking(lambda ctx: echo.ask_blocking("x"))
        assert isinstance(failed.value.__cause__, odeon.WouldBlock)


def test_an_ask_made_without_a_loop_is_waited_for_and_not_awaited() -> None:
    with ActorSystem.start("thread") as system:
        ask = system.spawn(Echo).ask("v")
        assert ask.wait() == "v"
        assert ask.result() == "v"

        async def main() -> None:
            with pytest.raises(RuntimeError, match="no event loop"):
                await pending

        pending = system.spawn(Do, name="hangs").ask(hang)
        asyncio.run(main())
        system.kill(system.lookup("hangs"))


def test_a_blocking_ask_ends_with_control_c() -> None:
    code, out, err = run_program("""
import asyncio, odeon, os, signal, threading
class Hangs(odeon.Actor):
    async def receive(self, msg, ctx):
        threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        await asyncio.Event().wait()
with odeon.ActorSystem.start("s", shutdown_limit=0.2) as system:
    actor = system.spawn(Hangs)
    try:
        actor.ask_blocking("x", timeout=None)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    system.kill(actor)
""")
    assert (code, out) == (0, "interrupted\n"), err


def test_cancelling_is_told_apart_from_failing() -> None:
    assert issubclass(AskCancelled, odeon.OdeonError)
    assert not issubclass(AskCancelled, asyncio.CancelledError)


def test_loops_that_come_and_go_leave_nothing_open() -> None:
    with odeon.ActorSystem.start("asked") as system:
        ref = system.spawn(odeon.behavior(None, lambda state, msg: msg))

        async def one() -> Any:
            return await ref.ask(1, timeout=5.0)

        def open_files() -> int:
            return len(os.listdir("/proc/self/fd"))

        for _ in range(5):
            assert asyncio.run(one()) == 1
        before = open_files()
        for _ in range(20):
            assert asyncio.run(one()) == 1
        assert open_files() <= before + 1


def test_a_cancelled_ask_among_others_is_an_outcome_of_gather() -> None:
    """With its message, as a future of asyncio has one."""

    async def main(system: ActorSystem) -> None:
        echo = system.spawn(Echo)
        asks = [echo.ask(n) for n in range(4)]
        asks[1].cancel("not any more")
        asks[2].cancel()
        found = await asyncio.gather(*asks, return_exceptions=True)
        assert (found[0], found[3]) == (0, 3)
        assert isinstance(found[1], asyncio.CancelledError) and found[1].args == ("not any more",)
        assert isinstance(found[2], asyncio.CancelledError)
        with pytest.raises(asyncio.CancelledError, match="not any more"):
            asks[1].result()

    on_loop(main)
