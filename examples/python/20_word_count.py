"""A file as a stream: how often does each word stand in it?

Prints::

    2000 sink
    1000 actor
    1000 asks
    1000 source
    1000 tells
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import odeon
from odeon.streams import Sink, Source


class Lines:
    """The lines of a file; it is opened when the stream runs, and read as lines are asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __iter__(self) -> Iterator[str]:
        with self.path.open(encoding="utf-8") as file:
            yield from file


def count(all_of: Counter[str], word: str) -> Counter[str]:
    all_of[word] += 1
    return all_of


# What waits between reading and counting is bounded: a file larger than memory is no problem.
def words_of(lines: Source[str]) -> Source[str]:
    words = lines.map_concat(lambda line: re.findall("[a-z]+", line.lower()))
    return words.filter(lambda word: len(word) > 3)


async def main(path: Path) -> None:
    async with odeon.ActorSystem("words") as system:
        source = Source.from_iterable(Lines(path)).via(words_of)
        counted = await source.run(system, Sink.fold(Counter[str](), count))
    for word, n in sorted(counted.items(), key=lambda each: (-each[1], each[0]))[:5]:
        print(n, word)


if len(sys.argv) > 1:
    asyncio.run(main(Path(sys.argv[1])))
else:
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "words.txt"
        own.write_text("The actor tells the sink, and the sink asks the source.\n" * 1000)
        asyncio.run(main(own))
