"""A service that fails: tried again a few times, then left alone for a while, then tried once.

Prints::

    breaker: closed -> open
    the supplier's line is down
    not asked: the breaker is open
    3 calls so far
    breaker: open -> half open
    breaker: half open -> closed
    it costs 9.50
"""

import asyncio

import odeon
from odeon.errors import Unreachable
from odeon.patterns import CircuitBreaker, CircuitOpen, Schedule, retry


class Supplier(odeon.Actor[str]):
    def __init__(self) -> None:
        self.asked = 0
        self.is_broken = True

    def receive(self, article: str, ctx: odeon.Context) -> float | int | None:
        if article == "calls":
            return self.asked
        if article == "repair":
            self.is_broken = False
            return None
        self.asked += 1
        if self.is_broken:
            ctx.reply_to().fail(Unreachable("the supplier's line is down"))
            return None
        return 9.5


async def get_price(breaker: CircuitBreaker, supplier: odeon.ActorRef[str]) -> str:
    try:
        price: float = await retry(
            lambda: breaker.call(supplier.ask, "tea"),
            attempts=3,
            schedule=Schedule.exponential(0.005, 0.02),
            worth=Unreachable,
        )
        return f"it costs {price:.2f}"
    except CircuitOpen:
        return "not asked: the breaker is open"
    except Unreachable as e:
        return str(e)


async def main() -> None:
    async with odeon.ActorSystem("shop") as system:
        supplier = system.spawn(Supplier)
        breaker = CircuitBreaker(max_failures=3, reset_timeout=0.2, name="supplier")
        breaker.on_transition(lambda t: print(f"breaker: {t.before} -> {t.after}"))
        print(await get_price(breaker, supplier))  # three attempts, all fail: open
        print(await get_price(breaker, supplier))
        print(await supplier.ask("calls"), "calls so far")
        supplier.tell("repair")
        await asyncio.sleep(0.25)  # half open: the next call is the trial
        print(await get_price(breaker, supplier))


asyncio.run(main())
