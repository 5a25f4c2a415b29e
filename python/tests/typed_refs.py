"""How typed references behave under mypy --strict; read by test_stubs.py, never run.

Each line that must be refused carries the kind of its error; an error that does not come is one too
(warn_unused_ignores).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_type

import odeon


@dataclass
class Deposit:
    amount: int


@dataclass
class Withdraw:
    amount: int


class Account(odeon.Actor[Deposit | Withdraw]):
    def __init__(self, owner: str) -> None:
        self.owner = owner

    def receive(self, msg: Deposit | Withdraw, ctx: odeon.Context) -> int:
        return msg.amount


def spawns_and_tells(system: odeon.ActorSystem) -> None:
    account = system.spawn(Account, "Alice", name="alice")
    assert_type(account, odeon.ActorRef[Deposit | Withdraw])
    account.tell(Deposit(1))
    account.tell(Withdraw(1))
    account.tell("one")  # type: ignore[arg-type]
    account.tell(Deposit(1), priority="high")  # type: ignore[arg-type]


def narrows(account: odeon.ActorRef[Deposit | Withdraw], till: odeon.ActorRef[Deposit]) -> None:
    """Who accepts more may stand where less is sent, and not the other way round."""
    only_deposits: odeon.ActorRef[Deposit] = account
    only_deposits.tell(Withdraw(1))  # type: ignore[arg-type]
    everything: odeon.ActorRef[Deposit | Withdraw] = till  # type: ignore[assignment]
    everything.tell(Withdraw(1))


async def asks(account: odeon.ActorRef[Deposit | Withdraw]) -> None:
    await account.ask(Deposit(1), timeout=1.0)
    await account.ask("one", timeout=1.0)  # type: ignore[call-overload]
    account.ask_blocking(Deposit(1), timeout=1.0)
