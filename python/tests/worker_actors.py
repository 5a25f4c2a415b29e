"""Actors that the tests of worker processes run there."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from dataclasses import dataclass
from typing import Any


@dataclass
class Add:
    n: int


@dataclass
class Get:
    pass


@dataclass
class Fail:
    text: str


@dataclass
class Send:
    to: Any
    message: Any


class TooOdd(Exception):
    """Cannot travel: its argument has no codec."""

    def __init__(self) -> None:
        super().__init__(object())


class Counter:
    """Counts, and does what it is told in words."""

    def __init__(self, start: int = 0) -> None:
        if start < 0:
            raise ValueError("start must not be negative")
        self.n = start
        self.log: list[str] = []

    def pre_start(self, ctx: Any) -> None:
        self.log.append("pre_start")

    def pre_restart(self, exc: BaseException, msg: Any, ctx: Any) -> None:
        Counter.last = f"pre_restart {exc}"  # type: ignore[attr-defined]

    def post_restart(self, exc: BaseException, ctx: Any) -> None:
        self.log.append(f"{getattr(Counter, 'last', '-')}, post_restart {type(exc).__name__}")

    def on_Add(self, msg: Add) -> None:
        self.n += msg.n

    async def on_Get(self, msg: Get) -> int:
        await asyncio.sleep(0)
        return self.n

    def on_Fail(self, msg: Fail) -> None:
        raise ValueError(msg.text)

    async def on_Send(self, msg: Send, ctx: Any) -> Any:
        if msg.message == "ask":
            return await msg.to.ask("question", timeout=5.0)
        msg.to.tell(msg.message)
        return None

    def receive(self, msg: Any, ctx: Any) -> Any:
        match msg:
            case "die": os.kill(os.getpid(), signal.SIGKILL)
            case "exit": os._exit(3)
            case "pid": return os.getpid()
            case "nice": return os.nice(0)
            case "log": return self.log
            case "path": return ctx.path, ctx.name
            case "none": ctx.reply(None)
            case "odd": raise TooOdd
            case "object": return object()
            case "stop": ctx.stop()
            case "fail yourself": ctx.tell_self(Fail("by itself"))
            case "thread": return threading.current_thread() is threading.main_thread()
            case "eat": self.eaten = bytearray(200 << 20)
            case "self": return ctx.self
            case "no such": return ctx.children
            case _: return msg
        return None


class Gate:
    """Sets messages aside until it is opened."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def receive(self, msg: Any, ctx: Any) -> Any:
        if msg == "open":
            ctx.become(self.opened)
            ctx.unstash_all()
        elif msg == "later":
            ctx.send_after(0.001, "open")
        else:
            ctx.stash()
        return None

    def opened(self, msg: Any, ctx: Any) -> Any:
        self.seen.append(msg)
        return list(self.seen)


class Sleeper:
    """Holds its process for the seconds it is told, as a computation would."""

    def receive(self, seconds: float) -> str:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            pass
        return "awake"


class Arrays:
    """What it can do to an array, without a copy in between."""

    def receive(self, array: Any) -> Any:
        if isinstance(array, tuple):
            return array[0] * 2
        return float(array.sum()), bool(array.flags.writeable)


class OnlyAdd:
    """Takes one kind of message."""

    def on_Add(self, msg: Add) -> None:
        pass


class Plain:
    """Nothing says how it travels."""

    def __init__(self, n: int) -> None:
        self.n = n
