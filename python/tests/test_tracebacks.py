"""Where a failure was: actor, message and handler stand in the traceback."""

from __future__ import annotations

import asyncio
import traceback
from typing import Any

import odeon
import pytest
from actor_kit import on_loop
from odeon import ActorSystem, Context


class Order:
    pass


class Desk(odeon.Actor[Any]):
    def on_order(self, msg: Order, ctx: Context) -> None:
        self.check()

    async def receive(self, msg: Any, ctx: Context) -> None:
        await asyncio.sleep(0)
        self.check()

    def check(self) -> None:
        raise LookupError("no such book")


def told(message: Any) -> str:
    async def main(system: ActorSystem) -> str:
        desk = system.spawn(Desk, name="desk")
        with pytest.raises(odeon.ActorFailed) as failed:
            await desk.ask(message)
        return "".join(traceback.format_exception(failed.value))

    return on_loop(main)


@pytest.mark.parametrize(("message", "handler", "name"), [
    (Order(), "in on_order", "Order"), ("text", "in receive", "str")])
def test_a_traceback_names_actor_class_message_and_handler(message: Any, handler: str,
                                                           name: str) -> None:
    text = told(message)
    assert "LookupError: no such book" in text
    assert "in the actor /user/desk" in text
    assert "test_tracebacks.Desk" in text
    assert name in text
    assert handler in text
    assert "in check" in text
    assert "direct cause" in text
    assert "ActorFailed: /user/desk failed on" in text


def test_a_failure_that_passes_several_actors_names_each() -> None:
    class Front(odeon.Actor[Any]):
        def __init__(self, behind: Any) -> None:
            self.behind = behind

        async def receive(self, msg: Any) -> Any:
            return await self.behind.ask(msg)

    async def main(system: ActorSystem) -> str:
        desk = system.spawn(Desk, name="desk")
        front = system.spawn(Front, system.spawn(Front, desk, name="middle"), name="front")
        with pytest.raises(odeon.ActorFailed) as failed:
            await front.ask(Order())
        return "".join(traceback.format_exception(failed.value))

    text = on_loop(main)
    for path in ("/user/desk", "/user/middle", "/user/front"):
        assert f"in the actor {path}" in text


def test_an_exception_that_is_raised_again_is_noted_once() -> None:
    error = ValueError("the same")

    class Raises(odeon.Actor[Any]):
        def receive(self, msg: Any) -> None:
            raise error

    async def main(system: ActorSystem) -> int:
        actor = system.spawn(Raises, supervision=odeon.Supervision(otherwise="resume"))
        for _ in range(3):
            with pytest.raises(odeon.ActorFailed):
                await actor.ask("x")
        return len(error.__notes__)

    assert on_loop(main) == 1
