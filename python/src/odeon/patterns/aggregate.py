"""Many asks, one result.

    quotes = await ask_all(shops, Quote("ODN"), within=1.0)
    best = min(q for q in quotes.values())

    first = await ask_first(replicas, Get("key"))              # the first good reply
    three = await ask_some(replicas, 3, Get("key"), within=0.5)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from odeon.errors import AskCancelled, AskTimeout, InvalidArgument
from odeon.patterns import _clock
from odeon.patterns._errors import NotEnough, seconds
from odeon.patterns.circuit_breaker import text_of

T = TypeVar("T")


class Askable(Protocol):
    """What asks go to: an `ActorRef`."""

    def ask(self, message: Any, /, *, timeout: float | None = ...) -> Awaitable[Any]: ...


@dataclass(frozen=True, slots=True)
class Gathered(Generic[T]):
    """`replies` in the order asked: the reply, or the exception that says why there is none
    (`AskCancelled`: there were enough without it; `AskTimeout`: the time was over). `good` counts
    those that are no exceptions; `complete`: enough, or all, were good."""

    replies: tuple[T | BaseException, ...]
    good: int
    complete: bool

    def values(self) -> list[T]:
        """The good replies, in the order asked."""
        return [r for r in self.replies if not isinstance(r, BaseException)]

    def errors(self) -> list[BaseException]:
        """The others."""
        return [r for r in self.replies if isinstance(r, BaseException)]


async def gather(asked: Iterable[Awaitable[T]], within: float = 5.0, enough: int | None = None, *,
                 when: Callable[[T], bool] | None = None) -> Gathered[T]:
    """Waits for all of `asked`, or for `enough` good ones of them, at most `within` seconds from
    now (0: no limit). With `when` only replies that it accepts are counted as good for `enough`.

    Those that failed, or did not come, are exceptions in the result; `gather` raises nothing of
    theirs. What is not waited for any more is cancelled, also when the caller is. `InvalidArgument`
    for an `enough` below 1.
    """
    if enough is not None and enough < 1:
        raise InvalidArgument(f"{enough} replies are no number to wait for: at least one")
    tasks: list[asyncio.Future[T]] = [asyncio.ensure_future(a) for a in asked]
    wanted = len(tasks) if enough is None else min(enough, len(tasks))
    replies: dict[int, T | BaseException] = {}
    places = {task: i for i, task in enumerate(tasks)}
    accepted = 0
    deadline = _clock.Deadline(within)
    try:
        async with deadline:
            left: set[asyncio.Future[T]] = set(tasks)
            while left and accepted < wanted:
                done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
                for task in sorted(done, key=places.__getitem__):
                    reply: T | BaseException = _outcome(task)
                    replies[places[task]] = reply
                    if not isinstance(reply, BaseException) and (when is None or when(reply)):
                        accepted += 1
    except TimeoutError:
        if not deadline.expired:
            raise
    finally:
        for i, task in enumerate(tasks):
            if not task.cancel() and i not in replies:  # it ended just now
                ended: T | BaseException = _outcome(task)
                replies[i] = ended
    out: list[T | BaseException] = []
    for i in range(len(tasks)):
        if i in replies:
            out.append(replies[i])
        elif deadline.expired:
            out.append(AskTimeout(f"no reply within {seconds(within)}"))
        else:
            out.append(AskCancelled("there were enough without it"))
    good = sum(1 for r in out if not isinstance(r, BaseException))
    return Gathered(tuple(out), good, accepted >= wanted)


def _outcome(task: asyncio.Future[Any]) -> Any:
    if task.cancelled():
        return AskCancelled("the ask was cancelled")
    why = task.exception()
    return task.result() if why is None else why


async def ask_all(refs: Iterable[Askable], message: Any, within: float = 5.0) -> Gathered[Any]:
    """Asks each of `refs` the same, and waits for all the replies, at most `within` seconds."""
    return await gather([_ask(r, message, within) for r in refs], within)


async def ask_some(refs: Iterable[Askable], enough: int, message: Any, within: float = 5.0, *,
                   when: Callable[[Any], bool] | None = None) -> Gathered[Any]:
    """Asks each, and waits for `enough` good replies (that `when` accepts). `NotEnough`, which has
    the replies there are, when the time is over, or too many have failed, before that."""
    asked = list(refs)
    got = await gather([_ask(r, message, within) for r in asked], within, enough, when=when)
    if not got.complete or len(asked) < enough:
        failed = got.errors()
        raise NotEnough(f"{got.good} of {enough} good replies from {len(asked)} actors"
                        + (f"; the last error: {text_of(failed[-1])}" if failed else ""),
                        got.replies)
    return got


async def ask_first(refs: Iterable[Askable], message: Any, within: float = 5.0) -> Any:
    """Asks each, and gives the first good reply. `NotEnough` when all have failed, or none came in
    time."""
    got = await ask_some(refs, 1, message, within)
    return got.values()[0]


async def _ask(ref: Askable, message: Any, within: float) -> Any:
    # The limit is the gathering's; this one only keeps an ask that nobody waits for from staying.
    return await ref.ask(message, timeout=within or None)
