"""``Source``: where a stream begins, and what is done with its elements on the way."""

from __future__ import annotations

import logging
import operator
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast, overload

from ..options import Decision, Directive, Supervision
from ._made import Endless, changes, distinct
from .flow import Flow, operations
from .handles import Run, SinkQueue
from .sink import Sink
from .stream import Stream

if TYPE_CHECKING:
    from ..system import ActorSystem

__all__ = ["Overflow", "Source"]

T = TypeVar("T")
U = TypeVar("U")
V = TypeVar("V")
A = TypeVar("A")
R = TypeVar("R")
S = TypeVar("S")

Overflow = Literal["wait", "drop_newest", "drop_oldest", "drop_all", "fail"]

_LIMIT = 1_000_000
_END: Any = object()


class Source(Generic[T]):
    """Gives elements of ``T``. A description: it does nothing until it is run, and may be run again
    as long as what it was made of may be iterated again.

    Functions are called on the thread of the stream's host – in asyncio programs the event loop –
    and must not block. One that raises fails the stream with that very exception, unless
    :meth:`supervised` says otherwise. Durations are seconds.

    Example::

        total = await Source.range(1, 5).map(lambda n: n * n).run(system, Sink.fold(0,
        operator.add))
    """

    __slots__ = ("_ops",)

    def __init__(self, ops: tuple[tuple[Any, ...], ...]) -> None:
        self._ops = ops

    def _and(self, *op: Any) -> Source[Any]:
        return Source((*self._ops, op))

    # -- where elements come from ------------------------------------------------------------------

    @staticmethod
    def from_iterable(elements: Iterable[U]) -> Source[U]:
        """The elements of an iterable, which is iterated as they are asked for."""
        return Source((("iterable", elements),))

    @staticmethod
    def range(*args: int) -> Source[int]:
        """As the built-in ``range``."""
        return Source((("iterable", range(*args)),))

    @staticmethod
    def single(element: U) -> Source[U]:
        """One element."""
        return Source((("iterable", (element,)),))

    @staticmethod
    def empty() -> Source[Any]:
        """Completes at once."""
        return Source((("iterable", ()),))

    @staticmethod
    def never() -> Source[Any]:
        """Gives nothing and never completes; it can be cancelled."""
        return Source((("never",),))

    @staticmethod
    def failed(why: BaseException) -> Source[Any]:
        """Fails at once, with that exception."""
        return Source((("failed", why),))

    @staticmethod
    def repeat(element: U) -> Source[U]:
        """The same element without end."""
        return Source((("repeat", element),))

    @staticmethod
    def tick(interval: float, element: U, *, initial: float | None = None) -> Source[U]:
        """``element`` every ``interval``, first after ``initial`` (default: the interval). Of ticks
        that nobody asked for in time one is given late, and the others are dropped."""
        return Source((("tick", interval if initial is None else initial, interval, element),))

    @staticmethod
    def unfold(state: S, fn: Callable[[S], tuple[S, U] | None]) -> Source[U]:
        """``fn(state)`` gives the next state and an element, or None at the end."""
        return Source((("unfold", state, fn),))

    @staticmethod
    def queue(capacity: int, overflow: Overflow = "wait") -> Source[Any]:
        """Elements offered from outside; at most ``capacity`` wait. A :class:`SourceQueue` in the
        run's ``values``."""
        return Source((("queue", capacity, overflow),))

    @staticmethod
    def from_async_iterable(elements: AsyncIterable[U]) -> Source[U]:
        """The elements of an asynchronous iterable: its next one is begun when it is asked for, or
        one element ahead."""

        async def following(iterator: AsyncIterator[U]) -> Any:
            try:
                return await anext(iterator)
            except StopAsyncIteration:
                return _END

        def iterators() -> Iterable[AsyncIterator[U]]:
            iterator = aiter(elements)
            while True:
                yield iterator

        each: Source[Any] = Source((("iterable", Endless(iterators)),))
        return each.map_async(1, following).take_while(lambda e: e is not _END)

    @staticmethod
    def restart(
        factory: Callable[[], Source[U]],
        *,
        min_backoff: float = 0.2,
        max_backoff: float = 30.0,
        random_factor: float = 0.2,
        max_restarts: int = 3,
        within: float = 60.0,
        on_completion: bool = False,
    ) -> Source[U]:
        """Runs the source that ``factory()`` gives; when it fails, waits and runs the next one. The
        wait doubles from ``min_backoff`` to ``max_backoff``, with up to ``random_factor`` of itself
        added. The failure after ``max_restarts`` within ``within`` goes through."""
        return Source(
            (
                (
                    "restart",
                    lambda: factory()._ops,
                    min_backoff,
                    max_backoff,
                    random_factor,
                    max_restarts,
                    within,
                    bool(on_completion),
                ),
            )
        )

    @staticmethod
    def merge_hub(capacity: int = 64) -> Source[Any]:
        """The elements of all streams that join the :class:`MergeHub` in the run's ``values``."""
        return Source((("merge_hub", capacity),))

    # -- one element at a time ---------------------------------------------------------------------

    def map(self, fn: Callable[[T], U]) -> Source[U]:
        """``fn`` of each element."""
        return self._and("map", fn)

    def filter(self, fn: Callable[[T], object]) -> Source[T]:
        """The elements for which ``fn`` says yes."""
        return self._and("filter", fn)

    def map_concat(self, fn: Callable[[T], Iterable[U]]) -> Source[U]:
        """``fn`` gives an iterable: the elements of each, in order."""
        return self._and("map_concat", fn)

    def take(self, n: int) -> Source[T]:
        """The first ``n``; then it completes, and what is before is cancelled."""
        return self._and("take", n)

    def take_while(self, fn: Callable[[T], object]) -> Source[T]:
        """Those before the first for which ``fn`` says no."""
        return self._and("take_while", fn)

    def drop(self, n: int) -> Source[T]:
        """Without the first ``n``."""
        return self._and("drop", n)

    def drop_while(self, fn: Callable[[T], object]) -> Source[T]:
        """From the first on for which ``fn`` says no."""
        return self._and("drop_while", fn)

    def wire_tap(self, fn: Callable[[T], object]) -> Source[T]:
        """Shows each element to ``fn``, and passes it on."""
        return self._and("wire_tap", fn)

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

        return self._and("log", tell)

    def distinct(
        self, key: Callable[[T], object] | None = None, *, limit: int = _LIMIT
    ) -> Source[T]:
        """Each value (of ``key``) once; hashable. More than ``limit`` values fail the stream with
        OverflowError."""
        return self._and("filter_made", lambda: distinct(key, limit))

    def changes(self) -> Source[T]:
        """Without elements that equal the one before them."""
        return self._and("filter_made", changes)

    # -- that remember -----------------------------------------------------------------------------

    def scan(self, init: A, fn: Callable[[A, T], A]) -> Source[A]:
        """``init``, then what has been accumulated after each element."""
        return self._and("scan", init, fn)

    def fold(self, init: A, fn: Callable[[A, T], A]) -> Source[A]:
        """One element at the end: fn(…fn(fn(init, e1), e2)…)."""
        return self._and("fold", init, fn)

    def reduce(self, fn: Callable[[T, T], T]) -> Source[T]:
        """As :meth:`fold`, beginning with the first element; of an empty stream NotFound."""
        return self._and("reduce", fn)

    def grouped(self, n: int) -> Source[list[T]]:
        """Lists of ``n`` elements; the last one may be shorter."""
        return self._and("grouped", n)

    def grouped_within(self, n: int, seconds: float) -> Source[list[T]]:
        """Lists of up to ``n``: when there are ``n``, or ``seconds`` after the first of them
        came."""
        return self._and("grouped_within", n, seconds)

    def sliding(self, n: int, step: int = 1) -> Source[list[T]]:
        """Windows of ``n`` elements, each ``step`` after the one before."""
        return self._and("sliding", n, step)

    # -- work that takes its time ------------------------------------------------------------------

    @overload
    def map_async(self, parallelism: int, fn: Callable[[T], Awaitable[U]]) -> Source[U]: ...
    @overload
    def map_async(self, parallelism: int, fn: Callable[[T], U]) -> Source[U]: ...
    def map_async(self, parallelism: int, fn: Callable[[T], Any]) -> Source[Any]:
        """What ``fn(element)`` gives when it is awaited, in the order of the elements, with at most
        ``parallelism`` at work or waiting for one before. Coroutines run as tasks of the host's
        loop, and are cancelled when the stream ends before they do."""
        return self._and("map_async", parallelism, fn)

    @overload
    def map_async_unordered(
        self, parallelism: int, fn: Callable[[T], Awaitable[U]]
    ) -> Source[U]: ...
    @overload
    def map_async_unordered(self, parallelism: int, fn: Callable[[T], U]) -> Source[U]: ...
    def map_async_unordered(self, parallelism: int, fn: Callable[[T], Any]) -> Source[Any]:
        """The same in the order in which the work is done."""
        return self._and("map_async_unordered", parallelism, fn)

    def async_(self, capacity: int = 1024) -> Source[T]:
        """What is before runs in an island of its own; at most ``capacity`` elements wait between
        the two."""
        return self._and("async", capacity)

    # -- many into one -----------------------------------------------------------------------------

    def flat_map_concat(self, fn: Callable[[T], Source[U]]) -> Source[U]:
        """``fn`` gives a source for each element: their elements, one source after the other."""
        return self._and("flat_map_concat", lambda e: fn(e)._ops)

    def flat_map_merge(self, breadth: int, fn: Callable[[T], Source[U]]) -> Source[U]:
        """The same with up to ``breadth`` sources at a time, their elements as they come."""
        return self._and("flat_map_merge", breadth, lambda e: fn(e)._ops)

    def merge(self, *others: Source[T]) -> Source[T]:
        """The elements of all as they come, in turn when several have one."""
        return self._and("merge", *(each._ops for each in others))

    def merge_prioritized(self, weight: int, other: Source[T], other_weight: int) -> Source[T]:
        """As :meth:`merge`; when both have elements, each gets its weight's share."""
        return self._and("merge_prioritized", weight, other_weight, other._ops)

    def merge_sorted(
        self, other: Source[T], less: Callable[[T, T], bool] | None = None
    ) -> Source[T]:
        """Two sorted sources as one sorted one, by ``less`` (default: ``<``)."""
        return self._and("merge_sorted", less or operator.lt, other._ops)

    def concat(self, *others: Source[T]) -> Source[T]:
        """The others' elements after the end of this one, one source after the other."""
        return self._and("concat", *(each._ops for each in others))

    def interleave(self, other: Source[T], n: int = 1) -> Source[T]:
        """``n`` elements of each in turn."""
        return self._and("interleave", n, other._ops)

    def zip(self, other: Source[U]) -> Source[tuple[T, U]]:
        """Pairs of the elements that stand at the same place; completes with the shorter one."""
        return self._and("zip", other._ops)

    def zip_with(self, other: Source[U], fn: Callable[[T, U], V]) -> Source[V]:
        """``fn`` of each such two."""
        return self._and("zip_with", fn, other._ops)

    # -- one into many -----------------------------------------------------------------------------

    def broadcast(self, *flows: Flow[T, U] | Callable[[Source[T]], Source[U]]) -> Source[U]:
        """Each element through each of these flows, each in an island of its own; what they give,
        as it comes."""
        return self._and("broadcast", *map(operations, flows))

    def balance(self, *flows: Flow[T, U] | Callable[[Source[T]], Source[U]]) -> Source[U]:
        """Each element through one of these flows, one that has room."""
        return self._and("balance", *map(operations, flows))

    def partition(
        self, fn: Callable[[T], int], *flows: Flow[T, U] | Callable[[Source[T]], Source[U]]
    ) -> Source[U]:
        """Each element through the flow whose number ``fn`` gives; one too high fails the
        stream."""
        return self._and("partition", fn, *map(operations, flows))

    def also_to(self, sink: Sink[T, Any]) -> Source[T]:
        """Passes all on, and to ``sink``, whose result is in the run's ``values``."""
        return self._and("also_to", sink._ops)

    # -- between a fast side and a slow one, and the clock -----------------------------------------

    def buffer(self, n: int, overflow: Overflow = "wait") -> Source[T]:
        """Up to ``n`` elements wait for a busy sink."""
        return self._and("buffer", n, overflow)

    def conflate(self, fn: Callable[[T, T], T]) -> Source[T]:
        """All elements that come while the sink is busy become one."""
        return self._and("conflate", fn)

    def batch(self, n: int, seed: Callable[[T], A], fn: Callable[[A, T], A]) -> Source[A]:
        """As :meth:`conflate`, beginning with ``seed(element)``, with at most ``n`` in one."""
        return self._and("batch", n, seed, fn)

    def throttle(self, n: int, per: float, burst: int = 1) -> Source[T]:
        """At most ``n`` elements each ``per`` seconds; after a pause up to ``burst`` at once."""
        return self._and("throttle", n, per, burst)

    def delay(self, seconds: float, capacity: int = 1024) -> Source[T]:
        """Each element, and the end, later; at most ``capacity`` are on their way."""
        return self._and("delay", seconds, capacity)

    def initial_delay(self, seconds: float) -> Source[T]:
        """What is before is asked for the first time after that."""
        return self._and("initial_delay", seconds)

    def debounce(self, quiet: float) -> Source[T]:
        """The last element of each burst: one after which none came for ``quiet`` seconds."""
        return self._and("debounce", quiet)

    def timeout(self, seconds: float) -> Source[T]:
        """Fails with ``odeon.errors.Expired`` when it has not completed by then."""
        return self._and("timeout", seconds)

    def idle_timeout(self, seconds: float) -> Source[T]:
        """The same when no element passes for so long."""
        return self._and("idle_timeout", seconds)

    def keep_alive(self, interval: float, fn: Callable[[], T]) -> Source[T]:
        """Gives ``fn()`` when the sink asks and no element came for ``interval`` seconds."""
        return self._and("keep_alive", interval, fn)

    # -- failures and ends -------------------------------------------------------------------------

    def supervised(
        self,
        decider: Mapping[type[BaseException] | str, Directive | str] | Sequence[Decision] = (),
        otherwise: Directive | str = Directive.STOP,
    ) -> Source[T]:
        """Exceptions of functions of the stages before, by class or class path: "stop" (and
        "escalate") fails the stream, "resume" drops the element, "restart" drops it and puts the
        stage that raised back to its beginning."""
        return self._and("supervised", Supervision(decider=decider, otherwise=otherwise))

    def recover(self, fn: Callable[[BaseException], T]) -> Source[T]:
        """A failure becomes a last element; what ``fn`` raises, such as the same, fails the
        stream."""
        return self._and("recover", fn)

    def recover_with_retries(
        self, retries: int, fn: Callable[[BaseException], Source[T]]
    ) -> Source[T]:
        """A failure is followed by the source that ``fn`` gives, at most ``retries`` times in
        all."""
        return self._and("recover_with_retries", retries, lambda why: fn(why)._ops)

    def map_error(self, fn: Callable[[BaseException], BaseException]) -> Source[T]:
        """A failure becomes another."""
        return self._and("map_error", fn)

    def kill_switch(self) -> Source[T]:
        """A :class:`KillSwitch` for this stream, in the run's ``values``."""
        return self._and("kill_switch")

    def watch_termination(self) -> Source[T]:
        """In the run's ``values`` an ``Ask`` of how the stream ends at this place: "completed" or
        "cancelled"; it fails when the stream does."""
        return self._and("watch_termination")

    # -- running -----------------------------------------------------------------------------------

    def via(self, flow: Flow[T, U] | Callable[[Source[T]], Source[U]]) -> Source[U]:
        """Through that flow."""
        return Source(self._ops + operations(flow))

    def to(self, sink: Sink[T, R]) -> Stream[R]:
        """What can be run."""
        return Stream(self._ops, sink._ops)

    def run(
        self,
        system: ActorSystem,
        sink: Sink[T, R],
        *,
        name: str | None = None,
        dispatcher: str | None = None,
    ) -> Run[R]:
        """As ``to(sink).run(system)``."""
        return self.to(sink).run(system, name=name, dispatcher=dispatcher)

    def run_iter(
        self, system: ActorSystem, *, capacity: int = 16, dispatcher: str | None = None
    ) -> SinkQueue[T]:
        """Runs it, to be iterated with ``async for``; up to ``capacity`` elements are got ready.
        Leaving the loop early and letting go of the iterator cancels the stream; ``aclose`` does at
        once."""
        sink: Sink[T, SinkQueue[T]] = Sink.queue(capacity)
        return cast("SinkQueue[T]", self.run(system, sink, dispatcher=dispatcher).result)
