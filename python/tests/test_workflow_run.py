"""Workflows: how they are spelled and checked, and how their runs go."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import pytest

from odeon import task
from odeon.errors import (
    ActorFailed,
    AskTimeout,
    DecodingError,
    InvalidArgument,
    NoReply,
    QuotaExceeded,
    Refused,
    WrongType,
)
from odeon.workflow import (
    Retry,
    StateStore,
    Step,
    StepContext,
    Workflow,
    delayed,
    fan_out,
    otherwise,
    route,
    spawned,
    step,
    when,
)

QUICK = Retry(attempts=3, min=0.001, max=0.002)


def run(w: Workflow, input: Any, **options: Any) -> Any:
    return asyncio.run(asyncio.wait_for(w.run(input, **options), 20))


def plus(n: int, name: str = "") -> Step:
    return step(name or f"plus {n}", lambda v: v + n)


# -- spelled as a chain ------------------------------------------------------------------------


def test_a_chain_gives_what_its_last_step_gives() -> None:
    assert run(Workflow(plus(1) >> plus(2) >> step("text", str)), 4) == "7"
    assert run(Workflow(plus(1)), 4) == 5
    assert run(Workflow(plus(1) >> (plus(2) >> plus(3))), 0) == 6


def test_a_value_goes_past_a_when_whose_condition_does_not_hold() -> None:
    w = Workflow(plus(1) >> when(lambda v: v > 5, plus(10)) >> plus(100))
    assert (run(w, 5), run(w, 1)) == (116, 102)
    assert run(Workflow(when(lambda v: v > 5, plus(10))), 1) == 1
    assert run(Workflow(when(lambda v: v > 5, plus(10)) >> plus(1)), 6) == 17


def test_a_route_takes_the_first_way_whose_condition_holds_and_it_alone() -> None:
    w = Workflow(
        route(
            when(lambda v: v > 10, plus(100, "a")),
            when(lambda v: v > 5, plus(10, "b")),
            otherwise(plus(1, "c")),
        )
        >> step("text", str)
    )
    assert [run(w, v) for v in (11, 6, 5)] == ["111", "16", "6"]
    with pytest.raises(InvalidArgument, match="each way but the last has a condition"):
        route(plus(1), when(bool, plus(2)))


def test_a_fan_out_joins_the_outputs_and_an_untaken_way_gives_none() -> None:
    w = Workflow(
        fan_out(plus(1), when(lambda v: v > 5, plus(10)), delayed(0.003, plus(2)))
        >> step("sum", lambda a, b, c: (a, b, c))
    )
    assert (run(w, 6), run(w, 1)) == ((7, 16, 8), (2, None, 3))
    assert run(Workflow(fan_out(plus(1), plus(2))), 0) == (1, 2)
    with pytest.raises(InvalidArgument, match="two ways or more"):
        fan_out(plus(1))


def test_what_is_no_part_of_a_chain_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="part of a chain"):
        plus(1) >> 7


# -- steps -------------------------------------------------------------------------------------


def test_steps_are_functions_coroutines_and_tasks() -> None:
    @step
    def double(v: int) -> int:
        return 2 * v

    @step("later", timeout=5.0)
    async def later(v: int) -> int:
        await asyncio.sleep(0)
        return v + 1

    @step()
    def generator(v: int) -> Generator[Any, Any, int]:
        yield from task.sleep(1)
        return v * 10

    assert (double.name, later.name, generator.name) == ("double", "later", "generator")
    assert run(Workflow(double >> later >> generator), 3) == 70
    assert double(4) == 8  # and still a function


def test_a_step_sees_its_run_by_its_context() -> None:
    seen: list[StepContext] = []

    @step(retry=QUICK)
    def look(v: int, info: StepContext) -> int:
        seen.append(info)
        if info.attempt < 3:
            raise ValueError("again")
        return v

    @step
    async def store(v: int, ctx: StepContext) -> int:
        await ctx.state.put("v", v)
        return v

    state = StateStore()
    w = Workflow(look >> store).named("w")
    assert run(w, 7, state=state, system="the system") == 7
    assert [c.attempt for c in seen] == [1, 2, 3]
    assert {c.key for c in seen} == {f"{seen[0].run_id}/look/1"}
    assert seen[0].system == "the system" and seen[0].given_up
    assert seen[0].run_id.startswith("w-")
    assert state.get("v") == 7


def test_a_step_without_parameters_takes_nothing_and_one_with_several_a_tuple() -> None:
    nothing = step("nothing", lambda: (1, 2))
    both = step("both", lambda a, b: a + b)
    assert run(Workflow(nothing >> both), "ignored") == 3
    with pytest.raises(WrongType, match="'both' takes 2 values"):
        run(Workflow(both), 5)


class FakeRef:
    def __init__(self, answers: list[Any]) -> None:
        self.answers = answers
        self.asked: list[Any] = []

    async def ask(self, message: Any, *, timeout: float = 9.0) -> Any:
        self.asked.append((message, timeout))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def is_terminated(self) -> bool:
        return False


class FakeSystem:
    def __init__(self) -> None:
        self.log: list[str] = []

    def spawn(self, actor: Any, *args: Any) -> FakeRef:
        self.log.append(f"spawn {args}")
        return FakeRef([1, 2, 3])

    def stop_actor(self, ref: FakeRef) -> None:
        self.log.append(f"stop {len(ref.asked)}")


def test_a_step_that_is_an_actor_is_asked_and_its_refusal_is_not_tried_again() -> None:
    ref = FakeRef(["yes"])
    assert run(Workflow(step("ask", ref, timeout=2.0)), "q") == "yes"
    assert ref.asked == [("q", 2.0)]
    failure = ActorFailed("failed on it")
    failure.__cause__ = Refused("out of stock")
    no = FakeRef([failure, "yes"])
    with pytest.raises(Refused, match="the step 'ask' failed: out of stock"):
        run(Workflow(step("ask", no, retry=QUICK)), "q")
    assert no.asked == [("q", 9.0)]


def test_a_spawned_actor_lives_as_long_as_its_run() -> None:
    system = FakeSystem()
    w = Workflow()
    count = w.add(spawned("count", FakeRef, "argument", options=step("o", len, max_visits=3)))
    w.start(count).end(count).edge(count, count, when=lambda n: n < 3)
    assert run(w, 0, system=system) == 3
    assert system.log == ["spawn ('argument',)", "stop 3"]
    with pytest.raises(InvalidArgument, match="'count' spawns an actor"):
        run(w, 0)


# -- edge by edge ------------------------------------------------------------------------------


def test_a_cycle_goes_round_until_its_condition_ends_it() -> None:
    w = Workflow("raise")
    add, tell = w.add(step("add", lambda n: n + 7, max_visits=20)), w.add(step("tell", str))
    w.start(add).end(tell)
    w.edge(add, add, when=lambda n: n < 50, delay=0.001).edge(add, tell, otherwise=True)
    assert run(w, 12) == "54"


def test_all_edges_fire_by_priority_and_then_in_their_order() -> None:
    log: list[str] = []

    def noting(name: str) -> Step:
        return step(name, lambda v: log.append(name))

    w = Workflow("order")
    a = w.add(plus(0, "a"))
    nodes = [w.add(noting(n)) for n in ("low", "first", "second", "high")]
    end = w.add(plus(5, "end"))
    w.start(a).end(end)
    for n, priority in zip(nodes, (-1, 0, 0, 3), strict=True):
        w.edge(a, n, priority=priority)
    w.edge(a, end, priority=-5)
    assert run(w, 1) == 6
    assert log == ["high", "first", "second", "low"]


def test_a_step_with_one_input_runs_for_each_value_that_comes() -> None:
    seen: list[int] = []
    w = Workflow()
    a, b, c = w.add(plus(0, "a")), w.add(plus(1, "b")), w.add(plus(2, "c"))

    def note(v: int) -> int:
        seen.append(v)
        return v

    last = w.add(step("last", note))
    w.start(a).end(last).edge(a, b).edge(a, c).edge(b, last).edge(c, last)
    assert run(w, 0) == 2
    assert seen == [1, 2]


def joining(slow: float, condition: Any = None, join: Step | None = None) -> Workflow:
    w = Workflow("join")
    a, b, c = w.add(plus(0, "a")), w.add(plus(1, "b")), w.add(plus(2, "c"))
    j = w.add(join or step("j", lambda values: values, joins=True))
    w.start(a).end(j).edge(a, b, delay=slow).edge(a, c, when=condition)
    return w.edge(b, j).edge(c, j)


def test_a_join_waits_for_what_can_still_reach_it_and_for_nothing_else() -> None:
    assert run(joining(0.005), 0) == [1, 2]
    assert run(joining(0.0, lambda v: v > 0), 0) == [1]


def test_a_join_of_parameters_has_a_value_of_each_edge_or_says_which_is_missing() -> None:
    both = step("j", lambda x, y: (x, y))
    assert run(joining(0.002, None, both), 0) == (1, 2)
    with pytest.raises(DecodingError, match="lacks its input 2: the edge 'c' -> 'j'"):
        run(joining(0.0, lambda v: False, both), 0)

    def allows(x: int, y: int | None = None) -> Any:
        return x, y

    assert run(joining(0.0, lambda v: False, step("j", allows)), 0) == (1, None)


def test_a_run_ends_when_nothing_is_left_to_do() -> None:
    log: list[str] = []

    async def slow(v: int) -> None:
        await asyncio.sleep(0.005)
        log.append("side branch")

    w = Workflow()
    a, side, end = w.add(plus(1, "a")), w.add(step("side", slow)), w.add(plus(1, "end"))
    w.start(a).end(end).edge(a, side).edge(a, end)
    assert run(w, 0) == 2
    assert log == ["side branch"]


def test_a_run_without_an_answer_says_where_its_branches_ended() -> None:
    w = Workflow("w")
    a, end = w.add(plus(1, "a")), w.add(plus(1, "end"))
    w.start(a).end(end).edge(a, end, when=lambda v: False)
    with pytest.raises(NoReply, match="its end 'end' gave none; no edge went on from 'a'"):
        run(w, 0)


def test_steps_beside_each_other_run_at_the_same_time() -> None:
    both = asyncio.Barrier(2)

    async def meet(v: int) -> int:
        await asyncio.wait_for(both.wait(), 10)
        return v

    assert run(Workflow(fan_out(step("a", meet), step("b", meet))), 1) == (1, 1)


# -- checked before it starts ------------------------------------------------------------------


def problems(build: Any) -> str:
    w = Workflow("w")
    build(w)
    with pytest.raises(InvalidArgument) as told:
        run(w, 0)
    assert str(told.value) == "; ".join(w.problems())
    return str(told.value)


def test_each_mistake_of_a_graph_is_told_with_its_place() -> None:
    def start(w: Workflow, *names: str) -> Any:
        nodes = [w.add(plus(0, n)) for n in names]
        w.start(nodes[0])
        return nodes

    def dangling(w: Workflow) -> None:
        (a,) = start(w, "a")
        w.edge(a, w["nobody"]).edge(a, Workflow("other").add(plus(1)))

    def lonely(w: Workflow) -> None:
        start(w, "a", "b")

    def twice(w: Workflow) -> None:
        a, b = start(w, "a", "a")
        w.edge(a, b)

    def cycle(w: Workflow) -> None:
        a, b, c = start(w, "a", "b", "c")
        w.edge(a, b).edge(b, a).edge(b, c)

    def no_end(w: Workflow) -> None:
        (a,) = start(w, "a")
        w.max_steps(5).edge(a, a)

    def two_ends(w: Workflow) -> None:
        a, b, c = start(w, "a", "b", "c")
        w.edge(a, b).edge(a, c)

    def contradiction(w: Workflow) -> None:
        a, b = start(w, "a", "b")
        w.edge(a, b, when=bool, otherwise=True, delay=-1)

    def options(w: Workflow) -> None:
        w.start(w.add(step("x", len, retry=Retry(0, 2.0, 1.0), timeout=1.0)))

    def slots(w: Workflow) -> None:
        a, b = start(w, "a", "b")
        j = w.add(step("j", lambda x, y, z: x))
        w.edge(a, b).edge(a, j).edge(b, j)

    assert "'a' -> 'nobody' leads to no step" in problems(dangling)
    assert "'a' -> 'plus 1' names a step of another workflow" in problems(dangling)
    assert "'b' cannot be reached from the start 'a'" in problems(lonely)
    assert "two steps are named 'a'" in problems(twice)
    assert "the cycle 'a' -> 'b' -> 'a' has no bound" in problems(cycle)
    assert "none is the end" in problems(no_end)
    assert "the end is ambiguous: 'b', 'c'" in problems(two_ends)
    assert "it is one or the other" in problems(contradiction)
    assert "negative delay" in problems(contradiction)
    assert "has 0 attempts" in problems(options)
    assert "retry.max below its retry.min" in problems(options)
    assert "plain function, which no timeout can interrupt" in problems(options)
    assert "'j' has 3 inputs, but 2 edges lead to it" in problems(slots)
    assert "has no steps" in problems(lambda w: None)
    assert "has no start" in problems(lambda w: w.add(plus(1)))


def test_bounds_end_a_run_that_goes_round_for_ever() -> None:
    w = Workflow("w")
    a = w.add(step("a", lambda v: v, max_visits=3))
    w.start(a).end(a).edge(a, a)
    with pytest.raises(QuotaExceeded, match="'a' would run more than 3 times, its max_visits"):
        run(w, 0)
    w = Workflow("w").max_steps(10)
    a = w.add(plus(0, "a"))
    w.start(a).end(a).edge(a, a)
    with pytest.raises(QuotaExceeded, match="more than 10 steps; the next one is 'a'"):
        run(w, 0)


def test_a_workflow_that_has_run_cannot_be_changed_but_a_copy_can() -> None:
    w = Workflow(plus(1))
    assert not w.has_started
    assert run(w, 1) == 2
    assert w.has_started
    with pytest.raises(InvalidArgument, match="has been run, so it cannot be changed"):
        w.add(plus(2))
    other = w.copy()
    last = other.add(plus(10))
    other.edge(other["plus 1"], last).end(last)
    assert (run(other, 1), run(w, 1)) == (12, 2)


def test_graphviz_draws_the_steps_and_what_is_said_of_the_edges() -> None:
    w = Workflow("w")
    a, b = w.add(plus(0, "a")), w.add(plus(0, "b"))
    w.start(a).edge(a, b, when=bool, delay=1.5, priority=2)
    text = w.graphviz()
    assert text.startswith('digraph "w" {') and text.endswith("}")
    assert 's0 -> s1 [label="when, after 1.5 s, priority 2"];' in text


# -- when a step fails -------------------------------------------------------------------------


def test_a_failed_step_fails_the_run_with_its_error_and_its_name() -> None:
    boom = ValueError("boom")

    def fail(v: int) -> int:
        raise boom

    with pytest.raises(ActorFailed, match="the step 'f' failed: ValueError: boom") as told:
        run(Workflow(step("f", fail)), 0)
    assert told.value.__cause__ is boom
    with pytest.raises(ActorFailed, match="failed after 3 attempts"):
        run(Workflow(step("f", fail, retry=QUICK)), 0)


def test_a_condition_that_raises_fails_the_run_and_is_named() -> None:
    w = Workflow(plus(1, "a") >> when(lambda v: v["x"], plus(2)))
    with pytest.raises(ActorFailed, match="the condition of the edge .* raised"):
        run(w, 0)


def test_a_timeout_bounds_each_attempt() -> None:
    tries: list[int] = []

    async def hangs(v: int, ctx: StepContext) -> int:
        tries.append(ctx.attempt)
        if ctx.attempt < 3:
            await asyncio.sleep(60)
        return v

    assert run(Workflow(step("h", hangs, timeout=0.005, retry=QUICK)), 1) == 1
    assert tries == [1, 2, 3]
    with pytest.raises(AskTimeout, match="the step 'h' failed: no end within 0.005 s"):
        run(Workflow(step("h", hangs, timeout=0.005)), 1)


def test_pauses_between_attempts_double_up_to_their_maximum() -> None:
    retry = Retry(attempts=9, min=0.1, max=1.0)
    assert [retry.pause(n) for n in (1, 2, 3, 4, 5, 6)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def saga(log: list[str], last: Any) -> Workflow:
    def done(name: str) -> Step:
        return step(name, lambda v: f"{v} {name}").compensated_by(
            lambda output: log.append(f"{name} undone: {output}")
        )

    return Workflow(done("book") >> done("pay") >> step("ship", last))


def test_completed_steps_are_undone_latest_first_before_the_error_is_raised() -> None:
    log: list[str] = []

    def refuse(v: str) -> str:
        raise Refused("nothing left")

    with pytest.raises(Refused, match="the step 'ship' failed: nothing left"):
        run(saga(log, refuse), "o")
    assert log == ["pay undone: o book pay", "book undone: o book"]


def test_a_compensation_has_the_attempts_of_its_step_and_its_failure_is_told() -> None:
    log: list[Any] = []

    def undo(input: str, output: str, ctx: StepContext) -> None:
        log.append((input, output, ctx.attempt, ctx.key.split("/", 1)[1]))
        raise KeyError("no way back")

    first = step("first", str, retry=QUICK).compensated_by(lambda: log.append("first undone"))
    second = step("second", lambda v: v + "!", retry=QUICK).compensated_by(undo)
    bad = step("bad", lambda v: 1 // 0)
    with pytest.raises(ActorFailed, match="the step 'bad' failed.*; the compensation of 'second'"):
        run(Workflow(first >> second >> bad), 1)
    assert log == [("1", "1!", n, "second/2/undo") for n in (1, 2, 3)] + ["first undone"]


def test_what_is_under_way_is_given_up_unless_it_has_a_compensation() -> None:
    log: list[str] = []
    given_up = asyncio.Event()

    async def free(v: int) -> int:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            log.append("free given up")
            given_up.set()
            raise
        return v

    async def keep(v: int) -> int:
        await given_up.wait()
        log.append("kept done")
        return v

    async def fail(v: int) -> int:
        await asyncio.sleep(0.001)
        raise ValueError("no")

    kept = step("kept", keep).compensated_by(lambda: log.append("kept undone"))
    w = Workflow(fan_out(step("free", free), kept, step("fail", fail)))
    with pytest.raises(ActorFailed):
        run(w, 0)
    assert log == ["free given up", "kept done", "kept undone"]


def test_a_cancelled_run_gives_up_and_undoes_nothing() -> None:
    log: list[str] = []

    async def hangs(v: str) -> str:
        try:
            await asyncio.sleep(60)
        finally:
            log.append("given up")
        return v

    async def main() -> None:
        run = asyncio.create_task(saga(log, hangs).run("o"))
        await asyncio.sleep(0.01)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(main())
    assert log == ["given up"]


def test_a_step_that_is_cancelled_from_inside_fails_the_run() -> None:
    async def cancels(v: int) -> int:
        raise asyncio.CancelledError

    with pytest.raises(Exception, match="'c' failed: the step was cancelled from inside"):
        run(Workflow(step("c", cancels)), 0)


def test_many_runs_of_one_workflow_go_beside_each_other() -> None:
    w = Workflow(plus(1) >> delayed(0.001, plus(2)))

    async def main() -> list[int]:
        return list(await asyncio.gather(*[w.run(i) for i in range(200)]))

    assert asyncio.run(main()) == [i + 3 for i in range(200)]
