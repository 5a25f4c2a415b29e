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
from pathlib import Path

import odeon
from odeon.streams import Sink, Source, file, framing

LINE = b"The actor tells the sink, and the sink asks the source.\n"


def count(all_of: Counter[str], word: str) -> Counter[str]:
    all_of[word] += 1
    return all_of


# What waits between reading and counting is bounded: a file larger than memory is no problem.
def words_in(path: Path) -> Source[str]:
    lines = file.read(path).via(framing.lines()).map(bytes.decode)
    words = lines.map_concat(lambda line: re.findall("[a-z]+", line.lower()))
    return words.filter(lambda word: len(word) > 3)


async def main(path: Path, is_own: bool) -> None:
    async with odeon.ActorSystem("words") as system:
        if is_own:
            await Source.repeat(LINE).take(1000).run(system, file.write(path))
        counted = await words_in(path).run(system, Sink.fold(Counter[str](), count))
    for word, n in sorted(counted.items(), key=lambda each: (-each[1], each[0]))[:5]:
        print(n, word)


if len(sys.argv) > 1:
    asyncio.run(main(Path(sys.argv[1]), is_own=False))
else:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(Path(folder) / "words.txt", is_own=True))
