"""What is made anew for each run of a description."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

Ops = tuple[tuple[Any, ...], ...]


def distinct(key: Callable[[Any], Any] | None, limit: int) -> Ops:
    seen: set[Any] = set()

    def is_new(element: Any) -> bool:
        value = element if key is None else key(element)
        if value in seen:
            return False
        if len(seen) >= limit:
            raise OverflowError(f"distinct: more than {limit} values")
        seen.add(value)
        return True

    return (("filter", is_new),)


def changes() -> Ops:
    last: list[Any] = []

    def differs(element: Any) -> bool:
        if last and last[0] == element:
            return False
        last[:] = (element,)
        return True

    return (("filter", differs),)


def accumulated(init: Any, fn: Callable[[Any, Any], Any]) -> Ops:
    """What has been accumulated after each element."""
    state = init

    async def step(element: Any) -> Any:
        nonlocal state
        state = await fn(state, element)
        return state

    return (("map_async", 1, step),)


def reduced(fn: Callable[[Any, Any], Any]) -> Ops:
    """As ``accumulated``, beginning with the first element."""
    state: list[Any] = []

    async def step(element: Any) -> Any:
        state[:] = (await fn(state[0], element) if state else element,)
        return state[0]

    return (("map_async", 1, step),)


def dropped_while(fn: Callable[[Any], Awaitable[object]]) -> Ops:
    """Tuples of one element, or of none."""
    is_open = False

    async def step(element: Any) -> tuple[Any, ...]:
        nonlocal is_open
        is_open = is_open or not await fn(element)
        return (element,) if is_open else ()

    return (("map_async", 1, step), ("map_concat", itself))


def unfolded(state: Any, fn: Callable[[Any], Awaitable[Any]], end: Any) -> Ops:
    """What ``fn`` gives from one state to the next, and ``end``."""

    async def step(_: Any) -> Any:
        nonlocal state
        given = await fn(state)
        if given is None:
            return end
        state, element = given
        return element

    return (("map_async", 1, step),)


def itself(element: Any) -> Any:
    return element


def latest(_: Any, element: Any) -> Any:
    return element


class Endless:
    """An iterable of an iterator that is made anew for each run."""

    def __init__(self, make: Callable[[], Iterable[Any]]) -> None:
        self._make = make

    def __iter__(self) -> Iterator[Any]:
        return iter(self._make())
