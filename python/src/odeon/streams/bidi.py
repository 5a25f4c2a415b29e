"""Flows in both directions: protocols in layers."""

from __future__ import annotations

from typing import Generic, TypeVar

from .flow import Flow

__all__ = ["BidiFlow"]

I1 = TypeVar("I1")
O1 = TypeVar("O1")
I2 = TypeVar("I2")
O2 = TypeVar("O2")
X = TypeVar("X")
Y = TypeVar("Y")


class BidiFlow(Generic[I1, O1, I2, O2]):
    """Two flows: ``down`` towards the wire, ``up`` from it. A description.

    Example::

        texts = BidiFlow(Flow[str, str]().map(str.encode), Flow[bytes, bytes]().map(bytes.decode))
        frames = BidiFlow(framing.length_prefix(1024), framing.length_field(1024))
        echo = texts.atop(frames).join(Flow[bytes, bytes]())
        print(await Source.from_iterable(["to", "be"]).via(echo).run(system, Sink.collect()))
    """

    __slots__ = ("down", "up")

    def __init__(self, down: Flow[I1, O1], up: Flow[I2, O2]) -> None:
        self.down = down
        self.up = up

    def atop(self, below: BidiFlow[O1, X, Y, I2]) -> BidiFlow[I1, X, Y, O2]:
        """This layer on top of ``below``."""
        return BidiFlow(self.down.via(below.down), below.up.via(self.up))

    def join(self, flow: Flow[O1, I2]) -> Flow[I1, O2]:
        """Closes it with the flow below all layers: what goes down comes out of it and goes up."""
        return self.down.via(flow).via(self.up)

    def reversed(self) -> BidiFlow[I2, O2, I1, O1]:
        """The other way round."""
        return BidiFlow(self.up, self.down)
