"""One reference, many actors: keys that stay together, a pool that grows, jobs that survive.

Prints::

    ada has 15
    5 tellers
    cat.png.webp, after 2 deaths
"""

import asyncio
from dataclasses import dataclass

import odeon
from odeon.routing import RouterControl, TroupeControl, consistent_hash, round_robin, troupe


@dataclass(frozen=True)
class Deposit:
    account: str
    amount: int

    def routing_key(self) -> str:
        return self.account


class Teller(odeon.Actor[Deposit]):
    """Each account is at one teller, so its balance needs no lock and no shared state."""

    def __init__(self) -> None:
        self.balances: dict[str, int] = {}

    def receive(self, deposit: Deposit, ctx: odeon.Context) -> int:
        balance = self.balances.get(deposit.account, 0) + deposit.amount
        self.balances[deposit.account] = balance
        return balance


class Converter(odeon.Actor[str]):
    deaths = 2

    def receive(self, file: str, ctx: odeon.Context) -> str | None:
        if Converter.deaths > 0:
            Converter.deaths -= 1
            self.unanswered = ctx.reply_to()  # out of luck: it ends with the job in hand
            ctx.stop()
            return None
        return file + ".webp"


async def main() -> None:
    async with odeon.ActorSystem("shop") as system:
        # By key: one of three tellers has the account.
        bank = system.spawn(Teller, name="bank", router=consistent_hash(3))
        for account in ("ada", "bob", "cyd"):
            await bank.ask(Deposit(account, 10))
        print("ada has", await bank.ask(Deposit("ada", 5)))

        # By turns, with a size that changes while it runs.
        pool = system.spawn(Teller, name="pool", router=round_robin(2))
        print(await RouterControl(pool).resize(5), "tellers")

        # Jobs: two workers end over this one, a third one does it.
        images = system.spawn(Converter, name="images", router=troupe(max=4, idle=1, attempts=3))
        done = await images.ask("cat.png")
        print(f"{done}, after {TroupeControl(images).status().requeued} deaths")


asyncio.run(main())
