"""The tools that find interpreters, run the tests and tell their results."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.once


def tool(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    runner = [sys.executable] if name.endswith(".py") else []
    return subprocess.run([*runner, str(ROOT / "tools" / name), *arguments],
                          capture_output=True, text=True, check=False, cwd=ROOT)


def test_an_interpreter_is_described_by_its_own_words() -> None:
    told = tool("pythons.py", sys.executable).stdout.strip().split(";")
    assert told[0].startswith(f"cp{sys.version_info[0]}{sys.version_info[1]}")
    assert told[1] == sys.executable
    assert told[2] == ".".join(map(str, sys.version_info[:3]))
    assert (Path(told[4]) / "Python.h").exists()


def test_each_tag_is_found_once_and_the_ones_named_come_after() -> None:
    found = tool("pythons.py").stdout.splitlines()
    tags = [line.split(";")[0] for line in found]
    assert len(tags) == len(set(tags))
    assert tool("pythons.py", "--also", sys.executable).stdout.splitlines() == found


def test_what_is_no_python_is_refused_with_its_path() -> None:
    done = tool("pythons.py", "/bin/true")
    assert done.returncode == 1
    assert done.stderr == "/bin/true: no CPython of at least 3.11 with its headers\n"


def test_an_interpreter_without_pytest_is_skipped_with_its_name(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 1\n", "utf-8")
    python.chmod(0o755)
    done = tool("python_tests.py", "--python", str(python), "--build", str(tmp_path),
                "--tag", "cp399")
    assert done.returncode == 77
    assert done.stdout.endswith(f"skipped: no pytest for cp399 ({python})\n")


def test_a_package_that_is_not_built_is_a_failure(tmp_path: Path) -> None:
    done = tool("python_tests.py", "--python", sys.executable, "--build", str(tmp_path),
                "--tag", "cp399")
    assert done.returncode == 1
    assert "is not built" in done.stdout


def test_the_summary_shows_failures_skips_and_the_last_line_of_pytest(tmp_path: Path) -> None:
    (tmp_path / "ctest.log").write_text(
        "1/2 Test #1: python_cp311 ....***Failed    2.00 sec\n"
        "50% tests passed, 1 tests failed out of 2\n", "utf-8")
    full = tmp_path / "Testing/Temporary/LastTest.log"
    full.parent.mkdir(parents=True)
    full.write_text(
        "1/2 Test: python_cp311\nFAILED python/tests/test_x.py::test_y - assert 1 == 2\n"
        "SKIPPED [1] python/tests/test_x.py:3: no sub-interpreters before 3.13\n"
        "===== 1 failed, 2 passed, 1 skipped in 2.00s =====\n"
        "2/2 Test: python_cp313\nskipped: no pytest for cp313 (/usr/bin/python3.13)\n", "utf-8")
    told = tool("test_summary.sh", str(tmp_path / "ctest.log"), str(tmp_path / "none.log"))
    assert told.stdout.splitlines() == [
        f"-- {tmp_path}/ctest.log",
        "1/2 Test #1: python_cp311 ....***Failed    2.00 sec",
        "python_cp311: FAILED python/tests/test_x.py::test_y - assert 1 == 2",
        "python_cp311: SKIPPED [1] python/tests/test_x.py:3: no sub-interpreters before 3.13",
        "python_cp311: 1 failed, 2 passed, 1 skipped in 2.00s",
        "python_cp313: skipped: no pytest for cp313 (/usr/bin/python3.13)",
        "50% tests passed, 1 tests failed out of 2",
    ]
