"""``Graph``: streams that are no line."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from .. import _native
from ..errors import InvalidArgument
from ._paced import Overflow
from ._work import Work
from .flow import Flow, operations
from .handles import KillSwitch, Run
from .sink import Sink
from .source import Source

if TYPE_CHECKING:
    from .._native import Context
    from ..system import ActorSystem

__all__ = ["Graph", "GraphRun", "Inlet", "Node", "Outlet"]


class Outlet:
    """A port that gives elements."""

    __slots__ = ("index", "node")

    def __init__(self, node: Node, index: int) -> None:
        self.node = node
        self.index = index


class Inlet:
    """A port that takes them."""

    __slots__ = ("index", "node")

    def __init__(self, node: Node, index: int) -> None:
        self.node = node
        self.index = index


class Node:
    """A node of a :class:`Graph`, with its ports."""

    __slots__ = ("_number", "graph", "inlets", "name", "outlets")

    def __init__(self, graph: Graph, name: str, number: int, inlets: int, outlets: int) -> None:
        self.graph = graph
        self.name = name
        self._number = number
        self.inlets = tuple(Inlet(self, i) for i in range(inlets))
        self.outlets = tuple(Outlet(self, i) for i in range(outlets))

    @property
    def inlet(self) -> Inlet:
        """The only one."""
        return _only(self.inlets, self, "inlet")

    @property
    def outlet(self) -> Outlet:
        """The only one."""
        return _only(self.outlets, self, "outlet")

    def __repr__(self) -> str:
        return f"Node({self.name!r}, inlets={len(self.inlets)}, outlets={len(self.outlets)})"


P = TypeVar("P", Inlet, Outlet)


def _only(ports: tuple[P, ...], node: Node, what: str) -> P:
    if len(ports) != 1:
        raise InvalidArgument(f"the node '{node.name}' has {len(ports)} {what}s: name one of them")
    return ports[0]


class GraphRun(Run[tuple[Any, ...]]):
    """A graph that runs. ``await run`` gives the results of all its sinks, in the order in which
    they were added; ``run.values`` what other parts gave."""

    def __init__(
        self,
        results: Any,
        values: list[Any],
        switches: tuple[KillSwitch, KillSwitch],
        sinks: dict[Node, int],
    ) -> None:
        super().__init__(results, values, *switches)
        self._sinks = sinks

    def result_of(self, sink: Node) -> Any:
        """What that sink gave at once: the ``Ask`` of its result, a queue, a hub."""
        if sink not in self._sinks:
            raise InvalidArgument(f"'{sink.name}' is no sink of this graph")
        return self.result[self._sinks[sink]]


class Graph:
    """Nodes with ports, and edges between them: merges, junctions, fan-outs, and cycles. Each node
    is an island, each edge a channel of ``edge_capacity`` elements. A description: it may be run
    any number of times.

    A cycle has to go through a node that was made for it, :meth:`add_feedback`. It ends when all
    that comes into it has ended and nothing goes round any more, where it consists of merges,
    broadcasts, balances, partitions, flows that give one for one (``map``, ``wire_tap``,
    ``map_async``, …) and a feedback that fails when it is full; :meth:`ends_by_itself` tells. Any
    other goes on until a node in it ends it, or the run is shut down or cancelled.

    Example::

        g = Graph()
        numbers = g.add_source(Source.from_iterable([24, 7]))
        start = g.add_merge(2)
        halve = g.add_flow(lambda s: s.map(lambda n: n // 2))
        odd = g.add_partition(2, lambda n: n % 2)     # even numbers go round again
        again = g.add_feedback(64)
        out = g.add_sink(Sink.collect())
        g.connect(numbers, start.inlets[0])
        g.connect(start, odd)
        g.connect(odd.outlets[0], halve)
        g.connect(halve, again)
        g.connect(again, start.inlets[1])
        g.connect(odd.outlets[1], out)
        print(g.check(), g.ends_by_itself(again), await g.run(system))
    """

    def __init__(self, edge_capacity: int = 64) -> None:
        self._capacity = edge_capacity
        self._nodes: list[tuple[Any, ...]] = []
        self._edges: list[tuple[int, int, int, int]] = []
        self._sinks: dict[Node, int] = {}
        self._taken: set[tuple[str, int, int]] = set()

    def _add(
        self, kind: str, name: str | None, inlets: int, outlets: int, *args: Any
    ) -> Node:
        number = len(self._nodes)
        node = Node(self, name or f"{kind}-{number}", number, inlets, outlets)
        self._nodes.append((kind, node.name, *args))
        return node

    # -- nodes: each has a name of its own, for messages; default: its kind and a number ----------

    def add_source(self, source: Source[Any], *, name: str | None = None) -> Node:
        """One outlet: the elements of a source."""
        return self._add("source", name, 0, 1, source._ops)

    def add_flow(
        self, flow: Flow[Any, Any] | Callable[[Source[Any]], Source[Any]], *,
        name: str | None = None
    ) -> Node:
        """One inlet, one outlet, and a flow between them."""
        return self._add("flow", name, 1, 1, operations(flow))

    def add_sink(self, sink: Sink[Any, Any], *, name: str | None = None) -> Node:
        """One inlet: a sink."""
        node = self._add("sink", name, 1, 0, sink._ops)
        self._sinks[node] = len(self._sinks)
        return node

    def add_merge(self, n: int, *, name: str | None = None) -> Node:
        """``n`` inlets, one outlet: elements as they come."""
        return self._add("merge", name, n, 1, n)

    def add_concat(self, n: int, *, name: str | None = None) -> Node:
        """``n`` inlets, one outlet: one inlet after the other."""
        return self._add("concat", name, n, 1, n)

    def add_fan_in(
        self, n: int, fn: Callable[..., Source[Any]], *, name: str | None = None
    ) -> Node:
        """``n`` inlets, one outlet: ``fn`` gets ``n`` sources, and puts them together to one. Each
        has to be used, once.

        Example::

            g = Graph()
            sums = g.add_fan_in(2, lambda a, b: a.zip_with(b, lambda x, y: x + y))
            g.connect(g.add_source(Source.range(3)), sums.inlets[0])
            g.connect(g.add_source(Source.repeat(10)), sums.inlets[1])
            g.connect(sums, g.add_sink(Sink.collect()))
            print(await g.run(system))
        """
        made = fn(*(Source((("inlet", i),)) for i in range(n)))
        return self._add("fan_in", name, n, 1, n, made._ops)

    def add_zip(self, n: int = 2, *, name: str | None = None) -> Node:
        """``n`` inlets, one outlet: tuples of the elements at the same place; completes with the
        shortest."""

        def zipped(first: Source[Any], *others: Source[Any]) -> Source[Any]:
            out: Source[Any] = first.map(lambda e: (e,))
            for each in others:
                out = out.zip_with(each, lambda before, e: (*before, e))
            return out

        return self.add_fan_in(n, zipped, name=name)

    def add_interleave(self, n: int = 1, *, name: str | None = None) -> Node:
        """Two inlets, one outlet: ``n`` elements of each in turn."""
        return self.add_fan_in(2, lambda a, b: a.interleave(b, n), name=name)

    def add_merge_sorted(
        self, less: Callable[[Any, Any], bool] | None = None, *, name: str | None = None
    ) -> Node:
        """Two inlets, one outlet: two sorted streams as one sorted one."""
        return self.add_fan_in(2, lambda a, b: a.merge_sorted(b, less), name=name)

    def add_merge_prioritized(
        self, weight: int, other_weight: int, *, name: str | None = None
    ) -> Node:
        """Two inlets, one outlet: as they come; when both have elements, each gets its share."""
        return self.add_fan_in(
            2, lambda a, b: a.merge_prioritized(weight, b, other_weight), name=name)

    def add_broadcast(self, n: int, *, name: str | None = None) -> Node:
        """One inlet, ``n`` outlets: each element to all."""
        return self._add("broadcast", name, 1, n, n)

    def add_balance(self, n: int, *, name: str | None = None) -> Node:
        """One inlet, ``n`` outlets: each element to one that has room."""
        return self._add("balance", name, 1, n, n)

    def add_partition(
        self, n: int, fn: Callable[[Any], int], *, name: str | None = None
    ) -> Node:
        """One inlet, ``n`` outlets: each element to the one whose number ``fn`` gives."""
        return self._add("partition", name, 1, n, n, fn)

    def add_feedback(
        self, capacity: int, overflow: Overflow = "fail", *, name: str | None = None
    ) -> Node:
        """One inlet, one outlet: what a cycle has to go through. Holds up to ``capacity`` elements;
        a full one does as ``overflow`` says, which is not "wait": a cycle could stand still for
        ever."""
        if overflow == "wait":
            raise InvalidArgument("a feedback may not wait: a cycle could stand still for ever")
        return self._add("feedback", name, 1, 1, capacity, overflow)

    # -- edges -------------------------------------------------------------------------------------

    def connect(self, start: Outlet | Node, end: Inlet | Node) -> None:
        """An edge from an outlet to an inlet; a node stands for its only one. Raises
        InvalidArgument for a port that has an edge already, or is of another graph."""
        outlet = start.outlet if isinstance(start, Node) else start
        inlet = end.inlet if isinstance(end, Node) else end
        for port, what in ((outlet, "outlet"), (inlet, "inlet")):
            place = (what, port.node._number, port.index)
            if port.node.graph is not self:
                raise InvalidArgument(f"'{port.node.name}' is a node of another graph")
            if place in self._taken:
                raise InvalidArgument(
                    f"the {what} {port.index} of '{port.node.name}' has an edge already")
        self._taken |= {("outlet", outlet.node._number, outlet.index),
                        ("inlet", inlet.node._number, inlet.index)}
        self._edges.append(
            (outlet.node._number, outlet.index, inlet.node._number, inlet.index))

    # -- checking and running ----------------------------------------------------------------------

    def check(self) -> list[str]:
        """What is wrong, one sentence each, with the nodes' names; empty: it may be run. Every port
        has an edge, every node can be reached from a source and reaches a sink, and every cycle
        goes through a feedback."""
        return _native.stream_graph_check(tuple(self._nodes), tuple(self._edges))[0]

    def ends_by_itself(self, feedback: Node) -> bool:
        """Whether the cycle through it ends when what comes in has ended."""
        ends = _native.stream_graph_check(tuple(self._nodes), tuple(self._edges))[1]
        return ends[feedback._number]

    def run(
        self, by: ActorSystem | Context, *, name: str | None = None, dispatcher: str | None = None
    ) -> GraphRun:
        """Starts it, as ``Stream.run``. Raises InvalidArgument with all that :meth:`check` says."""
        switch, cancel = KillSwitch(), KillSwitch()
        nodes, edges = self._with(("killed_by", switch._handle))
        results, values = _native.stream_graph_run(
            by, nodes, edges, self._capacity, dispatcher, name, Work(by, dispatcher),
            cancel._handle)
        return GraphRun(results, values, (switch, cancel), self._sinks)

    def _with(
        self, switch: tuple[Any, ...]
    ) -> tuple[tuple[tuple[Any, ...], ...], tuple[tuple[int, int, int, int], ...]]:
        """The nodes and edges with a switch behind each source, before each sink, and, so that no
        cycle goes on by itself, behind each feedback."""
        nodes: list[tuple[Any, ...]] = []
        behind: dict[int, int] = {}
        for number, (kind, name, *args) in enumerate(self._nodes):
            if kind == "source":
                args = [(*args[0], switch)]
            elif kind == "sink":
                args = [(switch, *args[0])]
            elif kind == "feedback":
                behind[number] = len(self._nodes) + len(behind)
            nodes.append((kind, name, *args))
        edges = [(behind.get(a, a), i, b, j) for a, i, b, j in self._edges]
        for feedback, place in behind.items():
            nodes.append(("flow", f"{self._nodes[feedback][1]} (switch)", (switch,)))
            edges.append((feedback, 0, place, 0))
        return tuple(nodes), tuple(edges)
