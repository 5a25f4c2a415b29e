"""What a program holds of streams that run: queues, switches, hubs, and the run itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast

from .. import _native
from .._native import ActorRef, Ask

if TYPE_CHECKING:
    from .flow import Flow
    from .sink import Sink
    from .source import Source

__all__ = [
    "Binding",
    "ConsumerHub",
    "KillSwitch",
    "MergeHub",
    "OfferResult",
    "Run",
    "SinkQueue",
    "SourceQueue",
]

T = TypeVar("T")
R = TypeVar("R")

OfferResult = Literal["enqueued", "dropped", "full", "closed"]


class SourceQueue(Generic[T]):
    """The producing end of ``Source.queue``. Every method may be called from any thread.

    Let go of without :meth:`complete`, the stream fails with ``NoReply``: an end that nobody meant
    is not taken for a good one.
    """

    def __init__(self, handle: object) -> None:
        self._handle = handle

    async def offer(self, element: T) -> OfferResult:
        """Gives an element; with overflow "wait" it waits for room. What became of it."""
        now = _native.stream_offer(self._handle, element)
        return cast(OfferResult, now if isinstance(now, str) else await now)

    def offer_blocking(self, element: T) -> OfferResult:
        """The same for threads without a loop."""
        now = _native.stream_offer(self._handle, element)
        return cast(OfferResult, now if isinstance(now, str) else now.wait())

    def try_offer(self, element: T) -> OfferResult:
        """The same without waiting: "full" when there is no room."""
        return cast(OfferResult, _native.stream_try_offer(self._handle, element))

    def complete(self) -> None:
        """No more elements; those that wait are still given."""
        _native.stream_end(self._handle, None)

    def fail(self, why: BaseException) -> None:
        """The stream fails with that exception, after the elements that wait."""
        _native.stream_end(self._handle, why)

    @property
    def is_closed(self) -> bool:
        """Whether it was completed, or the stream has ended."""
        return _native.stream_is_closed(self._handle)


class SinkQueue(AsyncIterator[T]):
    """The consuming end of ``Sink.queue``: an asynchronous iterator. A failure of the stream is
    raised once; then the iteration is at its end. Letting go of it cancels the stream. One consumer
    at a time."""

    def __init__(self, handle: object) -> None:
        self._handle = handle
        self._ready: list[T] = []
        self._pending: Ask[list[T] | None] | None = None
        self._over = False

    def _pull(self) -> Any:
        return self._pending or _native.stream_pull(self._handle)

    def _take(self, given: list[T] | None) -> T:
        self._pending = None
        if given is None:
            self._over = True
            raise StopAsyncIteration
        given.reverse()
        self._ready = given
        return given.pop()

    async def __anext__(self) -> T:
        if self._ready:
            return self._ready.pop()
        if self._over:
            raise StopAsyncIteration
        given = self._pull()
        if isinstance(given, Ask):
            self._pending = given  # who gives up this wait takes no element with it
            try:
                given = await asyncio.shield(given)
            except BaseException:
                if given.done():
                    self._pending = None
                raise
        return self._take(given)

    def pull_blocking(self) -> T:
        """The next element, for threads without a loop; StopAsyncIteration at the end."""
        if self._ready:
            return self._ready.pop()
        if self._over:
            raise StopAsyncIteration
        given = self._pull()
        return self._take(given.wait() if isinstance(given, Ask) else given)

    def cancel(self) -> None:
        """Cancels the stream; the iteration ends."""
        self._over = True
        self._ready = []
        _native.stream_cancel(self._handle)

    async def aclose(self) -> None:
        """As :meth:`cancel`: for ``contextlib.aclosing``."""
        self.cancel()


class KillSwitch:
    """Ends streams from outside: all that run ``via(switch.flow())``, and those to come.

    The first of :meth:`shutdown` and :meth:`abort` counts. Letting go of it does nothing. From any
    thread.

    Streams that run when it is aborted fail with that very exception, those to come with copies.
    """

    def __init__(self, handle: object = None) -> None:
        self._handle = _native.stream_kill_switch() if handle is None else handle

    def shutdown(self) -> None:
        """The streams complete at the switch, and what is before it is cancelled."""
        _native.stream_kill(self._handle, None)

    def abort(self, why: BaseException) -> None:
        """The streams fail at the switch, with that exception."""
        _native.stream_kill(self._handle, why)

    def flow(self) -> Flow[T, T]:
        """The place in a stream where the switch stands."""
        from .flow import Flow

        return Flow((("killed_by", self._handle),))


class MergeHub(Generic[T]):
    """Where streams join a ``Source.merge_hub``. From any thread."""

    def __init__(self, handle: object) -> None:
        self._handle = handle

    def sink(self) -> Sink[T, None]:
        """A sink for any number of streams. One that fails leaves the others alone."""
        from .sink import Sink

        return Sink((("into_hub", self._handle),))

    def complete(self) -> None:
        """No more streams may join; the hub completes when those there are have ended."""
        _native.stream_finish(self._handle)


class ConsumerHub(Generic[T]):
    """Where streams join a ``Sink.broadcast_hub`` or ``Sink.partition_hub``. From any thread."""

    def __init__(self, handle: object) -> None:
        self._handle = handle

    def source(self) -> Source[T]:
        """A source for any number of streams, of the elements from here on."""
        from .source import Source

        return Source((("from_hub", self._handle),))


class Binding:
    """The place where ``tcp.incoming`` listens. Letting go of it does nothing. From any thread."""

    def __init__(self, handle: object) -> None:
        self._handle = handle

    @property
    def address(self) -> str:
        """Such as "127.0.0.1:40312", with the real port. Raises what listening failed with."""
        return _native.stream_address(self._handle)

    def unbind(self) -> None:
        """Takes no more connections: the source completes; connections that were accepted go on."""
        _native.stream_unbind(self._handle)


_classes: dict[str, Any] = {
    "binding": Binding,
    "consumer_hub": ConsumerHub,
    "kill_switch": KillSwitch,
    "merge_hub": MergeHub,
    "sink_queue": SinkQueue,
    "source_queue": SourceQueue,
}


def wrapped(raw: Any) -> Any:
    """A materialised value of the native layer as what a program uses."""
    if raw is None or isinstance(raw, Ask | ActorRef):
        return raw
    if isinstance(raw, tuple):
        return tuple(wrapped(each) for each in raw)
    return _classes[_native.stream_kind(raw)](raw)


class Run(Generic[R]):
    """A stream that runs. ``await run`` gives its sink's result, or raises what it failed with; who
    is cancelled while he waits cancels the stream. Letting go of a run does not end it."""

    def __init__(
        self, result: Any, values: list[Any], switch: KillSwitch, cancel: KillSwitch
    ) -> None:
        self._result = wrapped(result)
        self._switch = switch
        self._cancel = cancel
        self.values: tuple[Any, ...] = tuple(wrapped(each) for each in values)
        """Queues, switches, hubs and ends that the stream's parts gave, in their order."""

    @property
    def result(self) -> Any:
        """What the sink gave at once: the ``Ask`` of its result, a queue, a hub, a tuple of
        them."""
        return self._result

    def __await__(self) -> Generator[Any, None, R]:
        return self._wait().__await__()

    async def _wait(self) -> R:
        try:
            if isinstance(self._result, tuple):
                # All at once: the first failure is told, whatever the others still do.
                asks = [each for each in self._result if isinstance(each, Ask)]
                given = iter(await asyncio.gather(*asks))
                results = (next(given) if isinstance(e, Ask) else e for e in self._result)
                return cast(R, tuple(results))
            return cast(R, await self._result if isinstance(self._result, Ask) else self._result)
        except asyncio.CancelledError:
            self.cancel()
            raise

    def wait(self) -> R:
        """Blocks the thread until the sink has its result; for programs without a loop."""
        if isinstance(self._result, tuple):
            return cast(
                R, tuple(each.wait() if isinstance(each, Ask) else each for each in self._result)
            )
        return cast(R, self._result.wait() if isinstance(self._result, Ask) else self._result)

    def done(self) -> bool:
        """Whether the sink has its result, or has failed."""
        all_of = self._result if isinstance(self._result, tuple) else (self._result,)
        return all(each.done() for each in all_of if isinstance(each, Ask))

    def shutdown(self) -> None:
        """Ends the stream before its sink, which does what it has begun, and completes with what it
        has."""
        self._switch.shutdown()

    def cancel(self) -> None:
        """Ends the stream, and the work that its sinks have begun; the result is
        ``asyncio.CancelledError``."""
        why = asyncio.CancelledError("the stream was cancelled")
        self._cancel.abort(why)
        self._switch.abort(why)
