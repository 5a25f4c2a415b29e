"""Actors whose code is functions: kept by the sidecar's engine, here in one program without an app.

Prints::

    ann has 500
    joe has 70
    ann has 380
    joe: not enough money
    no bob: ActorNotFound
    the auditor saw 690
    9 francs for 3
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import odeon

try:
    from odeon.sidecar import ActorDef, ActorNotFound, Call, InvocationFailed, Sidecar, Value
except NotImplementedError as without:
    raise SystemExit(f"nothing to show: {without}") from None


@dataclass
class Amount:
    __manifest__ = "example.amount"
    cents: int = 0


def deposit(call: Call) -> Value:
    now = Amount((call.state.cents if call.state else 0) + call.value.cents)
    if now.cents < 0:
        raise ValueError("not enough money")
    # The state is stored before the answer goes out; the auditor hears of it and nobody waits.
    return Value().state(now).reply(now).effect("auditor", "note", call.value).checkpoint()


def note(call: Call) -> Value:
    return Value().state((call.state or 0) + abs(call.value.cents))


class Exchange(odeon.Actor[int]):
    """An actor as any other, which gets a sidecar name below."""

    def receive(self, msg: int) -> int:
        return 3 * msg


async def main() -> None:
    async with odeon.ActorSystem("bank") as system, Sidecar(system) as side:
        # A template, whose instances get their names as they are invoked, and one named actor.
        side.register(ActorDef("account", kind="unnamed").action("deposit", deposit),
                      ActorDef("auditor").action("note", note))
        for name, cents in (("ann", 500), ("joe", 70), ("ann", -120), ("joe", -100)):
            try:
                now = await side.invoke(name, "deposit", Amount(cents), parent="account")
                print(f"{name} has {now.cents}")
            except InvocationFailed as failed:
                print(f"{name}: {str(failed).rpartition(': ')[2]}")
        try:
            await side.invoke("bob", "deposit", Amount(1))
        except ActorNotFound as failed:
            print(f"no bob: {type(failed).__name__}")
        print("the auditor saw", await side.invoke("auditor", "get"))
        side.expose("exchange", system.spawn(Exchange), ask=["francs"])
        print(await side.invoke("exchange", "francs", 3), "francs for 3")


asyncio.run(main())
