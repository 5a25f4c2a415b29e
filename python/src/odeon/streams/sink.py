"""``Sink``: where a stream ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from ._each import is_async
from ._made import accumulated, latest, reduced
from .handles import ConsumerHub, SinkQueue

if TYPE_CHECKING:
    from .._native import ActorRef

__all__ = ["Sink"]

T = TypeVar("T", contravariant=True)
U = TypeVar("U")
R = TypeVar("R", covariant=True)
A = TypeVar("A")
_NONE = object()


class Sink(Generic[T, R]):
    """Takes elements of ``T``, and gives ``R`` in the end. A description: it may be run any number
    of times. An empty stream fails ``first``, ``last`` and ``reduce`` with
    ``odeon.errors.NotFound``."""

    __slots__ = ("_ops",)

    def __init__(self, ops: tuple[tuple[Any, ...], ...]) -> None:
        self._ops = ops

    @staticmethod
    def collect(limit: int = 100_000_000) -> Sink[T, list[T]]:
        """All elements as a list; more than ``limit`` fail the stream."""
        return Sink((("collect", limit),))

    @staticmethod
    def foreach(fn: Callable[[T], object]) -> Sink[T, None]:
        """Calls ``fn`` with each element; a coroutine function is awaited, one at a time."""
        if is_async(fn):
            awaited: Callable[[T], Any] = fn
            return Sink.foreach_async(1, awaited)
        return Sink((("foreach", fn),))

    @staticmethod
    def foreach_async(parallelism: int, fn: Callable[[T], Awaitable[object]]) -> Sink[T, None]:
        """Awaits ``fn(element)``, for at most ``parallelism`` elements at a time."""
        return Sink((("map_async_unordered", parallelism, fn), ("ignore",)))

    @staticmethod
    def fold(init: A, fn: Callable[[A, T], A | Awaitable[A]]) -> Sink[T, A]:
        """fn(…fn(fn(init, e1), e2)…)."""
        if is_async(fn):
            return Sink((("made", lambda: accumulated(init, fn)), ("fold", init, latest)))
        return Sink((("fold", init, fn),))

    @staticmethod
    def reduce(fn: Callable[[A, A], A | Awaitable[A]]) -> Sink[A, A]:
        """As :meth:`fold`, beginning with the first element."""
        if is_async(fn):
            return Sink((("made", lambda: reduced(fn)), ("reduce", latest)))
        return Sink((("reduce", fn),))

    @staticmethod
    def cancelled() -> Sink[Any, None]:
        """Cancels at once: what is before is not asked."""
        return Sink((("cancelled",),))

    @staticmethod
    def ignore() -> Sink[Any, None]:
        """Takes all, keeps none."""
        return Sink((("ignore",),))

    @staticmethod
    def count() -> Sink[Any, int]:
        """How many there were."""
        return Sink((("count",),))

    @overload
    @staticmethod
    def first() -> Sink[T, T]: ...
    @overload
    @staticmethod
    def first(default: U) -> Sink[T, T | U]: ...
    @staticmethod
    def first(default: Any = _NONE) -> Sink[Any, Any]:
        """The first element; then the stream is cancelled. ``default`` when there is none."""
        return Sink((("first",) if default is _NONE else ("first_or", default),))

    @overload
    @staticmethod
    def last() -> Sink[T, T]: ...
    @overload
    @staticmethod
    def last(default: U) -> Sink[T, T | U]: ...
    @staticmethod
    def last(default: Any = _NONE) -> Sink[Any, Any]:
        """The last element. ``default`` when there is none."""
        return Sink((("last",) if default is _NONE else ("last_or", default),))

    @staticmethod
    def head() -> Sink[T, T]:
        """As ``first()``."""
        return Sink((("first",),))

    @staticmethod
    def head_option() -> Sink[T, T | None]:
        """As ``first(None)``."""
        return Sink((("first_or", None),))

    @staticmethod
    def last_option() -> Sink[T, T | None]:
        """As ``last(None)``."""
        return Sink((("last_or", None),))

    @staticmethod
    def queue(capacity: int = 16) -> Sink[T, SinkQueue[T]]:
        """Elements to be pulled from outside; up to ``capacity`` are got ready. The run's result is
        the queue, at once."""
        return Sink((("queue", capacity),))

    @staticmethod
    def to_actor(ref: ActorRef[Any], make: Callable[[T], Any] | None = None, *, window: int = 1,
                 timeout: float | None = None) -> Sink[T, None]:
        """Asks ``ref`` with each element, or ``make(element)``: the reply is the acknowledgement,
        and at most ``window`` are open. A reply that fails, or an actor that stopped, fails the
        stream."""

        def ask(element: T) -> Awaitable[object]:
            message = element if make is None else make(element)
            return ref.ask(message) if timeout is None else ref.ask(message, timeout=timeout)

        return Sink((("map_async", window, ask), ("ignore",)))

    @staticmethod
    def broadcast(*sinks: Sink[T, Any]) -> Sink[T, tuple[Any, ...]]:
        """Each element to each of these sinks, each in an island of its own; all their results."""
        return Sink((("broadcast", *(each._ops for each in sinks)),))

    @staticmethod
    def balance(*sinks: Sink[T, Any]) -> Sink[T, tuple[Any, ...]]:
        """Each element to one of these sinks, one that has room."""
        return Sink((("balance", *(each._ops for each in sinks)),))

    @staticmethod
    def partition(fn: Callable[[T], int], *sinks: Sink[T, Any]) -> Sink[T, tuple[Any, ...]]:
        """Each element to the sink whose number ``fn`` gives."""
        return Sink((("partition", fn, *(each._ops for each in sinks)),))

    @staticmethod
    def broadcast_hub(capacity: int = 64) -> Sink[T, ConsumerHub[T]]:
        """Each element to all streams that join the hub, which is the run's result, at once. The
        slowest, with up to ``capacity`` elements before it, sets the pace; without any it waits."""
        return Sink((("broadcast_hub", capacity),))

    @staticmethod
    def partition_hub(fn: Callable[[int, T], int],
                      capacity: int = 64) -> Sink[T, ConsumerHub[T]]:
        """Each element to the one stream whose number ``fn(number of streams, element)`` gives."""
        return Sink((("partition_hub", capacity, fn),))
