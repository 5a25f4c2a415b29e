"""Two systems in a federation: each says what it can do, and an actor is made where what it needs
is there.

Prints::

    lab has joined
    without needs: office; with a gpu: lab
    with a tpu: nobody has tpu
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import odeon
from odeon import codecs, federation, remote

SECRET = "a secret of this example"


@codecs.register(manifest="sites.where_are_you")
@dataclass
class WhereAreYou(odeon.Request[str]):
    pass


class Renderer(odeon.Actor[WhereAreYou]):
    def receive(self, msg: WhereAreYou, ctx: odeon.Context) -> str:
        return ctx.system.name


@asynccontextmanager
async def site(name: str, *seeds: str, able_to: str) -> AsyncIterator[federation.Federation]:
    """A system, its endpoint, and its place in the federation."""
    async with odeon.ActorSystem(name) as system:
        async with remote.Endpoint(system, listen="tcp://127.0.0.1:0", secret=SECRET) as net:
            members = federation.Federation(system, net, seeds=seeds, capabilities=[able_to])
            members.offer(Renderer)
            yield members


async def main() -> None:
    async with site("office", able_to="printer") as office:
        seed = office.members()[0].node
        async with site("lab", seed, able_to="gpu"):
            news: asyncio.Queue[federation.MemberEvent] = asyncio.Queue()
            office.watch(news.put_nowait)  # until the office ends
            who = (await news.get()).who
            while not (who.system == "lab" and who.types):
                who = (await news.get()).who
            print(who.system, "has joined")

            here = await office.spawn(Renderer)
            there = await office.spawn(Renderer, needs=["gpu"], timeout=30.0)
            first = await here.ask(WhereAreYou(), timeout=30.0)
            second = await there.ask(WhereAreYou(), timeout=30.0)
            print(f"without needs: {first}; with a gpu: {second}")
            try:
                await office.spawn(Renderer, needs=["tpu"])
            except odeon.errors.PlacementFailed as failed:
                print("with a tpu: nobody has", ", ".join(failed.missing))


asyncio.run(main())
