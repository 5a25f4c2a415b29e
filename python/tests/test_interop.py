"""Actors of C++ and of Python in one system, which know each other's messages by manifest."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

import odeon
import odeon.native  # before the extension: see there
from odeon import codecs
from odeon.errors import (ActorFailed, EncodingError, InvalidArgument,
                          WrongType)

odeon_test_bank = pytest.importorskip("odeon_test_bank", reason="the test's extension is not built")


@codecs.register
@dataclass
class Total:
    __manifest__ = "bank.Total"
    account: str
    cents: int = 0


@codecs.register
@dataclass
class Deposit:
    __manifest__ = "bank.Deposit"
    account: str
    cents: int = 0


@codecs.register
@dataclass
class Names:
    __manifest__ = "bank.Names"


@codecs.register
@dataclass
class Reset:
    __manifest__ = "bank.Reset"


@codecs.register
@dataclass
class Closed:
    __manifest__ = "bank.Closed"
    account: str


@codecs.register
@dataclass
class TellWhenClosed:
    __manifest__ = "bank.TellWhenClosed"
    whom: odeon.ActorRef
    account: str


@codecs.register
@dataclass
class PassOn:
    __manifest__ = "bank.PassOn"
    to: odeon.ActorRef
    account: str
    cents: int


@codecs.register
@dataclass
class TellUnknown:
    __manifest__ = "bank.TellUnknown"
    to: odeon.ActorRef


@dataclass
class NotOfCpp:
    n: int = 0


@dataclass
class Ledger:
    """An actor of Python that takes messages of C++."""

    seen: list[Any] = field(default_factory=list)

    async def receive(self, msg: Any, ctx: odeon.Context) -> Any:
        self.seen.append(msg)
        match msg:
            case Deposit(account, cents) if cents >= 0:
                await asyncio.sleep(0)
                return Total(account, cents * 2)
            case Deposit("wrong", _):
                return "this is no total"
            case Deposit("silent", _):
                return None
            case Deposit():
                raise ValueError("less than nothing")
            case "seen":
                return self.seen


def eventually(what: Any) -> None:
    until = time.monotonic() + 60
    while not what():
        assert time.monotonic() < until
        time.sleep(0.001)


def test_python_tells_and_asks_an_actor_of_cpp() -> None:
    with odeon.ActorSystem.start("mixed") as system:
        bank = odeon_test_bank.start(system)
        assert bank.path == "/user/bank" and system.lookup("bank") == bank
        bank.tell(Deposit("a", 5))
        assert bank.ask_blocking(Deposit("a", 10), timeout=5) == Total("a", 15)
        assert bank.ask_blocking(Deposit("b", 1), timeout=5) == Total("b", 1)
        assert bank.ask_blocking(Names(), timeout=5) == ["a", "b"]
        bank.tell(Reset())
        assert bank.ask_blocking(Names(), timeout=5) == []


def test_asks_of_cpp_are_awaited_on_a_loop() -> None:
    async def main() -> None:
        async with odeon.ActorSystem("mixed") as system:
            bank = odeon_test_bank.start(system)
            found = await asyncio.gather(*(bank.ask(Deposit("a", 1), timeout=5) for _ in range(50)))
            assert [one.cents for one in found] == list(range(1, 51))

    asyncio.run(main())


def test_a_failure_of_cpp_is_the_askers_exception() -> None:
    with odeon.ActorSystem.start("mixed") as system:
        bank = odeon_test_bank.start(system)
        with pytest.raises(ActorFailed, match="less than nothing"):
            bank.ask_blocking(Deposit("a", -1), timeout=5)
        assert bank.ask_blocking(Deposit("a", 1), timeout=5).cents == 1


def test_what_an_actor_of_cpp_does_not_take_raises_at_the_call() -> None:
    with odeon.ActorSystem.start("mixed") as system:
        bank = odeon_test_bank.start(system)
        with pytest.raises(EncodingError, match="none of the C\\+\\+ messages"):
            bank.tell(NotOfCpp())
        with pytest.raises(WrongType, match="no handler for bank.Closed"):
            bank.tell(Closed("a"))
        with pytest.raises(InvalidArgument, match="no request"):
            bank.ask_blocking(Reset(), timeout=5)
        wrong = Deposit("a")
        wrong.cents = "many"  # type: ignore[assignment]
        with pytest.raises(EncodingError, match="cents"):
            bank.tell(wrong)
        assert bank.ask_blocking(Names(), timeout=5) == []


def test_cpp_tells_and_asks_an_actor_of_python() -> None:
    with odeon.ActorSystem.start("mixed") as system:
        bank = odeon_test_bank.start(system)
        ledger = system.spawn(Ledger)
        assert odeon_test_bank.deposit(ledger, "c", 21) == 42
        bank.tell(TellWhenClosed(ledger, "c"))
        eventually(lambda: Closed("c") in ledger.ask_blocking("seen", timeout=5))
        assert ledger.ask_blocking("seen", timeout=5)[0] == Deposit("c", 21)
        assert bank.ask_blocking(PassOn(ledger, "d", 4), timeout=5) == 8, "by way of C++ and back"


def test_failures_of_python_reach_the_asker_in_cpp() -> None:
    with odeon.ActorSystem.start("mixed") as system:
        odeon_test_bank.start(system)
        ledger = system.spawn(Ledger)
        with pytest.raises(RuntimeError, match="handler_failed.*less than nothing"):
            odeon_test_bank.deposit(ledger, "a", -1)
        with pytest.raises(RuntimeError, match="wrong_type"):
            odeon_test_bank.deposit(ledger, "wrong", -1)
        with pytest.raises(RuntimeError, match="no_reply"):
            odeon_test_bank.deposit(ledger, "silent", -1)
        assert odeon_test_bank.deposit(ledger, "a", 1) == 2


def test_a_message_of_cpp_without_a_manifest_here_is_a_dead_letter() -> None:
    with odeon.ActorSystem.start("mixed") as system:
        bank = odeon_test_bank.start(system)
        ledger = system.spawn(Ledger)
        bank.tell(TellUnknown(ledger))
        assert odeon_test_bank.deposit(ledger, "a", 1) == 2
        assert ledger.ask_blocking("seen", timeout=5) == [Deposit("a", 1), "seen"]


def test_objects_that_are_no_system_or_reference_are_refused() -> None:
    with pytest.raises(TypeError, match="ActorSystem"):
        odeon_test_bank.start(object())
    with pytest.raises(TypeError, match="ActorRef"):
        odeon_test_bank.deposit(object(), "a", 1)
