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

from . import file, framing, tcp
from .actors import StreamComplete, StreamFail
from .bidi import BidiFlow
from .compression import compress, decompress
from .flow import Flow
from .graph import Graph, GraphRun, Inlet, Node, Outlet
from .handles import ConsumerHub, KillSwitch, MergeHub, OfferResult, Run, SinkQueue, SourceQueue
from .parts import Group, Part
from .sink import Sink
from .source import Overflow, Source
from .stream import Stream

__all__ = [
    "BidiFlow",
    "ConsumerHub",
    "Flow",
    "Graph",
    "GraphRun",
    "Group",
    "Inlet",
    "KillSwitch",
    "MergeHub",
    "Node",
    "OfferResult",
    "Outlet",
    "Overflow",
    "Part",
    "Run",
    "Sink",
    "SinkQueue",
    "Source",
    "SourceQueue",
    "Stream",
    "StreamComplete",
    "StreamFail",
    "compress",
    "decompress",
    "file",
    "framing",
    "tcp",
]
