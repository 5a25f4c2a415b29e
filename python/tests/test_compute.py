"""Stateless work beside the actors."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
import time

import pool_actors
import pytest

import odeon
from odeon.errors import EncodingError, InvalidArgument, SystemStopped, WorkerDied

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")


def test_a_function_runs_on_a_thread_with_the_callers_context() -> None:
    async def main() -> None:
        async with odeon.ActorSystem("app") as system:
            variable.set("mine")
            seen = await system.compute(lambda: (threading.get_ident(), variable.get()))
            assert seen[0] != threading.get_ident() and seen[1] == "mine"
            assert await system.compute(pool_actors.add, 2, b=3) == 5
            with pytest.raises(LookupError, match="not here"):
                await system.compute(pool_actors.fail, "not here")

    asyncio.run(main())


def test_a_timeout_leaves_the_call_and_raises() -> None:
    async def main() -> None:
        go = threading.Event()
        async with odeon.ActorSystem("app") as system:
            with pytest.raises(TimeoutError):
                await system.compute(go.wait, timeout=0.01)
            go.set()

    asyncio.run(main())


def test_a_function_runs_in_another_process() -> None:
    with odeon.ActorSystem.start("app", compute_processes=1) as system:
        assert system.compute_blocking(pool_actors.where, execution="process") != os.getpid()
        assert system.compute_blocking(pool_actors.add, 2, b=3, execution="process") == 5
        assert system.compute_blocking(pool_actors.add_later, 2, 3, execution="process") == 5
        with pytest.raises(LookupError, match="not there"):
            system.compute_blocking(pool_actors.fail, "not there", execution="process")


def test_a_process_that_dies_fails_its_call_and_the_next_one_works() -> None:
    with odeon.ActorSystem.start("app", compute_processes=1) as system:
        with pytest.raises(WorkerDied):
            system.compute_blocking(pool_actors.die, execution="process", timeout=20)
        until = time.monotonic() + 60
        while True:  # until the new process is there
            try:
                assert system.compute_blocking(pool_actors.add, 1, execution="process") == 1
                break
            except WorkerDied:
                assert time.monotonic() < until
                time.sleep(0.002)


def test_what_another_process_cannot_have_is_refused_at_the_call() -> None:
    with odeon.ActorSystem.start("app", compute_processes=1) as system:
        with pytest.raises(TypeError, match="inside a function"):
            system.compute_blocking(lambda: 1, execution="process")
        with pytest.raises(EncodingError):
            system.compute_blocking(pool_actors.add, object(), execution="process")
        with pytest.raises(InvalidArgument, match="execution"):
            system.compute_blocking(pool_actors.add, 1, execution="fiber")  # type: ignore[arg-type]
        with pytest.raises(InvalidArgument, match="await it"):
            system.compute_blocking(pool_actors.add_later, 1, 2)
    with pytest.raises(SystemStopped):
        system.compute_blocking(pool_actors.add, 1)
