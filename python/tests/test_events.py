"""The event stream: the runtime's events and the program's own, by class."""

from __future__ import annotations

import asyncio
import logging
import threading
from dataclasses import dataclass
from typing import Any

import odeon
import pytest
from odeon import events
from odeon.testing import TestKit


@dataclass
class Priced:
    symbol: str


class Quoted(Priced):
    """A class derived from an event's."""


class Keeper(odeon.Actor[Any]):
    """Keeps what it gets; "get" gives it."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def receive(self, msg: Any) -> Any:
        if msg == "get":
            return self.seen
        self.seen.append(msg)
        return None


class Fragile(odeon.Actor[str]):
    def receive(self, msg: str) -> str:
        if msg == "fail":
            raise ValueError("too fragile")
        return msg


class Hooked(odeon.Actor[str]):
    def receive(self, msg: str) -> None:
        pass

    def post_stop(self, ctx: odeon.Context) -> None:
        raise KeyError("the hook")


def names(seen: list[Any]) -> list[str]:
    return [type(each).__name__ for each in seen]


def test_an_actor_receives_the_events_of_the_classes_it_subscribed_to_as_messages() -> None:
    with TestKit() as kit:
        keeper = kit.system.spawn(Keeper)
        kit.system.events.subscribe(keeper, events.ActorFailed, events.ActorRestarted)
        fragile = kit.system.spawn(Fragile, name="fragile")
        fragile.tell("fail")
        kit.run_until_idle()
        failed, restarted = keeper.ask_blocking("get")
        assert isinstance(failed, events.ActorFailed)
        assert isinstance(failed.exception, ValueError)
        assert (failed.path, failed.where) == ("/user/fragile", "handler")
        assert failed.decided == "restart"
        assert failed.ref == fragile and failed.message == "str"
        assert (restarted.path, restarted.count) == ("/user/fragile", 1)


def test_the_base_class_is_a_subscription_to_all_events_of_the_runtime() -> None:
    with TestKit() as kit:
        keeper = kit.system.spawn(Keeper)
        kit.system.events.subscribe(keeper, events.RuntimeEvent)
        ref = kit.system.spawn(Hooked, name="hooked")
        kit.system.stop_actor(ref)
        kit.run_until_idle()
        ref.tell("to nobody")
        kit.run_until_idle()
        seen = keeper.ask_blocking("get")
        assert names(seen) == ["ActorStarted", "HookFailed", "ActorStopped", "DeadLetter"]
        started, hook, stopped, letter = seen
        assert started.type == f"{__name__}.Hooked"
        assert hook.hook == "post_stop" and "the hook" in hook.what
        assert stopped.kind == "stopped"
        assert (letter.reason, letter.message) == ("actor_stopped", "str")
        assert letter.to == "/user/hooked"
        assert letter.was_ask is False and letter.sender == ""


def test_a_timed_out_ask_and_its_late_reply_are_events() -> None:
    class Slow(odeon.Actor[str]):
        async def receive(self, msg: str) -> str:
            await asyncio.sleep(5)
            return msg

    with TestKit() as kit:
        keeper = kit.system.spawn(Keeper)
        kit.system.events.subscribe(keeper, events.AskTimedOut, events.LateReply)
        slow = kit.system.spawn(Slow, name="slow")
        with pytest.raises(odeon.AskTimeout):
            slow.ask_blocking("now", timeout=1.0)
        kit.advance(10)
        timed_out, late = keeper.ask_blocking("get")
        assert timed_out.to == "/user/slow"
        assert (late.sender, late.given_up) == ("/user/slow", "ask_timeout")
        assert late.trace == timed_out.trace != 0


def test_a_full_mailbox_is_an_event() -> None:
    with TestKit() as kit:
        keeper = kit.system.spawn(Keeper)
        kit.system.events.subscribe(keeper, events.MailboxOverflow)
        narrow = kit.system.spawn(Keeper, name="narrow",
                                  mailbox=odeon.Mailbox.bounded(1, "drop_newest"))
        for n in range(3):
            narrow.tell(n)
        kit.run_until_idle()
        assert {(each.path, each.capacity) for each in keeper.ask_blocking("get")} == {
            ("/user/narrow", 1)}


def test_published_objects_reach_subscribers_of_their_class_and_its_bases_once() -> None:
    with TestKit() as kit:
        keeper, other = kit.system.spawn(Keeper), kit.system.spawn(Keeper)
        stream = kit.system.events
        stream.subscribe(keeper, Priced, Quoted)
        stream.subscribe(keeper, Priced)
        stream.subscribe(other, Quoted)
        stream.publish(Priced("ODN"))
        stream.publish(Quoted("ODN"))
        stream.publish("of no class that anybody wants")
        kit.run_until_idle()
        assert names(keeper.ask_blocking("get")) == ["Priced", "Quoted"]
        assert names(other.ask_blocking("get")) == ["Quoted"]


def test_unsubscribing_from_some_classes_keeps_the_others() -> None:
    with TestKit() as kit:
        keeper = kit.system.spawn(Keeper)
        stream = kit.system.events
        stream.subscribe(keeper, events.ActorStarted, events.ActorStopped, Priced)
        stream.unsubscribe(keeper, events.ActorStarted)
        kit.system.stop_actor(kit.system.spawn(Keeper, name="short"))
        kit.run_until_idle()
        stream.publish(Priced("ODN"))
        stream.unsubscribe(keeper)
        stream.unsubscribe(keeper)
        stream.publish(Priced("late"))
        kit.system.stop_actor(kit.system.spawn(Keeper))
        kit.run_until_idle()
        stopped, priced = keeper.ask_blocking("get")
        assert stopped.path == "/user/short" and priced == Priced("ODN")


def test_a_subscriber_that_has_ended_falls_out() -> None:
    with TestKit() as kit:
        keeper = kit.system.spawn(Keeper)
        kit.system.events.subscribe(keeper, Priced)
        kit.system.stop_actor(keeper)
        kit.run_until_idle()
        kit.system.events.publish(Priced("ODN"))
        kit.run_until_idle()
        assert kit.system.dead_letters() == []


def test_functions_are_called_on_the_loop_in_the_order_of_their_publisher() -> None:
    async def main() -> list[Any]:
        got: list[Any] = []
        here = threading.get_ident()
        done = asyncio.Event()

        def listen(event: Any) -> None:
            assert threading.get_ident() == here
            got.append(event)
            if event == 99:
                done.set()

        async with odeon.ActorSystem("app") as system:
            with system.events.subscribe(listen, int):
                for n in range(100):
                    system.events.publish(n)
                await done.wait()
            system.events.publish(100)
            await asyncio.sleep(0)
        return got

    assert asyncio.run(main()) == list(range(100))


def test_functions_hear_events_of_the_runtime_on_the_thread_of_a_system_without_a_loop() -> None:
    heard = threading.Event()
    where: list[str] = []

    def listen(event: events.ActorStarted) -> None:
        where.append(threading.current_thread().name)
        heard.set()

    with odeon.ActorSystem.start("plain") as system:
        system.events.subscribe(listen, events.ActorStarted)
        system.spawn(Keeper)
        assert heard.wait(5)
    assert where == ["plain-python"]


def test_a_function_that_raises_is_logged_and_the_next_is_still_called(
        caplog: pytest.LogCaptureFixture) -> None:
    got: list[Any] = []

    def broken(event: Any) -> None:
        raise RuntimeError("a broken listener")

    with TestKit() as kit:
        kit.system.events.subscribe(broken, Priced)
        kit.system.events.subscribe(got.append, Priced)
        kit.system.events.publish(Priced("ODN"))
        kit.run_until_idle()
    assert got == [Priced("ODN")]
    (record,) = [each for each in caplog.records if each.name == "odeon.events"]
    assert record.levelno == logging.ERROR and record.exc_info is not None
    assert "a broken listener" in str(record.exc_info[1])


def test_what_is_no_subscription_is_refused() -> None:
    with TestKit() as kit:
        stream = kit.system.events
        with pytest.raises(TypeError, match="an actor or a function, not int"):
            stream.subscribe(7, Priced)
        with pytest.raises(TypeError, match="the classes"):
            stream.subscribe(print)
        with pytest.raises(TypeError, match="the classes"):
            stream.subscribe(print, "DeadLetter")  # type: ignore[arg-type]
    with pytest.raises(odeon.SystemStopped):
        stream.subscribe(print, events.DeadLetter)
