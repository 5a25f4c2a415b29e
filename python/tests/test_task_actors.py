"""Tasks and workflows among actors."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import pytest

import odeon
from odeon import task
from odeon.errors import ActorFailed, Refused
from odeon.workflow import Workflow, spawned, step

Gen = Generator[Any, Any, Any]


@dataclass
class Add:
    n: int


class Adder(odeon.Actor[Add]):
    """Works in tasks, inside its handler."""

    def __init__(self) -> None:
        self.total = 0

    async def receive(self, msg: Add, ctx: odeon.Context) -> int:
        if msg.n == 0:
            raise Refused("nothing to add")

        def part(n: int) -> Gen:
            yield from task.sleep(1)
            return n

        def work() -> Gen:
            return sum((yield from task.all_([part(msg.n), part(msg.n)])))

        self.total += await task.fork(work())
        return self.total


def test_a_handler_runs_tasks_and_a_task_asks_actors() -> None:
    def asks(ref: Any) -> Gen:
        both = []
        for n in (1, 2):
            both.append((yield from task.wait(ref.ask(Add(n), timeout=10.0))))
        try:
            yield from task.wait(ref.ask(Add(0), timeout=10.0))
        except ActorFailed as error:
            return both, type(error.__cause__)

    async def main() -> None:
        async with odeon.ActorSystem("tasks") as system:
            ref = system.spawn(Adder)
            assert await task.fork(asks(ref)) == ([2, 6], Refused)

    asyncio.run(main())


def test_actors_are_steps_of_a_workflow_and_their_no_is_the_runs() -> None:
    async def main() -> None:
        async with odeon.ActorSystem("steps") as system:
            ref = system.spawn(Adder)
            w = Workflow(
                step("wrap", Add) >> step("add", ref, timeout=10.0) >> step("text", str)
            )
            assert [await w.run(n) for n in (3, 1)] == ["6", "8"]
            with pytest.raises(Refused, match="the step 'add' failed: nothing to add"):
                await w.run(0)
            own = Workflow(step("wrap", Add) >> spawned("own", Adder))
            assert [await own.run(n, system=system) for n in (3, 1)] == [6, 2]

    asyncio.run(main())
