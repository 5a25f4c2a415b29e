"""Schedules, and work that is tried again."""

from __future__ import annotations

import asyncio
import random

import pytest
from odeon.errors import AskTimeout, InvalidArgument, MailboxFull
from odeon.patterns import Schedule, _clock, retry, retry_blocking, retry_if, retrying
from pattern_kit import FakeClock, run_virtual


class Flaky:
    """Fails `times` times."""

    def __init__(self, times: int, why: type[Exception] = ConnectionError) -> None:
        self.times = times
        self.why = why
        self.at: list[float] = []

    def plain(self) -> int:
        self.at.append(_clock.now())
        if len(self.at) <= self.times:
            raise self.why(f"attempt {len(self.at)}")
        return len(self.at)

    async def work(self) -> int:
        return self.plain()


def test_an_exponential_schedule_doubles_up_to_its_cap() -> None:
    s = Schedule.exponential(0.1, 1.0)
    assert [s.delay_for(n) for n in range(7)] == pytest.approx([0, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0])
    assert s.delay_for(10**9) == 1.0
    assert [Schedule.fixed(2.0).delay_for(n) for n in (1, 2, 3)] == [2.0, 2.0, 2.0]
    assert Schedule.immediate().delay_for(5) == 0
    assert Schedule.exponential(0, 5).delay_for(9) == 0


def test_the_jitter_spreads_each_pause_by_its_part_and_only_with_a_chance() -> None:
    s = Schedule.exponential(1.0, 8.0, jitter=0.25)
    chance = random.Random(7)
    spread = [s.delay_for(2, chance) for _ in range(500)]
    assert all(1.5 <= d <= 2.5 for d in spread)
    assert min(spread) < 1.6 and max(spread) > 2.4
    assert s.delay_for(2) == 2.0


@pytest.mark.parametrize(("made", "why"), [
    (lambda: Schedule.fixed(-1), "negative"), (lambda: Schedule.fixed(float("nan")), "negative"),
    (lambda: Schedule.exponential(2, 1), "the longest pause, 1 s, is shorter than the first one"),
    (lambda: Schedule.fixed(1, 1.5), "a jitter of 1.5 is not between 0 and 1")])
def test_a_schedule_that_makes_no_sense_is_refused(made: object, why: str) -> None:
    with pytest.raises(InvalidArgument, match=why):
        made()  # type: ignore[operator]


def test_work_is_tried_again_in_the_schedules_time_until_it_succeeds() -> None:
    flaky = Flaky(3)
    assert run_virtual(retry(flaky.work, 5, Schedule.exponential(1, 3, jitter=0))) == 4
    assert flaky.at == pytest.approx([0, 1, 3, 6])


def test_the_last_error_comes_out_as_it_was_raised() -> None:
    flaky = Flaky(9)
    with pytest.raises(ConnectionError, match="attempt 3"):
        run_virtual(retry(flaky.work, 3))
    assert len(flaky.at) == 3


def test_a_factory_may_give_a_plain_value() -> None:
    assert run_virtual(retry(Flaky(1).plain, 2)) == 2


def test_an_error_that_is_not_worth_it_comes_out_at_once() -> None:
    flaky = Flaky(9)
    with pytest.raises(ConnectionError, match="attempt 1"):
        run_virtual(retry(flaky.work, 5, worth=(ValueError, KeyError)))
    assert run_virtual(retry(Flaky(2).work, 5, worth=OSError)) == 3
    assert run_virtual(retry(Flaky(2, AskTimeout).work, 5, worth=retry_if("ask_timeout"))) == 3
    with pytest.raises(MailboxFull):
        run_virtual(retry(Flaky(2, MailboxFull).work, 5, worth=retry_if("ask_timeout")))
    assert run_virtual(retry(Flaky(2).work, 5, worth=retry_if("handler_failed"))) == 3


def test_no_attempt_begins_after_the_deadline() -> None:
    flaky = Flaky(9)
    with pytest.raises(ConnectionError, match="attempt 3") as e:
        run_virtual(retry(flaky.work, 9, Schedule.fixed(1.0), deadline=2.5))
    assert flaky.at == pytest.approx([0, 1, 2])
    assert "within the deadline of 2.5 s: 3 of 9 made" in e.value.__notes__[0]


def test_an_attempt_under_way_at_the_deadline_is_cancelled() -> None:
    async def main() -> None:
        cancelled = []

        async def endless() -> None:
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                cancelled.append(asyncio.get_running_loop().time())
                raise

        with pytest.raises(TimeoutError):
            await retry(endless, 9, Schedule.fixed(1.0), deadline=2.5)
        assert cancelled == pytest.approx([2.5])

    run_virtual(main())


def test_a_cancellation_ends_a_pause_at_once_and_names_the_last_error() -> None:
    async def main() -> None:
        flaky = Flaky(9)
        task = asyncio.create_task(retry(flaky.work, 5, Schedule.fixed(100)))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as e:
            await task
        assert asyncio.get_running_loop().time() == pytest.approx(1)
        assert e.value.__notes__ == ["a retry was asked to stop after 1 of 5 attempts; the last "
                                     "error: ConnectionError: attempt 1"]

    run_virtual(main())


def test_a_cancellation_of_the_work_is_no_failure_to_be_tried_again() -> None:
    async def main() -> None:
        calls = []

        async def work() -> None:
            calls.append(1)
            await asyncio.sleep(100)

        task = asyncio.create_task(retry(work, 5))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert calls == [1]

    run_virtual(main())


def test_a_plain_function_is_tried_again_on_its_thread() -> None:
    with _clock.use(FakeClock()) as clock:
        assert retry_blocking(Flaky(2).plain, 3, Schedule.exponential(0.5, 9, jitter=0)) == 3
        assert clock.slept == [0.5, 1.0]  # type: ignore[attr-defined]
        with pytest.raises(ConnectionError, match="attempt 2"):
            retry_blocking(Flaky(9).plain, 9, Schedule.fixed(1.0), deadline=1.5)


def test_the_decorator_takes_both_kinds_of_functions() -> None:
    calls: list[str] = []

    @retrying(3, Schedule.immediate(), worth=ConnectionError)
    async def load(name: str) -> str:
        calls.append(name)
        if len(calls) < 3:
            raise ConnectionError
        return name

    @retrying(2)
    def divide(a: int, b: int) -> float:
        calls.append("divide")
        return a / b

    assert run_virtual(load("x")) == "x"  # type: ignore[arg-type]
    assert calls == ["x"] * 3
    with pytest.raises(ZeroDivisionError):
        divide(1, 0)
    assert calls[3:] == ["divide"] * 2
    assert load.__name__ == "load"


def test_no_attempts_and_no_time_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="no attempts at all"):
        retry_blocking(lambda: 1, 0)
    with pytest.raises(InvalidArgument, match="deadline"):
        retrying(1, deadline=0)
