"""What the guide and the examples say about workflows is true."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from odeon import workflow

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs/guide/python-workflows.md"


def test_the_blocks_of_the_guide_run_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.M | re.S)
    assert len(blocks) >= 4
    module = ModuleType("guide_of_workflows")  # dataclasses look for the module they are in
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for i, block in enumerate(blocks):
        exec(compile(block, f"{GUIDE.name}, block {i + 1}", "exec"), module.__dict__)


def test_the_guide_names_what_there_is() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    elsewhere = {"Chain", "DurableWorkflow", "Node", "Record", "Step", "Transaction", "Way"}
    assert [n for n in workflow.__all__ if n not in text and n not in elsewhere] == []


def test_the_router_prints_what_its_c_twin_prints(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(ROOT / "examples/python/23_score_router.py"), run_name="__main__")
    assert capsys.readouterr().out.splitlines() == [
        "Ada 100: perfect, excellent *****",
        "Bob 55: passed **",
        "Cleo 12: try again ",
        "12 raised to 54",
    ]


def test_the_saga_prints_what_its_c_twin_prints() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples/python/22_order_saga.py")],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    answer = "  done: booked, charged at attempt 2, taken from the shelf"
    assert done.stdout.splitlines() == [
        "order-1",
        "  booked",
        "  charged at attempt 2",
        "  taken from the shelf",
        answer,
        "order-2",
        "  booked",
        "  charged at attempt 2",
        "  40 paid back",
        "  booking undone",
        "  failed: refused: the step 'take' failed: out of a clock",
        "order-1",
        answer,
    ]
