"""A test in virtual time: a day passes at once, and each seed is another order of the actors.

A heating looks at its thermometer every ten minutes. The test gives it a thermometer in its own
hand, a probe, and lets a day go by; then it tries a race of two heatings under many seeds.

Prints::

    looks in a day: 144
    wall clock: less than a second
    orders seen under 20 seeds: ['AB', 'BA']
"""

from __future__ import annotations

import time
from typing import Any

import odeon
from odeon.testing import TestKit, explore

TEN_MINUTES = 600.0
DAY = 24 * 3600.0


class Heating(odeon.Actor[str]):
    def __init__(self, thermometer: odeon.ActorRef[Any], name: str = "") -> None:
        self.thermometer = thermometer
        self.name = name

    def pre_start(self, ctx: odeon.Context) -> None:
        ctx.send_every(TEN_MINUTES, TEN_MINUTES, "look")

    def receive(self, msg: str) -> None:
        self.thermometer.tell(f"how warm?{self.name}")


def a_day() -> int:
    with TestKit() as kit:
        thermometer = kit.probe()
        kit.system.spawn(Heating, thermometer.ref)
        kit.advance(DAY)
        return thermometer.pending


orders: set[str] = set()


@explore(seeds=20)
def two_heatings(kit: TestKit) -> None:
    thermometer = kit.probe()
    for name in ("A", "B"):
        kit.system.spawn(Heating, thermometer.ref, name)
    first, second = thermometer.receive_n_blocking(2, str, within=TEN_MINUTES)
    orders.add(first[-1] + second[-1])


def main() -> None:
    began = time.monotonic()
    print("looks in a day:", a_day())
    print("wall clock:", "less than a second" if time.monotonic() - began < 1 else "too long")
    two_heatings()
    print("orders seen under 20 seeds:", sorted(orders))


if __name__ == "__main__":
    main()
