"""Actors without a class: a state and a function, and a generator.

Prints::

    42
    6
"""

import asyncio
from collections.abc import Generator

import odeon


def count(state: list[int], msg: int | str) -> int | None:
    if msg == "get":
        return sum(state)
    if isinstance(msg, int):
        state.append(msg)
    return None


@odeon.generator_actor
def accumulator(ctx: odeon.Context, start: int = 0) -> Generator[int, int, None]:
    total = start
    while True:
        n = yield total  # gives the reply, takes the next message
        total += n


async def main() -> None:
    async with odeon.ActorSystem("app") as system:
        counter = system.spawn(
            odeon.behavior([], count)
        )  # each actor has its own copy of the state
        counter.tell(40)
        counter.tell(2)
        print(await counter.ask("get"))

        total = system.spawn(accumulator, 1)
        total.tell(2)
        print(await total.ask(3))


asyncio.run(main())
