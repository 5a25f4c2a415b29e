"""``Source``: where a stream begins, and what is done with its elements on the way."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from ._each import Each, is_async
from ._made import Endless, unfolded
from ._many import Many
from ._paced import Overflow, Paced
from .flow import Flow, operations
from .handles import Run, SinkQueue
from .sink import Sink
from .stream import Stream

if TYPE_CHECKING:
    from .._native import Context
    from ..system import ActorSystem

__all__ = ["Overflow", "Source"]

T = TypeVar("T", covariant=True)
U = TypeVar("U")
R = TypeVar("R")
S = TypeVar("S")

_END: Any = object()


class Source(Each[T], Many[T], Paced[T]):
    """Gives elements of ``T``. A description: it does nothing until it is run, and may be run again
    as long as what it was made of may be iterated again.

    Functions are called on the thread of the stream's host – in asyncio programs the event loop –
    and must not block; coroutine functions are awaited there, for one element after the other. One
    that raises fails the stream with that very exception, unless :meth:`supervised` says otherwise.
    Durations are seconds.

    Example::

        squares = Source.range(1, 5).map(lambda n: n * n)
        print(await squares.run(system, Sink.fold(0, int.__add__)))
    """

    __slots__ = ()

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

    @overload
    @staticmethod
    def unfold(
        state: S, fn: Callable[[S], Coroutine[Any, Any, tuple[S, U] | None]]
    ) -> Source[U]: ...
    @overload
    @staticmethod
    def unfold(state: S, fn: Callable[[S], tuple[S, U] | None]) -> Source[U]: ...
    @staticmethod
    def unfold(state: Any, fn: Callable[[Any], Any]) -> Source[Any]:
        """``fn(state)`` gives the next state and an element, or None at the end."""
        if is_async(fn):
            made = ("made", lambda: unfolded(state, fn, _END))
            steps: Source[Any] = Source((("repeat", None), made))
            return steps.take_while(lambda e: e is not _END)
        return Source((("unfold", state, fn),))

    @overload
    @staticmethod
    def generate(fn: Callable[[], Coroutine[Any, Any, U]], *, end: Any = None) -> Source[U]: ...
    @overload
    @staticmethod
    def generate(fn: Callable[[], U], *, end: Any = None) -> Source[U]: ...
    @staticmethod
    def generate(fn: Callable[[], Any], *, end: Any = None) -> Source[Any]:
        """What ``fn()`` gives, until it gives ``end`` itself."""
        if is_async(fn):
            called = Source.repeat(None).map_async(1, lambda _: fn())
            return called.take_while(lambda e: e is not end)

        def step(_: None) -> tuple[None, Any] | None:
            given = fn()
            return None if given is end else (None, given)

        return Source((("unfold", None, step),))

    @staticmethod
    def from_awaitable(work: Awaitable[U] | Callable[[], Awaitable[U]]) -> Source[U]:
        """One element: what is awaited, which begins when it is asked for. A coroutine can be
        awaited once; a function makes one for each run."""
        begin = work if callable(work) else lambda: work
        return Source.single(None).map_async(1, lambda _: begin())

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
    def from_actor(capacity: int, overflow: Overflow = "wait") -> Source[Any]:
        """What an actor is told, or asked; its ``ActorRef`` is in the run's ``values``. An element
        that is asked is answered when it has its place ("enqueued", "dropped", "closed"), which
        with overflow "wait" is the back-pressure; those told wait in the actor's mailbox.
        :class:`StreamComplete` ends the stream, :class:`StreamFail` fails it. The actor stops with
        the stream, and the stream fails with ActorStopped when the actor is stopped.

        Example::

            run = Source.from_actor(8).map(str.upper).run(system, Sink.collect())
            ref = run.values[0]
            print(await ref.ask("to"))
            ref.tell("be")
            ref.tell(StreamComplete())
            print(await run)
        """
        from .actors import spawn_intake

        return Source((("actor", capacity, overflow, spawn_intake),))

    @staticmethod
    def merge_hub(capacity: int = 64) -> Source[Any]:
        """The elements of all streams that join the :class:`MergeHub` in the run's ``values``."""
        return Source((("merge_hub", capacity),))

    # -- running -----------------------------------------------------------------------------------

    def via(self, flow: Flow[T, U] | Callable[[Source[T]], Source[U]]) -> Source[U]:
        """Through that flow."""
        return Source(self._ops + operations(flow))

    def to(self, sink: Sink[T, R]) -> Stream[R]:
        """What can be run."""
        return Stream(self._ops, sink._ops)

    def run(
        self,
        system: ActorSystem | Context,
        sink: Sink[T, R],
        *,
        name: str | None = None,
        dispatcher: str | None = None,
    ) -> Run[R]:
        """As ``to(sink).run(system)``."""
        return self.to(sink).run(system, name=name, dispatcher=dispatcher)

    def run_iter(
        self, system: ActorSystem | Context, *, capacity: int = 16, dispatcher: str | None = None
    ) -> SinkQueue[T]:
        """Runs it, to be iterated with ``async for``; up to ``capacity`` elements are got ready.
        Leaving the loop early and letting go of the iterator cancels the stream; ``aclose`` does at
        once."""
        sink: Sink[T, SinkQueue[T]] = Sink.queue(capacity)
        return cast("SinkQueue[T]", self.run(system, sink, dispatcher=dispatcher).result)


def _as_flow(operation: Callable[..., Source[Any]]) -> Callable[..., Flow[Any, Any]]:
    @wraps(operation)
    def of_a_flow(self: Flow[Any, Any], *args: Any, **kwargs: Any) -> Flow[Any, Any]:
        return Flow(operation(Source(self._ops), *args, **kwargs)._ops)

    return of_a_flow


for _operations in (Each, Many, Paced):
    for _name, _operation in vars(_operations).items():
        if not _name.startswith("_"):
            setattr(Flow, _name, _as_flow(_operation))
