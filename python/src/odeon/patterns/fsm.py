"""`Fsm`: an actor that is a state machine.

    class Gate(enum.Enum):
        LOCKED = 1
        OPEN = 2

    class Turnstile(Fsm[Gate, Takings]):
        def __init__(self) -> None:
            super().__init__(Gate.LOCKED, Takings())
            self.when(Gate.LOCKED).on(Coin, self.paid, to=[Gate.OPEN])
            self.when(Gate.OPEN).on(Push, self.pushed, to=[Gate.LOCKED]) \\
                                .after(10.0, self.slow, to=[Gate.LOCKED])
            self.whenever().on(GetTakings, lambda t, m: self.stay(reply=t.coins))

        def paid(self, takings: Takings, coin: Coin) -> Step:
            takings.coins += 1
            return self.go_to(Gate.OPEN)
        …
    gate = system.spawn(Turnstile)
    picture = await gate.ask(FsmDot())             # for Graphviz

A message goes to the handler of its class, or its class's bases, in the present state, else to the
one of `whenever()`, else to the function of `on_unhandled`; what is left is a dead letter, and an
ask of it fails with `Unhandled`. A handler takes the data and the message, may be a coroutine
function, and says what is next: `go_to`, `stay`, `finish`, each with a reply where one is wanted.
An exception is a failure of the actor; a restart begins at the start state.
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from odeon.actor import Actor
from odeon.errors import InvalidArgument, Unhandled
from odeon.patterns._errors import seconds
from odeon.patterns._events import publish
from odeon.patterns._fsm_graph import FsmGraph

S = TypeVar("S", bound=enum.Enum)
D = TypeVar("D")
F = TypeVar("F", bound=Callable[..., Any])

_NOTHING = object()


@dataclass(frozen=True, slots=True)
class FsmDot:
    """Ask a machine this: the reply is its Graphviz digraph. Declared ways are drawn through, those
    that were only seen to be taken dashed."""


@dataclass(frozen=True, slots=True)
class FsmTransition:
    """Published at each change of state (also from a state to itself by `go_to`). `message` is the
    message's class; "timeout" for a state's time."""

    ref: Any
    path: str
    before: str
    after: str
    message: str


@dataclass(frozen=True, slots=True)
class FsmTimeout:
    """The time of the `n`-th entry is over. Its machine's own."""

    n: int


@dataclass(frozen=True, slots=True)
class Step:
    """What a handler decides; made by `go_to`, `stay` and `finish`."""

    kind: str
    to: Any = None
    time: float | None = None
    reply: Any = _NOTHING

    def within(self, time: float) -> Step:
        """The time of the state that is gone to – for `stay`, of the present one, from now –, in
        place of the one its `after` names."""
        return Step(self.kind, self.to, time, self.reply)


Handler = Callable[[Any, Any], "Step | Awaitable[Step]"]


@dataclass(frozen=True, slots=True)
class _Rule:
    call: Callable[..., Any]
    to: tuple[Any, ...] | None  # None: not declared
    time: float = 0.0


class Rules(Generic[S, D]):
    """The rules of one state, or of all. Each function returns the rules, for the next one."""

    def __init__(self, owner: Fsm[S, D], at: S | None) -> None:
        self._owner = owner
        self._at = at

    def on(self, message: type, handler: Handler, to: Iterable[S] | None = None) -> Rules[S, D]:
        """`handler(data, message)` takes messages of that class and of those derived from it. With
        `to` it stays, or goes to one of these: another way is a failure. Without, the machine
        learns its ways as it takes them. A second one for the same state and class is
        `InvalidArgument`."""
        self._owner._add_rule(self._at, message, handler, None if to is None else tuple(to))
        return self

    def after(self, time: float, handler: Callable[[D], Step | Awaitable[Step]],
              to: Iterable[S] = ()) -> Rules[S, D]:
        """When the state was not left for `time` seconds: `handler(data)` decides. Not for
        `whenever()`. `stay` in a handler of a message lets the time run on."""
        self._owner._add_timeout(self._at, time, handler, tuple(to))
        return self

    def on_enter(self, f: Callable[[D], None]) -> Rules[S, D]:
        """`f(data)` is called on the way in."""
        self._owner._hooks.append((self._at, True, f))
        return self

    def on_exit(self, f: Callable[[D], None]) -> Rules[S, D]:
        """`f(data)` is called on the way out."""
        self._owner._hooks.append((self._at, False, f))
        return self


def _no_handler(function: F) -> F:
    """Its name begins with `on_`, and yet it takes no messages."""
    function.__odeon_default__ = True  # type: ignore[attr-defined]
    return function


class Fsm(Actor[Any], Generic[S, D]):
    """The base class; spawn a class derived from it as any actor. Its functions belong to the
    machine's own constructor and handlers."""

    def __init__(self, start: S, data: D) -> None:
        if not isinstance(start, enum.Enum):
            raise TypeError("the states of an Fsm are an enum")
        self._state = start
        self._data = data
        self._ctx: Any = None
        self._rules: dict[tuple[S | None, type], _Rule] = {}
        self._timeouts: dict[S, _Rule] = {}
        self._hooks: list[tuple[S | None, bool, Callable[[D], None]]] = []
        self._listeners: list[Callable[[S, S, D], None]] = []
        self._unhandled: Callable[[S, Any], None] | None = None
        self._entered = 0
        self._timer: Any = None
        self._graph = FsmGraph(start.name)

    # -- in the constructor ------------------------------------------------------------------------

    def when(self, state: S) -> Rules[S, D]:
        """The rules of that state."""
        return Rules(self, state)

    def whenever(self) -> Rules[S, D]:
        """In every state that has no handler of its own for the message."""
        return Rules(self, None)

    @_no_handler
    def on_transition(self, f: Callable[[S, S, D], None]) -> None:
        """`f(before, after, data)` is called at each change, after the old state's exit and before
        the new one's entry."""
        self._listeners.append(f)

    @_no_handler
    def on_unhandled(self, f: Callable[[S, Any], None]) -> None:
        """`f(state, message)` is called for a message without a handler, in place of the dead
        letter. An ask has failed with `Unhandled` by then."""
        self._unhandled = f

    # -- in handlers -------------------------------------------------------------------------------

    def go_to(self, state: S, *, reply: Any = _NOTHING) -> Step:
        """To that state, which is left and entered anew when it is the present one."""
        return Step("go", state, None, reply)

    def stay(self, *, reply: Any = _NOTHING) -> Step:
        """In the present state."""
        return Step("stay", None, None, reply)

    def finish(self, *, reply: Any = _NOTHING) -> Step:
        """Stops the actor."""
        return Step("finish", None, None, reply)

    @property
    def state(self) -> S:
        return self._state

    @property
    def data(self) -> D:
        return self._data

    @property
    def ctx(self) -> Any:
        """The actor's context."""
        return self._ctx

    def dot(self) -> str:
        """As the message `FsmDot`."""
        return self._graph.dot()

    # -- for the runtime ---------------------------------------------------------------------------

    def pre_start(self, ctx: Any) -> None:
        """Enters the start state. A class with a `pre_start` of its own calls this in it."""
        self._ctx = ctx
        self._enter(None)

    def receive(self, msg: Any, ctx: Any) -> Any:
        self._ctx = ctx
        if isinstance(msg, FsmTimeout):
            rule = self._timeouts.get(self._state)
            if msg.n != self._entered or rule is None:
                return None  # of a state that was left
            return self._decided(rule.call(self._data), rule, "timeout")
        found = self._rule_for(type(msg))
        if found is not None:
            return self._decided(found.call(self._data, msg), found, type(msg).__name__)
        if isinstance(msg, FsmDot):
            return self.dot()
        if self._unhandled is None:
            return NotImplemented
        ctx.reply_to().fail(Unhandled(f"{ctx.path} handles no {type(msg).__name__} in its state "
                                      f"{self._state.name}"))
        self._unhandled(self._state, msg)
        return None

    # -- inside ------------------------------------------------------------------------------------

    def _rule_for(self, cls: type) -> _Rule | None:
        for at in (self._state, None):
            for base in cls.__mro__:
                rule = self._rules.get((at, base))
                if rule is not None:
                    return rule
        return None

    def _add_rule(self, at: S | None, message: type, handler: Handler,
                  to: tuple[S, ...] | None) -> None:
        if not isinstance(message, type):
            raise TypeError(f"an fsm's handler is for a class of messages, not {message!r}")
        if (at, message) in self._rules:
            raise InvalidArgument(f"an fsm has two handlers of {message.__name__} for the state "
                                  f"{at.name if at else 'whenever'}")
        self._rules[at, message] = _Rule(handler, to)
        self._draw(at, to or (), message.__name__)

    def _add_timeout(self, at: S | None, time: float, handler: Callable[[D], Any],
                     to: tuple[S, ...]) -> None:
        if at is None:
            raise InvalidArgument("an fsm's after() belongs to a state: when(s).after(…)")
        if not time > 0:
            raise InvalidArgument(f"the time of an fsm's state is above zero, not {time}")
        if at in self._timeouts:
            raise InvalidArgument(f"an fsm has two handlers of timeout for the state {at.name}")
        self._timeouts[at] = _Rule(handler, to, time)
        self._draw(at, to, f"after {seconds(time)}")

    def _draw(self, at: S | None, to: tuple[S, ...], label: str) -> None:
        for end in to:
            self._graph.add(at.name if at else "", end.name, label, True)
        if at is not None:
            self._graph.add_state(at.name)

    def _decided(self, step: Any, rule: _Rule, message: str) -> Any:
        if inspect.iscoroutine(step):
            return self._awaited(step, rule, message)
        return self._apply(step, rule, message)

    async def _awaited(self, step: Awaitable[Any], rule: _Rule, message: str) -> Any:
        return self._apply(await step, rule, message)

    def _apply(self, step: Any, rule: _Rule, message: str) -> None:
        if not isinstance(step, Step):
            raise TypeError(f"an fsm's handler of {message} in the state {self._state.name} "
                            f"returned {type(step).__name__}, not go_to(…), stay() or finish()")
        if step.reply is not _NOTHING:
            self._ctx.reply(step.reply)
        if step.kind == "finish":
            self._ctx.stop()
        elif step.kind == "stay":
            if step.time is not None:
                self._arm(step.time)
        else:
            if rule.to is not None and step.to not in rule.to:
                raise InvalidArgument(f"an fsm goes from {self._state.name} to {step.to.name} on "
                                      f"{message}, which is not among the targets it declared")
            self._change(step, message)

    def _change(self, step: Step, message: str) -> None:
        self._run_hooks(False)
        before, self._state = self._state, step.to
        self._graph.add(before.name, self._state.name, message, False)
        for f in self._listeners:
            f(before, self._state, self._data)
        ctx = self._ctx
        publish(ctx.system, FsmTransition(ctx.self, ctx.path, before.name, self._state.name,
                                          message))
        self._enter(step.time)

    def _enter(self, time: float | None) -> None:
        self._entered += 1
        self._disarm()
        self._run_hooks(True)
        rule = self._timeouts.get(self._state)
        if rule is not None:
            self._arm(rule.time if time is None else time)
        elif time is not None:
            self._arm(time)

    def _arm(self, time: float) -> None:
        if self._state not in self._timeouts:
            raise InvalidArgument(f"an fsm's state {self._state.name} has no after(…), so it can "
                                  "not be given a time")
        self._disarm()
        self._entered += 1
        self._timer = self._ctx.send_after(time, FsmTimeout(self._entered))

    def _disarm(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _run_hooks(self, entry: bool) -> None:
        for at, is_entry, f in self._hooks:
            if is_entry == entry and at in (None, self._state):
                f(self._data)
