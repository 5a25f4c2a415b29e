"""A mailbox with a bound, and what a full one does.

Prints::

    fail: [1, 2], 2 refused
    drop_newest: [1, 2], 0 refused
    drop_oldest: [4, 8], 0 refused
"""

import asyncio

import odeon


class Worker(odeon.Actor[int | asyncio.Event]):
    """Does its jobs; an event keeps it busy for a while."""

    def __init__(self, results: asyncio.Queue[int]) -> None:
        self.results = results

    async def receive(self, msg: int | asyncio.Event, ctx: odeon.Context) -> None:
        if isinstance(msg, asyncio.Event):
            ctx.reply("busy")
            await msg.wait()
        else:
            self.results.put_nowait(msg)


async def main() -> None:
    async with odeon.ActorSystem("app") as system:
        for overflow in ("fail", "drop_newest", "drop_oldest"):
            results: asyncio.Queue[int] = asyncio.Queue()
            worker = system.spawn(Worker, results, mailbox=odeon.Mailbox.bounded(2, overflow))
            until = asyncio.Event()
            await worker.ask(until)
            refused = 0
            for job in (1, 2, 4, 8):
                try:
                    worker.try_tell(job)
                except odeon.MailboxFull:
                    refused += 1
            until.set()
            done = [await results.get(), await results.get()]
            print(f"{overflow}: {done}, {refused} refused")


asyncio.run(main())
