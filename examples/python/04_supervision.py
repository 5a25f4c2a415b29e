"""An exception fails the actor; its supervision decides what becomes of it.

Prints::

    the asker is told: ZeroDivisionError
    resumed, and still knows of 1
    restarted, and knows of 0
    stopped
"""

import asyncio
import logging

import odeon


class Calculator(odeon.Actor[tuple[int, int] | str]):
    def __init__(self) -> None:
        self.done = 0

    def receive(self, msg: tuple[int, int] | str, ctx: odeon.Context) -> int:
        if isinstance(msg, str):
            return self.done
        result = msg[0] // msg[1]
        self.done += 1
        return result


async def main() -> None:
    logging.getLogger("odeon").setLevel(logging.CRITICAL)  # the failures below are meant
    async with odeon.ActorSystem("app") as system:
        # The decider is by exception class, or its path as text. Here the instance stays.
        keep = odeon.Supervision(decider={ArithmeticError: odeon.Directive.RESUME})
        patient = system.spawn(Calculator, supervision=keep)
        await patient.ask((6, 3))
        try:
            await patient.ask((1, 0))
        except odeon.ActorFailed as e:
            print("the asker is told:", type(e.__cause__).__name__)
        print("resumed, and still knows of", await patient.ask("done"))

        # By default a new instance takes over: same reference, same mailbox, fresh state.
        fresh = system.spawn(Calculator, supervision=odeon.Supervision(max_retries=1))
        await fresh.ask((6, 3))
        fresh.tell((1, 0))
        print("restarted, and knows of", await fresh.ask("done"))

        # One restart was allowed. The failure after it stops the actor.
        fresh.tell((1, 0))
        try:
            await fresh.ask("done")
        except odeon.ActorStopped:
            print("stopped")


asyncio.run(main())
