"""Probes: actors in the test's hand."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .._native import ActorRef, Context, ReplyTo
from ..messages import Terminated
from ..options import Directive, Supervision
from .kit import Steps, TestKit

__all__ = ["ANY", "TestProbe"]


class _Any:
    def __repr__(self) -> str:
        return "a message"


ANY = _Any()
"""Any message at all."""


@dataclass(slots=True)
class _Received:
    message: Any
    sender: ActorRef[Any] | None
    right: ReplyTo


@dataclass(slots=True)
class _Do:
    """Is called on the probe's turn."""

    work: Callable[[Context], Any]


Pilot = Callable[[Context, Any], Any]


class _ProbeActor:
    def __init__(self, inbox: _Inbox) -> None:
        self.inbox = inbox

    def receive(self, msg: Any, ctx: Context) -> None:
        if type(msg) is _Do:
            right = ctx.reply_to()
            try:
                right(msg.work(ctx))
            except Exception as e:
                right.fail(e)
            return
        pilot = self.inbox.pilot
        if pilot is not None:
            answer = pilot(ctx, msg)
            if answer is not None:
                ctx.reply(answer)
        self.inbox.put(_Received(msg, ctx.sender, ctx.reply_to()))


class _Inbox:
    def __init__(self, kit: TestKit) -> None:
        self.kit = kit
        self.pilot: Pilot | None = None
        self._items: deque[_Received] = deque()
        self._lock = threading.Lock()

    def put(self, item: _Received) -> None:
        with self._lock:
            self._items.append(item)
        self.kit.changed()

    def take(self) -> _Received:
        with self._lock:
            return self._items.popleft()

    def clear(self) -> None:
        with self._lock:
            self._items.clear()

    def __len__(self) -> int:
        return len(self._items)


def _told(expected: Any) -> str:
    if isinstance(expected, type):
        return expected.__qualname__
    if callable(expected):
        return f"a message that {getattr(expected, '__qualname__', expected)!s} likes"
    return repr(expected)


def _is_it(expected: Any, message: Any) -> bool:
    if expected is ANY:
        return True
    if isinstance(expected, type):
        return isinstance(message, expected)
    if callable(expected):
        return bool(expected(message))
    return bool(expected == message)


class TestProbe:
    """An actor that keeps what it receives, for the test to look at; made by :meth:`TestKit.probe`.

    ``ref`` is what the actors under test are given. Messages are looked at in the order they came,
    and each expectation takes what it returns. What is expected is a class (an instance comes), a
    function (it says yes), or a value (an equal one comes). Each expectation waits ``within``
    seconds of the system's time, by default the kit's patience, and raises
    :class:`ExpectationError`; it has a twin that blocks.

    A request that was asked is answered by :meth:`reply`; one that is never answered fails with
    ``NoReply`` when the next message is taken.
    """

    __test__ = False

    def __init__(self, kit: TestKit, name: str | None = None) -> None:
        self._kit = kit
        self._inbox = _Inbox(kit)
        self._last: _Received | None = None
        self.ref: ActorRef[Any] = kit.system.spawn(
            _ProbeActor, self._inbox, name=name,
            supervision=Supervision(otherwise=Directive.RESUME))

    # -- expectations, awaited ---------------------------------------------------------------------

    async def expect_message(self, expected: Any = ANY, *, within: float | None = None) -> Any:
        """The next message is the expected one; returns it."""
        __tracebackhide__ = True
        return await self._kit.drive(self._message(expected, within))

    async def expect_no_message(self, within: float = 0.1) -> None:
        """Nothing has come, and nothing comes for so many seconds."""
        __tracebackhide__ = True
        await self._kit.drive(self._silence(within))

    async def fish_for(self, expected: Any, *, within: float | None = None) -> Any:
        """The expected message comes; those before it are dropped."""
        __tracebackhide__ = True
        return await self._kit.drive(self._fish(expected, within))

    async def receive_n(self, n: int, expected: Any = ANY, *,
                        within: float | None = None) -> list[Any]:
        """The next ``n`` messages, each as expected; ``within`` is for all of them."""
        __tracebackhide__ = True
        return await self._kit.drive(self._several([expected] * n, within))

    async def expect_all(self, *expected: Any, within: float | None = None) -> list[Any]:
        """The next messages are these, in this order."""
        __tracebackhide__ = True
        return await self._kit.drive(self._several(list(expected), within))

    async def expect_terminated(self, ref: ActorRef[Any], *,
                                within: float | None = None) -> Terminated:
        """The next message says that ``ref``, which this probe watches, has ended."""
        __tracebackhide__ = True
        return await self._kit.drive(self._end_of(ref, within))

    async def run(self, work: Callable[[Context], Any]) -> Any:
        """Calls ``work(ctx)`` on the probe's turn, for all else an actor can do; what it returns or
        raises."""
        return await self.ref.ask(_Do(work))

    # -- and blocking ------------------------------------------------------------------------------

    def expect_message_blocking(self, expected: Any = ANY, *, within: float | None = None) -> Any:
        """The twin of :meth:`expect_message`."""
        __tracebackhide__ = True
        return self._kit.drive_blocking(self._message(expected, within))

    def expect_no_message_blocking(self, within: float = 0.1) -> None:
        """The twin of :meth:`expect_no_message`."""
        __tracebackhide__ = True
        self._kit.drive_blocking(self._silence(within))

    def fish_for_blocking(self, expected: Any, *, within: float | None = None) -> Any:
        """The twin of :meth:`fish_for`."""
        __tracebackhide__ = True
        return self._kit.drive_blocking(self._fish(expected, within))

    def receive_n_blocking(self, n: int, expected: Any = ANY, *,
                           within: float | None = None) -> list[Any]:
        """The twin of :meth:`receive_n`."""
        __tracebackhide__ = True
        return self._kit.drive_blocking(self._several([expected] * n, within))

    def expect_all_blocking(self, *expected: Any, within: float | None = None) -> list[Any]:
        """The twin of :meth:`expect_all`."""
        __tracebackhide__ = True
        return self._kit.drive_blocking(self._several(list(expected), within))

    def expect_terminated_blocking(self, ref: ActorRef[Any], *,
                                   within: float | None = None) -> Terminated:
        """The twin of :meth:`expect_terminated`."""
        __tracebackhide__ = True
        return self._kit.drive_blocking(self._end_of(ref, within))

    def run_blocking(self, work: Callable[[Context], Any]) -> Any:
        """The twin of :meth:`run`."""
        return self.ref.ask_blocking(_Do(work))

    # -- how ---------------------------------------------------------------------------------------

    def _next(self, what: str, within: float | None) -> Steps[Any]:
        limit = self._kit.patience if within is None else within
        if not (yield (lambda: len(self._inbox) > 0), limit):
            self._kit.fail(f"expected {what} within {limit:g} s, but nothing came")
        self._last = self._inbox.take()
        return self._last.message

    def _message(self, expected: Any, within: float | None) -> Steps[Any]:
        message = yield from self._next(_told(expected), within)
        self._check(expected, message)
        return message

    def _check(self, expected: Any, message: Any) -> None:
        if _is_it(expected, message):
            return
        sender = f" from {self.sender.path}" if self.sender is not None else ""
        self._kit.fail(f"expected {_told(expected)}, but {message!r}{sender} came; "
                       f"{self.pending} more wait")

    def _several(self, expected: list[Any], within: float | None) -> Steps[list[Any]]:
        limit = self._kit.patience if within is None else within
        end = self._kit.now() + limit
        got: list[Any] = []
        for at, each in enumerate(expected, 1):
            left = max(0.0, end - self._kit.now())
            message = yield from self._next(
                f"{_told(each)}, the message {at} of {len(expected)},", left)
            self._check(each, message)
            got.append(message)
        return got

    def _fish(self, expected: Any, within: float | None) -> Steps[Any]:
        limit = self._kit.patience if within is None else within
        end = self._kit.now() + limit
        dropped = 0
        while True:
            left = max(0.0, end - self._kit.now())
            if not (yield (lambda: len(self._inbox) > 0), left):
                self._kit.fail(f"expected {_told(expected)} within {limit:g} s, "
                               f"but it did not come; {dropped} others did")
            self._last = self._inbox.take()
            if _is_it(expected, self._last.message):
                return self._last.message
            dropped += 1

    def _silence(self, within: float) -> Steps[None]:
        if (yield (lambda: len(self._inbox) > 0), within):
            self._last = self._inbox.take()
            self._kit.fail(f"expected no message for {within:g} s, but {self._last.message!r} came")

    def _end_of(self, ref: ActorRef[Any], within: float | None) -> Steps[Terminated]:
        message = yield from self._next(f"the end of {ref.path}", within)
        if not isinstance(message, Terminated) or message.ref != ref:
            self._kit.fail(f"expected the end of {ref.path}, but {message!r} came")
        return message

    # -- the message taken last --------------------------------------------------------------------

    @property
    def last_message(self) -> Any:
        """The message taken last; None before the first."""
        return self._last.message if self._last is not None else None

    @property
    def sender(self) -> ActorRef[Any] | None:
        """Who sent it; None from outside."""
        return self._last.sender if self._last is not None else None

    def reply(self, value: Any) -> None:
        """Answers it where it was asked, else tells its sender. Raises :class:`ExpectationError`
        when there is nobody, or nobody any more."""
        __tracebackhide__ = True
        last = self._last
        if last is None:
            self._kit.fail("no message has been taken that could be answered")
        if last.right.is_open:
            last.right(value)
        elif last.sender is not None:
            self.send(last.sender, value)
        else:
            self._kit.fail(f"nobody waits for an answer to {last.message!r}")

    def fail(self, exc: BaseException) -> None:
        """Fails the ask of it with that exception."""
        __tracebackhide__ = True
        if self._last is None or not self._last.right.fail(exc):
            self._kit.fail("nobody waits for an answer")

    @property
    def pending(self) -> int:
        """How many have come and were not taken."""
        return len(self._inbox)

    def clear(self) -> None:
        """Drops what has come and was not taken."""
        self._inbox.clear()

    # -- what it does ------------------------------------------------------------------------------

    def set_auto_pilot(self, pilot: Pilot | None) -> None:
        """From now on ``pilot(ctx, message)`` is called on the probe's turn with each message,
        before it is kept; what it returns (if not None) is the answer. None: no more."""
        self._inbox.pilot = pilot

    def send(self, to: ActorRef[Any], message: Any) -> None:
        """Tells ``to``, with the probe as the sender."""
        self.ref.tell(_Do(lambda _: to.tell(message)))

    def watch(self, ref: ActorRef[Any]) -> None:
        self.ref.tell(_Do(lambda ctx: ctx.watch(ref)))

    def unwatch(self, ref: ActorRef[Any]) -> None:
        self.ref.tell(_Do(lambda ctx: ctx.unwatch(ref)))

    def link(self, ref: ActorRef[Any]) -> None:
        """Links it with ``ref``, whose end then comes as an ExitSignal."""

        def both(ctx: Context) -> None:
            ctx.trap_exits(True)
            ctx.link(ref)

        self.ref.tell(_Do(both))

    def stop(self) -> None:
        """Stops the probe."""
        self._kit.system.stop_actor(self.ref)
