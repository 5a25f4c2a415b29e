"""Handlers that wait, with all of asyncio at hand.

Prints::

    tea and cake: 6.5
    no pie here
    too slow
"""

import asyncio
import logging

import odeon


class Shop(odeon.Actor[str]):
    prices = {"tea": 2.5, "cake": 4.0}

    async def receive(self, item: str, ctx: odeon.Context) -> float:
        await asyncio.sleep(0.001 if item != "paella" else 1)
        if item not in self.prices:
            raise LookupError(f"no {item} here")
        return self.prices[item]


class Customer(odeon.Actor[str]):
    def __init__(self, new_shop: odeon.Props) -> None:
        self.new_shop = new_shop

    async def receive(self, msg: str, ctx: odeon.Context) -> str:
        # Between the question and the answer the actor takes no further message; the loop goes on.
        shops = [ctx.spawn(self.new_shop) for _ in range(2)]
        if msg == "snack":
            async with asyncio.TaskGroup() as both:
                tea = both.create_task(price(shops[0], "tea"))
                cake = both.create_task(price(shops[1], "cake"))
            return f"tea and cake: {tea.result() + cake.result()}"
        try:
            async with asyncio.timeout(0.01):
                await shops[0].ask(msg)
        except TimeoutError:
            return "too slow"
        except odeon.ActorFailed as e:
            return str(e.__cause__)
        return "never said"


async def price(shop: odeon.ActorRef[str], item: str) -> float:
    found: float = await shop.ask(item)
    return found


async def main() -> None:
    logging.getLogger("odeon").setLevel(logging.CRITICAL)  # the missing pie is meant
    async with odeon.ActorSystem("app") as system:
        customer = system.spawn(Customer, odeon.Props(Shop))
        for wish in ("snack", "pie", "paella"):
            print(await customer.ask(wish))


asyncio.run(main())
