#!/usr/bin/env python3
"""Runs the Python package's tests with one interpreter, as ctest does.

`tools/python_tests.py --python PATH --build build/python --tag cp312 [--prepare] [for pytest …]`

The package is the one in <build>/package-<tag>. An interpreter that has no pytest gets a virtual
environment, <build>/venv-<tag>, with pytest, numpy and mypy when pip reaches a package index;
`--prepare` makes it and runs nothing. Exit code 77 means skipped: no pytest for that interpreter.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SKIPPED = 77
REQUIREMENTS = ("pytest>=7.2", "numpy", "mypy>=1.11,<2")
PIP_LIMIT_S = 240


def has_pytest(python: str) -> bool:
    return (
        subprocess.run(
            [python, "-c", "import pytest"], capture_output=True, check=False, cwd=ROOT
        ).returncode
        == 0
    )


def prepare(python: str, venv: Path) -> str | None:
    """An interpreter with pytest: the given one, or that of its virtual environment; or None."""
    if has_pytest(python):
        return python
    inside = venv / "bin/python"
    if inside.exists() and has_pytest(str(inside)):
        return str(inside)
    install = [
        str(inside),
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        "--retries",
        "1",
        "--timeout",
        "10",
        "--only-binary",
        ":all:",
        *REQUIREMENTS,
    ]
    for command in ([python, "-m", "venv", "--clear", str(venv)], install):
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=PIP_LIMIT_S, cwd=ROOT
            )
        except subprocess.TimeoutExpired:
            print(f"{python}: no answer within {PIP_LIMIT_S} s: {' '.join(command)}")
            return None
        if done.returncode != 0:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            print(f"{python}: {' '.join(command[1:4])} failed: {''.join(last)}")
            return None
    return str(inside)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, add_help=True)
    parser.add_argument("--python", required=True, help="the interpreter")
    parser.add_argument("--build", required=True, type=Path, help="build folder of preset python")
    parser.add_argument("--tag", required=True, help="cp311, cp312, …")
    parser.add_argument("--prepare", action="store_true", help="only find or make a pytest")
    arguments, rest = parser.parse_known_args()
    build: Path = arguments.build.resolve()
    package = build / f"package-{arguments.tag}"
    python = prepare(arguments.python, build / f"venv-{arguments.tag}")
    if python is None:
        print(f"skipped: no pytest for {arguments.tag} ({arguments.python})")
        return 0 if arguments.prepare else SKIPPED
    if arguments.prepare:
        print(f"{arguments.tag}: {python}")
        return 0
    if not list((package / "odeon").glob("_native.*.so")):
        print(f"{package} is not built: cmake --build {arguments.build}")
        return 1
    environment = dict(
        os.environ,
        PYTHONPATH=str(package),
        PYTHONUNBUFFERED="1",
        ODEON_BUILD=str(build),
        ODEON_TAG=arguments.tag,
    )
    command = [
        python,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-ra",
        *(rest or ["-m", "not once", "python/tests"]),
    ]
    print("+", " ".join(command), flush=True)
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
