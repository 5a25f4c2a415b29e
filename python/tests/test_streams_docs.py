"""What the guide and the docstrings say about streams is true."""

from __future__ import annotations

import ast
import asyncio
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

import odeon
import odeon.streams
from odeon.streams import Flow, Sink, Source

import flow_stub

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs/guide/python-streams.md"
TEXT = GUIDE.read_text(encoding="utf-8")
MODULES = sorted(Path(odeon.streams.__file__ or "").parent.glob("*.py"))


def test_the_blocks_of_the_guide_run_in_their_order(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", TEXT, re.M | re.S)
    names: dict[str, object] = {}
    for i, block in enumerate(blocks):
        exec(compile(block, f"{GUIDE.name}, block {i + 1}", "exec"), names)
    assert capsys.readouterr().out.splitlines() == [
        "[1, 9, 25, 49, 81]",
        "1 9 25 49 81 ",
        "['TO', 'BE']",
        "3",
        "['page 0', 'page 1']",
        "[1, 3]",
        "invalid literal for int() with base 10: 'x'",
        "True",
        "[('be', 2), ('not', 1), ('or', 1), ('to', 2)]",
        "True [3, 5]",
        "[b'TO BE', b'OR NOT']",
    ]


def test_the_guide_names_every_operator() -> None:
    table = TEXT[TEXT.index("## What there is"):]
    known = {name for cls in Source.__mro__[:-1] for name in vars(cls)} | set(vars(Sink))
    for name in sorted(known):
        if not name.startswith("_") and name not in ("run", "run_iter", "to", "via"):
            assert f"`{name}`" in table, name
    for module in (odeon.streams.file, odeon.streams.framing, odeon.streams.tcp):
        for name in module.__all__:
            where = f"`{module.__name__.rpartition('.')[2]}.{name}`"
            assert where in table or name == "Bytes", where


def test_the_guide_names_everything_public() -> None:
    for name in odeon.streams.__all__:
        assert re.search(rf"\b{name}s?\b", TEXT), name


def test_flows_have_the_operations_of_sources_and_their_types() -> None:
    assert flow_stub.FILE.read_text("utf-8") == flow_stub.stub(), (
        "write them anew: python3 python/tests/flow_stub.py")
    for cls in Source.__mro__[1:-2]:
        for name, operation in vars(cls).items():
            if not name.startswith("_"):
                assert getattr(Flow, name).__wrapped__ is operation, name


EXAMPLES = [
    (f"{path.stem}: {getattr(node, 'name', 'module')}", example)
    for path in MODULES
    for node in ast.walk(ast.parse(path.read_text("utf-8")))
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    for example in (ast.get_docstring(node) or "").split("Example::\n\n")[1:]
]
PRINTED = {
    "__init__: module": "[1, 9, 25, 49, 81]\n1\n9\n25\n49\n81\n",
    "_each: expand": "[21.5, 21.5, 21.5]\n",
    "_many: group_by": "[('to', 2), ('be', 2)]\n",
    "bidi: BidiFlow": "['to', 'be']\n",
    "compression: compress": "19000\n",
    "file: module": "6\n[b'to', b'be']\n",
    "flow: Flow": "['to', 'be', 'or']\n",
    "framing: json_objects": "[{'n': 1}, {'n': 2}]\n",
    "framing: module": "[b'to be', b'or not', b'to']\n",
    "graph: Graph": "[] True ([7, 3],)\n",
    "graph: add_fan_in": "([10, 11, 12],)\n",
    "source: Source": "30\n",
    "source: from_actor": "enqueued\n['TO', 'BE']\n",
    "tcp: module": "[b'TO BE', b'OR NOT']\n",
}


@pytest.mark.parametrize(("where", "example"), EXAMPLES, ids=[where for where, _ in EXAMPLES])
def test_an_example_of_a_docstring_runs(
    where: str, example: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, Any] = {"odeon": odeon, **vars(odeon.streams)}
    body = textwrap.indent(textwrap.dedent(example), "    ")
    exec(compile(f"async def main(system):\n{body}", where, "exec"), names)

    async def run() -> None:
        async with odeon.ActorSystem("examples") as system:
            await asyncio.wait_for(names["main"](system), 10)

    asyncio.run(run())
    printed = capsys.readouterr().out
    if where == "graph: Graph":
        assert printed.startswith("[] True ([") and sorted(eval(printed[8:])[0]) == [3, 7]
    else:
        assert printed == PRINTED.get(where, ""), where


def test_all_examples_that_print_were_found() -> None:
    assert set(PRINTED) <= {where for where, _ in EXAMPLES}
