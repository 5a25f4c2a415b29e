"""The types of the operations of flows, which are those of sources. Run as a program it writes
them, and a test compares."""

from __future__ import annotations

import ast
import re
from pathlib import Path

STREAMS = Path(__file__).resolve().parents[1] / "src/odeon/streams"
FILE = STREAMS / "_flow_types.pyi"

HEAD = '''\
# Written by python/tests/flow_stub.py from the operations of sources.
import logging
from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine, Iterable, Mapping
from collections.abc import Sequence
from typing import Any, Generic, TypeVar, overload

from ..options import Decision, Directive
from ._paced import Overflow
from .flow import Flow
from .parts import Group, Part
from .sink import Sink
from .source import Source

I = TypeVar("I", contravariant=True)
O = TypeVar("O", covariant=True)
A = TypeVar("A")
K = TypeVar("K")
U = TypeVar("U")
V = TypeVar("V")

class FlowOperations(Generic[I, O]):
'''


def method(node: ast.FunctionDef) -> str:
    """Its signature, of a source's elements T, as that of a flow to O."""
    lines = ["@overload"] if node.decorator_list else []
    args = node.args
    for defaults in (args.defaults, args.kw_defaults):
        for i, each in enumerate(defaults):
            if each is not None and not isinstance(each, ast.Constant):
                defaults[i] = ast.Constant(...)
    result = re.sub(r"^Source\[(.*)\]$", r"Flow[I, \1]", ast.unparse(node.returns or node))
    spaced = re.sub(r"(?<=[\]\w])=(?=\.\.\.|\w|')", " = ", ast.unparse(args)).replace("'", '"')
    lines.append(f"def {node.name}({spaced}) -> {result}: ...")
    return "\n".join("    " + re.sub(r"\bT\b", "O", line) for line in lines)


def wrapped(line: str) -> str:
    """Within 100 columns: parameters on lines of their own."""
    if len(line) <= 100:
        return line
    head, rest = line.split("(", 1)
    params, result = rest.rsplit(") ->", 1)
    parts, depth = [""], 0
    for c in params:
        depth += (c in "[(") - (c in "])")
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    inner = "".join(f"        {part.strip()},\n" for part in parts)
    return f"{head}(\n{inner}    ) ->{result}"


def stub() -> str:
    methods: list[str] = []
    for file in ("_each.py", "_many.py", "_paced.py"):
        for cls in ast.parse((STREAMS / file).read_text("utf-8")).body:
            if not isinstance(cls, ast.ClassDef) or cls.name == "Described":
                continue
            known: dict[str, ast.FunctionDef] = {}
            overloaded: set[str] = set()
            for node in cls.body:
                if isinstance(node, ast.FunctionDef):
                    if node.decorator_list:
                        overloaded.add(node.name)
                    elif node.name in overloaded:
                        continue  # the one behind the overloads
                    known[node.name] = node
                    methods.append(method(node))
                elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
                    alias = known[node.value.id]
                    alias.name = ast.unparse(node.targets[0])
                    methods.append(method(alias))
    body = "\n".join(wrapped(line) for each in methods for line in each.split("\n"))
    return HEAD + body + "\n"


if __name__ == "__main__":
    FILE.write_text(stub(), "utf-8")
