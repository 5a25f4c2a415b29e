"""A call that blocks a loop or a dispatcher's thread is named, with its line."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from pathlib import Path
from typing import Any

import odeon
import pytest
from odeon import _watchdog, events

LIMIT = 0.2


def work(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(500))


class Greeter(odeon.Actor[Any]):
    async def receive(self, msg: Any) -> Any:
        match msg:
            case "block":
                time.sleep(LIMIT * 4)  # the line
            case "compute":
                work(LIMIT * 4)
            case "resumed":
                await asyncio.sleep(0)
                time.sleep(LIMIT * 4)
            case "wait":
                await asyncio.sleep(LIMIT * 4)
        return msg


class Plain(odeon.Actor[threading.Event]):
    def receive(self, go: threading.Event) -> bool:
        return go.wait(60)


def line_of(text: str) -> int:
    lines = Path(__file__).read_text("utf-8").splitlines()
    return next(n for n, line in enumerate(lines, 1) if text in line)


def found_in(message: Any, **options: Any) -> list[events.BlockingCall]:
    found: list[events.BlockingCall] = []

    async def main() -> None:
        async with odeon.ActorSystem("app", slow_handler=LIMIT, **options) as system:
            system.events.subscribe(found.append, events.BlockingCall)
            greeter = system.spawn(Greeter, name="greeter")
            await greeter.ask("hello")
            await greeter.ask(message)
            await asyncio.sleep(0)

    asyncio.run(main())
    # A busy machine may keep the loop from going on anywhere for as long.
    return [each for each in found if each.path == "/user/greeter"]


def test_a_blocking_call_in_an_async_handler_is_named_with_line_handler_and_actor(
        caplog: pytest.LogCaptureFixture) -> None:
    (call,) = found_in("block")
    assert call.call == "time.sleep" and call.line == line_of("# the line")
    assert call.file.endswith("test_blocking_detector.py")
    assert (call.function, call.path) == ("Greeter.receive", "/user/greeter")
    assert call.type == f"{__name__}.Greeter" and call.message == "str"
    assert call.held == "loop" and call.held_for >= LIMIT
    assert any("Greeter.receive" in frame for frame in call.stack)
    (record,) = [each for each in caplog.records
                 if each.name == "odeon.blocking" and "Greeter" in each.getMessage()]
    assert record.levelno == logging.WARNING and record.getMessage() == str(call)
    assert (f":{call.line} in handler Greeter.receive of /user/greeter has been blocking the loop"
            in record.getMessage())


def test_a_handler_that_was_suspended_before_is_known_as_well() -> None:
    (call,) = found_in("resumed")
    assert (call.call, call.path, call.message) == ("time.sleep", "/user/greeter", "str")


def test_a_computation_is_found_in_the_function_that_it_is_in() -> None:
    (call,) = found_in("compute")
    assert call.function == "Greeter.receive" and call.path == "/user/greeter"
    assert line_of("def work") < call.line < line_of("class Greeter")


def test_waiting_is_not_blocking_and_zero_is_never() -> None:
    assert found_in("wait") == []
    assert _watchdog._thread is None


def test_no_thread_watches_when_the_limit_is_zero() -> None:
    async def main() -> None:
        async with odeon.ActorSystem("app", slow_handler=0):
            assert _watchdog._thread is None

    asyncio.run(main())


def test_a_callback_of_the_loop_is_named_without_an_actor() -> None:
    found: list[events.BlockingCall] = []

    def callback() -> None:
        time.sleep(LIMIT * 4)

    async def main() -> None:
        async with odeon.ActorSystem("app", slow_handler=LIMIT) as system:
            system.events.subscribe(found.append, events.BlockingCall)
            asyncio.get_running_loop().call_soon(callback)
            await asyncio.sleep(LIMIT)

    asyncio.run(main())
    (call,) = [each for each in found if each.call == "time.sleep"]
    assert call.path == "" and "callback" in call.function
    assert str(call).endswith(f"has been blocking the loop for {call.held_for:.1f} s")


def test_a_handler_that_holds_a_dispatchers_thread_is_named() -> None:
    heard: list[events.BlockingCall] = []
    go = threading.Event()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "/user/plain" in record.getMessage():
                go.set()  # seen while it blocks

    handler = Listener()
    logging.getLogger("odeon.blocking").addHandler(handler)
    try:
        with odeon.ActorSystem.start("app", slow_handler=LIMIT) as system:
            system.events.subscribe(heard.append, events.BlockingCall)
            plain = system.spawn(Plain, name="plain")
            assert plain.ask_blocking(go, timeout=100) is True
            plain.ask_blocking(go, timeout=100)
    finally:
        logging.getLogger("odeon.blocking").removeHandler(handler)
    (call,) = [each for each in heard if each.path == "/user/plain"]
    assert (call.call, call.path, call.held) == ("go.wait", "/user/plain", "thread")
    assert call.function == "Plain.receive"


def test_a_loop_that_stands_still_between_runs_is_not_blocked() -> None:
    found: list[events.BlockingCall] = []

    async def begin() -> odeon.ActorSystem:
        system = odeon.ActorSystem("app", slow_handler=LIMIT * 4)
        system.events.subscribe(found.append, events.BlockingCall)
        return system

    with asyncio.Runner() as runner:
        system = runner.run(begin())
        threading.Event().wait(LIMIT * 12)
        runner.run(asyncio.sleep(LIMIT / 5))
        runner.run(system.stop())
    assert found == []
