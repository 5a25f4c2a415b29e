#!/usr/bin/env python3
"""Holds docs/reference/semantics.md and the tests together. `tools/semantics.py [root]`.

The page gives each guarantee a heading `### S7 …` and, below it, a line that begins with `Tests:`
and quotes the names of the tests that hold it: Tests: "a killed actor …", "its asker …".
A test may say the same from its side: a name that ends in (S7) or (S7, S9) must be quoted there.
Exit 1 on findings, 77 while there is no such page.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import source_tree
from source_tree import Report

PAGE = "docs/reference/semantics.md"
HEADING = re.compile(r"^#+\s+S(\d+)\b", re.M)
TESTS = re.compile(r"^Tests:(.*(?:\n(?!\s*$|#).*)*)", re.M)
NAME = re.compile(r'"([^"]+)"')
CASE = re.compile(r'\bTEST_CASE(?:_FIXTURE|_TEMPLATE)?\(\s*(?:[\w:]+\s*,\s*)?((?:"[^"]*"\s*)+)')
TAG = re.compile(r"\((S\d+(?:,\s*S\d+)*)\)$")


def test_names(root: Path) -> dict[str, str]:
    """Name of each doctest case, and the file it stands in."""
    found = {}
    for path in source_tree.files(root):
        if path.endswith(".cpp") and (source_tree.is_test(path) or path.startswith("tests/")):
            for match in CASE.finditer((root / path).read_text("utf-8")):
                found["".join(NAME.findall(match.group(1)))] = path
    return found


def run(root: Path) -> int:
    page = root / PAGE
    if not page.exists():
        print(f"semantics: there is no {PAGE} yet")
        return 77
    report = Report(root)
    names = test_names(root)
    text = page.read_text("utf-8")
    headings = list(HEADING.finditer(text))
    quoted: dict[int, set[str]] = {}
    for i, heading in enumerate(headings):
        number = int(heading.group(1))
        line = text.count("\n", 0, heading.start()) + 1
        end = headings[i + 1].start() if i + 1 < len(headings) else len(text)
        if number in quoted:
            report.error(PAGE, line, "semantics", f"S{number} stands twice; number it anew")
        tests = {" ".join(name.split())
                 for listed in TESTS.findall(text[heading.start():end])
                 for name in NAME.findall(listed)}
        quoted[number] = tests
        if not tests:
            report.error(PAGE, line, "semantics", f"S{number} names no test; add a line 'Tests: …'")
        for name in sorted(tests - names.keys()):
            report.error(PAGE, line, "semantics", f'S{number} names the test "{name}", which does '
                         "not exist; was it renamed?")
    missing = [f"S{n}" for n in range(1, max(quoted, default=0) + 1) if n not in quoted]
    if missing:
        report.error(PAGE, None, "semantics", f"{', '.join(missing)} left out; number without gaps")
    for name, path in names.items():
        tag = TAG.search(name)
        for number in map(int, re.findall(r"\d+", tag.group(1)) if tag else []):
            if name not in quoted.get(number, set()):
                report.error(path, None, "semantics", f'the test "{name}" is not quoted at '
                             f"S{number} of {PAGE}")
    return report.finish("semantics", {"semantics"}, f"{len(quoted)} guarantees")


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else source_tree.ROOT))
