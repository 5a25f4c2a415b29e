"""The circuit breaker's states, trials, time limits and counts."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest
from odeon.errors import AskTimeout, InvalidArgument, OdeonError, Refused
from odeon.patterns import (
    BreakerTransition,
    CallTimeout,
    CircuitBreaker,
    CircuitOpen,
    _clock,
)
from pattern_kit import FakeClock, run_virtual


async def good() -> str:
    return "fine"


async def bad() -> str:
    raise ConnectionError("the line is down")


async def fail_times(breaker: CircuitBreaker, n: int) -> None:
    for _ in range(n):
        with pytest.raises(ConnectionError):
            await breaker.call(bad)


def test_failures_in_a_row_open_it_and_calls_then_fail_without_being_made() -> None:
    async def main() -> None:
        breaker = CircuitBreaker(3, name="payments")
        await fail_times(breaker, 2)
        assert await breaker.call(good) == "fine"  # begins the count anew
        await fail_times(breaker, 2)
        assert breaker.state == "closed"
        await fail_times(breaker, 1)
        assert breaker.state == "open"
        made = []
        with pytest.raises(CircuitOpen) as e:
            await breaker.call(lambda: made.append(1))
        assert made == []
        assert str(e.value) == ("the circuit breaker 'payments' is open after: ConnectionError: "
                                "the line is down; calls fail at once for another 10 s")
        assert e.value.remaining == pytest.approx(10.0)
        assert isinstance(e.value, Refused) and isinstance(e.value, OdeonError)
        assert e.value.code == "refused"
        c = breaker.counters
        assert (c.succeeded, c.failed, c.rejected, c.opened) == (1, 5, 1, 1)

    run_virtual(main())


def test_half_open_lets_exactly_one_trial_through_and_a_good_one_closes_it() -> None:
    async def main() -> None:
        breaker = CircuitBreaker(1, call_timeout=None, reset_timeout=2.0)
        await fail_times(breaker, 1)
        await asyncio.sleep(1.9)
        assert breaker.state == "open"
        await asyncio.sleep(0.2)
        assert breaker.state == "half_open"
        gate = asyncio.Event()

        async def slow() -> str:
            await gate.wait()
            return "back"

        trial = asyncio.create_task(breaker.call(slow))
        await asyncio.sleep(0)
        with pytest.raises(CircuitOpen, match="half open.*until the trial under way") as e:
            await breaker.call(good)
        assert e.value.remaining == 0
        gate.set()
        assert await trial == "back"
        assert breaker.state == "closed"
        assert await breaker.call(good) == "fine"

    run_virtual(main())


def test_each_failed_trial_makes_the_next_wait_longer_up_to_a_bound() -> None:
    async def main() -> None:
        breaker = CircuitBreaker(1, reset_timeout=1.0, growth=3.0, max_reset_timeout=5.0)
        waits = []
        for _ in range(4):
            await fail_times(breaker, 1)
            with pytest.raises(CircuitOpen) as e:
                breaker.enter()
            waits.append(e.value.remaining)
            await asyncio.sleep(e.value.remaining)
        assert waits == pytest.approx([1.0, 3.0, 5.0, 5.0])
        assert await breaker.call(good) == "fine"
        await fail_times(breaker, 1)
        with pytest.raises(CircuitOpen) as again:
            breaker.enter()
        assert again.value.remaining == pytest.approx(1.0)  # a good trial sets it back

    run_virtual(main())


def test_a_call_that_takes_too_long_is_cancelled_and_counts() -> None:
    async def main() -> None:
        breaker = CircuitBreaker(1, call_timeout=0.5, name="slow")
        ended = []

        async def endless() -> None:
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                ended.append(asyncio.get_running_loop().time())
                raise

        with pytest.raises(CallTimeout, match="'slow' took longer than 500 ms") as e:
            await breaker.call(endless)
        assert isinstance(e.value, AskTimeout) and isinstance(e.value, TimeoutError)
        assert ended == pytest.approx([0.5])
        assert breaker.state == "open"
        assert breaker.counters.timed_out == 1
        task = asyncio.current_task()
        assert task is not None and task.cancelling() == 0

    run_virtual(main())


def test_a_timeout_inside_the_work_is_the_works_own() -> None:
    async def main() -> None:
        breaker = CircuitBreaker(1, call_timeout=5.0)

        async def impatient() -> None:
            async with asyncio.timeout(0.1):
                await asyncio.sleep(1)

        with pytest.raises(TimeoutError) as e:
            await breaker.call(impatient)
        assert not isinstance(e.value, CallTimeout)
        assert breaker.counters.failed == 1

    run_virtual(main())


def test_a_cancelled_call_counts_neither_way_and_gives_the_trial_back() -> None:
    async def main() -> None:
        breaker = CircuitBreaker(1, call_timeout=None, reset_timeout=1.0)
        await fail_times(breaker, 1)
        await asyncio.sleep(1)
        trial = asyncio.create_task(breaker.call(lambda: asyncio.sleep(100)))
        await asyncio.sleep(0.1)
        trial.cancel()
        with pytest.raises(asyncio.CancelledError):
            await trial
        assert breaker.state == "half_open"
        assert (breaker.counters.failed, breaker.counters.succeeded) == (1, 0)
        assert await breaker.call(good) == "fine"
        assert breaker.state == "closed"

    run_virtual(main())


def test_a_cancellation_from_elsewhere_wins_over_the_limit() -> None:
    async def main() -> None:
        breaker = CircuitBreaker(1, call_timeout=1.0)
        call = asyncio.create_task(breaker.call(lambda: asyncio.sleep(100)))
        asyncio.get_running_loop().call_at(1.0, call.cancel)
        with pytest.raises(asyncio.CancelledError):
            await call
        assert call.cancelled()

    run_virtual(main())


def test_an_error_that_is_not_the_services_fault_counts_as_a_success() -> None:
    async def main() -> None:
        by_class = CircuitBreaker(1, is_failure=ConnectionError)

        async def wrong() -> None:
            raise ValueError("no such account")

        with pytest.raises(ValueError):
            await by_class.call(wrong)
        assert by_class.state == "closed"
        assert by_class.counters.succeeded == 1
        await fail_times(by_class, 1)
        assert by_class.state == "open"
        by_function = CircuitBreaker(1, is_failure=lambda e: "down" in str(e))
        with pytest.raises(ValueError):
            await by_function.call(wrong)
        assert by_function.state == "closed"

    run_virtual(main())


def test_a_slow_call_of_before_says_nothing_about_the_service_of_now() -> None:
    breaker = CircuitBreaker(1)
    with _clock.use(FakeClock()):
        old = breaker.enter()
        breaker.enter().failure("down")
        assert breaker.state == "open"
        old.success()
        assert breaker.state == "open"
        assert breaker.counters.succeeded == 1
        late = CircuitBreaker(1)
        first = late.enter()
        late.trip("maintenance")
        late.reset()
        first.failure("of before")
        assert late.state == "closed"


def test_permits_say_it_once_and_unsaid_count_neither_way() -> None:
    with _clock.use(FakeClock()) as clock:
        breaker = CircuitBreaker(1, reset_timeout=1.0)
        permit = breaker.enter()
        permit.success()
        permit.failure("too late to say so")
        assert breaker.state == "closed"
        with pytest.raises(ZeroDivisionError), breaker.enter():
            1 / 0
        assert breaker.try_enter() is None
        clock.at += 1  # type: ignore[attr-defined]
        trial = breaker.try_enter()
        assert trial is not None
        assert breaker.try_enter() is None
        del trial
        gc.collect()
        assert breaker.try_enter() is not None


def test_run_is_for_plain_functions_and_counts_slow_ones() -> None:
    with _clock.use(FakeClock()) as clock:
        breaker = CircuitBreaker(2, call_timeout=1.0)

        def slow(x: int) -> int:
            clock.at += 1.5  # type: ignore[attr-defined]
            return x

        assert breaker.run(slow, 7) == 7
        assert breaker.counters.timed_out == 1
        with pytest.raises(ZeroDivisionError):
            breaker.run(lambda: 1 / 0)
        assert breaker.state == "open"
        with pytest.raises(InvalidArgument, match="await call"):
            breaker.run(good)  # type: ignore[unused-coroutine]


def test_it_decorates_both_kinds_of_functions() -> None:
    breaker = CircuitBreaker(1)

    @breaker
    async def load(x: int) -> int:
        """Loads."""
        return x + 1

    @breaker
    def divide(a: int, b: int) -> float:
        return a / b

    async def main() -> None:
        assert await load(1) == 2
        assert load.__doc__ == "Loads."
        assert divide(1, 2) == 0.5
        with pytest.raises(ZeroDivisionError):
            divide(1, 0)
        with pytest.raises(CircuitOpen):
            await load(1)

    run_virtual(main())


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_coroutine_that_is_not_let_through_is_closed() -> None:
    async def main() -> None:
        breaker = CircuitBreaker()
        assert await breaker.call_async(good()) == "fine"
        breaker.trip("maintenance")
        with pytest.raises(CircuitOpen, match="after: maintenance"):
            await breaker.call_async(good())
        gc.collect()

    run_virtual(main())


def test_listeners_are_told_of_each_transition_and_of_half_open_by_the_timer() -> None:
    async def main() -> None:
        seen: list[BreakerTransition] = []
        breaker = CircuitBreaker(1, reset_timeout=1.0, name="b")
        breaker.on_transition(seen.append)
        await fail_times(breaker, 1)
        await asyncio.sleep(1.5)  # nobody looks
        assert [(t.before.value, t.after.value) for t in seen] == [("closed", "open"),
                                                                   ("open", "half_open")]
        assert seen[0].why == "ConnectionError: the line is down" and seen[1].why == ""
        breaker.reset()
        breaker.reset()
        breaker.trip("first")
        breaker.trip("second")  # it only stays open for longer
        assert [t.after.value for t in seen[2:]] == ["closed", "open"]
        assert str(seen[1].after) == "half open"
        assert breaker.counters.opened == 3

    run_virtual(main())


def test_a_timer_of_an_earlier_opening_does_not_end_a_later_one() -> None:
    async def main() -> None:
        breaker = CircuitBreaker(1, reset_timeout=1.0)
        breaker.trip()
        await asyncio.sleep(0.6)
        breaker.trip()
        await asyncio.sleep(0.6)
        assert breaker.state == "open"
        await asyncio.sleep(0.6)
        assert breaker.state == "half_open"

    run_virtual(main())


def test_threads_share_one_and_its_totals_are_exact() -> None:
    breaker = CircuitBreaker(10**6)

    def work(n: int) -> None:
        for i in range(500):
            try:
                breaker.run(lambda: 1 // (i % 2))
            except ZeroDivisionError:
                continue

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert (breaker.counters.succeeded, breaker.counters.failed) == (1000, 1000)


@pytest.mark.parametrize("options", [{"max_failures": 0}, {"reset_timeout": 0}, {"growth": 0.5},
                                     {"growth": float("nan")}])
def test_options_that_make_no_sense_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(InvalidArgument, match="circuit breaker 'unnamed': max_failures"):
        CircuitBreaker(**options)  # type: ignore[arg-type]
