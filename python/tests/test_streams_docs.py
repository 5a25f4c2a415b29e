"""What the guide says about streams is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from odeon.streams import Sink, Source

GUIDE = Path(__file__).resolve().parents[2] / "docs/guide/python-streams.md"
TEXT = GUIDE.read_text(encoding="utf-8")


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
    ]


def test_the_guide_names_every_operator() -> None:
    table = TEXT[TEXT.index("## What there is"):]
    for cls in (Source, Sink):
        for name in vars(cls):
            if not name.startswith("_") and name not in ("run", "run_iter", "to", "via"):
                assert f"`{name}`" in table, name
