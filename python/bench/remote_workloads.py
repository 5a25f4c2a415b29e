"""The workloads between two processes: actors, and bare sockets that do what they do.

    python remote_workloads.py actors|sockets      the other process: prints its address, and
                                                   serves until its input ends
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Values = dict[str, float]
TELLS, ASKS = 100_000, 5_000  # of one run with --work 1
WINDOW = 1_000  # tells that are acknowledged together
FRAME = struct.Struct(">Q56x")  # 64 bytes, as a told message takes on the wire
LIMIT = 60.0


def _messages() -> Any:
    """The classes of messages, once there is a package to register them with."""
    from odeon import codecs

    @codecs.register(manifest="bench.item")
    @dataclass
    class Item:
        value: int

    @codecs.register(manifest="bench.question")
    @dataclass
    class Question:
        value: int

    return Item, Question


@contextlib.contextmanager
def _other_process(what: str) -> Iterator[str]:
    with subprocess.Popen([sys.executable, __file__, what, *sys.path], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin and other.stdout
        yield other.stdout.readline().strip()
        other.stdin.close()


# -- actors ----------------------------------------------------------------------------------------


async def _serve_actors() -> None:
    import odeon
    from odeon import remote

    item, question = _messages()

    class End(odeon.Actor[Any]):
        def __init__(self) -> None:
            self.n = 0

        def receive(self, msg: Any) -> Any:
            if type(msg) is item:
                self.n += 1
                return None
            return self.n if msg.value < 0 else msg.value + 1

    async with odeon.ActorSystem("far", slow_handler=0) as system:
        async with remote.Endpoint(system, listen="tcp://127.0.0.1:0") as net:
            print(net.address_of(system.spawn(End, name="end")), flush=True)
            await asyncio.to_thread(sys.stdin.read)


async def odeon_remote_tell(n: int, size: int) -> Values:
    import odeon
    from odeon import remote

    item, question = _messages()
    with _other_process("actors") as address:
        async with odeon.ActorSystem("near", slow_handler=0) as system:
            async with remote.Endpoint(system) as net:
                end = await net.resolve(address, timeout=LIMIT)
                window = WINDOW * size
                rounds = max(1, n // window)
                began = time.perf_counter()
                for _ in range(rounds):
                    tell = end.tell
                    for value in range(window):
                        tell(item(value))
                    told = await end.ask(question(-1), timeout=LIMIT)
                taken = time.perf_counter() - began
                assert told == rounds * window
                return {"message": taken / told * 1e9}


async def odeon_remote_ask(n: int, size: int) -> Values:
    import odeon
    from odeon import remote

    _, question = _messages()
    with _other_process("actors") as address:
        async with odeon.ActorSystem("near", slow_handler=0) as system:
            async with remote.Endpoint(system) as net:
                ask = (await net.resolve(address, timeout=LIMIT)).ask
                await ask(question(0), timeout=LIMIT)
                values = {}
                for name, width in (("one", size), ("open_100", 100 * size)):
                    rounds = max(1, n // width)
                    began = time.perf_counter()
                    for _ in range(rounds):
                        if width == 1:
                            assert await ask(question(1)) == 2
                        else:
                            await asyncio.gather(*[ask(question(i)) for i in range(width)])
                    values[name] = (time.perf_counter() - began) / (rounds * width) * 1e9
                return values


# -- sockets that block ----------------------------------------------------------------------------


def _whole(link: socket.socket) -> bytes:
    """One frame; empty at the end."""
    got = b""
    while len(got) < FRAME.size:
        part = link.recv(FRAME.size - len(got))
        if not part:
            return b""
        got += part
    return got


def _serve_sockets() -> None:
    """Counts frames; answers those whose number is odd, and a 0 with the count."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        link, _ = server.accept()
        with link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            count = 0
            while frame := _whole(link):
                (value,) = FRAME.unpack(frame)
                if value == 0:
                    link.sendall(FRAME.pack(count))
                elif value % 2:
                    link.sendall(FRAME.pack(value + 1))
                else:
                    count += 1


@contextlib.contextmanager
def _link() -> Iterator[socket.socket]:
    with _other_process("sockets") as port:
        with socket.create_connection(("127.0.0.1", int(port))) as link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield link


async def sockets_remote_tell(n: int, size: int) -> Values:
    window = WINDOW * size
    rounds = max(1, n // window)
    with _link() as link:
        began = time.perf_counter()
        for _ in range(rounds):
            for value in range(window):
                link.sendall(FRAME.pack(2 * value + 2))
            link.sendall(FRAME.pack(0))
            told = FRAME.unpack(_whole(link))[0]
        taken = time.perf_counter() - began
    assert told == rounds * window
    return {"message": taken / told * 1e9}


async def sockets_remote_ask(n: int, size: int) -> Values:
    rounds = max(1, n // size)
    with _link() as link:
        began = time.perf_counter()
        for _ in range(rounds):
            for _ in range(size):
                link.sendall(FRAME.pack(1))
            for _ in range(size):
                assert FRAME.unpack(_whole(link))[0] == 2
        return {"one": (time.perf_counter() - began) / (rounds * size) * 1e9}


if __name__ == "__main__":
    sys.path[:0] = [each for each in sys.argv[2:] if Path(each or ".").is_dir()]
    if sys.argv[1] == "sockets":
        _serve_sockets()
    else:
        asyncio.run(_serve_actors())
