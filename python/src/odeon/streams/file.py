"""Files as sources and sinks of bytes, read and written by threads that may block.

Example::

    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "words.txt")
        words = Source.from_iterable([b"to\\n", b"be\\n"])
        print(await words.run(system, file.write(path)))
        print(await file.read(path).via(framing.lines()).run(system, Sink.collect()))
"""

from __future__ import annotations

import os

from .framing import Bytes
from .sink import Sink
from .source import Source

__all__ = ["read", "write"]


def read(path: str | bytes | os.PathLike[str], chunk: int = 64 * 1024) -> Source[bytes]:
    """The bytes of a file, in pieces of at most ``chunk``; up to four pieces are read ahead. It is
    opened when the stream asks; one that cannot be opened or read fails it, with
    ``odeon.errors.NotFound`` or ``IoFailed``."""
    return Source((("file_read", os.fsencode(path), chunk),))


def write(path: str | bytes | os.PathLike[str], *, append: bool = False) -> Sink[Bytes, int]:
    """Writes all bytes to a file, which is made, or emptied, or written on at its end. The result
    is the number of bytes written; the file is closed then, and not forced to the disk. Failures as
    with :func:`read`."""
    return Sink((("file_write", os.fsencode(path), bool(append)),))
