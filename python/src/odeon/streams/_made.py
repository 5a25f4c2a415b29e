"""What is made anew for each run of a description."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any


def distinct(key: Callable[[Any], Any] | None, limit: int) -> Callable[[Any], bool]:
    seen: set[Any] = set()

    def is_new(element: Any) -> bool:
        value = element if key is None else key(element)
        if value in seen:
            return False
        if len(seen) >= limit:
            raise OverflowError(f"distinct: more than {limit} values")
        seen.add(value)
        return True

    return is_new


def changes() -> Callable[[Any], bool]:
    last: list[Any] = []

    def differs(element: Any) -> bool:
        if last and last[0] == element:
            return False
        last[:] = (element,)
        return True

    return differs


class Endless:
    """An iterable of an iterator that is made anew for each run."""

    def __init__(self, make: Callable[[], Iterable[Any]]) -> None:
        self._make = make

    def __iter__(self) -> Iterator[Any]:
        return iter(self._make())
