"""Operations of several streams: into one, out of one, and streams as elements."""

from __future__ import annotations

import operator
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ._each import Described, is_async
from .flow import Flow, operations

if TYPE_CHECKING:
    from .parts import Group, Part
    from .sink import Sink
    from .source import Source

T = TypeVar("T", covariant=True)
U = TypeVar("U")
V = TypeVar("V")
K = TypeVar("K")

_PART_CAPACITY = 16


class Many(Described[T]):
    """Several streams."""

    __slots__ = ()

    # -- many into one -----------------------------------------------------------------------------

    @overload
    def flat_map_concat(
        self, fn: Callable[[T], Coroutine[Any, Any, Source[U]]]
    ) -> Source[U]: ...
    @overload
    def flat_map_concat(self, fn: Callable[[T], Source[U]]) -> Source[U]: ...
    def flat_map_concat(self, fn: Callable[[T], Any]) -> Source[Any]:
        """``fn`` gives a source for each element: their elements, one source after the other."""
        if is_async(fn):
            return self._and(("map_async", 1, fn), ("flat_map_concat", operations_of))
        return self._and(("flat_map_concat", lambda e: fn(e)._ops))

    @overload
    def flat_map_merge(
        self, breadth: int, fn: Callable[[T], Coroutine[Any, Any, Source[U]]]
    ) -> Source[U]: ...
    @overload
    def flat_map_merge(self, breadth: int, fn: Callable[[T], Source[U]]) -> Source[U]: ...
    def flat_map_merge(self, breadth: int, fn: Callable[[T], Any]) -> Source[Any]:
        """The same with up to ``breadth`` sources at a time, their elements as they come."""
        if is_async(fn):
            return self._and(("map_async", 1, fn), ("flat_map_merge", breadth, operations_of))
        return self._and(("flat_map_merge", breadth, lambda e: fn(e)._ops))

    def merge(self, *others: Source[T]) -> Source[T]:
        """The elements of all as they come, in turn when several have one."""
        return self._and(("merge", *(each._ops for each in others)))

    def merge_prioritized(self, weight: int, other: Source[T], other_weight: int) -> Source[T]:
        """As :meth:`merge`; when both have elements, each gets its weight's share."""
        return self._and(("merge_prioritized", weight, other_weight, other._ops))

    def merge_sorted(
        self, other: Source[T], less: Callable[[T, T], bool] | None = None
    ) -> Source[T]:
        """Two sorted sources as one sorted one, by ``less`` (default: ``<``)."""
        return self._and(("merge_sorted", less or operator.lt, other._ops))

    def concat(self, *others: Source[T]) -> Source[T]:
        """The others' elements after the end of this one, one source after the other."""
        return self._and(("concat", *(each._ops for each in others)))

    def prepend(self, other: Source[T]) -> Source[T]:
        """The other's elements before this one's."""
        return self._and(("prepend", other._ops))

    def interleave(self, other: Source[T], n: int = 1) -> Source[T]:
        """``n`` elements of each in turn."""
        return self._and(("interleave", n, other._ops))

    def zip(self, other: Source[U]) -> Source[tuple[T, U]]:
        """Pairs of the elements that stand at the same place; completes with the shorter one."""
        return self._and(("zip", other._ops))

    def zip_with(self, other: Source[U], fn: Callable[[T, U], V]) -> Source[V]:
        """``fn`` of each such two."""
        return self._and(("zip_with", fn, other._ops))

    # -- one into many -----------------------------------------------------------------------------

    def broadcast(self, *flows: Flow[T, U] | Callable[[Source[T]], Source[U]]) -> Source[U]:
        """Each element through each of these flows, each in an island of its own; what they give,
        as it comes."""
        return self._and(("broadcast", *map(operations, flows)))

    def balance(self, *flows: Flow[T, U] | Callable[[Source[T]], Source[U]]) -> Source[U]:
        """Each element through one of these flows, one that has room."""
        return self._and(("balance", *map(operations, flows)))

    def partition(
        self, fn: Callable[[T], int], *flows: Flow[T, U] | Callable[[Source[T]], Source[U]]
    ) -> Source[U]:
        """Each element through the flow whose number ``fn`` gives; one too high fails the
        stream."""
        return self._and(("partition", fn, *map(operations, flows)))

    def also_to(self, sink: Sink[T, Any]) -> Source[T]:
        """Passes all on, and to ``sink``, whose result is in the run's ``values``."""
        return self._and(("also_to", sink._ops))

    # -- streams as elements -----------------------------------------------------------------------

    def group_by(
        self, most: int, fn: Callable[[T], K], *, capacity: int = _PART_CAPACITY
    ) -> Source[Group[K, T]]:
        """A :class:`Group` for each value of ``fn``, a source of the elements with that key
        (hashable). Up to ``capacity`` elements wait in a group, and one that is full holds up all:
        each has to be run, or let go. More than ``most`` groups fail the stream.

        Example::

            from collections import Counter

            words = Source.from_iterable("to be or not to be".split())
            counted = words.group_by(100, str).flat_map_merge(
                100, lambda group: group.fold(0, lambda n, _: n + 1).map(lambda n: (group.key, n)))
            print(Counter(dict(await counted.run(system, Sink.collect()))).most_common(2))
        """
        from .parts import Group

        return self._and(("group_by", most, fn, capacity, Group))

    def split_when(
        self, fn: Callable[[T], object], *, capacity: int = _PART_CAPACITY
    ) -> Source[Part[T]]:
        """The stream in parts, each a source: an element for which ``fn`` says yes is the first of
        the next one."""
        from .parts import Part

        return self._and(("split_when", fn, capacity, Part))

    def split_after(
        self, fn: Callable[[T], object], *, capacity: int = _PART_CAPACITY
    ) -> Source[Part[T]]:
        """The same; such an element is the last of its part."""
        from .parts import Part

        return self._and(("split_after", fn, capacity, Part))

    def prefix_and_tail(
        self, n: int, *, capacity: int = _PART_CAPACITY
    ) -> Source[tuple[list[T], Part[T]]]:
        """One element: a list of the first ``n``, or of all where there are fewer, and a source of
        those after them."""
        from .parts import with_prefix

        return self._and(("prefix_and_tail", n, capacity, with_prefix))


def operations_of(source: Source[Any]) -> tuple[tuple[Any, ...], ...]:
    return source._ops
