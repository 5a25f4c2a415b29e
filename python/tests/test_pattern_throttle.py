"""The token bucket and the rate limiter."""

from __future__ import annotations

import asyncio

import pytest
from odeon.errors import InvalidArgument
from odeon.patterns import Rate, RateLimited, RateLimiter, TokenBucket, _clock
from pattern_kit import FakeClock, run_virtual


def test_a_bucket_gives_its_burst_and_then_evenly() -> None:
    bucket = TokenBucket(Rate(elements=10, per=1.0, burst=3))
    assert [bucket.try_take(5.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.wait_for(5.0) == pytest.approx(0.1)
    assert not bucket.try_take(5.0999)
    assert bucket.try_take(5.1)
    assert [bucket.try_take(9.0) for _ in range(4)] == [True, True, True, False]  # not more


def test_the_long_run_is_exact_although_times_are_floats() -> None:
    bucket = TokenBucket(Rate(elements=3, per=0.1))
    at = 1e6
    for _ in range(3000):
        at += bucket.reserve(at)
    assert at - 1e6 == pytest.approx(100.0, abs=0.04)


def test_places_of_the_future_are_taken_in_order() -> None:
    bucket = TokenBucket(Rate(elements=2, per=1.0))
    assert [bucket.reserve(0.0) for _ in range(4)] == [0.0, 0.5, 1.0, 1.5]
    assert bucket.wait_for(0.0, 3) == pytest.approx(3.0)
    assert bucket.wait_for(2.0) == 0


def test_the_limiter_lets_tasks_through_in_the_order_of_their_calls() -> None:
    async def main() -> None:
        limiter = RateLimiter(10, 1.0, burst=2)
        done: list[tuple[int, float]] = []

        async def one(i: int) -> None:
            async with limiter:
                done.append((i, asyncio.get_running_loop().time()))

        await asyncio.gather(*(one(i) for i in range(5)))
        assert [i for i, _ in done] == [0, 1, 2, 3, 4]
        assert [at for _, at in done] == pytest.approx([0, 0, 0.1, 0.2, 0.3])

    run_virtual(main())


def test_the_place_is_taken_by_the_call() -> None:
    async def main() -> None:
        limiter = RateLimiter(1, 1.0)
        first, second = limiter.acquire(), limiter.acquire()
        await second
        assert asyncio.get_running_loop().time() == pytest.approx(1.0)
        await first
        assert asyncio.get_running_loop().time() == pytest.approx(1.0)

    run_virtual(main())


def test_who_would_wait_too_long_is_refused_at_once_and_takes_no_place() -> None:
    async def main() -> None:
        limiter = RateLimiter(1, 1.0, max_wait=1.5)
        await limiter.acquire()
        waiting = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0)
        for _ in range(3):
            with pytest.raises(RateLimited, match="next place is 2 s away, further than its bound "
                                                  "of 1.5 s") as e:
                await limiter.acquire()
        assert e.value.wait == pytest.approx(2.0) and e.value.code == "limit_exceeded"
        await waiting
        assert limiter.backlog() == pytest.approx(1.0)

    run_virtual(main())


def test_a_cancelled_wait_passes_its_turn_unused() -> None:
    async def main() -> None:
        limiter = RateLimiter(1, 1.0)
        await limiter.acquire()
        waiting = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0.5)
        waiting.cancel()
        await limiter.acquire()
        assert asyncio.get_running_loop().time() == pytest.approx(2.0)

    run_virtual(main())


def test_plain_functions_wait_on_their_thread() -> None:
    with _clock.use(FakeClock()) as clock:
        limiter = RateLimiter(4, 1.0, max_wait=0.3)
        assert limiter.try_acquire()
        assert not limiter.try_acquire()
        limiter.acquire_blocking()
        assert clock.slept == pytest.approx([0.25])  # type: ignore[attr-defined]
        limiter.acquire_blocking()
        with pytest.raises(RateLimited):
            limiter.acquire_blocking(3)


@pytest.mark.parametrize("options", [{"elements": 0}, {"per": 0}, {"burst": 0},
                                     {"per": float("nan")}])
def test_a_rate_of_nothing_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(InvalidArgument, match="at least one element"):
        RateLimiter(**options)
    with pytest.raises(InvalidArgument, match="0 places"):
        RateLimiter().try_acquire(0)
