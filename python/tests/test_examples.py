"""Each example runs, ends by itself, and prints what its docstring says."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from odeon import _native

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples/python").glob("[0-9]*.py"))
SIDECAR = EXAMPLES[0].with_name("31_sidecar_actors.py")
NO_LOG = {**os.environ, "PYTHONWARNINGS": "error::ResourceWarning"}


def promised(path: Path) -> str | None:
    """What the docstring says after "Prints::", or None when it says nothing of it."""
    text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    _, found, block = text.partition("Prints::\n\n")
    return textwrap.dedent(block).strip() + "\n" if found else None


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 8
    assert sum(promised(path) is not None for path in EXAMPLES) >= 8


def test_an_example_says_that_the_package_is_without_what_it_shows() -> None:
    program = (f"import runpy, odeon._native as n\nvars(n).pop('Sidecar', None)\n"
               f"runpy.run_path({str(SIDECAR)!r}, run_name='__main__')")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          timeout=120, env=NO_LOG)
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.startswith("nothing to show: this package of odeon is without the sidecar")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_prints_what_it_says(path: Path) -> None:
    if path == SIDECAR and not hasattr(_native, "Sidecar"):
        pytest.skip("this package is without the sidecar")
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        env=NO_LOG,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    expected = promised(path)
    if expected is not None:
        assert done.stdout == expected, done.stderr
    assert "Traceback" not in done.stderr


ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "python/README.md", "docs/guide/python.md")
BLOCKS = [
    (f"{page}-{i}", block)
    for page in PAGES
    for i, block in enumerate(
        re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.M | re.S))
]
# What the first programs print that a reader sees.
PRINTED = {"README.md-0": "hello, Alice\n", "python/README.md-0": "Hello, Alice!\n"}


def test_each_page_has_programs() -> None:
    for page in PAGES:
        assert any(where.startswith(page) for where, _ in BLOCKS), page


@pytest.mark.parametrize(("where", "block"), BLOCKS, ids=[where for where, _ in BLOCKS])
def test_a_program_of_a_page_runs(where: str, block: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", block], capture_output=True, text=True, timeout=120, env=NO_LOG
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout and not done.stderr
    assert done.stdout == PRINTED.get(where, done.stdout)
