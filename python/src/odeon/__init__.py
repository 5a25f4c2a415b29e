"""Odeon: an actor runtime in C++ with the same runtime for Python.

Example::

    import asyncio, odeon

    class Greeter(odeon.Actor[str]):
        def receive(self, msg: str, ctx: odeon.Context) -> str:
            return f"hello, {msg}"

    async def main() -> None:
        async with odeon.ActorSystem("app") as system:
            greeter = system.spawn(Greeter, name="greeter")
            print(await greeter.ask("Alice", timeout=1.0))

    asyncio.run(main())
"""

from __future__ import annotations

from . import _support, dispatchers, interpreters, routing
from ._native import ActorRef, Ask, Context, ReplyTo, Timer
from .actor import Actor, Behavior, Props, Request, behavior, generator_actor, on
from .errors import (
    ActorFailed,
    ActorStopped,
    AskTimeout,
    MailboxFull,
    NoReply,
    OdeonError,
    SpawnFailed,
    SystemStopped,
    WouldBlock,
)
from .messages import ExitSignal, ReceiveTimeout, Terminated
from .options import Backoff, Directive, Mailbox, Scope, Supervision
from .system import ActorSystem

__all__ = [
    "Actor",
    "ActorFailed",
    "ActorRef",
    "ActorStopped",
    "ActorSystem",
    "Ask",
    "AskTimeout",
    "Backoff",
    "Behavior",
    "Context",
    "Directive",
    "ExitSignal",
    "Mailbox",
    "MailboxFull",
    "NoReply",
    "OdeonError",
    "Props",
    "ReceiveTimeout",
    "ReplyTo",
    "Request",
    "Scope",
    "SpawnFailed",
    "Supervision",
    "SystemStopped",
    "Terminated",
    "Timer",
    "WouldBlock",
    "behavior",
    "dispatchers",
    "generator_actor",
    "interpreters",
    "on",
    "routing",
]

_support.install()
