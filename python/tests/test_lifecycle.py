"""Hooks, stops, kills, watching and links."""

from __future__ import annotations

import asyncio
from typing import Any

import odeon
import pytest
from actor_kit import Do, DoNow, HasSeen, Log, on_loop
from odeon import ActorSystem, Context


class Noted(odeon.Actor[Any]):
    def __init__(self, log: Any, name: str = "") -> None:
        self.log = log
        self.name = name

    def pre_start(self) -> None:
        self.log.tell(f"{self.name}pre_start")

    def post_stop(self) -> None:
        self.log.tell(f"{self.name}post_stop")

    async def receive(self, msg: Any, ctx: Context) -> Any:
        made = msg(ctx)
        return await made if asyncio.iscoroutine(made) else made


async def ended(ref: Any) -> None:
    while not ref.is_terminated():
        await asyncio.sleep(0)


def test_pre_start_comes_before_the_first_message_and_post_stop_after_the_last() -> None:
    async def main(system: ActorSystem) -> list[Any]:
        log = system.spawn(Log)
        actor = system.spawn(Noted, log)
        actor.tell(lambda ctx: log.tell("first"))
        await actor.ask(lambda ctx: log.tell("last") or "ok")
        system.stop_actor(actor)
        return await log.ask(HasSeen(4))

    assert on_loop(main) == ["pre_start", "first", "last", "post_stop"]


def test_a_pre_start_that_waits_holds_the_messages_back() -> None:
    gate = None

    class Slow(odeon.Actor[Any]):
        ready = False

        async def pre_start(self) -> None:
            assert gate is not None
            await gate.wait()
            self.ready = True

        def receive(self, msg: Any) -> bool:
            return self.ready

    async def main(system: ActorSystem) -> bool:
        nonlocal gate
        gate = asyncio.Event()
        ask = system.spawn(Slow).ask("?")
        await system.spawn(DoNow).ask(lambda ctx: "barrier")
        assert not ask.done()
        gate.set()
        return bool(await ask)

    assert on_loop(main)


def test_a_stop_lets_the_handler_in_hand_finish_and_overtakes_what_waits() -> None:
    async def main(system: ActorSystem) -> list[Any]:
        log = system.spawn(Log)
        gate, entered = asyncio.Event(), asyncio.Event()

        async def body(ctx: Context) -> str:
            entered.set()
            await gate.wait()
            log.tell("finished")
            return "done"

        actor = system.spawn(Noted, log)
        first, second = actor.ask(body), actor.ask(body)
        await entered.wait()
        system.stop_actor(actor)
        gate.set()
        assert await first == "done"
        with pytest.raises(odeon.ActorStopped):
            await second
        return await log.ask(HasSeen(3))

    assert on_loop(main) == ["pre_start", "finished", "post_stop"]


def test_an_actor_that_stops_itself_finishes_its_message() -> None:
    async def main(system: ActorSystem) -> str:
        actor = system.spawn(DoNow)
        answer = actor.ask(lambda ctx: ctx.stop() or "last words")
        later = actor.ask(lambda ctx: "never")
        with pytest.raises(odeon.ActorStopped):
            await later
        return str(await answer)

    assert on_loop(main) == "last words"


def test_a_kill_still_runs_post_stop() -> None:
    async def main(system: ActorSystem) -> list[Any]:
        log = system.spawn(Log)
        entered = asyncio.Event()

        async def body(ctx: Context) -> None:
            entered.set()
            await asyncio.Event().wait()

        actor = system.spawn(Noted, log)
        asked = actor.ask(body)
        await entered.wait()
        system.kill(actor)
        with pytest.raises(odeon.errors.ActorKilled):
            await asked
        return await log.ask(HasSeen(2))

    assert on_loop(main) == ["pre_start", "post_stop"]


def test_children_end_before_their_parents_from_the_leaves_up() -> None:
    class Tree(Noted):
        async def receive(self, msg: Any, ctx: Context) -> Any:
            if msg:
                child = ctx.spawn(Tree, self.log, f"{self.name}{msg} ")
                return await child.ask(msg - 1)
            return "planted"

    async def main(system: ActorSystem) -> list[Any]:
        log = system.spawn(Log)
        root = system.spawn(Tree, log)
        await root.ask(3)
        system.stop_actor(root)
        return (await log.ask(HasSeen(8)))[4:]

    assert on_loop(main) == ["3 2 1 post_stop", "3 2 post_stop", "3 post_stop", "post_stop"]


class Watches(odeon.Actor[Any]):
    def __init__(self, log: Any, trap: bool = False) -> None:
        self.log = log
        self.trap = trap

    def pre_start(self, ctx: Context) -> None:
        ctx.trap_exits(self.trap)

    def receive(self, msg: Any, ctx: Context) -> Any:
        if isinstance(msg, odeon.Terminated | odeon.ExitSignal):
            self.log.tell((type(msg).__name__, msg.kind))
            return None
        return msg(ctx)


@pytest.mark.parametrize(("how", "kind"), [("stop", "stopped"), ("kill", "killed"),
                                           ("fail", "failed")])
def test_a_watcher_hears_once_of_an_end_with_its_kind(how: str, kind: str) -> None:
    async def main(system: ActorSystem) -> list[Any]:
        log = system.spawn(Log)
        watcher = system.spawn(Watches, log)
        target = system.spawn(DoNow, supervision=odeon.Supervision(otherwise="stop"))
        for _ in range(3):
            await watcher.ask(lambda ctx: ctx.watch(target) or "ok")
        if how == "stop":
            system.stop_actor(target)
        elif how == "kill":
            system.kill(target)
        else:
            target.tell(lambda ctx: 1 / 0)
        await log.ask(HasSeen(1))
        await watcher.ask(lambda ctx: "barrier")
        return await log.ask(HasSeen(1))

    assert on_loop(main) == [("Terminated", kind)]


def test_watching_what_has_ended_already_is_answered_at_once() -> None:
    async def main(system: ActorSystem) -> list[Any]:
        log = system.spawn(Log)
        target = system.spawn(DoNow)
        system.stop_actor(target)
        await ended(target)
        await system.spawn(Watches, log).ask(lambda ctx: ctx.watch(target) or "ok")
        return await log.ask(HasSeen(1))

    assert on_loop(main)[0][0] == "Terminated"


def test_after_unwatch_nothing_is_heard() -> None:
    async def main(system: ActorSystem) -> list[Any]:
        log = system.spawn(Log)
        watcher, target = system.spawn(Watches, log), system.spawn(DoNow)
        await watcher.ask(lambda ctx: ctx.watch(target) or "ok")
        await watcher.ask(lambda ctx: ctx.unwatch(target) or "ok")
        system.stop_actor(target)
        await ended(target)
        await watcher.ask(lambda ctx: "barrier")
        return await log.ask(HasSeen(0))

    assert on_loop(main) == []


def test_a_restart_is_no_end() -> None:
    async def main(system: ActorSystem) -> list[Any]:
        log = system.spawn(Log)
        watcher, target = system.spawn(Watches, log), system.spawn(DoNow)
        await watcher.ask(lambda ctx: ctx.watch(target) or "ok")
        with pytest.raises(odeon.ActorFailed):
            await target.ask(lambda ctx: 1 / 0)
        assert await target.ask(lambda ctx: "alive") == "alive"
        system.stop_actor(target)
        return await log.ask(HasSeen(1))

    assert on_loop(main) == [("Terminated", "stopped")]


@pytest.mark.parametrize("first", [True, False])
def test_linked_actors_end_together(first: bool) -> None:
    async def main(system: ActorSystem) -> None:
        one, two = system.spawn(DoNow), system.spawn(DoNow)
        await one.ask(lambda ctx: ctx.link(two) or "ok")
        await two.ask(lambda ctx: "barrier")
        system.stop_actor(one if first else two)
        await ended(one)
        await ended(two)

    on_loop(main)


def test_who_traps_exits_gets_a_signal_in_place_of_its_end() -> None:
    async def main(system: ActorSystem) -> list[Any]:
        log = system.spawn(Log)
        traps, target = system.spawn(Watches, log, True), system.spawn(DoNow)
        await traps.ask(lambda ctx: ctx.link(target) or "ok")
        await target.ask(lambda ctx: "barrier")
        system.stop_actor(target)
        seen = await log.ask(HasSeen(1))
        assert await traps.ask(lambda ctx: "alive") == "alive"
        return seen

    assert on_loop(main) == [("ExitSignal", "stopped")]


def test_after_unlink_neither_ends_with_the_other() -> None:
    async def main(system: ActorSystem) -> str:
        one, two = system.spawn(DoNow), system.spawn(DoNow)
        await one.ask(lambda ctx: ctx.link(two) or "ok")
        await one.ask(lambda ctx: ctx.unlink(two) or "ok")
        system.stop_actor(two)
        await ended(two)
        return str(await one.ask(lambda ctx: "alive"))

    assert on_loop(main) == "alive"


def test_work_beside_the_mailbox_comes_as_a_message() -> None:
    class Pipes(odeon.Actor[Any]):
        def __init__(self, log: Any) -> None:
            self.log = log

        def receive(self, msg: Any, ctx: Context) -> Any:
            if msg == "begin":
                ctx.pipe_to_self(asyncio.sleep(0.001, "slept"))
                ctx.pipe_to_self(asyncio.sleep(0.002, 2), lambda n: f"got {n}")
                ctx.pipe_to_self(self.fails(), lambda e: type(e).__name__)
                return "begun"
            self.log.tell(msg)
            return None

        async def fails(self) -> None:
            raise KeyError("x")

    async def main(system: ActorSystem) -> list[Any]:
        log = system.spawn(Log)
        assert await system.spawn(Pipes, log).ask("begin") == "begun"
        return await log.ask(HasSeen(3))

    assert on_loop(main) == ["KeyError", "slept", "got 2"]


def test_a_hook_that_hangs_is_ended_by_a_kill() -> None:
    class Hangs(odeon.Actor[Any]):
        async def post_stop(self) -> None:
            await asyncio.Event().wait()

        def receive(self, msg: Any) -> Any:
            return msg

    async def main(system: ActorSystem) -> None:
        actor = system.spawn(Hangs)
        await actor.ask("x")
        system.stop_actor(actor)
        await system.spawn(Do).ask(lambda ctx: asyncio.sleep(0.01, "barrier"))
        system.kill(actor)
        await ended(actor)

    on_loop(main)
