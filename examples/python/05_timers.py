"""Messages to oneself, later: once, at a fixed rate, and when nothing else comes.

Prints::

    tick tick tick bell silence
"""

import asyncio

import odeon


class Clockwork(odeon.Actor[str]):
    def __init__(self) -> None:
        self.seen: list[str] = []
        self.answer: odeon.ReplyTo | None = None
        self.ticks: odeon.Timer | None = None

    def receive(self, msg: str | odeon.ReceiveTimeout, ctx: odeon.Context) -> None:
        match msg:
            case "run":
                self.answer = ctx.reply_to()
                self.ticks = ctx.send_every(0.001, 0.001, "tick")
                ctx.send_after(5.0, "never seen").cancel()
            case "tick":
                self.seen.append(msg)
                if len(self.seen) == 3 and self.ticks:
                    self.ticks.cancel()
                    ctx.send_after(0.002, "bell")
            case "bell":
                self.seen.append(msg)
                ctx.receive_timeout(0.003)  # from now on, each time nothing came for so long
            case odeon.ReceiveTimeout():
                ctx.receive_timeout(None)
                if self.answer:
                    self.answer(" ".join([*self.seen, "silence"]))


async def main() -> None:
    async with odeon.ActorSystem("app") as system:
        print(await system.spawn(Clockwork).ask("run"))


asyncio.run(main())
