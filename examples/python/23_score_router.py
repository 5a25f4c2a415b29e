"""A workflow that routes by a score: conditions choose, a fan-out joins, a cycle is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from odeon.workflow import Step, Workflow, fan_out, otherwise, route, step, when


@dataclass
class Answer:
    student: str
    score: int
    text: str = ""


@step
def read(line: str) -> Answer:
    student, score = line.split(":")
    return Answer(student.strip(), int(score))


def score_at_least(n: int) -> Callable[[Answer], bool]:
    return lambda a: a.score >= n


def says(name: str, text: str) -> Step:
    return step(name, lambda a: replace(a, text=a.text + text))


@step
def stars(a: Answer) -> str:
    return "*" * (a.score // 20)


@step
def show(a: Answer, stars: str) -> str:
    return f"{a.student} {a.score}: {a.text} {stars}"


async def main() -> None:
    # As a chain: each when(…) is passed by when its condition does not hold.
    grade = route(
        when(score_at_least(90), says("praise", "excellent")),
        when(score_at_least(50), says("pass", "passed")),
        otherwise(says("again", "try again")),
    )
    perfect = when(score_at_least(100), says("perfect", "perfect, "))
    w = Workflow(read >> perfect >> fan_out(grade, stars) >> show)
    for line in ("  Ada : 100", "Bob:55", "Cleo: 12"):
        print(await w.run(line))

    # By edges: a cycle with a bound, a delay, and all edges that match.
    up = Workflow("raise")
    add = up.add(step("add", lambda n: n + 7, max_visits=20))
    tell = up.add(step("tell", lambda n: n))
    up.start(add).end(tell)
    up.edge(add, add, when=lambda n: n < 50, delay=0.002)
    up.edge(add, tell, when=lambda n: n >= 50)
    print(f"12 raised to {await up.run(12)}")


if __name__ == "__main__":
    asyncio.run(main())
