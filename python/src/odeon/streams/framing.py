"""From pieces of bytes to frames. Pieces are cut anywhere, as files and connections give them.

A frame beyond its bound fails the stream before it is kept, with an error that has its offset;
bytes that are left at the end fail it as well. Example::

    pieces = Source.from_iterable([b"to be\\nor", b" not\\n", b"to"])
    print(await pieces.via(framing.lines(80)).run(system, Sink.collect()))
"""

from __future__ import annotations

from typing import TypeAlias

from .flow import Flow

__all__ = ["Bytes", "delimiter", "json_objects", "length_field", "length_prefix", "lines"]

Bytes: TypeAlias = bytes | bytearray | memoryview


def delimiter(
    delimiter: Bytes, max_bytes: int, *, rest_is_frame: bool = False
) -> Flow[Bytes, bytes]:
    """Frames that end with ``delimiter`` (not empty), without it, of at most ``max_bytes``. With
    ``rest_is_frame`` what is left at the end is a frame too."""
    return Flow((("delimiter", delimiter, max_bytes, bool(rest_is_frame)),))


def lines(max_bytes: int = 64 * 1024) -> Flow[Bytes, bytes]:
    """Lines of at most ``max_bytes``, without their newline; the last one needs none."""
    return delimiter(b"\n", max_bytes, rest_is_frame=True)


def length_field(max_bytes: int, size: int = 4) -> Flow[Bytes, bytes]:
    """Frames of at most ``max_bytes`` behind a big-endian field of ``size`` bytes (1 to 8) with
    their length."""
    return Flow((("length_field", max_bytes, size),))


def length_prefix(max_bytes: int, size: int = 4) -> Flow[Bytes, bytes]:
    """The other way: puts the field before each frame. One that is longer than ``max_bytes``, or
    than the field can tell, fails the stream."""
    return Flow((("length_prefix", max_bytes, size),))


def json_objects(max_bytes: int) -> Flow[Bytes, bytes]:
    """The JSON objects in bytes, each of at most ``max_bytes``: one after the other, with white
    space or a comma between them, or as the elements of one array. ``json.loads`` makes values of
    them: what is inside an object is not looked at, but for strings and brackets.

    Example::

        import json

        pieces = Source.from_iterable([b'[{"n": 1}, {"', b'n": 2}]'])
        values = pieces.via(framing.json_objects(1024)).map(json.loads)
        print(await values.run(system, Sink.collect()))
    """
    return Flow((("json_objects", max_bytes),))
