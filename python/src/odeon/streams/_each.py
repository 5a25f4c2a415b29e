"""Operations that look at one element after the other."""

from __future__ import annotations

import inspect
import itertools
import logging
from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine, Iterable
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from ._made import accumulated, changes, distinct, dropped_while, itself, latest, reduced

if TYPE_CHECKING:
    from .source import Source

T = TypeVar("T", covariant=True)
U = TypeVar("U")
A = TypeVar("A")

LIMIT = 1_000_000
_NONE: Any = object()


def is_async(fn: object) -> bool:
    """Whether a call gives a coroutine."""
    call = getattr(type(fn), "__call__", None)
    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(call)


class Described(Generic[T]):
    """A tuple of operations, each a tuple of its name and what it takes."""

    __slots__ = ("_ops",)

    def __init__(self, ops: tuple[tuple[Any, ...], ...]) -> None:
        self._ops = ops

    def _and(self, *ops: tuple[Any, ...]) -> Source[Any]:
        from .source import Source

        return Source((*self._ops, *ops))


class Each(Described[T]):
    """One element at a time. A coroutine function is awaited for one element after the other."""

    __slots__ = ()

    @overload
    def map(self, fn: Callable[[T], Coroutine[Any, Any, U]]) -> Source[U]: ...
    @overload
    def map(self, fn: Callable[[T], U]) -> Source[U]: ...
    def map(self, fn: Callable[[T], Any]) -> Source[Any]:
        """``fn`` of each element."""
        return self._and(("map_async", 1, fn) if is_async(fn) else ("map", fn))

    def try_map(self, fn: Callable[[T], U | BaseException]) -> Source[U]:
        """``fn`` gives a value, or an exception – as a value, not raised – that the stream fails
        with."""

        def checked(element: Any) -> Any:
            given = fn(element)
            if isinstance(given, BaseException):
                raise given
            return given

        return self._and(("map", checked))

    def filter(self, fn: Callable[[T], object]) -> Source[T]:
        """The elements for which ``fn`` says yes."""
        if not is_async(fn):
            return self._and(("filter", fn))

        async def kept(element: Any) -> tuple[Any, ...]:
            answer: Any = fn(element)
            return (element,) if await answer else ()

        return self._and(("map_async", 1, kept), ("map_concat", itself))

    @overload
    def filter_map(self, fn: Callable[[T], Coroutine[Any, Any, U | None]]) -> Source[U]: ...
    @overload
    def filter_map(self, fn: Callable[[T], U | None]) -> Source[U]: ...
    def filter_map(self, fn: Callable[[T], Any]) -> Source[Any]:
        """``fn`` of each element, without those for which it gives None."""
        if is_async(fn):
            return self._and(("map_async", 1, fn), ("filter_map", itself))
        return self._and(("filter_map", fn))

    @overload
    def map_concat(self, fn: Callable[[T], AsyncIterable[U]]) -> Source[U]: ...
    @overload
    def map_concat(self, fn: Callable[[T], Coroutine[Any, Any, Iterable[U]]]) -> Source[U]: ...
    @overload
    def map_concat(self, fn: Callable[[T], Iterable[U]]) -> Source[U]: ...
    def map_concat(self, fn: Callable[[T], Any]) -> Source[Any]:
        """``fn`` gives an iterable: the elements of each, in order. An asynchronous generator
        function is iterated as well."""
        if inspect.isasyncgenfunction(fn):
            from .source import Source

            return self._and(
                ("flat_map_concat", lambda e: Source.from_async_iterable(fn(e))._ops))
        if is_async(fn):
            return self._and(("map_async", 1, fn), ("map_concat", itself))
        return self._and(("map_concat", fn))

    def take(self, n: int) -> Source[T]:
        """The first ``n``; then it completes, and what is before is cancelled."""
        return self._and(("take", n))

    def take_while(self, fn: Callable[[T], object]) -> Source[T]:
        """Those before the first for which ``fn`` says no."""
        if not is_async(fn):
            return self._and(("take_while", fn))

        async def judged(element: Any) -> tuple[Any, object]:
            answer: Any = fn(element)
            return element, await answer

        return self._and(
            ("map_async", 1, judged), ("take_while", itemgetter(1)), ("map", itemgetter(0)))

    def drop(self, n: int) -> Source[T]:
        """Without the first ``n``."""
        return self._and(("drop", n))

    def drop_while(self, fn: Callable[[T], object]) -> Source[T]:
        """From the first on for which ``fn`` says no."""
        if is_async(fn):
            asked: Any = fn
            return self._and(("made", lambda: dropped_while(asked)))
        return self._and(("drop_while", fn))

    skip = drop
    skip_while = drop_while

    def wire_tap(self, fn: Callable[[T], object]) -> Source[T]:
        """Shows each element to ``fn``, and passes it on."""
        if not is_async(fn):
            return self._and(("wire_tap", fn))

        async def shown(element: Any) -> Any:
            answer: Any = fn(element)
            await answer
            return element

        return self._and(("map_async", 1, shown))

    def log(
        self, name: str, *, level: int = logging.DEBUG, logger: logging.Logger | None = None
    ) -> Source[T]:
        """Logs each element and the end at ``level``, and a failure as an error."""
        to = logger or logging.getLogger("odeon.streams")

        def tell(what: str, value: Any) -> None:
            if what == "failed":
                to.error("%s: failed: %r", name, value)
            elif what == "completed":
                to.log(level, "%s: completed", name)
            else:
                to.log(level, "%s: %r", name, value)

        return self._and(("log", tell))

    def distinct(
        self, key: Callable[[T], object] | None = None, *, limit: int = LIMIT
    ) -> Source[T]:
        """Each value (of ``key``) once; hashable. More than ``limit`` values fail the stream with
        OverflowError."""
        return self._and(("made", lambda: distinct(key, limit)))

    def changes(self) -> Source[T]:
        """Without elements that equal the one before them."""
        return self._and(("made", changes))

    # -- that remember -----------------------------------------------------------------------------

    def scan(self, init: A, fn: Callable[[A, T], A | Awaitable[A]]) -> Source[A]:
        """``init``, then what has been accumulated after each element."""
        if is_async(fn):
            first = (("iterable", (init,)),)
            return self._and(("made", lambda: accumulated(init, fn)), ("prepend", first))
        return self._and(("scan", init, fn))

    def fold(self, init: A, fn: Callable[[A, T], A | Awaitable[A]]) -> Source[A]:
        """One element at the end: fn(…fn(fn(init, e1), e2)…)."""
        if is_async(fn):
            return self._and(("made", lambda: accumulated(init, fn)), ("fold", init, latest))
        return self._and(("fold", init, fn))

    def reduce(self, fn: Callable[[T, T], T | Awaitable[T]]) -> Source[T]:
        """As :meth:`fold`, beginning with the first element; of an empty stream NotFound."""
        if is_async(fn):
            return self._and(("made", lambda: reduced(fn)), ("reduce", latest))
        return self._and(("reduce", fn))

    def grouped(self, n: int) -> Source[list[T]]:
        """Lists of ``n`` elements; the last one may be shorter."""
        return self._and(("grouped", n))

    def grouped_within(self, n: int, seconds: float) -> Source[list[T]]:
        """Lists of up to ``n``: when there are ``n``, or ``seconds`` after the first of them
        came."""
        return self._and(("grouped_within", n, seconds))

    def sliding(self, n: int, step: int = 1) -> Source[list[T]]:
        """Windows of ``n`` elements, each ``step`` after the one before."""
        return self._and(("sliding", n, step))

    # -- work that takes its time ------------------------------------------------------------------

    @overload
    def map_async(self, parallelism: int, fn: Callable[[T], Awaitable[U]]) -> Source[U]: ...
    @overload
    def map_async(self, parallelism: int, fn: Callable[[T], U]) -> Source[U]: ...
    def map_async(self, parallelism: int, fn: Callable[[T], Any]) -> Source[Any]:
        """What ``fn(element)`` gives when it is awaited, in the order of the elements, with at most
        ``parallelism`` at work or waiting for one before. Coroutines run as tasks of the host's
        loop, and are cancelled when the stream ends before they do."""
        return self._and(("map_async", parallelism, fn))

    @overload
    def map_async_unordered(
        self, parallelism: int, fn: Callable[[T], Awaitable[U]]
    ) -> Source[U]: ...
    @overload
    def map_async_unordered(self, parallelism: int, fn: Callable[[T], U]) -> Source[U]: ...
    def map_async_unordered(self, parallelism: int, fn: Callable[[T], Any]) -> Source[Any]:
        """The same in the order in which the work is done."""
        return self._and(("map_async_unordered", parallelism, fn))

    def async_(self, capacity: int = 1024) -> Source[T]:
        """What is before runs in an island of its own; at most ``capacity`` elements wait between
        the two."""
        return self._and(("async", capacity))

    # -- for a sink that is faster than the source -------------------------------------------------

    def expand(self, fn: Callable[[T], Iterable[U]]) -> Source[U]:
        """``fn`` gives an iterable for each element, which may be endless: its first one at least,
        and the next ones for as long as the sink asks and no other element came.

        Example::

            from itertools import repeat

            temperatures = Source.tick(0.01, 21.5).expand(repeat)   # always the last one known
            print(await temperatures.take(3).run(system, Sink.collect()))
        """
        return self._and(("expand", fn))

    def extrapolate(self, fn: Callable[[T], Iterable[T]], initial: Any = _NONE) -> Source[T]:
        """Each element, and what ``fn`` makes of it for as long as the sink asks and the next one
        does not come. ``initial`` comes before the first one, by the same rule."""

        def expanded(element: Any) -> Iterable[Any]:
            return itertools.chain((element,), fn(element))

        if initial is _NONE:
            return self._and(("expand", expanded))
        return self._and(("prepend", (("iterable", (initial,)),)), ("expand", expanded))
