"""A node whose messages the tests of contracts know in other forms. Prints its address, and serves
until its input ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import odeon
from odeon import codecs
from remote_nodes import serve


@dataclass
class Order:
    __manifest__ = "contract.order"
    item: str
    count: int = 1


@dataclass
class Grown:
    __manifest__ = "contract.grown"
    __version__ = 2
    n: int
    m: int

    @staticmethod
    def upcast(old: dict[str, Any]) -> dict[str, Any]:
        return {"n": old["n"], "m": 0}


@dataclass
class Measure:
    __manifest__ = "contract.measure"
    value: float


class Clerk(odeon.Actor[Order | Grown | Measure]):
    def receive(self, msg: Any) -> Any:
        return f"{msg.count} {msg.item}" if isinstance(msg, Order) else None


if __name__ == "__main__":
    for cls in (Order, Grown, Measure):
        codecs.register(cls)
    asyncio.run(serve("clerks", lambda system, net: system.spawn(Clerk, name="clerk")))
