"""No faster than allowed: requests for each customer, and mails to a slow server.

A shop gives each customer three requests at once and two a second, and passes its mails on one
every 20 ms.

Prints::

    ada: 3 of 5 at once, 2 of 2 later; bob: 2 of 2
    7 orders, 7 mails
"""

import asyncio
from dataclasses import dataclass

import odeon
from odeon.errors import Refused
from odeon.patterns import RateLimiter, spawn_throttler


@dataclass(frozen=True)
class Order:
    customer: str


@dataclass(frozen=True)
class Mail:
    to: str


class HowMany: ...


class MailServer:
    def __init__(self) -> None:
        self.sent = 0

    def on_mail(self, mail: Mail) -> None:
        self.sent += 1

    def on_how_many(self, question: HowMany) -> int:
        return self.sent


class Shop(odeon.Actor[Order]):
    def __init__(self, post: odeon.ActorRef[Mail]) -> None:
        self.post = post
        self.limiters: dict[str, RateLimiter] = {}
        self.orders = 0

    def receive(self, order: Order, ctx: odeon.Context) -> int | None:
        limiter = self.limiters.setdefault(order.customer, RateLimiter(2, per=1.0, burst=3))
        if not limiter.try_acquire():
            ctx.reply_to().fail(Refused(f"too many orders at once from {order.customer}"))
            return None
        self.post.tell(Mail(order.customer))
        self.orders += 1
        return self.orders


async def place(shop: odeon.ActorRef[Order], customer: str, times: int) -> int:
    taken = 0
    for _ in range(times):
        try:
            await shop.ask(Order(customer))
            taken += 1
        except Refused:
            continue
    return taken


async def main() -> None:
    async with odeon.ActorSystem("shop") as system:
        server = system.spawn(MailServer)
        post = spawn_throttler(system, server, elements=50, per=1.0, capacity=100)
        shop = system.spawn(Shop, post)
        at_once = await place(shop, "ada", 5)
        other = await place(shop, "bob", 2)
        await asyncio.sleep(1.1)  # two places more
        later = await place(shop, "ada", 2)
        print(f"ada: {at_once} of 5 at once, {later} of 2 later; bob: {other} of 2")
        mails = await post.ask(HowMany())  # an ask waits its turn behind the mails
        print(f"{at_once + later + other} orders, {mails} mails")


asyncio.run(main())
