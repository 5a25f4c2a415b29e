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
A = TypeVar("A")
U = TypeVar("U")
R = TypeVar("R")

if TYPE_CHECKING:
    from ._flow_types import FlowOperations
else:

    class FlowOperations(Generic[I, O]):
        """The operations of sources: ``source`` puts them here."""

        __slots__ = ()


class Flow(FlowOperations[I, O]):
    """What stands between a source and a sink, for ``source.via(flow)`` and for fanning out. It has
    the operations of sources: ``Flow()`` passes all on, and each operation gives a flow with that
    one behind.

    Example::

        words = Flow[str, str]().map_concat(str.split).filter(str.isalpha)
        print(await Source.single("to be 1 or").via(words).run(system, Sink.collect()))
    """

    __slots__ = ("_ops",)

    def __init__(self, ops: tuple[tuple[Any, ...], ...] = ()) -> None:
        self._ops = ops

    @staticmethod
    def of(build: Callable[[Source[A]], Source[U]]) -> Flow[A, U]:
        """The operations that ``build`` puts on a source. It is called once, now."""
        from .source import Source

        start: Source[Any] = Source(())
        return Flow(build(start)._ops)

    def via(self, flow: Flow[O, U] | Callable[[Source[O]], Source[U]]) -> Flow[I, U]:
        """This one, and then that one."""
        return Flow(self._ops + operations(flow))

    def to(self, sink: Sink[O, R]) -> Sink[I, R]:
        """A sink with this flow before it."""
        return Sink(self._ops + sink._ops)


def operations(flow: Any) -> tuple[tuple[Any, ...], ...]:
    """Of a flow, or of a function that puts operations on a source."""
    return flow._ops if isinstance(flow, Flow) else Flow.of(flow)._ops
