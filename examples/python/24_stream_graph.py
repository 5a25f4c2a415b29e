"""A stream that is no line: jobs that fail go round again, up to three times.

The cycle ends by itself when all jobs have come in and none goes round any more: its nodes give one
for one, and what is done with leaves it by a partition.

Prints::

    done: bake in 1, fetch in 2, mend in 3
    given up: sweep the sea
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import odeon
from odeon.streams import Graph, Sink, Source

NEEDED = {"bake": 1, "fetch": 2, "mend": 3}  # attempts
ATTEMPTS = 3


@dataclass(frozen=True)
class Job:
    name: str
    attempts: int = 0
    is_done: bool = False


async def attempt(job: Job) -> Job:
    await asyncio.sleep(0.001)
    attempts = job.attempts + 1
    return replace(job, attempts=attempts, is_done=attempts >= NEEDED.get(job.name, 99))


def way_of(job: Job) -> int:
    """0: done, 1: again, 2: given up."""
    if job.is_done:
        return 0
    return 1 if job.attempts < ATTEMPTS else 2


async def main() -> None:
    jobs = [Job(name) for name in ("mend", "sweep the sea", "fetch", "bake")]
    g = Graph()
    start = g.add_merge(2, name="start")
    work = g.add_flow(lambda s: s.map_async(4, attempt), name="work")
    way = g.add_partition(3, way_of, name="way")
    again = g.add_feedback(100, name="again")  # more than that fail the stream
    done = g.add_sink(Sink.collect(), name="done")
    given_up = g.add_sink(Sink.collect(), name="given up")
    g.connect(g.add_source(Source.from_iterable(jobs), name="jobs"), start.inlets[0])
    g.connect(start, work)
    g.connect(work, way)
    g.connect(way.outlets[0], done)
    g.connect(way.outlets[1], again)
    g.connect(again, start.inlets[1])
    g.connect(way.outlets[2], given_up)
    assert not g.check() and g.ends_by_itself(again)

    async with odeon.ActorSystem("jobs") as system:
        run = g.run(system)
        finished = sorted(await run.result_of(done), key=lambda job: job.attempts)
        print("done:", ", ".join(f"{job.name} in {job.attempts}" for job in finished))
        print("given up:", *(job.name for job in await run.result_of(given_up)))


asyncio.run(main())
