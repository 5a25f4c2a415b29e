"""Two processes say hello: this program starts itself once more as the server, finds its greeter by
the address that it prints, tells and asks it, watches it, and is told when it ends.

Prints::

    client: it has greeted 2 times
    client: the greeter has ended: stopped
"""

import asyncio
import sys
from dataclasses import dataclass
from typing import Any

import odeon
from odeon import codecs, remote


@codecs.register(manifest="hello.greet")
@dataclass
class Greet:
    name: str


@codecs.register(manifest="hello.get_count")
@dataclass
class GetCount(odeon.Request[int]):
    pass


class Greeter(odeon.Actor[Greet | GetCount]):
    def __init__(self) -> None:
        self.count = 0

    def on_greet(self, msg: Greet) -> None:
        print(f"server: hello, {msg.name}", file=sys.stderr)
        self.count += 1

    def on_get_count(self, msg: GetCount) -> int:
        return self.count


class Watcher(odeon.Actor[Any]):
    def __init__(self, whom: odeon.ActorRef[Any], told: asyncio.Future[str]) -> None:
        self.whom = whom
        self.told = told

    def pre_start(self, ctx: odeon.Context) -> None:
        ctx.watch(self.whom)

    def on_terminated(self, msg: odeon.Terminated, ctx: odeon.Context) -> None:
        self.told.set_result(msg.kind)


async def serve() -> None:
    async with odeon.ActorSystem("hello") as system:
        async with remote.Endpoint(system, listen="tcp://127.0.0.1:0") as net:
            greeter = system.spawn(Greeter, name="greeter")
            print(net.address_of(greeter), flush=True)
            await asyncio.to_thread(sys.stdin.read)  # until the client is done


async def main() -> None:
    server = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "serve", stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE)
    assert server.stdin and server.stdout
    address = (await server.stdout.readline()).decode().strip()
    async with odeon.ActorSystem("client") as system:
        async with remote.Endpoint(system) as net:  # only outward
            greeter = await net.resolve(address, Greeter, timeout=30.0)
            greeter.tell(Greet("process"))
            greeter.tell(Greet("world"))
            print(f"client: it has greeted {await greeter.ask(GetCount(), timeout=30.0)} times")
            told = asyncio.get_running_loop().create_future()
            system.spawn(Watcher, greeter, told)
            system.stop_actor(greeter)
            print(f"client: the greeter has ended: {await told}")
    server.stdin.close()
    await server.wait()


asyncio.run(serve() if len(sys.argv) > 1 else main())
