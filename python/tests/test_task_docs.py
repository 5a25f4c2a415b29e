"""What the guide and the example say about tasks is true."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs/guide/python-tasks.md"


def test_the_blocks_of_the_guide_run_in_their_order(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.M | re.S)
    assert len(blocks) >= 6
    names: dict[str, object] = {}
    for i, block in enumerate(blocks):
        exec(compile(block, f"{GUIDE.name}, block {i + 1}", "exec"), names)
    assert capsys.readouterr().out == "done:b\ndone:a\n"


def test_the_guide_names_every_verb() -> None:
    from odeon import task

    text = GUIDE.read_text(encoding="utf-8")
    for name in task.__all__:
        if name.islower() and name not in ("current_scheduler", "with_tag", "is_message"):
            assert re.search(rf"\b{name}\b", text) or name == "is_instruction", name


def test_the_example_prints_what_its_c_twin_prints(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(ROOT / "examples/python/15_tasks.py"), run_name="__main__")
    assert capsys.readouterr().out.splitlines() == [
        "done:quick",
        "done:slow",
        "tick 1",
        "the metronome stops",
        "slow and quick",
        "work: half done",
    ]
