"""Many asks and one result."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from odeon.errors import AskCancelled, AskTimeout, InvalidArgument, Refused
from odeon.patterns import Gathered, NotEnough, ask_all, ask_first, ask_some, gather
from pattern_kit import run_virtual


class Shop:
    """Answers after a while, or refuses; it knows whether it was given up."""

    def __init__(self, after: float, reply: Any) -> None:
        self.after = after
        self.reply = reply
        self.given_up = False

    async def ask(self, msg: Any, timeout: float | None = 5.0) -> Any:
        try:
            async with asyncio.timeout(timeout):
                await asyncio.sleep(self.after)
        except asyncio.CancelledError:
            self.given_up = True
            raise
        except TimeoutError:
            raise AskTimeout("the shop's own limit") from None
        if isinstance(self.reply, BaseException):
            raise self.reply
        return self.reply


def test_replies_are_in_the_order_asked_with_the_reasons_of_those_that_are_missing() -> None:
    async def main() -> None:
        shops = [Shop(0.3, "a"), Shop(0.1, Refused("closed")), Shop(9, "c"), Shop(0.2, None)]
        got = await gather([s.ask("q") for s in shops], 1.0)
        assert got.replies[0] == "a" and got.replies[3] is None
        assert isinstance(got.replies[1], Refused)
        assert isinstance(got.replies[2], AskTimeout) and "within 1 s" in str(got.replies[2])
        assert (got.good, got.complete) == (2, False)
        assert got.values() == ["a", None] and len(got.errors()) == 2
        assert asyncio.get_running_loop().time() == pytest.approx(1.0)
        await asyncio.sleep(0)
        assert [s.given_up for s in shops] == [False, False, True, False]

    run_virtual(main())


def test_enough_good_replies_end_it_and_the_others_are_given_up() -> None:
    async def main() -> None:
        shops = [Shop(5, "slow"), Shop(0.1, Refused("no")), Shop(0.2, 1), Shop(0.3, 2)]
        got = await gather([s.ask("q") for s in shops], 60, enough=2)
        assert got.values() == [1, 2] and got.complete
        assert isinstance(got.replies[0], AskCancelled)
        assert asyncio.get_running_loop().time() == pytest.approx(0.3)
        await asyncio.sleep(0)
        assert shops[0].given_up

    run_virtual(main())


def test_a_predicate_says_which_replies_count() -> None:
    async def main() -> None:
        shops = [Shop(i / 10, i) for i in range(6)]
        got = await gather([s.ask("q") for s in shops], enough=2, when=lambda r: bool(r % 2))
        assert got.values() == [0, 1, 2, 3] and got.complete

    run_virtual(main())


def test_nothing_asked_is_complete_at_once_and_none_wanted_is_refused() -> None:
    async def main() -> None:
        got: Gathered[Any] = await gather([])
        assert got.replies == () and got.complete
        with pytest.raises(InvalidArgument, match="at least one"):
            await gather([], enough=0)

    run_virtual(main())


def test_without_a_limit_it_waits_for_all() -> None:
    async def main() -> None:
        got = await gather([Shop(1000, 1).ask("q", None)], 0)
        assert got.values() == [1]

    run_virtual(main())


def test_a_cancelled_gathering_gives_up_its_asks() -> None:
    async def main() -> None:
        shops = [Shop(9, 1), Shop(9, 2)]
        task = asyncio.create_task(ask_all(shops, "q", 5))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)
        assert all(s.given_up for s in shops)

    run_virtual(main())


def test_a_limit_around_it_is_not_taken_for_its_own() -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await ask_all([Shop(9, 1)], "q", 5)
        assert asyncio.get_running_loop().time() == pytest.approx(0.5)

    run_virtual(main())


def test_the_first_good_reply_is_given() -> None:
    async def main() -> None:
        shops = [Shop(0.1, Refused("no")), Shop(0.3, "b"), Shop(0.2, "c")]
        assert await ask_first(shops, "q") == "c"
        got = await ask_some(shops, 2, "q")
        assert got.values() == ["b", "c"]

    run_virtual(main())


def test_too_few_good_replies_are_an_error_that_has_them() -> None:
    async def main() -> None:
        shops = [Shop(0.1, Refused("closed")), Shop(0.3, "b")]
        with pytest.raises(NotEnough, match="1 of 2 good replies from 2 actors; the last error: "
                                            "Refused: closed") as e:
            await ask_some(shops, 2, "q")
        assert e.value.replies[1] == "b"
        with pytest.raises(NotEnough, match="0 of 1 .* from 0 actors"):
            await ask_first([], "q")
        with pytest.raises(NotEnough, match="no reply within 200 ms|own limit"):
            await ask_first([Shop(9, 1)], "q", within=0.2)
        with pytest.raises(NotEnough, match="2 of 3"):
            await ask_some([Shop(0, 1), Shop(0, 2)], 3, "q")

    run_virtual(main())
