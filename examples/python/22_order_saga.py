"""A saga: an order books, charges and ships; what was done is taken back when a later step fails.

The run is durable: kill this program between two steps, start it again, and it goes on.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from odeon.errors import OdeonError, Refused, Unreachable
from odeon.workflow import Retry, SqliteRuns, StepContext, Workflow, step


@dataclass
class Order:
    item: str
    amount: int
    log: tuple[str, ...] = ()


def noted(o: Order, what: str) -> Order:
    print(f"  {what}")
    return replace(o, log=(*o.log, what))


def book(o: Order) -> Order:
    return noted(o, "booked")


async def charge(o: Order, ctx: StepContext) -> Order:
    """The card service fails now and then: it is tried again, with the same key."""
    await asyncio.sleep(0.001)
    if ctx.attempt == 1:
        raise Unreachable("line busy")
    return noted(o, f"charged at attempt {ctx.attempt}")


class Warehouse:
    def __init__(self) -> None:
        self.left = 1

    def take(self, o: Order) -> Order:
        if self.left == 0:
            raise Refused(f"out of {o.item}")
        self.left -= 1
        return noted(o, "taken from the shelf")


async def main(folder: Path) -> None:
    runs = SqliteRuns(folder / "orders.db")
    saga = Workflow(
        step("book", book).compensated_by(lambda: print("  booking undone"))
        >> step("charge", charge, retry=Retry(attempts=3, min=0.005), timeout=1.0).compensated_by(
            lambda o: print(f"  {o.amount} paid back")
        )
        >> step("take", Warehouse().take)
    )
    for order in ("order-1", "order-2", "order-1"):
        print(order)
        try:
            done = await saga.durable(order, runs).run(Order("a clock", 40))
            print(f"  done: {', '.join(done.log)}")
        except OdeonError as error:
            print(f"  failed: {error.code}: {error}")
    # The third answer is the first one's, from the record: nothing ran again.
    runs.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(Path(folder)))
