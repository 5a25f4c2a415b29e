"""Bytes made smaller on their way, and back: zstd frames."""

from __future__ import annotations

from .flow import Flow
from .framing import Bytes

__all__ = ["compress", "decompress"]


def compress(level: int = 3) -> Flow[Bytes, bytes]:
    """Compresses to one zstd frame; level 1 (fast) to 19 (small). When the stage before has nothing
    at the moment, what was compressed so far is sent on.

    Example::

        text = Source.repeat(b"to be or not to be ").take(1000)
        print(await text.via(compress()).via(decompress()).map(len).run(
            system, Sink.reduce(int.__add__)))
    """
    return Flow((("compress", level),))


def decompress(max_bytes: int = 1 << 30, *, window_log: int = 23) -> Flow[Bytes, bytes]:
    """The other way, for bytes from anywhere, in pieces of at most 64 KiB. Bytes that are no zstd
    frame, an end inside a frame, more than ``max_bytes`` in all and a frame that needs more than 2
    to the power of ``window_log`` bytes of memory fail the stream, before the memory is used."""
    return Flow((("decompress", max_bytes, window_log),))
