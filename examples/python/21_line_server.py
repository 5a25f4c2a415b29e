"""A server of lines over TCP: each connection is a stream of bytes in and out. It listens on a free
port, and its first client is in the same program.

Prints::

    client: 6
    client: 42
    client: error: say add <numbers>
    client: error: no number
    client: the server broke the connection
    server: the frame at offset 0 is longer than 1024 bytes
"""

from __future__ import annotations

import asyncio

import odeon
from odeon.errors import IoFailed
from odeon.streams import Sink, Source, framing, tcp


# "add 1 2 3" is answered with "6", what is not understood with a reason.
def answer(line: bytes) -> bytes:
    verb, *numbers = line.split()
    if verb != b"add":
        return b"error: say add <numbers>\n"
    try:
        return b"%d\n" % sum(map(int, numbers))
    except ValueError:
        return b"error: no number\n"


# What serves one connection. A line of more than a kilobyte breaks that connection, and a client
# that does not read its answers is not read from.
SERVE = framing.lines(1024).map(answer)


async def main() -> None:
    broken: asyncio.Queue[Exception] = asyncio.Queue()
    async with odeon.ActorSystem("lines") as system:

        async def serve(connection: tcp.Connection) -> None:
            try:
                await connection.join(SERVE).run(system)
            except odeon.OdeonError as why:
                await broken.put(why)

        # Each connection by itself, up to a hundred at a time.
        server = tcp.incoming("127.0.0.1:0").run(system, Sink.foreach_async(100, serve))
        binding: tcp.Binding = server.values[0]

        def ask(*requests: bytes) -> Source[bytes]:
            sent = Source.from_iterable(requests).via(tcp.outgoing(binding.address))
            return sent.via(framing.lines())

        requests = (b"add 1 2 3\nadd 40", b" 2\n", b"subtract 1\nadd x\n")
        for line in await ask(*requests).run(system, Sink.collect()):
            print("client:", line.decode())
        try:
            await ask(b"x" * 2000 + b"\n").run(system, Sink.collect())
        except IoFailed:
            print("client: the server broke the connection")
        print("server:", await broken.get())
        binding.unbind()
        await server


asyncio.run(main())
