"""Actors of a system that live in worker processes: supervision, references, stopping."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import worker_actors as actors

import odeon
from odeon.errors import ActorFailed, AskTimeout, NoReply
from odeon.subprocess_worker import WorkerPool, hosted


class Asked(odeon.Actor[Any]):
    """Answers questions, and keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def receive(self, msg: Any) -> Any:
        if msg == "told":
            return self.told
        if msg == "question":
            return "answer"
        self.told.append(msg)
        return None


def spawn(system: Any, pool: WorkerPool, cls: type, *args: Any, **options: Any) -> Any:
    made, arguments = hosted(pool, cls, *args)
    return system.spawn(made, *arguments, **options)


async def until(ask: Any) -> Any:
    """The first answer: a message that was lost with its process is asked for again."""
    for _ in range(1000):
        try:
            return await ask()
        except (ActorFailed, AskTimeout):
            await asyncio.sleep(0.05)
    raise AssertionError("no answer")


def test_it_is_an_actor_like_others() -> None:
    async def main() -> None:
        with WorkerPool(1) as pool:
            async with odeon.ActorSystem("hosted") as system:
                ref = spawn(system, pool, actors.Counter, 5, name="counter")
                ref.tell(actors.Add(2))
                assert await ref.ask(actors.Get(), timeout=60.0) == 7
                path, name = await ref.ask("path", timeout=60.0)
                assert name == "counter" and path == str(ref.path)
                assert await ref.ask("self", timeout=60.0) == ref
                assert await ref.ask("none", timeout=60.0) is None
                with pytest.raises(NoReply):
                    await ref.ask(actors.Add(1), timeout=60.0)

    asyncio.run(main())


def test_a_failure_there_is_a_failure_here_and_the_supervision_decides() -> None:
    async def main() -> None:
        with WorkerPool(1) as pool:
            async with odeon.ActorSystem("hosted") as system:
                ref = spawn(system, pool, actors.Counter, 5)
                ref.tell(actors.Add(2))
                with pytest.raises(ActorFailed, match="broken") as failed:
                    await ref.ask(actors.Fail("broken"), timeout=60.0)
                assert isinstance(failed.value.__cause__, ValueError)
                assert await ref.ask(actors.Get(), timeout=60.0) == 5  # a new instance there
                (line,) = await ref.ask("log", timeout=60.0)
                assert "pre_restart broken, post_restart ValueError" in line

    asyncio.run(main())


def test_after_the_death_of_its_worker_it_lives_on_in_another() -> None:
    async def main() -> None:
        with WorkerPool(2) as pool:
            async with odeon.ActorSystem("hosted") as system:
                ref = spawn(system, pool, actors.Counter, 5)
                before = await ref.ask("pid", timeout=60.0)
                with pytest.raises(ActorFailed, match="signal 9"):
                    await ref.ask("die", timeout=60.0)
                after = await until(lambda: ref.ask("pid", timeout=10.0))
                assert after != before
                assert await ref.ask(actors.Get(), timeout=60.0) == 5

    asyncio.run(main())


def test_it_reaches_actors_of_the_system_by_references_in_messages() -> None:
    async def main() -> None:
        with WorkerPool(1) as pool:
            async with odeon.ActorSystem("hosted") as system:
                asked = system.spawn(Asked)
                ref = spawn(system, pool, actors.Counter)
                assert await ref.ask(actors.Send(asked, "ask"), timeout=60.0) == "answer"
                with pytest.raises(NoReply):
                    await ref.ask(actors.Send(asked, ["hello", (1, 2)]), timeout=60.0)
                assert await until(lambda: told(asked)) == [["hello", (1, 2)]]

    async def told(asked: Any) -> Any:
        found = await asked.ask("told", timeout=60.0)
        if not found:
            raise AskTimeout("not yet")
        return found

    asyncio.run(main())


def test_stopping_either_side_stops_both() -> None:
    async def main() -> None:
        with WorkerPool(1) as pool:
            async with odeon.ActorSystem("hosted") as system:
                ref = spawn(system, pool, actors.Counter)
                await ref.ask("pid", timeout=60.0)
                ref.tell("stop")
                while not ref.is_terminated():  # which the test's limit bounds
                    await asyncio.sleep(0.01)
                other = spawn(system, pool, actors.Counter)
                await other.ask("pid", timeout=60.0)
                assert pool.metrics()[0].actors == 1
            assert pool.metrics()[0].actors == 0

    asyncio.run(main())


def test_a_constructor_that_raises_there_fails_the_spawn() -> None:
    async def main() -> None:
        with WorkerPool(1) as pool:
            async with odeon.ActorSystem("hosted") as system:
                ref = spawn(system, pool, actors.Counter, -1)
                with pytest.raises(odeon.OdeonError):
                    await ref.ask("pid", timeout=60.0)

    asyncio.run(main())
