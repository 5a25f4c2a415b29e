"""Being told of an end, and sharing one.

Prints::

    a failed
    b linked
"""

import asyncio
import logging

import odeon


class Worker(odeon.Actor[str | odeon.ActorRef[str]]):
    def receive(self, msg: str | odeon.ActorRef[str], ctx: odeon.Context) -> None:
        if isinstance(msg, odeon.ActorRef):
            ctx.link(msg)  # from here on they end together
        else:
            raise RuntimeError("out of paper")


class Witness(odeon.Actor[list[odeon.ActorRef[str]]]):
    """Watches whom it is shown, and answers when all of them have ended."""

    def __init__(self) -> None:
        self.ends: dict[str, str] = {}

    def receive(
        self, msg: list[odeon.ActorRef[str]] | odeon.Terminated, ctx: odeon.Context
    ) -> None:
        if isinstance(msg, list):
            self.answer = ctx.reply_to()
            self.expected = len(msg)
            for ref in msg:
                ctx.watch(ref)
        else:
            self.ends[msg.ref.name] = msg.kind
            if len(self.ends) == self.expected:
                self.answer(sorted(self.ends.items()))


async def main() -> None:
    logging.getLogger("odeon").setLevel(logging.CRITICAL)  # the failure below is meant
    async with odeon.ActorSystem("app") as system:
        stop = odeon.Supervision(otherwise=odeon.Directive.STOP)
        a = system.spawn(Worker, name="a", supervision=stop)
        b = system.spawn(Worker, name="b")
        report = system.spawn(Witness).ask([a, b])
        b.tell(a)
        a.tell("work")
        for name, kind in await report:
            print(name, kind)


asyncio.run(main())
