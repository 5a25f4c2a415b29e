"""Actors and messages that interpreters and processes of pools import."""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import dataclass, field
from typing import Any

import odeon


@dataclass
class Add:
    n: int


@dataclass
class Total:
    value: int
    seen: list[int] = field(default_factory=list)


@dataclass
class Forward:
    to: odeon.ActorRef
    n: int


class Counter:
    def __init__(self, start: int = 0) -> None:
        self.total = start
        self.seen: list[int] = []

    def receive(self, msg: Any, ctx: odeon.Context) -> Any:
        match msg:
            case Add(n):
                self.total += n
                self.seen.append(n)
                return self.total
            case Forward(to, n):
                to.tell(Add(n))
                return True
            case "total":
                return Total(self.total, self.seen)
            case "where":
                return (os.getpid(), threading.get_ident())
            case "boom":
                raise ValueError("no more of this")
            case "nothing":
                return None
            case "unencodable":
                return lambda: None
            case "children":
                child = ctx.spawn(Counter, 40, name="child")
                child.tell(Add(2))
                return child
        return NotImplemented


class Slow:
    """An ``async def`` handler that uses its loop."""

    async def receive(self, msg: float, ctx: odeon.Context) -> float:
        async with asyncio.timeout(5):
            await asyncio.sleep(msg)
        return msg * 2


class Broken:
    def __init__(self) -> None:
        raise RuntimeError("this cannot be made")

    def receive(self, msg: Any) -> None: ...


class Hooks:
    def __init__(self, told: odeon.ActorRef) -> None:
        self.told = told

    def pre_start(self, ctx: odeon.Context) -> None:
        self.told.tell("pre_start")

    async def post_stop(self, ctx: odeon.Context) -> None:
        await asyncio.sleep(0)
        self.told.tell("post_stop")

    def receive(self, msg: str) -> str:
        return msg


class Importer:
    def receive(self, name: str) -> str:
        __import__(name)
        return "imported"


def burn(n: int) -> int:
    """Work of the CPU alone."""
    x = 1
    for i in range(n):
        x = (x * 1103515245 + i) & 0x7FFFFFFF
    return x


class Burner:
    def receive(self, n: int) -> int:
        return burn(n)


class Arrays:
    """Takes buffers, and numpy's arrays where it is there."""

    def receive(self, msg: Any) -> Any:
        if isinstance(msg, (bytes, memoryview)):
            return (type(msg).__name__, len(msg), sum(memoryview(msg)[:10]))
        return (float(msg.sum()), bool(msg.flags.writeable), bool(msg.flags.owndata))


class Dying:
    def __init__(self) -> None:
        self.n = 0

    def receive(self, msg: Any) -> Any:
        import signal

        if msg == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        self.n += 1
        return (os.getpid(), self.n)


def add(a: int, b: int = 0) -> int:
    return a + b


async def add_later(a: int, b: int) -> int:
    await asyncio.sleep(0)
    return a + b


def fail(text: str) -> None:
    raise LookupError(text)


def die() -> None:
    os._exit(3)


def where() -> int:
    return os.getpid()
