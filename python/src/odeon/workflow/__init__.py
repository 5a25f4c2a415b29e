"""Workflows: steps, the edges between them, and their runs.

    from odeon.workflow import Retry, Workflow, route, step, when, otherwise

    @step
    def read(line: str) -> int: ...

    @step(timeout=5.0, retry=Retry(attempts=3))
    async def charge(order: Order) -> Receipt: ...

    w = Workflow(read >> when(lambda n: n > 90, praise) >> charge)
    receipt = await w.run("95")
    receipt = await w.durable("order-17", store).run("95")     # survives the program

Runs are driven by asyncio; times are seconds. The rules are those of the C++ module
(`docs/guide/workflows.md`), what is Python's own is in `docs/guide/python-workflows.md`.
"""

from __future__ import annotations

import weakref
from typing import Any

from odeon.errors import InvalidArgument, NameTaken

from ._graph import Chain, Condition, Edge, Graph, Way, as_chain, delayed, fan_out, otherwise
from ._graph import route as route
from ._graph import when as when
from ._marking import Plan
from ._run import Recorder, Run
from ._state import SqliteState, StateStore, Transaction
from ._steps import Retry, Shape, Step, StepContext, spawned, step
from ._store import MemoryRuns, Record, RunStore, SqliteRuns
from ._values import Values

__all__ = [
    "Chain",
    "DurableWorkflow",
    "MemoryRuns",
    "Node",
    "Record",
    "Retry",
    "RunStore",
    "SqliteRuns",
    "SqliteState",
    "StateStore",
    "Step",
    "StepContext",
    "Transaction",
    "Values",
    "Way",
    "Workflow",
    "delayed",
    "fan_out",
    "otherwise",
    "route",
    "spawned",
    "step",
    "when",
]


class Node:
    """A step of one workflow, as ``add`` gives it."""

    __slots__ = ("_index", "_owner", "name")

    def __init__(self, owner: object, index: int, name: str) -> None:
        self._owner = owner
        self._index = index
        self.name = name

    def __repr__(self) -> str:
        return f"Node({self.name!r})"


class Workflow:
    """A workflow: ``Workflow(a >> b)``, or an empty one to be built edge by edge:

        w = Workflow("review")
        write, check, out = w.add(write_step), w.add(check_step), w.add(print_step)
        w.start(write).end(out)
        w.edge(write, check)
        w.edge(check, write, when=lambda draft: not draft.good)
        w.edge(check, out, otherwise=True)
        text = await w.run(draft)

    When a step has given its output, *all* its edges whose conditions hold fire, those of higher
    priority first. The run answers with the last output of the end step that no edge took on, when
    nothing is left to do. What is wrong with it is told by ``problems``, and a run of a wrong one
    raises ``InvalidArgument`` with all of that. After its first run it cannot be changed.
    """

    def __init__(self, of: str | Step | Chain | Way = "workflow", *, name: str = "") -> None:
        if isinstance(of, str):
            self._graph = Graph(name=name or of)
        else:
            chain = as_chain(of)
            self._graph = Graph(
                name or "workflow", list(chain.steps), list(chain.edges), chain.entry, chain.exit
            )
        self._plan: Plan | None = None

    # -- building ------------------------------------------------------------------------------

    def add(self, s: Step) -> Node:
        self._check_changeable()
        self._graph.steps.append(s)
        return Node(self, len(self._graph.steps) - 1, s.name)

    def __getitem__(self, name: str) -> Node:
        """The step of that name; a node to nowhere, which ``problems`` reports, if there is
        none."""
        for i, s in enumerate(self._graph.steps):
            if s.name == name:
                return Node(self, i, name)
        return Node(None, -1, name)

    def start(self, node: Node) -> Workflow:
        """Where the input goes."""
        self._check_changeable()
        self._graph.start = self._index(node, "the start")
        return self

    def end(self, node: Node) -> Workflow:
        """Where the answer comes from; needless when one step alone has no edges."""
        self._check_changeable()
        self._graph.end = self._index(node, "the end")
        return self

    def edge(
        self,
        source: Node,
        to: Node,
        *,
        when: Condition | None = None,
        priority: int = 0,
        delay: float = 0.0,
        otherwise: bool = False,
    ) -> Workflow:
        """``when(value)``: it fires if that holds, and depends on nothing else; ``otherwise``: if
        no other edge of the step does; ``delay``: seconds that the value is under way."""
        self._check_changeable()
        told = f"the edge '{source.name}' -> '{to.name}'"
        a, b = self._index(source, told), self._index(to, told)
        if a is not None and b is not None:
            self._graph.edges.append(Edge(a, b, when, priority, delay, otherwise))
        return self

    def named(self, name: str) -> Workflow:
        """For texts and records."""
        self._check_changeable()
        self._graph.name = name
        return self

    def version(self, version: int, compatible: tuple[int, ...] | list[int] = ()) -> Workflow:
        """Raised when runs begun before must not go on with the present code; those of
        ``compatible`` versions may."""
        self._check_changeable()
        self._graph.version = version
        self._graph.compatible = tuple(compatible)
        return self

    def max_steps(self, most: int) -> Workflow:
        """How many steps one run may take, 10,000 unless said; also the bound of cycles."""
        self._check_changeable()
        self._graph.max_steps = most
        self._graph.is_bounded = True
        return self

    def copy(self) -> Workflow:
        """One that can be changed."""
        other = Workflow()
        other._graph = self._graph.copied()
        return other

    @property
    def name(self) -> str:
        return self._graph.name

    @property
    def has_started(self) -> bool:
        """It has been run, so it can no more be changed."""
        return self._plan is not None

    def problems(self) -> list[str]:
        """What is wrong, one sentence each; empty: nothing."""
        return self._graph.problems()

    def graphviz(self) -> str:
        """The steps and edges as a Graphviz graph."""
        return self._graph.graphviz()

    def _check_changeable(self) -> None:
        if self._plan is not None:
            raise InvalidArgument(
                f"the workflow '{self.name}' has been run, so it cannot be changed; a copy can"
            )

    def _index(self, node: Node, what: str) -> int | None:
        if node._owner is self:
            return node._index
        nowhere = node._owner is None
        reason = "leads to no step" if nowhere else "names a step of another workflow"
        self._graph.troubles.append(f"{what} {reason}: '{node.name}'")
        return None

    # -- running -------------------------------------------------------------------------------

    async def run(self, input: Any, *, system: Any = None, state: StateStore | None = None) -> Any:
        """The answer to ``input``. Any number of runs at a time.

        ``system`` is that of the actors of ``spawned`` steps, and is told to the steps. A step that
        fails for good fails the run: what was done is undone, latest first, and then the error is
        raised, an ``OdeonError`` with the step's code, whose ``__cause__`` is what the step raised.
        A run that is cancelled gives up what is under way, and undoes nothing.
        """
        return await Run(self._planned(system), system, state or StateStore()).answer(input)

    def durable(
        self, run_id: str, store: RunStore, values: Values | None = None
    ) -> DurableWorkflow:
        """Runs that are recorded under ``run_id``."""
        return DurableWorkflow(self, run_id, store, values or Values())

    def _planned(self, system: Any) -> Plan:
        if self._plan is None:
            if troubles := self.problems():
                raise InvalidArgument("; ".join(troubles))
            self._plan = Plan(self._graph)
        if system is None and (s := next((s for s in self._graph.steps if s.spawn), None)):
            raise InvalidArgument(f"the step '{s.name}' spawns an actor: run(…, system=…)")
        return self._plan


_claims: weakref.WeakKeyDictionary[Any, set[str]] = weakref.WeakKeyDictionary()


class DurableWorkflow:
    """A run that survives: what each step gave is in the store before the next step starts.

    ``run`` with an id that the store knows goes on where the record ends, with the recorded input.
    No step whose end was recorded runs again; one that was under way does, with the same
    ``StepContext.key``. Attempts, delays and compensations are counted across restarts. A run that
    has ended gives its recorded answer, or raises its recorded error, and runs nothing.

    Raises ``NameTaken`` when this id is under way in this program, ``Fenced`` when another one
    took it over, ``VersionConflict`` when the record was made by other code, and ``EncodingError``
    for an input that cannot be stored.
    """

    def __init__(self, of: Workflow, run_id: str, store: RunStore, values: Values) -> None:
        if not run_id:
            raise InvalidArgument("a durable run has an id of its own")
        self._of = of
        self._id = run_id
        self._store = store
        self._values = values

    @property
    def id(self) -> str:
        return self._id

    async def run(self, input: Any, *, system: Any = None, state: StateStore | None = None) -> Any:
        """The answer, as ``Workflow.run``."""
        plan = self._of._planned(system)
        for s in plan.graph.steps:
            self._values.know(s.shape.hints)
            if s.undo is not None:
                self._values.know(Shape(s.undo).hints)
        claims = _claims.setdefault(self._store, set())
        if self._id in claims:
            raise NameTaken(f"the run '{self._id}' is under way")
        claims.add(self._id)
        try:
            recorder = Recorder(self._store, self._id, plan.graph.name, self._values)
            run = Run(plan, system, state or StateStore(), recorder, self._id)
            return await run.answer(input)
        finally:
            claims.discard(self._id)
