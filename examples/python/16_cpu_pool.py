"""A pool of processes for work of the CPU: rows of numbers are handed over in shared memory.

Prints::

    1000 rows scored by 2 processes, none of them this one
    the first: 0.5, the last: 999.5
"""

import asyncio
import os

from cpu_pool_model import Model, Process, Score

import odeon
from odeon.subprocess_worker import SharedBuffer

ROWS, WIDTH = 1000, 2


async def main() -> None:
    option = odeon.dispatchers.subprocess(2, max_actors=8)
    async with odeon.ActorSystem("scores", dispatchers={"cpu": option}) as system:
        models = [system.spawn(Model, [1.0, 0.5], dispatcher="cpu") for _ in range(2)]
        processes = {await model.ask(Process(), timeout=30.0) for model in models}

        # Four batches, each in memory that the workers map: nothing of it is copied.
        asks = []
        for turn, begin in enumerate(range(0, ROWS, ROWS // 4)):
            batch = SharedBuffer(ROWS // 4 * WIDTH * 8)
            numbers = memoryview(batch).cast("d")
            for row in range(ROWS // 4):
                numbers[row * WIDTH], numbers[row * WIDTH + 1] = float(begin + row), 1.0
            score = Score(memoryview(batch), WIDTH)
            asks.append(models[turn % 2].ask(score, timeout=30.0))
        scores = [score for batch_of in await asyncio.gather(*asks) for score in batch_of]

        others = "none of them this one" if os.getpid() not in processes else "this one too"
        print(f"{len(scores)} rows scored by {len(processes)} processes, {others}")
        print(f"the first: {scores[0]}, the last: {scores[-1]}")


asyncio.run(main())
