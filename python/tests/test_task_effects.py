"""Tasks that speak: tagging, merging, feeding back, and functions that drive a task by hand."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from task_kit import collect, play

from odeon import task

Gen = Generator[Any, Any, Any]


def ticks(ms: float, *values: Any) -> Gen:
    for v in values:
        yield from task.sleep(ms)
        yield from task.send(v)
    return "end"


def test_any_yielded_value_that_is_no_instruction_is_a_message() -> None:
    got: list[Any] = []

    def work() -> Gen:
        got.append((yield 1))
        yield None
        yield from task.send("three")
        yield from task.sleep(0)

    assert collect(work()) == (None, [1, None, "three"])
    assert got == [None]
    assert task.is_message(None) and task.is_message(1) and not task.is_message(task.SUSPEND)
    assert task.is_instruction(task.CURRENT) and not task.is_instruction("text")
    assert (repr(task.CURRENT), repr(task.SUSPEND)) == ("<CURRENT>", "<SUSPEND>")


def test_messages_sent_while_cleaning_up_are_passed_on() -> None:
    def work() -> Gen:
        try:
            yield "one"
            raise ValueError
        finally:
            yield "two"

    seen: list[Any] = []
    with pytest.raises(ValueError):
        play(work(), seen.append)
    assert seen == ["one", "two"]


def test_an_effect_is_the_result_of_a_task_as_a_message() -> None:
    assert collect(task.effect(ticks(0))) == (None, ["end"])


def test_effects_come_as_the_tasks_end() -> None:
    def after(ms: float) -> Gen:
        yield from task.sleep(ms)
        return ms

    assert collect(task.effects([after(6), after(1), after(3)])) == (None, [1, 3, 6])
    assert collect(task.effects([])) == (None, [])


def test_batch_merges_effects_in_the_order_of_their_messages() -> None:
    assert collect(task.batch([ticks(6, "a"), ticks(2, "b", "c")])) == (None, ["b", "c", "a"])
    assert collect(task.batch([])) == (None, [])


def test_a_failure_in_a_batch_aborts_the_rest() -> None:
    log: list[str] = []

    def long() -> Gen:
        try:
            yield from task.sleep(1000)
        finally:
            log.append("aborted")

    def failing() -> Gen:
        yield "said"
        raise ValueError("no")

    seen: list[Any] = []
    with pytest.raises(ValueError, match="no"):
        play(task.batch([long(), failing()]), seen.append)
    assert (log, seen) == (["aborted"], ["said"])


def test_tags_nest_and_leave_the_value_alone() -> None:
    assert task.with_tag("n", 1) == {"type": "n", "n": 1}
    assert collect(task.tag(ticks(0, 1), "in")) == ("end", [{"type": "in", "in": 1}])
    inner = {"type": "in", "in": 1}
    twice = task.tag(task.tag(ticks(0, 1), "in"), "out")
    assert str(twice) == "TaggedEffect"
    assert collect(twice) == ("end", [{"type": "out", "out": inner}])


def test_tagging_no_effect_is_no_effect() -> None:
    assert task.tag(task.tag(task.none_(), "a"), "b") is task.none_()
    assert collect(task.none_()) == (None, [])
    assert collect(task.batch([task.none_(), task.none_()])) == (None, [])


def test_a_tagged_task_can_be_aborted_and_may_speak_then() -> None:
    def work() -> Gen:
        try:
            yield from task.sleep(1000)
        except ValueError:
            yield "bye"

    def program() -> Gen:
        f = yield from task.fork(task.tag(work(), "w"))

        def stop() -> Gen:
            yield from task.abort(f, ValueError())

        yield from task.fork(stop())
        yield from task.join(f)

    assert collect(program()) == (None, [{"type": "w", "w": "bye"}])


def test_listen_tells_where_a_message_comes_from() -> None:
    merged = task.listen({"slow": ticks(5, 1), "quick": ticks(2, 2), "none": task.none_()})
    assert collect(merged) == (
        None,
        [{"type": "quick", "quick": 2}, {"type": "slow", "slow": 1}],
    )
    assert collect(task.listen({})) == (None, [])


def test_loop_feeds_every_message_back_until_nothing_runs() -> None:
    log: list[int] = []

    def step(n: int) -> Gen:
        log.append(n)
        if n > 1:
            yield n - 1
            yield from task.sleep(1)
            yield n - 2

    assert collect(task.loop(step(4), step)) == (None, [])
    assert sorted(log) == [0, 0, 1, 1, 1, 2, 2, 3, 4]


def test_loop_passes_a_dict_as_keywords_where_the_function_takes_them() -> None:
    seen: list[Any] = []

    def by_name(*, type: str, n: int = 0) -> Gen:
        seen.append((type, n))
        return
        yield

    def whole(message: dict[str, Any]) -> Gen:
        seen.append(message)
        return
        yield

    play(task.loop(task.send({"type": "a", "n": 2}), by_name))
    play(task.loop(task.send({"type": "a", "n": 2}), whole))
    play(task.loop(task.send("text"), whole))
    assert seen == [("a", 2), {"type": "a", "n": 2}, "text"]


def test_a_type_error_inside_the_function_of_a_loop_is_raised_and_not_tried_again() -> None:
    calls: list[Any] = []

    def broken(**m: Any) -> Any:
        calls.append(m)
        return 1 + "2"  # type: ignore[operator]

    with pytest.raises(TypeError, match="unsupported operand"):
        play(task.loop(task.send({"a": 1}), broken))
    assert calls == [{"a": 1}]


def test_a_failure_in_a_loop_aborts_what_runs() -> None:
    log: list[str] = []

    def step(m: str) -> Gen:
        if m == "fail":
            yield from task.sleep(2)
            raise ValueError(m)
        try:
            yield from task.sleep(1000)
        finally:
            log.append("aborted")

    def init() -> Gen:
        yield "stay"
        yield "fail"

    with pytest.raises(ValueError, match="fail"):
        play(task.loop(init(), step))
    assert log == ["aborted"]


def test_a_long_loop_keeps_nothing_of_what_has_ended() -> None:
    alive: set[int] = set()
    most = 0

    class Step:
        def __init__(self) -> None:
            alive.add(id(self))

        def __del__(self) -> None:
            alive.discard(id(self))

    def step(n: int) -> Gen:
        nonlocal most
        held = Step()
        most = max(most, len(alive))
        yield from task.wait(None)
        if n:
            yield n - 1
        del held

    play(task.loop(step(2000), step))
    assert most < 10


def test_consume_takes_the_messages_and_gives_the_value() -> None:
    taken: list[Any] = []

    def program() -> Gen:
        value = yield from task.consume(ticks(1, "a", "b"), taken.append)
        yield "mine"
        return value, (yield from task.consume(task.fork(ticks(0, "c")), taken.append))

    assert collect(program()) == (("end", "end"), ["mine"])
    assert taken == ["a", "b", "c"]


def test_an_error_of_the_taker_is_raised_where_the_message_was_sent() -> None:
    def work() -> Gen:
        try:
            yield "bad"
        except ValueError as error:
            yield f"told {error}"

    taken: list[str] = []

    def take(m: str) -> None:
        if m == "bad":
            raise ValueError("no")
        taken.append(m)

    play(work(), take)
    assert taken == ["told no"]


def test_a_function_may_drive_a_task_by_hand() -> None:
    def timeout(work: Gen, ms: float) -> Gen:
        """A combinator of an application: nothing but the two instructions."""
        me = yield from task.current()
        late: list[bool] = []

        def alarm() -> Gen:
            yield from task.sleep(ms)
            late.append(True)
            task.resume(me)

        clock = yield from task.fork(alarm())
        value = None
        while True:
            try:
                item = work.send(value)
            except StopIteration as end:
                yield from task.exit_(clock)
                return end.value
            value = yield item
            if late:
                try:
                    work.throw(TimeoutError("too late"))
                except TimeoutError:
                    return "timed out"

    def joins() -> Gen:
        return (yield from task.join(task.fork(ticks(1000, 1))))

    assert collect(timeout(ticks(1, "m"), 500)) == ("end", ["m"])
    assert collect(timeout(joins(), 5)) == ("timed out", [])


def test_a_joiner_that_stops_listening_ends_what_it_joined() -> None:
    child = task.fork(ticks(0, 1, 2, 3))

    def first() -> Gen:
        source = task.join(child)
        value = None
        while True:
            item = source.send(value)
            if task.is_message(item):
                source.close()
                return item
            value = yield item

    assert play(first()) == 1
    assert child.status == "finished"
    assert "closed" in str(child.result.error)  # type: ignore[union-attr]


def test_messages_climb_a_deep_chain_of_joins_in_order() -> None:
    depth = 3000

    def chain(n: int) -> Gen:
        if n == 0:
            for i in range(3):
                yield from task.wait(None)
                yield i
            return "bottom"
        return (yield from task.join(task.fork(chain(n - 1))))

    assert collect(chain(depth)) == ("bottom", [0, 1, 2])
