#!/usr/bin/env python3
"""Programs that must not compile, and the sentence their author sees first.

`tools/compile_fail.py [--compiler clang++-19] [--update] [name …]` compiles each
tests/compile_fail/<name>.cpp twice: as it is, which must fail with the sentence stored in
<name>.txt as the first error; and with -DODEON_FIXED, where the mistake is repaired and which must
compile, so that a program fails for its mistake and for nothing else. A line that ends in the
comment `// mistake` must be named in the diagnostics. --update stores what the compiler says now.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from source_tree import ROOT, fail

FOLDER = ROOT / "tests/compile_fail"
# Parsed once for all programs, which include what they need all the same.
COMMON = """
#include <odeon/odeon.hpp>
#include <odeon/persistence/event_sourced.hpp>
#include <odeon/testkit/testkit.hpp>
"""
ERROR = re.compile(r"^[^\s:][^:\n]*:\d+:\d+: (?:fatal )?error: (.*)$", re.M)
STATIC_ASSERT = re.compile(r"static assertion failed(?: due to requirement '.*?')?: ?(.*)$", re.S)


def precompile(compiler: str, folder: Path) -> list[str]:
    """The options that use the precompiled header; none when the compiler cannot make one."""
    header = folder / "common.hpp"
    header.write_text(COMMON, "utf-8")
    made = subprocess.run([compiler, "-std=c++23", "-x", "c++-header", f"-I{ROOT / 'include'}",
                           str(header), "-o", str(folder / "common.pch")],
                          capture_output=True, check=False)
    return ["-include-pch", str(folder / "common.pch")] if made.returncode == 0 else []


def compile_one(compiler: str, source: Path, fixed: bool, pch: list[str]) -> tuple[bool, str]:
    command = [compiler, "-std=c++23", "-fsyntax-only", "-fno-color-diagnostics",
               "-fno-caret-diagnostics", f"-I{ROOT / 'include'}", *pch, source.name]
    done = subprocess.run(command + (["-DODEON_FIXED"] if fixed else []), cwd=source.parent,
                          capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stderr


def first_sentence(diagnostics: str) -> str:
    """What the first error says; of a static_assert its sentence alone."""
    error = ERROR.search(diagnostics)
    text = error.group(1) if error else ""
    asserted = STATIC_ASSERT.search(text)
    return asserted.group(1).strip('"') if asserted else text


def check(compiler: str, source: Path, update: bool, pch: list[str]) -> list[str]:
    stored = source.with_suffix(".txt")
    compiled, diagnostics = compile_one(compiler, source, False, pch)
    if compiled:
        return [f"{source.name}: it compiles, but it must not"]
    said = first_sentence(diagnostics)
    if update:
        stored.write_text(said + "\n", "utf-8")
    problems = []
    wanted = stored.read_text("utf-8").strip() if stored.exists() else None
    if wanted is None:
        problems.append(f"{source.name}: no {stored.name}; store the sentence with --update")
    elif said != wanted:
        problems.append(f"{source.name}: the first error is\n    {said}\n  but should be\n"
                        f"    {wanted}")
    text = source.read_text("utf-8")
    for number, line in enumerate(text.split("\n"), 1):
        if line.endswith("// mistake") and f"{source.name}:{number}:" not in diagnostics:
            problems.append(f"{source.name}: the diagnostics do not name line {number}, where the "
                            "mistake is")
    if "ODEON_FIXED" not in text:
        problems.append(f"{source.name}: no repaired form under #ifdef ODEON_FIXED")
    else:
        compiled, diagnostics = compile_one(compiler, source, True, pch)
        if not compiled:
            problems.append(f"{source.name}: with -DODEON_FIXED it must compile, but\n"
                            f"{diagnostics}")
    return problems


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--compiler", default="clang++-19")
    options.add_argument("--update", action="store_true")
    options.add_argument("names", nargs="*")
    given = options.parse_args()
    if not shutil.which(given.compiler):
        fail(f"compile_fail: no compiler '{given.compiler}'; `make setup` installs clang++-19")
    sources = sorted(FOLDER.glob("*.cpp"))
    if given.names:
        sources = [s for s in sources if s.stem in given.names]
    if not sources:
        print("compile_fail: there are no programs yet")
        return 77
    with (tempfile.TemporaryDirectory() as folder,
          ThreadPoolExecutor(os.cpu_count() or 2) as pool):
        pch = precompile(given.compiler, Path(folder))
        found = list(pool.map(lambda s: check(given.compiler, s, given.update, pch), sources))
    for problem in (text for problems in found for text in problems):
        print(f"error: {problem}")
    bad = sum(bool(problems) for problems in found)
    print(f"compile_fail: {len(sources) - bad} of {len(sources)} programs fail as they should")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
