"""`odeon.sidecar`: functions and actors of Python as sidecar actors. What goes wrong is in
test_sidecar_failures.py, apps over HTTP are in test_sidecar_apps.py."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import odeon
import pytest
from odeon import errors
from odeon.persistence import Journal
from remote_kit import LIMIT, looped, until
from sidecar_kit import TEXT, Money, Text, a_bank, count, deposit, state

from odeon import sidecar  # isort: skip; a package without it is skipped by the kit
from odeon.sidecar import ActorDef, ActorNotFound, Call, InvocationFailed, Sidecar, Value


@dataclass
class Rate:
    factor: int = 1


@dataclass
class SetRate:
    rate: int


@dataclass
class Pay:
    name: str
    cents: int


# -- functions as actions --------------------------------------------------------------------------


@looped
async def test_functions_are_actions_with_values_of_python_as_state_and_reply() -> None:
    async with a_bank(ActorDef("account", kind="unnamed").action("deposit", deposit)) as side:
        assert await side.invoke("ann", "deposit", Money(5), parent="account") == Money(5)
        assert await side.invoke("ann", "deposit", Money(6), parent="account") == Money(11)
        assert await side.invoke("joe", "deposit", Money(1), parent="account") == Money(1)
        assert await side.invoke("ann", "get", parent="account") == Money(11)
        with pytest.raises(InvocationFailed, match="never below zero"):
            await side.invoke("ann", "deposit", Money(-20), parent="account")
        found = await side.state_of("ann", parent="account")
        assert found is not None and found.state == Money(11)
        with pytest.raises(InvocationFailed, match="withdraw.*deposit"):
            await side.invoke("ann", "withdraw", parent="account")
        with pytest.raises(ActorNotFound):
            await side.invoke("nobody", "deposit", Money(1))
        assert await side.state_of("nobody") is None
        told = side.figures()
        assert (told.succeeded, told.failed, told.not_found, told.active_now) == (4, 2, 1, 2)


@looped
async def test_an_action_is_told_who_asked_and_what_it_is() -> None:
    def who(call: Call) -> Value:
        return Value().reply([list(call.actor), call.action, list(call.caller or ()),
                              call.metadata, call.tags])

    async with a_bank(ActorDef("ann", tags={"of": "test"}).action("who", who)) as side:
        told = await side.invoke("ann", "who", caller=sidecar.ActorId("bank", "joe"),
                                 metadata={"trace": "7"})
        assert told[:3] == [["bank", "ann", ""], "who", ["bank", "joe", ""]]
        assert told[3]["trace"] == "7" and told[4] == {"of": "test"}


@looped
async def test_coroutines_invoke_other_actors_and_a_circle_of_calls_is_found_at_once() -> None:
    async def give(call: Call) -> Value:
        return Value().reply(await side.invoke("ann", "deposit", call.value, caller=call))

    async def circle(call: Call) -> Value:
        return Value().reply(await side.invoke("joe", "give", call.value, caller=call))

    async with a_bank(ActorDef("ann").action("deposit", deposit),
                      ActorDef("joe").action("give", give).action("circle", circle)) as side:
        assert await side.invoke("joe", "give", Money(3)) == Money(3)
        with pytest.raises(InvocationFailed, match="never below zero"):
            await side.invoke("joe", "give", Money(-9))
        with pytest.raises(InvocationFailed, match="would wait for the next.*joe"):
            await side.invoke("joe", "circle", Money(1))
        assert side.figures().cycles == 1


@looped
async def test_the_builder_says_effects_broadcasts_routes_and_checkpoints() -> None:
    def spread(call: Call) -> Value:
        return (Value().state(1).effect("ann", "count", 10).effect("ann", "count", 20)
                .broadcast("news", "count", 100).checkpoint())

    joe = (ActorDef("joe").action("spread", spread)
           .action("piped", lambda call: Value().reply(1000).pipe("eve", "double"))
           .action("forwarded", lambda call: Value().forward("eve", "double")))
    eve = ActorDef("eve").action("double", lambda call: Value().reply(2 * call.value))
    async with a_bank(joe, eve, ActorDef("ann", channel="news").action("count", count)) as side:
        assert await side.invoke("joe", "spread") is None
        found = await side.state_of("joe")
        assert found == sidecar.StoredState(1, 1)  # the checkpoint
        await until(lambda: side.figures().succeeded >= 4)
        assert await state(side, "ann") == 130
        side.publish("news", "count", 3)
        await until(lambda: side.figures().succeeded >= 5)
        assert await state(side, "ann") == 133
        assert await side.invoke("joe", "piped") == 2000
        assert await side.invoke("joe", "forwarded", 21) == 42
        told = side.figures()
        assert (told.effects, told.broadcasts, told.pipes, told.forwards) == (2, 2, 1, 1)
        assert told.checkpoints == 1


@looped
async def test_timers_tick_pools_work_and_instances_are_spawned() -> None:
    clock = ActorDef("clock", initial_state=100).timer_action("tick", 0.001, count)
    pool = ActorDef("pool", kind="pooled", stateful=False, min_pool=2, max_pool=2)
    pool.action("double", lambda call: Value().reply(2 * call.value))
    rooms = ActorDef("room", kind="unnamed").action("count", count)
    async with a_bank(clock, pool, rooms) as side:
        await until(lambda: side.figures().timers >= 3)
        assert await state(side, "clock") > 100
        answers = await asyncio.gather(*(side.invoke("pool", "double", n) for n in range(20)))
        assert answers == [2 * n for n in range(20)]
        side.spawn("blue", "red", parent="room")
        await side.invoke("blue", "count", 5)  # its template is known now
        assert await state(side, "blue") == 5
        with pytest.raises(errors.NotFound, match="cellar"):
            side.spawn("dark", parent="cellar")


@looped
async def test_an_invocation_that_is_not_waited_for_runs_all_the_same() -> None:
    async with a_bank(ActorDef("ann").action("count", count)) as side:
        assert await side.invoke("ann", "count", 5, wait=False) is None
        past = datetime(2020, 1, 1, tzinfo=timezone.utc)
        assert await side.invoke("ann", "count", 6, at=past) is None
        assert await side.invoke("ann", "count", 7) is None  # behind both
        assert await state(side, "ann") == 18


# -- values ----------------------------------------------------------------------------------------


@looped
async def test_messages_of_protobuf_and_values_of_others_go_through() -> None:
    def echo(call: Call) -> Value:
        assert isinstance(call.value, sidecar.Any)
        return Value().reply(call.value).state(call.value)

    async with a_bank(ActorDef("ann").action("echo", echo)) as side:
        got = await side.invoke("ann", "echo", Text("hello"))
        assert got == sidecar.Any(TEXT, b"\n\x05hello") and got.unpack(Text).value == "hello"
        strange = sidecar.Any("example.com/what", b"\x00\xff")
        assert await side.invoke("ann", "echo", strange) == strange
        assert await state(side, "ann") == strange
        with pytest.raises(errors.WrongType, match="StringValue is wanted"):
            strange.unpack(Text)
        with pytest.raises(errors.DecodingError, match="1 bytes are no google.protobuf"):
            sidecar.Any(TEXT, b"\x0a").unpack(Text)


def test_values_are_encoded_as_cpp_encodes_them() -> None:
    packed = sidecar.pack(Money(500))
    assert packed == sidecar.Any("odeon/1/test_sidecar.money", b"\x81\xa5cents\xcd\x01\xf4")
    assert sidecar.unpack(packed) == Money(500)
    for value in (0, "text", [1, {"a": None}], b"\x00", 1.5, True):
        assert sidecar.unpack(sidecar.pack(value)) == value
    with pytest.raises(errors.DecodingError):
        sidecar.unpack(sidecar.Any("odeon/1/nobody.knows", b"\x80"))
    with pytest.raises(errors.DecodingError):
        sidecar.unpack(sidecar.Any("odeon/1/test_sidecar.money", b"\xc1"))
    for digits in (10, 20, 5000):
        with pytest.raises(errors.DecodingError, match="digits"):
            sidecar.unpack(sidecar.Any(f"odeon/{'9' * digits}/test_sidecar.money", b"\x80"))
    for url in ("odeon/", "odeon/x/y", "odeon/1", "odeon/1/", "odeon/\u0661/y"):  # nobody's values
        assert sidecar.unpack(sidecar.Any(url, b"")) == sidecar.Any(url, b"")


# -- states over restarts --------------------------------------------------------------------------


@looped
async def test_states_are_stored_with_revisions_and_found_after_a_restart(tmp_path: Path) -> None:
    def save(call: Call) -> Value:
        return count(call).checkpoint()

    ann = ActorDef("ann").action("save", save)
    with Journal.sqlite(tmp_path / "states.db") as journal:
        async with a_bank(ann, journal=journal) as side:
            for _ in range(3):
                await side.invoke("ann", "save")
            assert await side.state_of("ann") == sidecar.StoredState(3, 3)
    with Journal.sqlite(tmp_path / "states.db") as journal:
        async with a_bank(ann, journal=journal) as side:
            assert await side.invoke("ann", "get") == 3  # it is active now
            assert await side.state_of("ann") == sidecar.StoredState(3, 3)
            await side.invoke("ann", "save", 10)
            assert await side.state_of("ann") == sidecar.StoredState(13, 4)
        journal_is_ours = await journal.persistence_ids()
        assert all(each.startswith("sidecar") for each in journal_is_ours)
    with Journal.sqlite(tmp_path / "states.db") as journal:
        async with a_bank(journal=journal) as side:
            side.register(ActorDef("room", kind="unnamed").action("save", save))
            await side.invoke("blue", "save", 1, parent="room")
            await side.invoke("blue", "save", 1, parent="room")
        async with a_bank(ActorDef("room", kind="unnamed").action("save", save),
                          journal=journal) as side:
            await side.invoke("blue", "save", 5, parent="room", revision=1)
            found = await side.state_of("blue", parent="room")
            assert found == sidecar.StoredState(6, 3)


# -- actors of Python and sidecar actors -----------------------------------------------------------


class Rates(odeon.Actor[Any]):
    def __init__(self) -> None:
        self.rate = 7

    def on_rate(self, msg: Rate) -> int:
        if msg.factor < 0:
            raise ValueError("a factor is not negative")
        return self.rate * msg.factor

    def on_set_rate(self, msg: SetRate) -> None:
        self.rate = msg.rate


class Teller(odeon.Actor[Any]):
    """Invokes sidecar actors from its handlers."""

    def __init__(self, side: Sidecar) -> None:
        self.side = side

    async def on_pay(self, msg: Pay) -> int:
        paid = await self.side.invoke(msg.name, "deposit", Money(msg.cents))
        return int(paid.cents)


@looped
async def test_actors_of_python_and_sidecar_actors_call_each_other() -> None:
    async with a_bank(ActorDef("ann").action("deposit", deposit)) as side:
        rates = side._system.spawn(Rates)
        side.expose("rates", rates, ask={"rate": None, "times": Rate}, tell=["set"],
                    timeout=LIMIT)
        assert await side.invoke("rates", "rate", Rate(2)) == 14
        assert await side.invoke("rates", "set", SetRate(10)) is None
        assert await side.invoke("rates", "times", 3) == 30
        assert await side.state_of("rates") is None
        # And a sidecar actor's pipe ends in it.
        side.register(ActorDef("joe").action(
            "ask", lambda call: Value().reply(4).pipe("rates", "times")))
        assert await side.invoke("joe", "ask") == 40
        with pytest.raises(InvocationFailed, match="not negative"):
            await side.invoke("rates", "rate", Rate(-1))
        assert await side.invoke("rates", "times", 3) == 21  # it was started again
        teller = side._system.spawn(Teller, side)
        assert await teller.ask(Pay("ann", 5), timeout=LIMIT) == 5
        assert await teller.ask(Pay("ann", 6), timeout=LIMIT) == 11
        with pytest.raises(errors.ActorFailed, match="never below zero"):
            await teller.ask(Pay("ann", -20), timeout=LIMIT)


def test_a_system_without_a_loop_has_actors_as_well() -> None:
    with odeon.ActorSystem.start("bank") as system:
        side = Sidecar(system, request_time=LIMIT)
        side.register(ActorDef("ann").action("deposit", deposit))

        async def use() -> Any:
            async with side:
                return await side.invoke("ann", "deposit", Money(5))

        assert asyncio.run(use()) == Money(5)


# -- the guide -------------------------------------------------------------------------------------


def test_the_programs_of_the_guide_run(
        guide_blocks: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert guide_blocks("sidecar-python.md") == 2
    assert capsys.readouterr().out == "620\nthe audit saw 620\n14\n"
