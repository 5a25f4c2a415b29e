"""``Flow``: a part of a stream, by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .sink import Sink

if TYPE_CHECKING:
    from .source import Source

__all__ = ["Flow"]

I = TypeVar("I", contravariant=True)
O = TypeVar("O", covariant=True)
U = TypeVar("U")
R = TypeVar("R")


class Flow(Generic[I, O]):
    """What stands between a source and a sink, for ``source.via(flow)`` and for fanning out.

    Example::

        words = Flow.of(lambda lines: lines.map_concat(str.split).filter(str.isalpha))
        print(await Source.single("to be 1 or").via(words).run(system, Sink.collect()))
    """

    __slots__ = ("_ops",)

    def __init__(self, ops: tuple[tuple[Any, ...], ...] = ()) -> None:
        self._ops = ops

    @staticmethod
    def of(build: Callable[[Source[I]], Source[O]]) -> Flow[I, O]:
        """The operations that ``build`` puts on a source. It is called once, now."""
        from .source import Source

        start: Source[I] = Source(())
        return Flow(build(start)._ops)

    def via(self, flow: Flow[O, U]) -> Flow[I, U]:
        """This one, and then that one."""
        return Flow(self._ops + flow._ops)

    def to(self, sink: Sink[O, R]) -> Sink[I, R]:
        """A sink with this flow before it."""
        return Sink(self._ops + sink._ops)


def operations(flow: Any) -> tuple[tuple[Any, ...], ...]:
    """Of a flow, or of a function that puts operations on a source."""
    return flow._ops if isinstance(flow, Flow) else Flow.of(flow)._ops
