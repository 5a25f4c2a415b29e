"""An actor whose state is what its events made of it. It survives the program.

Prints::

    start 1: 70
    start 2: 140
    refused: only 140 is there
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

import odeon
from odeon.errors import Refused
from odeon.persistence import Effect, EventSourced, Journal, persist, refuse


@dataclass
class Deposit:
    amount: int


@dataclass
class Withdraw:
    amount: int


@dataclass
class Deposited:  # events are stored, so they are named for ever
    __manifest__ = "bank.deposited"
    amount: int


@dataclass
class Withdrawn:
    __manifest__ = "bank.withdrawn"
    amount: int


class Account(EventSourced[Deposit | Withdraw, Deposited | Withdrawn, int]):
    snapshot_every = 100

    def __init__(self, number: int) -> None:
        self.persistence_id = f"account-{number}"

    def initial_state(self) -> int:
        return 0

    # The reply leaves when the event is on disk.
    def on_command(self, state: int, cmd: Deposit | Withdraw, ctx: odeon.Context) -> Effect:
        match cmd:
            case Deposit(amount):
                return persist(Deposited(amount)).reply_with(lambda balance: balance)
            case Withdraw(amount) if amount > state:
                return refuse(Refused(f"only {state} is there"))
            case Withdraw(amount):
                return persist(Withdrawn(amount)).reply_with(lambda balance: balance)

    def on_event(self, state: int, event: Deposited | Withdrawn) -> int:
        return state + event.amount if isinstance(event, Deposited) else state - event.amount


async def main(file: Path) -> None:
    for start in (1, 2):
        async with odeon.ActorSystem("bank", journal=Journal.sqlite(file)) as system:
            account = system.spawn(Account, 17)
            await account.ask(Deposit(100))
            print(f"start {start}: {await account.ask(Withdraw(30))}")
            if start == 2:
                try:
                    await account.ask(Withdraw(1000))
                except Refused as why:
                    print(f"refused: {why}")


with tempfile.TemporaryDirectory() as folder:
    asyncio.run(main(Path(folder) / "bank.db"))
