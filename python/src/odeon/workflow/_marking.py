"""Where the values of a run are, and which step may run next."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from odeon.errors import ActorFailed, DecodingError, OdeonError, QuotaExceeded, VersionConflict

from ._graph import Edge, Graph
from ._steps import Step

MAX_WAITING_VALUES: Final = 100_000
NOWHERE: Final = -1


class Plan:
    """A graph that was checked and changes no more."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.start = graph.start if graph.start is not None else 0
        self.end = graph.end if graph.end is not None else graph.ends()[0]
        n = range(len(graph.steps))
        self.out = [graph.out_of(i) for i in n]
        self.into = [graph.into(i) for i in n]
        self.takes = [graph.takes(i) for i in n]
        self.reaches = [graph.reached_from(i) for i in n]
        self.names: list[str] = []
        used: Counter[str] = Counter()
        for s in graph.steps:
            name = s.name or "relay"
            used[name] += 1
            self.names.append(name if used[name] == 1 else f"{name}#{used[name]}")
        self.steps = {name: i for i, name in enumerate(self.names)}
        self.edge_keys: list[str] = []
        for e in graph.edges:
            key = f"{self.names[e.source]} -> {self.names[e.to]}"
            used[key] += 1
            self.edge_keys.append(key if used[key] == 1 else f"{key} #{used[key]}")
        self.edges = {key: i for i, key in enumerate(self.edge_keys)}

    def step(self, n: int) -> Step:
        return self.graph.steps[n]

    def is_relay(self, n: int) -> bool:
        return self.graph.steps[n].kind == "relay"

    def pins(self) -> list[list[str]]:
        """What a run that goes on must find again."""
        g = self.graph
        pins = [
            [f"step {name}", f"takes {self.takes[i]}, version {g.steps[i].version}"]
            for i, name in enumerate(self.names)
        ]
        for key, e in zip(self.edge_keys, g.edges, strict=True):
            kind = "with a condition" if e.when else "otherwise" if e.otherwise else "always"
            pins.append([f"edge {key}", f"{kind}, priority {e.priority}, delay {e.delay:g}"])
        return [*pins, ["start", self.names[self.start]], ["end", self.names[self.end]]]

    def difference(self, recorded: list[list[str]], is_compatible: bool) -> str:
        """The first thing that a record of other code says differently; empty: none that
        matters."""
        now = {name: text for name, text in self.pins()}
        for name, text in recorded:
            if name not in now:
                return f"the {name} is not there any more"
            if now[name] != text and not is_compatible:
                return f"the {name} was '{text}' and is now '{now[name]}'"
        if not is_compatible:
            known = {name for name, _ in recorded}
            for name in now:
                if name not in known:
                    return f"the {name} is new"
        return ""


@dataclass(slots=True)
class Token:
    """A value on its way."""

    id: int
    edge: int
    to: int
    due: float  # 0: now
    value: Any


@dataclass(slots=True)
class Visit:
    """One run of a step."""

    step: int
    consumed: list[int]
    input: Any

    @property
    def id(self) -> int:
        return self.consumed[0]


@dataclass(slots=True)
class Firing:
    targets: list[tuple[int, int, float]] = field(default_factory=list)  # edge, step, delay
    answers: bool = False
    ends: list[str] = field(default_factory=list)


def fire(plan: Plan, step: int, value: Any) -> Firing:
    """Where ``value`` goes from ``step``. Raises ``ActorFailed`` when a condition raises."""
    out = Firing()
    _fire_from(plan, step, value, 0.0, out)
    return out


def _fire_from(plan: Plan, step: int, value: Any, delay: float, out: Firing) -> None:
    edges = [(i, plan.graph.edges[i]) for i in plan.out[step]]
    chosen = {i for i, e in edges if not e.otherwise and _holds(plan, e, value)}
    fired = False
    for i, e in edges:
        if i in chosen or (e.otherwise and not chosen):
            fired = True
            if plan.is_relay(e.to):
                _fire_from(plan, e.to, value, delay + e.delay, out)
            else:
                out.targets.append((i, e.to, delay + e.delay))
    if fired:
        return
    if step == plan.end:
        out.answers = True
    else:
        out.ends.append(plan.names[step])


def _holds(plan: Plan, e: Edge, value: Any) -> bool:
    if e.when is None:
        return True
    try:
        return bool(e.when(value))
    except Exception as error:
        told = plan.graph.told(e)
        raise ActorFailed(f"the condition of the edge {told} raised: {error}") from error


class Marking:
    """The values that wait, and the steps that run."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._tokens: dict[int, Token] = {}
        self._next_id = 1
        self._running: Counter[int] = Counter()
        self._visits: Counter[int] = Counter()
        self._started = 0

    def __bool__(self) -> bool:
        return bool(self._tokens)

    def new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def put(self, token: Token) -> None:
        self._next_id = max(self._next_id, token.id + 1)
        self._tokens[token.id] = token

    def clear(self) -> None:
        self._tokens.clear()

    def ended(self, step: int) -> None:
        self._running[step] -= 1

    def next_due(self, now: float) -> float | None:
        return min((t.due for t in self._tokens.values() if t.due > now), default=None)

    def next(self, now: float) -> Visit | None:
        """The next step that may run; None: not one of them now. Raises past a bound."""
        if len(self._tokens) > MAX_WAITING_VALUES:
            raise QuotaExceeded("more than 100,000 values wait in this run")
        is_delayed = False
        waiting: Token | None = None
        asked: set[int] = set()
        for t in self._tokens.values():
            if t.due > now:
                is_delayed = True
                continue
            if t.to in asked:
                continue
            if self._plan.takes[t.to] == "one":
                return self._begin(t.to, t)
            if self._may_join(t.to, now):
                return self._begin(t.to, t)
            asked.add(t.to)
            if waiting is None or t.to < waiting.to:
                waiting = t
        # Joins alone are left, each waiting for another: the one that was added first goes.
        if waiting is not None and not is_delayed and not any(self._running.values()):
            return self._begin(waiting.to, waiting)
        return None

    def _may_join(self, step: int, now: float) -> bool:
        def comes_here(n: int) -> bool:
            return n != step and step in self._plan.reaches[n]

        if any(comes_here(n) for n, count in self._running.items() if count):
            return False
        return not any(
            t.due > now if t.to == step else comes_here(t.to) for t in self._tokens.values()
        )

    def _begin(self, step: int, first: Token) -> Visit:
        plan, s = self._plan, self._plan.step(step)
        if s.max_visits is not None and self._visits[step] >= s.max_visits:
            raise QuotaExceeded(
                f"the step '{s.name}' would run more than {s.max_visits} times, its max_visits"
            )
        if self._started >= plan.graph.max_steps:
            raise QuotaExceeded(
                f"the run would take more than {plan.graph.max_steps} steps; "
                f"the next one is '{s.name}'"
            )
        if plan.takes[step] == "one":
            return self._collect(step, [first])
        taken: list[Token] = []
        for slot, e in enumerate(plan.into[step]):
            came = [t for t in self._tokens.values() if t.to == step and t.edge == e]
            if plan.takes[step] == "list":
                taken += came
            elif came:
                taken.append(came[0])
            elif not s.shape.optional[slot]:
                told = plan.graph.told(plan.graph.edges[e])
                raise DecodingError(
                    f"the join '{s.name}' lacks its input {slot + 1}: the edge {told} brought "
                    "nothing; let the parameter be None to allow that"
                )
        return self._collect(step, taken)

    def take(self, step: int, ids: list[int]) -> Visit:
        """The visit that a record tells of."""
        taken = [self._tokens.get(i) for i in ids]
        if not ids or any(t is None or t.to != step for t in taken):
            name = self._plan.names[step]
            raise VersionConflict(f"the record tells of a run of '{name}' that cannot have been")
        return self._collect(step, [t for t in taken if t is not None])

    def _collect(self, step: int, taken: list[Token]) -> Visit:
        takes = self._plan.takes[step]
        if takes == "one":
            value = taken[0].value
        elif takes == "list":
            value = [t.value for t in taken]
        else:
            came = {t.edge: t.value for t in taken}
            value = tuple(came.get(e) for e in self._plan.into[step])
        for t in taken:
            del self._tokens[t.id]
        self._running[step] += 1
        self._visits[step] += 1
        self._started += 1
        return Visit(step, [t.id for t in taken], value)


def code_of(error: BaseException) -> str:
    """The error's code in records and for the asker."""
    if isinstance(error, OdeonError):
        return error.code
    return "ask_timeout" if isinstance(error, TimeoutError) else "handler_failed"


def text_of(error: BaseException) -> str:
    text = str(error)
    return text if isinstance(error, OdeonError) else f"{type(error).__name__}: {text}"
