"""Messages, events and states to what a journal stores, and back."""

from __future__ import annotations

import typing
from types import UnionType
from typing import Any

from .. import codecs
from ..errors import EncodingError

__all__ = ["decode", "encode", "know_classes"]


def encode(value: Any) -> tuple[str, int, bytes]:
    """Manifest, version and payload. Raises :class:`odeon.errors.EncodingError`."""
    manifest, version, payload, buffers = codecs.default.native.encode(value, 0)
    if buffers:
        raise EncodingError(f"{manifest}: buffers beside the payload cannot be stored")
    return manifest, version, payload


def decode(manifest: str, version: int, payload: bytes) -> Any:
    """The value. Raises :class:`odeon.errors.DecodingError`."""
    return codecs.default.native.decode(manifest, version, payload, None, 0)


def _classes_in(hint: Any) -> list[type]:
    if isinstance(hint, type):
        return [hint]
    if isinstance(hint, UnionType) or typing.get_origin(hint) is typing.Union:
        return [c for part in typing.get_args(hint) for c in _classes_in(part)]
    return []


def know_classes(*hints: Any) -> None:
    """Registers classes, and those in unions, that can say how they are written and are not known.

    What a journal holds is read by its manifest, so a program that has not written an event yet
    must know its class when it recovers.
    """
    for hint in hints:
        for cls in _classes_in(hint):
            if cls.__module__ == "builtins" or typing.get_origin(cls) is not None:
                continue
            codec = codecs.default
            if codec.native.find(cls) is None and codec.knows(cls):
                codec.register(cls)
