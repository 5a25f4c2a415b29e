"""What the guide says about persistence runs, and names what there is."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import pytest

from odeon import persistence

GUIDE = Path(__file__).resolve().parents[2] / "docs/guide/python-persistence.md"
NOT_IN_THE_GUIDE = {"DurableTimers", "Effect", "MemoryOffsets", "OffsetStore", "Progress",
                    "ProjectionHalted", "install", "installed", "records"}


def test_the_blocks_of_the_guide_run_in_their_order(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text("utf-8"), re.M | re.S)
    assert len(blocks) >= 5
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType("odeon_guide")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for i, block in enumerate(blocks):
        code = compile(block, f"{GUIDE.name}, block {i + 1}", "exec", dont_inherit=True)
        exec(code, module.__dict__)


def test_the_guide_names_what_there_is() -> None:
    text = GUIDE.read_text("utf-8")
    for name in persistence.__all__:
        assert name in NOT_IN_THE_GUIDE or re.search(rf"\b{name}\b", text), name
