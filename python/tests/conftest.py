"""What every test has: a limit that shows where it hangs, and a look at what it leaves behind."""

from __future__ import annotations

import faulthandler
import gc
import importlib.metadata
import importlib.util
import os
import re
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PLUGIN = "odeon.testing.pytest_plugin"
LIMIT_S = 180.0  # of a machine that does much else at the same time
LEAVE_S = 20.0  # what a test stopped may take so long to be gone

_stderr = -1


def pytest_configure(config: pytest.Config) -> None:
    """The real stderr, while nothing is captured: where a hang is told."""
    global _stderr
    _stderr = os.dup(2)


def pytest_unconfigure(config: pytest.Config) -> None:
    os.close(_stderr)


def plugins() -> list[str]:
    """An installed package brings its fixtures by an entry point; the build folder does not."""
    package = importlib.util.find_spec("odeon")  # looks, but imports nothing
    folders = package.submodule_search_locations if package else None
    there = any((Path(each) / "testing/pytest_plugin.py").exists() for each in folders or ())
    points = importlib.metadata.entry_points(group="pytest11")
    brought = any(each.value == PLUGIN for each in points)
    return [PLUGIN] if there and not brought else []


pytest_plugins = plugins()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """A test that takes longer than LIMIT_S (its marker `limit`) ends the run, with all stacks."""
    marker = item.get_closest_marker("limit")
    limit = float(marker.args[0]) if marker else LIMIT_S
    faulthandler.dump_traceback_later(limit, exit=True, file=_stderr)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def tasks() -> list[Path]:
    """Folders of the threads of this process. The kernel ends a listing early where a thread ends
    while it is being listed, and those behind it are missed: what two listings tell is true."""
    before: list[Path] | None = None
    while (now := sorted(Path("/proc/self/task").iterdir())) != before:
        before = now
    return now


def native_threads() -> dict[int, str]:
    """Threads of this process by number, with their names; those of C++ have no other list."""
    found: dict[int, str] = {}
    for task in tasks():
        try:
            found[int(task.name)] = (task / "comm").read_text("utf-8").strip()
        except OSError:
            continue  # it ended meanwhile
    return found


def children() -> dict[int, str]:
    """Child processes by number, with their command lines; the standard library's helpers aside."""
    found: dict[int, str] = {}
    for task in tasks():
        try:
            numbers = (task / "children").read_text("utf-8").split()
        except OSError:
            continue
        for number in numbers:
            try:
                command = Path(f"/proc/{number}/cmdline").read_bytes()
            except OSError:
                continue
            text = command.replace(b"\0", b" ").decode("utf-8", "replace").strip()
            if "multiprocessing.resource_tracker" not in text:
                found[int(number)] = text or "a process that ended and was not waited for"
    return found


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fails a test after which threads or processes go on that were not there before."""
    python_before = set(threading.enumerate())
    native_before = set(native_threads())
    children_before = set(children())
    yield
    gc.collect()  # a system nobody holds ends with its object
    until = time.monotonic() + LEAVE_S
    while True:
        python_left = [each.name for each in threading.enumerate() if each not in python_before]
        native_left = [name for number, name in native_threads().items()
                       if number not in native_before]
        native_left += [what for number, what in children().items()
                        if number not in children_before]
        if not python_left and not native_left:
            return
        if time.monotonic() > until:
            break
        time.sleep(0.005)
    left = sorted(set(python_left + native_left))
    pytest.fail(f"threads or processes are left behind: {left}; is a system still open?",
                pytrace=False)


@pytest.fixture
def guide_blocks() -> Callable[[str], int]:
    """Runs the Python blocks of a page of the guide, in their order, in one module; their
    number."""

    def run(page: str) -> int:
        path = Path(__file__).resolve().parents[2] / "docs/guide" / page
        blocks = re.findall(r"^```python\n(.*?)^```", path.read_text("utf-8"), re.M | re.S)
        module = types.ModuleType("guide")  # classes look for the module they are in
        sys.modules[module.__name__] = module
        try:
            for n, block in enumerate(blocks, 1):
                exec(compile(block, f"{page}, block {n}", "exec"), module.__dict__)
        finally:
            del sys.modules[module.__name__]
        return len(blocks)

    return run
