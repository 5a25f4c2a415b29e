"""What a state machine knows of itself as a picture."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Edge:
    start: str  # empty: from every state
    end: str
    label: str
    declared: bool


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _line(start: str, edge: Edge) -> str:
    style = "" if edge.declared else ", style=dashed"
    return f"  {_quoted(start)} -> {_quoted(edge.end)} [label={_quoted(edge.label)}{style}];\n"


class FsmGraph:
    """States and the ways between them: declared ones, and ones that were seen to be taken."""

    def __init__(self, start: str) -> None:
        self.start = start
        self._states: list[str] = []
        self._edges: list[Edge] = []

    def add_state(self, name: str) -> None:
        if name and name not in self._states:
            self._states.append(name)

    def add(self, start: str, end: str, label: str, declared: bool) -> None:
        """A way; `start` empty: from every state. Known ones are not added again: one that was seen
        may be a declared one, of its state or of every state."""
        self.add_state(start)
        self.add_state(end)
        for e in self._edges:
            same_start = e.start == start or (not declared and not e.start)
            same_label = e.label == label or (not declared and label == "timeout"
                                              and e.label.startswith("after "))
            if e.end == end and same_start and same_label:
                return
        self._edges.append(Edge(start, end, label, declared))

    def dot(self) -> str:
        """A Graphviz digraph: declared ways are drawn through, the others dashed."""
        out = 'digraph fsm {\n  rankdir=LR;\n  "" [shape=point];\n'
        out += "".join(f"  {_quoted(s)};\n" for s in self._states)
        out += f'  "" -> {_quoted(self.start)};\n'
        for e in self._edges:
            if e.start:
                out += _line(e.start, e)
                continue
            # From every state that has no way of its own for it.
            for s in self._states:
                if not any(own.start == s and own.label == e.label for own in self._edges):
                    out += _line(s, e)
        return out + "}\n"
