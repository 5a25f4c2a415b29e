"""Context variables: each actor has its own, also between messages, however its handlers wait."""

from __future__ import annotations

import asyncio
import contextvars
import decimal
from collections.abc import Callable
from typing import Any

import odeon
import pytest

user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")


class Plain(odeon.Actor[Any]):
    def pre_start(self, ctx: odeon.Context) -> None:
        if user.get() == "outside":
            user.set("from outside")

    def receive(self, msg: Any, ctx: odeon.Context) -> Any:
        if msg == "get":
            return user.get()
        if msg == "fail":
            user.set("set before the failure")
            raise ValueError("as told")
        if msg == "precise":
            decimal.getcontext().prec = 50
            return decimal.getcontext().prec
        if msg == "precision":
            return decimal.getcontext().prec
        if msg == "become":
            ctx.become(lambda m, c: user.get())
            return True
        user.set(msg)
        return None


class Waiting(odeon.Actor[Any]):
    async def receive(self, msg: Any, ctx: odeon.Context) -> Any:
        if msg == "get":
            return user.get()
        user.set(msg)
        await asyncio.sleep(0)
        assert user.get() == msg
        return None


class Mixed(odeon.Actor[Any]):
    def on_str(self, msg: str) -> str | None:
        if msg == "get":
            return user.get()
        user.set(msg)
        return None

    async def on_int(self, msg: int) -> str:
        before = user.get()
        user.set(f"{before} {msg}")
        await asyncio.sleep(0)
        return user.get()


def on_both(test: Callable[[odeon.ActorSystem, Callable[..., Any]], None]) -> None:
    with odeon.ActorSystem.start("threads") as system:
        test(system, lambda ref, m: ref.ask_blocking(m, timeout=5))


@pytest.mark.parametrize("kind", [Plain, Waiting, Mixed])
def test_a_variable_stays_with_its_actor_alone(kind: Any) -> None:
    def on_thread(system: odeon.ActorSystem, ask: Callable[..., Any]) -> None:
        one, other = system.spawn(kind), system.spawn(kind)
        for n in range(3):
            one.tell(f"one {n}")
            other.tell(f"other {n}")
            assert (ask(one, "get"), ask(other, "get")) == (f"one {n}", f"other {n}")
        assert ask(system.spawn(kind), "get") == "nobody"

    on_both(on_thread)

    async def on_loop() -> None:
        async with odeon.ActorSystem("loop") as system:
            one, other = system.spawn(kind), system.spawn(kind)
            one.tell("one")
            other.tell("other")
            assert (await one.ask("get"), await other.ask("get")) == ("one", "other")
            assert user.get() == "nobody", "nor does it come out"

    asyncio.run(on_loop())


def test_plain_and_waiting_handlers_of_an_actor_share_them() -> None:
    async def main() -> None:
        async with odeon.ActorSystem("loop") as system:
            one, other = system.spawn(Mixed), system.spawn(Mixed)
            one.tell("a")
            assert await other.ask(0) == "nobody 0"
            assert await one.ask(1) == "a 1"
            assert await one.ask("get") == "a 1"
            other.tell("b")
            assert await other.ask(2) == "b 2"

    asyncio.run(main())


def test_they_begin_with_those_of_who_made_the_system_and_hooks_set_them() -> None:
    async def main() -> None:
        user.set("outside")
        async with odeon.ActorSystem("loop") as system:
            assert await system.spawn(Plain).ask("get") == "from outside"
            assert await system.spawn(Waiting).ask("get") == "outside"

    asyncio.run(main())


def test_a_failure_and_a_behaviour_keep_to_them_as_well() -> None:
    def on_thread(system: odeon.ActorSystem, ask: Callable[..., Any]) -> None:
        resumes = odeon.Supervision(otherwise="resume")
        one, other = system.spawn(Plain, supervision=resumes), system.spawn(Plain)
        with pytest.raises(odeon.ActorFailed, match="as told"):
            ask(one, "fail")
        assert ask(other, "get") == "nobody"
        assert ask(one, "get") == "set before the failure"
        ask(one, "become")
        assert ask(one, "anything") == "set before the failure"

    on_both(on_thread)


def test_libraries_that_keep_state_in_a_variable_keep_it_by_actor() -> None:
    def on_thread(system: odeon.ActorSystem, ask: Callable[..., Any]) -> None:
        one, other = system.spawn(Plain), system.spawn(Plain)
        assert ask(one, "precise") == 50
        assert (ask(one, "precision"), ask(other, "precision")) == (50, 28)

    on_both(on_thread)
