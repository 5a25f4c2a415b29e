"""Actors that the tests of actors in worker processes import there."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import dataclass
from typing import Any

import odeon


@dataclass
class With:
    """Does a thing with an actor."""

    what: str
    ref: odeon.ActorRef


class Doer:
    """Does what it is told, and remembers what it saw."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.kept: Any = None

    def receive(self, msg: Any, ctx: Any) -> Any:
        match msg:
            case "seen":
                return self.seen
            case "pid":
                return os.getpid()
            case ("sleep", seconds):
                time.sleep(seconds)  # a computation that holds the process
            case "kill yourself":
                os.kill(os.getpid(), signal.SIGKILL)
            case "fail":
                raise ValueError("as told")
            case "spawn":
                child = ctx.spawn(Doer, name="child")
                return [child, [one.name for one in ctx.children], ctx.child("child") == child,
                        ctx.child("nobody")]
            case "parent":
                return ctx.parent
            case With("watch", ref):
                ctx.watch(ref)
            case With("unwatch", ref):
                ctx.unwatch(ref)
            case With("link", ref):
                ctx.trap_exits(True)
                ctx.link(ref)
            case With("stop", ref):
                ctx.stop(ref)
            case With("kill", ref):
                ctx.kill(ref)
            case With("forward", ref):
                ctx.forward(ref)
            case "later":
                self.kept = ctx.reply_to()
            case "now":
                return self.kept("answered later")
            case "refuse":
                return self.kept.fail(KeyError("not so"))
            case "let go":
                self.kept = None
            case ("every", first, interval):
                self.kept = ctx.send_every(first, interval, "tick")
            case ("with delay", first, delay):
                self.kept = ctx.send_with_delay(first, delay, "tick")
            case "cancel":
                self.kept.cancel()
                return self.kept.is_active
            case ("quiet", seconds):
                ctx.receive_timeout(seconds)
            case odeon.Terminated(ref, kind, _):
                self.seen.append(("terminated", ref.name, kind))
            case odeon.ExitSignal(ref, kind, _):
                self.seen.append(("exit", ref.name, kind))
            case odeon.ReceiveTimeout():
                self.seen.append("quiet")
                ctx.receive_timeout(None)
            case "aside":
                ctx.stash()
            case "back":
                ctx.become(self.back)
                ctx.unstash_all()
            case ("get", name):
                return getattr(ctx, name)
            case "nothing for you":
                return NotImplemented
            case _:
                self.seen.append(msg)
        return None

    def back(self, msg: Any, ctx: Any) -> Any:
        if msg == "seen":
            return self.seen
        self.seen.append(("back", msg))
        return None


class Waiter:
    """Waits in its handler, one message at a time."""

    def __init__(self) -> None:
        self.at_work = 0
        self.most = 0

    async def receive(self, msg: float) -> int:
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        await asyncio.sleep(msg)
        self.at_work -= 1
        return self.most


class Slow:
    """Constructor, hooks and handler take their time, so that a test can come between."""

    def __init__(self, marks: str) -> None:
        self.marks = marks

    def mark(self, what: str) -> None:
        with open(f"{self.marks}/{what}-{os.getpid()}", "x", encoding="ascii"):
            pass

    async def pre_start(self, ctx: Any) -> None:
        self.mark("start")
        await asyncio.sleep(0.2)

    def pre_restart(self, exc: BaseException, msg: Any, ctx: Any) -> None:
        self.mark("failed")

    async def post_restart(self, exc: BaseException, ctx: Any) -> None:
        self.mark("restart")
        await asyncio.sleep(0.2)

    async def post_stop(self, ctx: Any) -> None:
        self.mark("stop")
        await asyncio.sleep(0.2)

    async def receive(self, msg: Any) -> Any:
        if msg == "fail":
            raise ValueError("as told")
        if msg == "handle":
            self.mark("handle")
            await asyncio.sleep(0.2)
        return msg
