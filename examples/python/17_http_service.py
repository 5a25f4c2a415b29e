"""A plain asyncio HTTP service in front of actors: one actor for each account.

Prints::

    POST /accounts/ann/deposit?amount=30 -> 200 30
    POST /accounts/ann/withdraw?amount=50 -> 409 only 30 there
    GET /accounts/ann -> 200 30
    GET /nowhere -> 404 not found
"""

import asyncio
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import odeon
from odeon.errors import Refused


@dataclass
class Change(odeon.Request[int]):
    by: int


class Account(odeon.Actor[Change]):
    """Keeps a balance; no lock is needed, because it takes one message at a time."""

    def __init__(self) -> None:
        self.balance = 0

    def receive(self, msg: Change, ctx: odeon.Context) -> int:
        if self.balance + msg.by < 0:
            ctx.reply_to().fail(Refused(f"only {self.balance} there"))
            return 0
        self.balance += msg.by
        return self.balance


class Service:
    def __init__(self, system: odeon.ActorSystem) -> None:
        self.system = system

    def account(self, name: str) -> odeon.ActorRef[Change]:
        found = self.system.lookup(name)
        return found if found is not None else self.system.spawn(Account, name=name)

    async def answer(self, method: str, target: str) -> tuple[int, str]:
        url = urlsplit(target)
        amount = int(parse_qs(url.query).get("amount", ["0"])[0])
        match method, url.path.strip("/").split("/"):
            case "GET", ["accounts", name]:
                change = Change(0)
            case "POST", ["accounts", name, "deposit"]:
                change = Change(amount)
            case "POST", ["accounts", name, "withdraw"]:
                change = Change(-amount)
            case _:
                return 404, "not found"
        try:
            return 200, str(await self.account(name).ask(change, timeout=2.0))
        except Refused as e:
            return 409, str(e)
        except odeon.AskTimeout:
            return 503, "busy"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target, _ = (await reader.readline()).decode().split(" ", 2)
        while (await reader.readline()).strip():
            pass
        status, body = await self.answer(method, target)
        writer.write(
            f"HTTP/1.1 {status} -\r\nContent-Length: {len(body)}\r\n"
            f"Connection: close\r\n\r\n{body}".encode()
        )
        await writer.drain()
        writer.close()


async def request(port: int, method: str, target: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    return f"{method} {target} -> {head.split()[1]} {body}"


async def main() -> None:
    async with odeon.ActorSystem("bank") as system:
        server = await asyncio.start_server(Service(system).serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        print(await request(port, "POST", "/accounts/ann/deposit?amount=30"))
        print(await request(port, "POST", "/accounts/ann/withdraw?amount=50"))
        print(await request(port, "GET", "/accounts/ann"))
        print(await request(port, "GET", "/nowhere"))
        server.close()
        await server.wait_closed()


asyncio.run(main())
