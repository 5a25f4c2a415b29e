"""A counter that goes on where it was, and a timer that was set before the program ended.

Prints::

    start 1 counts to 3
    start 2 counts to 6
    reminded of 3 when the count was 6
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

import odeon
from odeon import codecs
from odeon.persistence import (
    DurableState,
    DurableTimer,
    Effect,
    Journal,
    checkpoint,
    schedule,
    start_timers,
)


@codecs.register
@dataclass
class Remind:
    count: int


@dataclass
class Count:
    pass


@dataclass
class RemindLater:
    pass


class Counter(DurableState):
    persistence_id = "counter"

    def __init__(self, reminded: asyncio.Event) -> None:
        self._reminded = reminded
        self.count = 0  # public attributes are the state

    def on_Count(self, msg: Count) -> Effect:
        self.count += 1
        return checkpoint().reply(self.count)  # on disk before the answer

    def on_RemindLater(self, msg: RemindLater) -> Effect:
        return schedule(DurableTimer.after("remind", 0.05, Remind(self.count)))

    def on_Remind(self, msg: Remind) -> None:
        print(f"reminded of {msg.count} when the count was {self.count}")
        self._reminded.set()


async def main(file: Path) -> None:
    reminded = asyncio.Event()
    for start in (1, 2):
        async with odeon.ActorSystem("app", journal=Journal.sqlite(file)) as system:
            counter = system.spawn(Counter, reminded)
            for _ in range(3):
                count = await counter.ask(Count())
            print(f"start {start} counts to {count}")
            if start == 1:
                await counter.ask(RemindLater())
            else:
                start_timers(system)
                await reminded.wait()


with tempfile.TemporaryDirectory() as folder:
    asyncio.run(main(Path(folder) / "app.db"))
