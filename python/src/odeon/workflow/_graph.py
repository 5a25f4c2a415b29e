"""The steps of a workflow and the edges between them: spelling, checking, drawing."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from odeon.errors import InvalidArgument

from ._steps import Shape, Step, relay

MAX_GRAPH_STEPS: Final = 1_000
MAX_GRAPH_EDGES: Final = 10_000
MAX_ATTEMPTS: Final = 1_000

Condition = Callable[[Any], Any]


@dataclass(slots=True)
class Edge:
    source: int
    to: int
    when: Condition | None = None
    priority: int = 0
    delay: float = 0.0
    otherwise: bool = False


@dataclass(slots=True)
class Graph:
    name: str = "workflow"
    steps: list[Step] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    start: int | None = None
    end: int | None = None
    version: int = 1
    compatible: tuple[int, ...] = ()
    max_steps: int = 10_000
    is_bounded: bool = False
    troubles: list[str] = field(default_factory=list)

    def copied(self) -> Graph:
        return replace(
            self,
            steps=list(self.steps),
            edges=[copy.copy(e) for e in self.edges],
            troubles=list(self.troubles),
        )

    def told(self, e: Edge) -> str:
        return f"{self._name(e.source)} -> {self._name(e.to)}"

    def _name(self, n: int) -> str:
        return f"'{self.steps[n].name}'" if 0 <= n < len(self.steps) else "?"

    def out_of(self, n: int) -> list[int]:
        """Its edges, in the order in which they fire."""
        mine = [i for i, e in enumerate(self.edges) if e.source == n]
        return sorted(mine, key=lambda i: -self.edges[i].priority)

    def into(self, n: int) -> list[int]:
        """The edges to ``n`` from steps, those through relays as the relay's last edge."""
        return [i for i, e in enumerate(self.edges) if e.to == n]

    def reached_from(self, n: int) -> set[int]:
        found: set[int] = set()
        todo = [n]
        while todo:
            at = todo.pop()
            for e in self.edges:
                if e.source == at and e.to not in found:
                    found.add(e.to)
                    todo.append(e.to)
        return found

    def takes(self, n: int) -> str:
        """``one`` value, a ``list`` of what its edges bring, or a value of each in its
        ``slots``."""
        s = self.steps[n]
        if s.joins:
            return "list"
        edges = len(self.into(n))
        wanted = len(s.shape.optional)
        if s.kind == "gather" or (wanted > 1 and edges > 1):
            return "slots"
        return "one"

    # -- checking ------------------------------------------------------------------------------

    def problems(self) -> list[str]:
        out = list(self.troubles)
        if not self.steps:
            return [f"the workflow '{self.name}' has no steps"]
        if len(self.steps) > MAX_GRAPH_STEPS or len(self.edges) > MAX_GRAPH_EDGES:
            return [f"the workflow '{self.name}' has more than 1,000 steps or 10,000 edges"]
        self._check_steps(out)
        for e in self.edges:
            if e.when is not None and e.otherwise:
                out.append(
                    f"the edge {self.told(e)} has a condition and says otherwise: "
                    "it is one or the other"
                )
            if e.delay < 0:
                out.append(f"the edge {self.told(e)} has a negative delay")
        if self.start is None:
            out.append(f"the workflow '{self.name}' has no start: name one by start(…)")
        else:
            if self.into(self.start) and self.takes(self.start) != "one":
                out.append(
                    f"the start '{self.steps[self.start].name}' is a join: "
                    "let a step before it take the input"
                )
            seen = self.reached_from(self.start) | {self.start}
            out += [
                f"the step '{s.name}' cannot be reached from the start "
                f"'{self.steps[self.start].name}'"
                for n, s in enumerate(self.steps)
                if n not in seen
            ]
        if self.end is None:
            last = self.ends()
            if not last:
                out.append("every step has edges, so none is the end: name one by end(…)")
            elif len(last) > 1:
                names = ", ".join(f"'{self.steps[n].name}'" for n in last)
                out.append(f"the end is ambiguous: {names} have no edges; name one by end(…)")
        if not self.is_bounded and (cycle := self._unbounded_cycle()):
            out.append(
                f"the cycle {cycle} has no bound: give one of its steps max_visits, "
                "or the workflow max_steps"
            )
        return out

    def ends(self) -> list[int]:
        sources = {e.source for e in self.edges}
        return [n for n in range(len(self.steps)) if n not in sources]

    def _check_steps(self, out: list[str]) -> None:
        names: set[str] = set()
        for n, s in enumerate(self.steps):
            if s.is_hidden:
                continue
            if not s.name:
                out.append("a step has no name")
            elif s.name in names:
                out.append(f"two steps are named '{s.name}': give each use a name of its own")
            names.add(s.name)
            if not 1 <= s.retry.attempts <= MAX_ATTEMPTS:
                out.append(
                    f"the step '{s.name}' has {s.retry.attempts} attempts; 1 to 1,000 are possible"
                )
            if s.retry.min < 0 or s.retry.max < s.retry.min or (s.timeout or 0) < 0:
                out.append(
                    f"the step '{s.name}' has a negative time, or a retry.max below its retry.min"
                )
            if s.kind == "function" and s.timeout is not None:
                out.append(
                    f"the step '{s.name}' is a plain function, which no timeout can interrupt: "
                    "make it a coroutine function"
                )
            if s.kind == "actor" and not hasattr(s.body, "ask"):
                out.append(f"the step '{s.name}' asks {s.body!r}, which is no actor's reference")
            if s.max_visits is not None and s.max_visits < 1:
                out.append(f"the step '{s.name}' has {s.max_visits} max_visits")
            wanted, edges = len(s.shape.optional), len(self.into(n))
            if s.joins and wanted != 1:
                out.append(f"the join '{s.name}' takes a list, so it has one parameter")
            elif not s.joins and wanted > 1 and edges > 1 and wanted != edges:
                out.append(
                    f"the join '{s.name}' has {wanted} inputs, but {edges} edges lead to it"
                )

    def _unbounded_cycle(self) -> str:
        """A way round that no bound ends, as "'a' -> 'b' -> 'a'"; empty: none."""
        free = [s.max_visits is None for s in self.steps]
        for n in range(len(self.steps)):
            way = [(n, iter(self.out_of(n)))] if free[n] else []
            seen = {n}
            while way:
                at, edges = way[-1]
                to = next((self.edges[i].to for i in edges if free[self.edges[i].to]), None)
                if to is None:
                    way.pop()
                elif to == n:
                    names = [f"'{self.steps[x].name}'" for x, _ in way if self.steps[x].name]
                    return " -> ".join([*names, names[0]]) if names else ""
                elif to not in seen:
                    seen.add(to)
                    way.append((to, iter(self.out_of(to))))
        return ""

    def graphviz(self) -> str:
        lines = [f'digraph "{self.name}" {{']
        for n, s in enumerate(self.steps):
            shape = "point" if s.is_hidden else "box"
            lines.append(f'  s{n} [label="{s.name}", shape={shape}];')
        for e in self.edges:
            notes = [
                note
                for note, there in (
                    ("when", e.when is not None),
                    ("otherwise", e.otherwise),
                    (f"after {e.delay:g} s", e.delay > 0),
                    (f"priority {e.priority}", e.priority != 0),
                )
                if there
            ]
            lines.append(f'  s{e.source} -> s{e.to} [label="{", ".join(notes)}"];')
        return "\n".join([*lines, "}"])


# -- spelled as a chain ------------------------------------------------------------------------


@dataclass(slots=True)
class Chain:
    """Steps in a row, with what goes on inside; a part of a longer one, or a workflow."""

    steps: list[Step]
    edges: list[Edge]
    entry: int
    exit: int

    def __rshift__(self, other: Any) -> Chain:
        out = _parts([self, as_chain(other)])
        out.chain.edges.append(Edge(out.exits[0], out.entries[1]))
        return replace(out.chain, entry=out.entries[0], exit=out.exits[1])


@dataclass(slots=True)
class Way:
    """A chain that is gone under a condition, as ``when`` makes it."""

    when: Condition
    part: Chain

    def __rshift__(self, other: Any) -> Chain:
        out: Chain = as_chain(self) >> other
        return out


@dataclass(slots=True)
class _Parts:
    chain: Chain
    entries: list[int]
    exits: list[int]


def _parts(chains: list[Chain]) -> _Parts:
    """Beside each other, not connected."""
    out = _Parts(Chain([], [], 0, 0), [], [])
    for c in chains:
        n = len(out.chain.steps)
        out.chain.steps += c.steps
        out.chain.edges += [replace(e, source=e.source + n, to=e.to + n) for e in c.edges]
        out.entries.append(c.entry + n)
        out.exits.append(c.exit + n)
    return out


def _add(c: Chain, s: Step) -> int:
    c.steps.append(s)
    return len(c.steps) - 1


def chain_of(s: Step) -> Chain:
    return Chain([s], [], 0, 0)


def as_chain(part: Any) -> Chain:
    if isinstance(part, Chain):
        return part
    if isinstance(part, Step):
        return chain_of(part)
    if isinstance(part, Way):  # the value goes past it when the condition does not hold
        out = _parts([part.part])
        before, after = _add(out.chain, relay()), _add(out.chain, relay())
        out.chain.edges += [
            Edge(before, out.entries[0], when=part.when),
            Edge(before, after, otherwise=True),
            Edge(out.exits[0], after),
        ]
        return replace(out.chain, entry=before, exit=after)
    raise InvalidArgument(f"a part of a chain is a step, when(…), route(…), …; not {part!r}")


def when(condition: Condition, part: Any) -> Way:
    """``part`` if ``condition(value)`` holds. In a chain the value goes past it otherwise."""
    return Way(condition, as_chain(part))


def otherwise(part: Any) -> Chain:
    """The last way of a ``route``."""
    return as_chain(part)


def route(*ways: Any) -> Chain:
    """``route(when(c1, a), when(c2, b), otherwise(d))``: the first whose condition holds, alone."""
    if not ways or not all(isinstance(w, Way) for w in ways[:-1]) or isinstance(ways[-1], Way):
        raise InvalidArgument(
            "a route is route(when(…), …, otherwise(step)): each way but the last has a condition"
        )
    parts = _parts([w.part if isinstance(w, Way) else as_chain(w) for w in ways])
    out = parts.chain
    at = before = _add(out, relay())
    after = _add(out, relay())
    for i, w in enumerate(ways):
        if isinstance(w, Way):
            out.edges.append(Edge(at, parts.entries[i], when=w.when))
            if i + 2 < len(ways):
                following = _add(out, relay())
                out.edges.append(Edge(at, following, otherwise=True))
                at = following
        else:
            out.edges.append(Edge(at, parts.entries[i], otherwise=i > 0))
        out.edges.append(Edge(parts.exits[i], after))
    return replace(out, entry=before, exit=after)


def fan_out(*ways: Any) -> Chain:
    """All of ``ways`` beside each other; what is behind gets a tuple of their outputs, or as many
    parameters. One under a condition that did not hold gives None."""
    if len(ways) < 2:
        raise InvalidArgument("a fan_out has two ways or more")
    parts = _parts([w.part if isinstance(w, Way) else as_chain(w) for w in ways])
    out = parts.chain
    before = _add(out, relay())
    gather = relay("gather")
    names = ", ".join(next((s.name for s in w if s.name), "…") for w in _names(ways))
    gather.name, gather.is_hidden = f"join({names})", True
    gather.shape = Shape(lambda v: v)
    gather.shape.optional = [isinstance(w, Way) for w in ways]
    after = _add(out, gather)
    for i, w in enumerate(ways):
        condition = w.when if isinstance(w, Way) else None
        out.edges.append(Edge(before, parts.entries[i], when=condition))
        out.edges.append(Edge(parts.exits[i], after))
    return replace(out, entry=before, exit=after)


def _names(ways: tuple[Any, ...]) -> list[list[Step]]:
    return [w.part.steps if isinstance(w, Way) else as_chain(w).steps for w in ways]


def delayed(seconds: float, part: Any) -> Chain:
    """``part``, so many seconds after its input is there."""
    out = _parts([as_chain(part)])
    before = _add(out.chain, relay())
    out.chain.edges.append(Edge(before, out.entries[0], delay=seconds))
    return replace(out.chain, entry=before, exit=out.exits[0])
