"""Fixtures for pytest; the installed package brings them by its entry point.

``virtual_time``   a :class:`~odeon.testing.TestKit` in virtual time; a failure tells its seed
``actor_system``   an :class:`odeon.ActorSystem` in real time
``test_kit``       a kit on ``actor_system``

A test that is a coroutine may use them without a further plugin: it runs on the loop of its
system. In other tests ``actor_system`` has a thread of its own.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from ..system import ActorSystem
from .kit import TestKit

_runner = pytest.StashKey[asyncio.Runner]()
_OTHERS = ("asyncio", "anyio", "trio")  # markers of plugins that run coroutines themselves


def _is_coroutine(item: Any) -> bool:
    return inspect.iscoroutinefunction(getattr(item, "obj", None)) and not any(
        item.get_closest_marker(name) for name in _OTHERS)


@pytest.fixture
def virtual_time() -> Iterator[TestKit]:
    """A system in virtual time, on the test's own thread."""
    with TestKit() as kit:
        yield kit


@pytest.fixture
def actor_system(request: pytest.FixtureRequest) -> Iterator[ActorSystem]:
    """A system named after the test; it is stopped behind it."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", request.node.name)
    if not _is_coroutine(request.node):
        with ActorSystem.start(name) as system:
            yield system
        return

    async def begin() -> ActorSystem:
        return ActorSystem(name)

    with asyncio.Runner() as runner:
        request.node.stash[_runner] = runner
        system = runner.run(begin())
        try:
            yield system
        finally:
            runner.run(system.stop())


@pytest.fixture
def test_kit(actor_system: ActorSystem) -> TestKit:
    """A kit on ``actor_system``, in real time."""
    return TestKit(actor_system)


@pytest.hookimpl(tryfirst=True)  # type: ignore[misc]
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs a coroutine on the loop of the system that it uses."""
    if not _is_coroutine(pyfuncitem):
        return None
    arguments = {name: pyfuncitem.funcargs[name]
                 for name in inspect.signature(pyfuncitem.obj).parameters
                 if name in pyfuncitem.funcargs}
    kit = pyfuncitem.funcargs.get("virtual_time")
    runner = pyfuncitem.stash.get(_runner, None)
    if isinstance(kit, TestKit):
        kit.run(pyfuncitem.obj(**arguments))
    elif runner is not None:
        runner.run(pyfuncitem.obj(**arguments))
    else:
        return None
    return True


@pytest.hookimpl(hookwrapper=True)  # type: ignore[misc]
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Tells the seed of a failure."""
    outcome = yield
    report = outcome.get_result()
    kit = getattr(item, "funcargs", {}).get("virtual_time")
    if report.when == "call" and report.failed and isinstance(kit, TestKit):
        report.sections.append(("odeon", f"seed {kit.seed}: ODEON_TEST_SEED={kit.seed} repeats it"))
