"""Random programs of tasks, compared with a model that only knows about time.

A program is a tree. Every branch begins with a sleep of a length that no other has, so that no two
things happen at the same time, and the model can tell the outcome, the messages and their order.
"""

from __future__ import annotations

import random
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import pytest
from task_kit import Simulated

from odeon import task

Gen = Generator[Any, Any, Any]


class Planned(Exception):
    pass


@dataclass
class Sleep:
    seconds: float


@dataclass
class Say:
    what: int


@dataclass
class Fail:
    what: int


@dataclass
class Many:
    verb: str  # all, race, join, batch, group
    children: list[list[Any]]
    catch: bool


@dataclass
class Outcome:
    at: float
    value: Any = None
    error: int | None = None
    said: list[tuple[float, int]] = field(default_factory=list)


class Plan:
    """Makes programs."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.numbers = iter(range(1, 1_000_000))

    def steps(self, depth: int) -> list[Any]:
        steps: list[Any] = [Sleep(self.random.random())]
        for _ in range(self.random.randrange(4)):
            kind = self.random.random()
            if kind < 0.4:
                steps.append(Say(next(self.numbers)))
            elif kind < 0.6:
                steps.append(Sleep(self.random.random()))
            elif kind < 0.68:
                steps.append(Fail(next(self.numbers)))
            elif depth:
                verb = self.random.choice(["all", "race", "join", "batch", "group"])
                n = 1 if verb == "join" else self.random.randrange(1, 4)
                children = [self.steps(depth - 1) for _ in range(n)]
                steps.append(Many(verb, children, self.random.random() < 0.5))
        return steps


def expected(steps: list[Any], start: float) -> Outcome:
    """The model: what a program does that is started at ``start``."""
    out = Outcome(start, 0)
    for step in steps:
        if isinstance(step, Sleep):
            out.at += step.seconds
        elif isinstance(step, Say):
            out.said.append((out.at, step.what))
        elif isinstance(step, Fail):
            out.error = step.what
            return out
        else:
            children = [expected(c, out.at) for c in step.children]
            ended = sorted(children, key=lambda c: c.at)
            failed = [c for c in ended if c.error is not None]
            if step.verb == "race":
                decided = ended[0]
            else:
                decided = failed[0] if failed else ended[-1]
            out.at = decided.at
            said = sorted(m for c in children for m in c.said)
            out.said += [m for m in said if m[0] <= decided.at]
            if decided.error is not None:
                if not step.catch:
                    out.error = decided.error
                    return out
                out.value += 1000 * decided.error
            elif step.verb == "race":
                out.value += decided.value
            elif step.verb in ("all", "join"):
                out.value += sum(c.value for c in children)
            out.value += 1
    return out


def failures(step: Many) -> set[int]:
    found = set()
    for s in (s for c in step.children for s in c):
        if isinstance(s, Fail):
            found.add(s.what)
        elif isinstance(s, Many):
            found |= failures(s)
    return found


def program(steps: list[Any]) -> Gen:
    value = 0
    for step in steps:
        if isinstance(step, Sleep):
            yield from task.sleep(seconds=step.seconds)
        elif isinstance(step, Say):
            yield from task.send(step.what)
        elif isinstance(step, Fail):
            raise Planned(step.what)
        else:
            try:
                value += yield from many(step)
            except Planned as error:
                if not step.catch or error.args[0] not in failures(step):
                    raise  # not of below: thrown in by an abort
                value += 1000 * error.args[0]
            value += 1
    return value


def many(step: Many) -> Gen:
    works = [program(c) for c in step.children]
    if step.verb == "all":
        return sum((yield from task.all_(works)))
    if step.verb == "race":
        return (yield from task.race(works))
    if step.verb == "join":
        return (yield from task.join((yield from task.fork(works[0]))))
    if step.verb == "batch":
        yield from task.batch(works)
        return 0
    forks = []
    for w in works:
        forks.append((yield from task.fork(w)))
    yield from task.group(forks)
    return 0


@pytest.mark.parametrize("first", range(0, 400, 100))
def test_random_programs_do_what_the_model_says(first: int) -> None:
    sizes = 0
    for seed in range(first, first + 100):
        steps = Plan(seed).steps(4)
        model = expected(steps, 0.0)
        host = Simulated()
        unhandled: list[Any] = []
        said: list[int] = []
        tasks = task.Scheduler(host, on_unhandled=unhandled.append)
        f = tasks.start(task.consume(program(steps), said.append))
        host.advance(1000)
        result = f.result
        if isinstance(result, task.Success):
            assert (result.value, None) == (model.value, model.error), seed
        else:
            assert isinstance(result, task.Failure)
            assert result.error.args[0] == model.error, seed
        assert said == [what for _, what in model.said], seed
        assert not tasks.is_busy() and unhandled == [], seed
        sizes += len(said)
    assert sizes > 50


@pytest.mark.parametrize("seed", range(20))
def test_random_resumes_and_aborts_lose_no_task_and_no_cleanup(seed: int) -> None:
    dice = random.Random(seed)
    entered = left = 0
    forks: list[Any] = []

    def work(n: int) -> Gen:
        nonlocal entered, left
        entered += 1
        try:
            for _ in range(n):
                kind = dice.random()
                if kind < 0.3:
                    yield from task.suspend()
                elif kind < 0.5:
                    yield from task.sleep(seconds=dice.random())
                elif kind < 0.6:
                    yield n
                elif kind < 0.8 and n > 1:
                    forks.append((yield from task.fork(work(n - 1))))
                elif forks:
                    both = [task.fork(work(1)), task.fork(work(1))]
                    forks.extend(both)
                    yield from task.all_(both)
        finally:
            try:
                if dice.random() < 0.3:
                    yield from task.sleep(seconds=0.01)
            finally:
                left += 1

    host = Simulated()
    tasks = task.Scheduler(host, on_unhandled=lambda e: None)
    forks += [tasks.start(work(8)) for _ in range(5)]

    def disturb() -> Gen:
        for _ in range(100):
            yield from task.sleep(seconds=0.1)
            f = dice.choice(forks)
            kind = dice.random()
            if kind < 0.5:
                task.resume(f)
            elif kind < 0.6:
                yield from task.abort(f, Planned())
            elif kind < 0.7:
                yield from task.exit_(f, 1)
            elif kind < 0.8 and f.status == "active":
                forks.append((yield from task.fork(task.join(f))))

    tasks.start(disturb())
    host.advance(20)
    for _ in range(100):  # whoever is still suspended is woken until all have ended
        for f in list(forks):
            task.resume(f)
        host.advance(1)
    assert [f for f in forks if f.status != "finished"] == []
    assert entered == left >= 5
    assert not tasks.is_busy()
