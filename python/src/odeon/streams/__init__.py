"""Streams: values on their way from a source through flows into a sink, with back-pressure.

The sink asks, the source answers, and nothing is made that nobody asked for. The stages are those
of C++, called in batches on the thread of a host of Python.

Example::

    async with odeon.ActorSystem("app") as system:
        squares = Source.range(10).map(lambda n: n * n).filter(lambda n: n % 2)
        print(await squares.run(system, Sink.collect()))
        async for n in squares.run_iter(system):
            print(n)
"""

from __future__ import annotations

from .flow import Flow
from .handles import ConsumerHub, KillSwitch, MergeHub, OfferResult, Run, SinkQueue, SourceQueue
from .sink import Sink
from .source import Overflow, Source
from .stream import Stream

__all__ = [
    "ConsumerHub",
    "Flow",
    "KillSwitch",
    "MergeHub",
    "OfferResult",
    "Overflow",
    "Run",
    "Sink",
    "SinkQueue",
    "Source",
    "SourceQueue",
    "Stream",
]
