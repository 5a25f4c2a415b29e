"""Parts of streams: sources that are elements of another."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from .source import Source

__all__ = ["Group", "Part"]

T = TypeVar("T", covariant=True)
K = TypeVar("K", covariant=True)


class Part(Source[T]):
    """A part of a stream that runs: a source, to be run once, anywhere. The stage that made it
    feeds it; what nobody runs and lets go of is skipped, and when the stream ends before its part
    does, the part fails with it."""

    __slots__ = ()

    def __init__(self, handle: object) -> None:
        super().__init__((("part", handle),))


class Group(Part[T], Generic[K, T]):
    """The elements of one key."""

    __slots__ = ("key",)

    def __init__(self, handle: object, key: K) -> None:
        super().__init__(handle)
        self.key = key
        """What the function of ``group_by`` gave for its elements."""


def with_prefix(handle: object, prefix: list[Any]) -> tuple[list[Any], Part[Any]]:
    return prefix, Part(handle)
