"""An actor, told something and asked something.

Prints::

    hello, world
    hello, again
    2 greetings
"""

import asyncio
from dataclasses import dataclass

import odeon


@dataclass
class Greet:
    name: str


@dataclass
class GetCount(odeon.Request[int]):
    pass


class Greeter(odeon.Actor[Greet | GetCount]):
    def __init__(self) -> None:
        self.count = 0

    async def receive(self, msg: Greet | GetCount, ctx: odeon.Context) -> int | None:
        match msg:
            case Greet(name):
                print(f"hello, {name}")
                self.count += 1
            case GetCount():
                return self.count  # the reply; ctx.reply(x) does the same
        return None


async def main() -> None:
    async with odeon.ActorSystem("app") as system:
        greeter = system.spawn(Greeter, name="greeter")
        greeter.tell(Greet("world"))
        greeter.tell(Greet("again"))
        print(await greeter.ask(GetCount(), timeout=1.0), "greetings")


asyncio.run(main())
