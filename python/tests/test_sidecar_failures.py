"""What goes wrong with sidecar actors of Python: the reason is told, and nothing else suffers."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import warnings
from typing import Any

import odeon
import pytest
from odeon import errors
from remote_kit import LIMIT, looped, until
from sidecar_kit import a_bank, count, state
from test_leaks import flat

from odeon.sidecar import ActorDef, Call, InvocationFailed, Sidecar, Value


@looped
async def test_what_an_action_does_wrong_fails_it_and_keeps_the_state() -> None:
    class Nowhere:
        __slots__ = ()

    def none_as_state(call: Call) -> Value:
        return Value().state(None)

    ann = (ActorDef("ann", initial_state=1).action("number", lambda call: 7)
           .action("silent", lambda call: None)
           .action("object", lambda call: Value().state(2).reply(Nowhere()))
           .action("none", none_as_state)
           .action("wrong", lambda call: Value().state(2).forward(7, "x"))  # type: ignore[arg-type]
           .action("empty", lambda call: (_ for _ in ()).throw(KeyError()))
           .action("exact", lambda call: Value().reply(call.value.nothing)))
    async with a_bank(ann) as side:
        assert await side.invoke("ann", "silent") is None
        for action, text in (("number", "returns a Value, not int"), ("object", "Nowhere"),
                             ("none", "leave .state"), ("wrong", "str"), ("empty", "KeyError"),
                             ("exact", "'NoneType'.*nothing")):
            with pytest.raises(InvocationFailed, match=text):
                await side.invoke("ann", action)
        assert await state(side, "ann") == 1
        with pytest.raises(errors.EncodingError):
            await side.invoke("ann", "silent", Nowhere())


@looped
async def test_an_action_that_hangs_ends_at_its_deadline_and_changes_nothing() -> None:
    go = asyncio.Event()

    async def hang(call: Call) -> Value:
        await go.wait()
        return Value().state(1)

    async with a_bank(ActorDef("ann").action("hang", hang).action("count", count)) as side:
        with pytest.raises(InvocationFailed, match="the deadline passed"):
            await side.invoke("ann", "hang", timeout=0.05)
        await side.invoke("ann", "count", 5)
        go.set()
        await side.invoke("ann", "count", 6)
        assert await state(side, "ann") == 11


@looped
async def test_a_coroutine_that_nobody_waits_for_any_more_is_cancelled() -> None:
    ended: list[str] = []

    async def hang(call: Call) -> Value:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")
        return Value()

    async def defend(call: Call) -> Value:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("defended")
        return Value().state("too late")

    ann = ActorDef("ann", initial_state=1).action("hang", hang).action("defend", defend)
    async with a_bank(ann.action("count", count)) as side:
        for action in ("hang", "defend"):
            with pytest.raises(InvocationFailed, match="the deadline passed"):
                await side.invoke("ann", action, timeout=0.05)
        await until(lambda: len(ended) == 2)
        await side.invoke("ann", "count")
        assert await state(side, "ann") == 2 and sorted(ended) == ["cancelled", "defended"]


@looped
async def test_what_one_action_does_ends_no_other() -> None:
    class Speechless(Exception):
        def __str__(self) -> str:
            raise RuntimeError("it has no text")

    async def cancels(call: Call) -> Value:
        raise asyncio.CancelledError

    async def ends_its_task(call: Call) -> Value:
        task = asyncio.current_task()
        assert task
        task.cancel()
        await asyncio.Event().wait()
        return Value()

    def raises(what: BaseException) -> Any:
        def action(call: Call) -> Value:
            raise what
        return action

    go = asyncio.Event()

    async def wait(call: Call) -> Value:
        await go.wait()
        return Value().reply("waited")

    bad = ActorDef("bad", kind="pooled", stateful=False, max_pool=2)
    bad.action("cancels", cancels).action("ends its task", ends_its_task)
    bad.action("speechless", raises(Speechless()))
    bad.action("broken text", raises(ValueError("a\ud800b")))
    bad.action("leaves", raises(GeneratorExit()))
    async with a_bank(bad, ActorDef("ann").action("wait", wait)) as side:
        waiting = asyncio.ensure_future(side.invoke("ann", "wait"))
        await until(lambda: side.figures().calls_now == 1)
        for _ in range(3):  # more than an actor is started again for
            for action, why in (("cancels", "was cancelled"), ("ends its task", "was cancelled"),
                                ("speechless", "Speechless"), ("broken text", "a[?]b"),
                                ("leaves", "GeneratorExit")):
                with pytest.raises(InvocationFailed, match=why):
                    await side.invoke("bad", action)
        assert not waiting.done()
        go.set()
        assert await asyncio.wait_for(waiting, LIMIT) == "waited"


@looped
async def test_a_wait_that_is_cancelled_does_not_take_the_invocation_back() -> None:
    go, begun = asyncio.Event(), asyncio.Event()

    async def slow(call: Call) -> Value:
        begun.set()
        await go.wait()
        return Value().state("done")

    async with a_bank(ActorDef("ann").action("slow", slow)) as side:
        asked = asyncio.ensure_future(side.invoke("ann", "slow"))
        await asyncio.wait_for(begun.wait(), LIMIT)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        go.set()
        await until(lambda: side.figures().succeeded == 1)
        assert await state(side, "ann") == "done"


@looped
async def test_an_action_whose_runner_is_killed_fails() -> None:
    begun = asyncio.Event()

    async def hang(call: Call) -> Value:
        begun.set()
        await asyncio.Event().wait()
        return Value()

    async with a_bank(ActorDef("ann").action("hang", hang)) as side:
        asked = asyncio.ensure_future(side.invoke("ann", "hang"))
        await asyncio.wait_for(begun.wait(), LIMIT)
        assert side._runner is not None
        side._system.kill(side._runner)
        with pytest.raises(InvocationFailed, match="cancelled|without an answer"):
            await asyncio.wait_for(asked, LIMIT)
        with pytest.raises(InvocationFailed, match="without an answer"):  # not at its deadline
            await asyncio.wait_for(side.invoke("ann", "hang"), LIMIT)


def test_definitions_that_contradict_themselves_are_refused() -> None:
    async def run() -> None:
        async with a_bank() as side:
            with pytest.raises(errors.InvalidArgument):
                side.register(ActorDef(""))
            with pytest.raises(errors.InvalidArgument, match="no action"):
                side.expose("rates", side._system.spawn(odeon.behavior(None, print)))
            with pytest.raises(ValueError, match="kind"):
                ActorDef("x", kind="strange")  # type: ignore[arg-type]
            with pytest.raises(errors.InvalidArgument, match="two actions"):
                ActorDef("x").action("a", count).action("a", count)
            side.register(ActorDef("ann").action("count", count))
            with pytest.raises(errors.InvalidArgument):
                side.register(ActorDef("x" * 2000))
            assert await side.invoke("ann", "count") is None  # what was there before stays
            with pytest.raises(ValueError, match="limit"):
                Sidecar(side._system, limits={"strange": 1})
            for options in ({"keep_revisions": -1}, {"keep_revisions": 1 << 32},
                            {"app_port": 70_000}, {"app_port": -1}, {"limits": {"active": -1}},
                            {"request_time": -1.0}, {"app_time": float("nan")}):
                with pytest.raises(ValueError, match="from 0 to|not negative"):
                    Sidecar(side._system, **options)  # type: ignore[arg-type]
            with pytest.raises(errors.InvalidArgument, match="not empty"):
                Sidecar(side._system, remember="")
            for options in ({"min_pool": -1}, {"max_pool": 1 << 32}):
                with pytest.raises(ValueError, match="pool is a number from 0 to"):
                    side.register(ActorDef("x", kind="pooled", **options))  # type: ignore[arg-type]
            with pytest.raises(ValueError, match="a revision is a number"):
                await side.invoke("ann", "count", revision=-1)
            with pytest.raises(ValueError, match="a revision is a number"):
                side.spawn("x", parent="y", revision=1 << 64)

    asyncio.run(run())


@looped
async def test_a_closed_sidecar_says_so_and_a_system_takes_it_along() -> None:
    async with odeon.ActorSystem("bank") as system:
        side = Sidecar(system)
        side.register(ActorDef("ann").action("count", count))
        await side.invoke("ann", "count")
        assert await side.close() == 0
        assert await side.close() == 0
        for call in (side.figures, lambda: side.publish("news", "count"),
                     lambda: side.listen("127.0.0.1:0"), lambda: side.spawn("x", parent="y")):
            with pytest.raises(errors.SystemStopped):
                call()
        with pytest.raises(errors.SystemStopped):
            await side.invoke("ann", "count")
        with pytest.raises(errors.SystemStopped):
            await side.state_of("ann")
        left = Sidecar(system)  # nobody closes it
        left.register(ActorDef("ann").action("count", count))
        left.listen("127.0.0.1:0")
        await left.invoke("ann", "count")
    for call in (left.figures, lambda: left.listen("127.0.0.1:0"),
                 lambda: left.register(ActorDef("joe").action("count", count))):
        with pytest.raises(errors.SystemStopped):
            call()
    with pytest.raises(errors.SystemStopped):
        await left.invoke("ann", "count")
    await left.close()
    gc.collect()


@looped
async def test_an_end_that_is_cancelled_comes_at_once_and_takes_all_along() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def hang(call: Call) -> Value:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return Value()

    async with odeon.ActorSystem("bank") as system:
        side = Sidecar(system)
        side.register(ActorDef("ann").action("hang", hang))
        asked = asyncio.ensure_future(side.invoke("ann", "hang"))
        await asyncio.wait_for(begun.wait(), LIMIT)
        closing = asyncio.ensure_future(side.close(3600.0))
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(closing, LIMIT)
        await asyncio.wait_for(ended.wait(), LIMIT)
        with pytest.raises((InvocationFailed, errors.SystemStopped)):
            await asyncio.wait_for(asked, LIMIT)
        with pytest.raises(errors.SystemStopped):
            side.figures()


@looped
async def test_what_is_under_way_when_its_system_ends_fails() -> None:
    begun = asyncio.Event()

    async def hang(call: Call) -> Value:
        begun.set()
        await asyncio.Event().wait()
        return Value()

    async with odeon.ActorSystem("bank", shutdown_limit=3600.0) as system:
        side = Sidecar(system)
        side.register(ActorDef("ann").action("hang", hang))
        asked = asyncio.ensure_future(side.invoke("ann", "hang"))
        await asyncio.wait_for(begun.wait(), LIMIT)
    with pytest.raises((InvocationFailed, errors.SystemStopped)):
        await asyncio.wait_for(asked, LIMIT)  # and the end has not waited for it


@looped
async def test_threads_that_register_at_once_lose_no_definition() -> None:
    async with a_bank() as side:
        def register(n: int) -> None:
            for i in range(20):
                side.register(ActorDef(f"{n}-{i}").action("count", count))

        threads = [threading.Thread(target=register, args=(n,)) for n in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            await asyncio.to_thread(each.join)
        for n in range(4):
            for i in range(20):
                await side.invoke(f"{n}-{i}", "count")


@looped
async def test_actions_that_end_in_any_way_leave_nothing() -> None:
    async def refuse(call: Call) -> Value:
        await asyncio.sleep(0)
        raise ValueError("no")

    def lose(call: Call) -> Value:
        raise LookupError("lost")

    ann = ActorDef("ann").action("count", count).action("refuse", refuse).action("lose", lose)
    async with a_bank(ann, keep_revisions=1) as side:
        async def body() -> None:
            for _ in range(100):
                await side.invoke("ann", "count", 1, metadata={"a": "b"})
                for action in ("refuse", "lose"):
                    with pytest.raises(InvocationFailed):
                        await side.invoke("ann", action)
                cancelled = asyncio.ensure_future(side.invoke("ann", "count"))
                await asyncio.sleep(0)
                cancelled.cancel()
                await side.state_of("ann")

        await flat(body)


def test_a_child_that_was_forked_lets_go_of_a_sidecar() -> None:
    async def run() -> int:
        async with a_bank(ActorDef("ann").action("count", count)) as side:
            side.listen("127.0.0.1:0")
            await side.invoke("ann", "count")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                child = os.fork()
            if child == 0:
                code = 8
                try:
                    with pytest.raises(errors.SystemStopped, match="forked"):
                        side.figures()
                    Sidecar.__base__._close(side)  # type: ignore[union-attr]
                    code = 7
                finally:
                    os._exit(code)
            _, ended = await asyncio.to_thread(os.waitpid, child, 0)
            return os.waitstatus_to_exitcode(ended)

    assert asyncio.run(run()) == 7


