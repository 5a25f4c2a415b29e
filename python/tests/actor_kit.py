"""What the tests of actors share: running them on a loop or a thread, and actors made of a
function."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import odeon
from odeon import ActorSystem

T = TypeVar("T")

RESTARTS_FOR_EVER = odeon.Supervision(max_retries=1_000_000)


def on_loop(body: Callable[[ActorSystem], Awaitable[T]], **options: Any) -> T:
    """Runs ``body`` with a system of its own on an event loop of its own."""

    async def main() -> T:
        async with ActorSystem("test", **options) as system:
            return await body(system)

    return asyncio.run(main())


class Do(odeon.Actor[Any]):
    """Runs the coroutine function (or function) it is sent, with its context."""

    async def receive(self, msg: Any, ctx: odeon.Context) -> Any:
        made = msg(ctx)
        return await made if asyncio.iscoroutine(made) else made


class DoNow(odeon.Actor[Any]):
    """The same for plain functions, without a coroutine."""

    def receive(self, msg: Any, ctx: odeon.Context) -> Any:
        return msg(ctx)


class Log(odeon.Actor[Any]):
    """Keeps what it is sent; ``await log.ask(n)`` answers once it has n of them."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.waiting: list[tuple[int, Any]] = []

    def receive(self, msg: Any, ctx: odeon.Context) -> Any:
        if isinstance(msg, HasSeen):
            self.waiting.append((msg.count, ctx.reply_to()))
        else:
            self.seen.append(msg)
        for count, to in list(self.waiting):
            if len(self.seen) >= count:
                self.waiting.remove((count, to))
                to(list(self.seen))
        return None


class HasSeen:
    """Answered with all that a ``Log`` has seen, once that is at least ``count``."""

    def __init__(self, count: int) -> None:
        self.count = count


def run_program(text: str, *, timeout: float = 120.0, **environment: str) -> tuple[int, str, str]:
    """Runs a program of its own: (exit code, stdout, stderr). A hang fails the test."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", text],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env={**os.environ, **environment},
    )
    return done.returncode, done.stdout, done.stderr
