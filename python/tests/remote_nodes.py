"""Actors and messages of the remote tests, and a node as a program of its own.

    python remote_nodes.py NAME [SECRET]     prints its address, and serves until its input ends
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import odeon
from odeon import codecs, remote

SECRET = "a secret of the tests' own"


@codecs.register(manifest="nodes.add")
@dataclass
class Add:
    n: int


@codecs.register(manifest="nodes.total")
@dataclass
class Total:
    pass


@codecs.register(manifest="nodes.fail")
@dataclass
class Fail:
    why: str


@codecs.register(manifest="nodes.load")
@dataclass
class Load:
    """Of any size; nothing comes of it."""

    text: str


@codecs.register(manifest="nodes.whosent")
@dataclass
class WhoSent:
    pass


@codecs.register(manifest="nodes.introduce")
@dataclass
class Introduce:
    friend: odeon.ActorRef[Any]


@codecs.register(manifest="nodes.sleep")
@dataclass
class Sleep:
    pass


@codecs.register(manifest="nodes.stop")
@dataclass
class Stop:
    pass


@dataclass
class Unknown:
    """Not registered where it arrives."""

    n: int


class Counter(odeon.Actor[Any]):
    def __init__(self, start: int = 0) -> None:
        self.total = start

    async def receive(self, msg: Any, ctx: odeon.Context) -> Any:
        match msg:
            case Add(n):
                self.total += n
            case Total():
                return self.total
            case Fail(why):
                raise ValueError(why)
            case WhoSent():
                return str(ctx.sender)
            case Introduce(friend):
                return await friend.ask(Total(), timeout=5.0)
            case Stop():
                ctx.stop()
            case Sleep():
                await asyncio.sleep(60)
        return None


async def serve(
    name: str, begin: Callable[[odeon.ActorSystem, remote.Endpoint], object],
    secret: str = SECRET,
) -> None:
    """A program that is a node: prints its address once that has begun, and goes on until its input
    ends."""
    async with odeon.ActorSystem(name) as system:
        async with remote.Endpoint(system, listen="tcp://127.0.0.1:0", secret=secret) as net:
            begin(system, net)
            print(net.node, flush=True)
            await asyncio.to_thread(sys.stdin.read)


def with_counters(system: odeon.ActorSystem, net: remote.Endpoint) -> None:
    net.register("counter", Counter)
    system.spawn(Counter, name="counter")


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], with_counters, *sys.argv[2:]))
