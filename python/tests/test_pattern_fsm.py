"""State machines: the same turnstile as in the C++ tests, in a context with a time of its own."""

from __future__ import annotations

import asyncio
import enum
from dataclasses import dataclass
from typing import Any

import pytest
from odeon.errors import InvalidArgument, Unhandled
from odeon.patterns import Fsm, FsmDot, FsmTransition, Step


class Gate(enum.Enum):
    LOCKED = 0
    OPEN = 1
    BROKEN = 2


@dataclass
class Takings:
    coins: int = 0


class Coin: ...


class Euro(Coin): ...


class Push: ...


class Smash: ...


class Lie: ...


class Collect: ...


class Turnstile(Fsm[Gate, Takings]):
    def __init__(self, seen: list[str]) -> None:
        super().__init__(Gate.LOCKED, Takings())
        self.when(Gate.LOCKED) \
            .on(Coin, self.paid, to=[Gate.OPEN]) \
            .on(Lie, lambda t, m: self.go_to(Gate.OPEN), to=[Gate.BROKEN])
        self.when(Gate.OPEN) \
            .on(Push, lambda t, m: self.go_to(Gate.LOCKED), to=[Gate.LOCKED]) \
            .on(Smash, lambda t, m: self.go_to(Gate.BROKEN).within(60)) \
            .after(10, lambda t: self.go_to(Gate.LOCKED), to=[Gate.LOCKED]) \
            .on_enter(lambda t: seen.append("enter")) \
            .on_exit(lambda t: seen.append("exit"))
        self.when(Gate.BROKEN) \
            .on(Lie, lambda t, m: self.go_to(Gate.BROKEN)) \
            .on(Push, lambda t, m: self.stay().within(3)) \
            .on(Smash, lambda t, m: self.finish(reply="bye")) \
            .after(3600, lambda t: self.go_to(Gate.LOCKED), to=[Gate.LOCKED])
        self.whenever().on(Coin, self.paid_again).on(Collect, self.collected)
        self.on_transition(lambda a, b, t: seen.append(f"{a.value}{b.value} with {t.coins}"))

    def paid(self, takings: Takings, coin: Coin) -> Step:
        takings.coins += 1
        return self.go_to(Gate.OPEN)

    def paid_again(self, takings: Takings, coin: Coin) -> Step:
        takings.coins += 1
        return self.stay()

    def collected(self, takings: Takings, message: Collect) -> Step:
        if self.state is Gate.BROKEN:
            return self.stay()
        coins, takings.coins = takings.coins, 0
        return self.stay(reply=coins)


class Timer:
    def __init__(self, at: float, message: Any) -> None:
        self.at = at
        self.message = message
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Place:
    """What a machine sees of its system."""

    path = "/user/gate"
    self = "the reference"

    def __init__(self, machine: Fsm[Any, Any]) -> None:
        self.machine = machine
        self.now = 0.0
        self.timers: list[Timer] = []
        self.replies: list[Any] = []
        self.published: list[Any] = []
        self.stopped = False
        machine.pre_start(self)

    @property
    def system(self) -> Place:
        return self

    @property
    def events(self) -> Place:
        return self

    is_open = True

    def publish(self, event: Any) -> None:
        self.published.append(event)

    def send_after(self, delay: float, message: Any) -> Timer:
        self.timers.append(Timer(self.now + delay, message))
        return self.timers[-1]

    def reply(self, value: Any) -> None:
        self.replies.append(value)

    def reply_to(self) -> Place:
        return self

    def fail(self, why: Exception) -> None:
        self.replies.append(why)

    def stop(self) -> None:
        self.stopped = True

    def tell(self, *messages: Any) -> None:
        for m in messages:
            assert self.machine.receive(m, self) is None

    def advance(self, seconds: float) -> None:
        self.now += seconds
        due = [t for t in self.timers if t.at <= self.now and not t.cancelled]
        self.timers = [t for t in self.timers if t.at > self.now]
        for t in due:
            self.tell(t.message)


@pytest.fixture
def seen() -> list[str]:
    return []


@pytest.fixture
def gate(seen: list[str]) -> Place:
    return Place(Turnstile(seen))


def take(seen: list[str]) -> list[str]:
    out = list(seen)
    seen.clear()
    return out


def test_it_goes_from_state_to_state_and_tells_exits_listeners_and_entries(
        gate: Place, seen: list[str]) -> None:
    gate.tell(Coin())
    assert take(seen) == ["01 with 1", "enter"]
    gate.tell(Coin())
    assert take(seen) == []
    gate.tell(Push())
    assert take(seen) == ["exit", "10 with 2"]
    gate.tell(Collect())
    assert gate.replies == [2]
    assert gate.published == [
        FsmTransition("the reference", "/user/gate", "LOCKED", "OPEN", "Coin"),
        FsmTransition("the reference", "/user/gate", "OPEN", "LOCKED", "Push")]


def test_a_derived_message_goes_to_its_bases_handler(gate: Place) -> None:
    gate.tell(Euro())
    assert gate.machine.state is Gate.OPEN
    gate.tell(Euro())
    assert gate.machine.data == Takings(2)


def test_a_state_that_is_not_left_in_its_time_is_left_by_its_timeout(gate: Place,
                                                                     seen: list[str]) -> None:
    gate.tell(Coin())
    gate.advance(6)
    gate.tell(Push(), Coin())
    take(seen)
    gate.advance(6)  # past the time of the first entry
    assert take(seen) == []
    gate.tell(Coin())  # stays: the time runs on
    gate.advance(4)
    assert take(seen) == ["exit", "10 with 3"]
    assert gate.published[-1].message == "timeout"


def test_a_timeout_that_was_on_its_way_when_the_state_was_left_is_ignored(gate: Place) -> None:
    gate.tell(Coin())
    timer = gate.timers[-1]
    gate.tell(Push(), Coin())
    gate.tell(timer.message)
    assert gate.machine.state is Gate.OPEN


def test_a_transition_or_a_stay_may_give_the_state_another_time(gate: Place,
                                                                seen: list[str]) -> None:
    gate.tell(Coin(), Smash())
    gate.advance(59)
    take(seen)
    gate.advance(1)
    assert take(seen) == ["20 with 1"]
    gate.tell(Coin(), Smash(), Push())
    take(seen)
    gate.advance(3)
    assert take(seen) == ["20 with 2"]


def test_going_to_the_same_state_is_a_transition_and_its_time_begins_anew(gate: Place,
                                                                          seen: list[str]) -> None:
    gate.tell(Coin(), Smash())
    gate.advance(50)
    gate.tell(Lie())
    assert take(seen)[-1] == "22 with 1"
    gate.advance(3599)
    assert take(seen) == []
    gate.advance(1)
    assert take(seen) == ["20 with 1"]


def test_a_message_that_a_state_does_not_handle_is_left_to_the_runtime(gate: Place) -> None:
    assert gate.machine.receive(Push(), gate) is NotImplemented
    assert gate.machine.state is Gate.LOCKED


def test_finish_stops_the_machine_and_may_reply(gate: Place) -> None:
    gate.tell(Coin(), Smash(), Smash())
    assert gate.stopped and gate.replies == ["bye"]


def test_a_way_that_was_not_declared_is_a_failure(gate: Place) -> None:
    with pytest.raises(InvalidArgument, match="from LOCKED to OPEN on Lie, which is not among"):
        gate.machine.receive(Lie(), gate)


def test_it_draws_itself_with_declared_ways_taken_ways_and_its_start(gate: Place) -> None:
    before = gate.machine.receive(FsmDot(), gate)
    assert before == (
        'digraph fsm {\n  rankdir=LR;\n  "" [shape=point];\n  "LOCKED";\n  "OPEN";\n  "BROKEN";\n'
        '  "" -> "LOCKED";\n  "LOCKED" -> "OPEN" [label="Coin"];\n'
        '  "LOCKED" -> "BROKEN" [label="Lie"];\n  "OPEN" -> "LOCKED" [label="Push"];\n'
        '  "OPEN" -> "LOCKED" [label="after 10 s"];\n'
        '  "BROKEN" -> "LOCKED" [label="after 3600 s"];\n}\n')
    gate.tell(Coin(), Smash())
    after = gate.machine.receive(FsmDot(), gate)
    assert '  "OPEN" -> "BROKEN" [label="Smash", style=dashed];\n' in after
    assert len(after) > len(before)
    gate.tell(Lie())
    gate.advance(3600)
    assert '"BROKEN" -> "LOCKED" [label="timeout"' not in gate.machine.dot()


class One(enum.Enum):
    ONLY = 1


class Odd(Fsm[One, int]):
    def __init__(self) -> None:
        super().__init__(One.ONLY, 0)


def test_a_coroutine_function_may_decide() -> None:
    machine = Odd()

    async def slowly(data: int, message: Coin) -> Step:
        await asyncio.sleep(0)
        return machine.finish(reply=7)

    machine.when(One.ONLY).on(Coin, slowly)
    place = Place(machine)
    assert asyncio.run(machine.receive(Coin(), place)) is None
    assert place.stopped and place.replies == [7]


def test_a_machine_that_makes_no_sense_is_refused() -> None:
    machine = Odd()
    machine.when(One.ONLY).on(Coin, lambda d, m: machine.stay())
    with pytest.raises(InvalidArgument, match="two handlers of Coin for the state ONLY"):
        machine.when(One.ONLY).on(Coin, lambda d, m: machine.stay())
    with pytest.raises(InvalidArgument, match="belongs to a state"):
        machine.whenever().after(1, lambda d: machine.stay())
    with pytest.raises(InvalidArgument, match="above zero"):
        machine.when(One.ONLY).after(0, lambda d: machine.stay())
    machine.when(One.ONLY).after(1, lambda d: machine.stay())
    with pytest.raises(InvalidArgument, match="two handlers of timeout"):
        machine.when(One.ONLY).after(1, lambda d: machine.stay())
    with pytest.raises(TypeError, match="class of messages"):
        machine.when(One.ONLY).on("coin", lambda d, m: machine.stay())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="an enum"):
        Fsm("locked", 0)  # type: ignore[type-var]


def test_a_handler_that_decides_nothing_is_a_failure() -> None:
    machine = Odd()
    machine.when(One.ONLY).on(Coin, lambda d, m: None)  # type: ignore[arg-type, return-value]
    machine.when(One.ONLY).on(Push, lambda d, m: machine.stay().within(1))
    place = Place(machine)
    with pytest.raises(TypeError, match="of Coin in the state ONLY returned NoneType, not go_to"):
        machine.receive(Coin(), place)
    with pytest.raises(InvalidArgument, match="ONLY has no after"):
        machine.receive(Push(), place)


def test_the_hook_for_unhandled_messages_gets_them() -> None:
    machine = Odd()
    got: list[Any] = []
    machine.on_unhandled(lambda state, message: got.append((state, message)))
    place = Place(machine)
    place.tell("a surprise")
    assert got == [(One.ONLY, "a surprise")]
    assert isinstance(place.replies[0], Unhandled)
    assert str(place.replies[0]) == "/user/gate handles no str in its state ONLY"
