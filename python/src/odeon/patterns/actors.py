"""Patterns that are actors: a throttler in front of another actor, a child that is started again
after a pause that grows, and a collector of messages.

    slow = spawn_throttler(system, printer, elements=5, per=1.0)
    db = spawn_backoff(system, Connection, url, settings=BackoffSettings(min=0.2, on_stop=True))
    bids = spawn_aggregator(system, expected=5, within=60.0)

`where` is a system or an actor's context, of which the new actor is a child then.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from odeon.actor import Actor, Props
from odeon.errors import ActorStopped, InvalidArgument, SpawnFailed
from odeon.messages import Terminated
from odeon.options import Backoff, Directive, Mailbox, Supervision
from odeon.patterns import _clock
from odeon.patterns._events import publish
from odeon.patterns.schedule import Schedule
from odeon.patterns.throttle import Rate, TokenBucket

if TYPE_CHECKING:
    from odeon._native import ActorRef, Ask, Context, ReplyTo
    from odeon.system import ActorSystem

T = TypeVar("T")

# -- not too fast ----------------------------------------------------------------------------------


class _Throttler(Actor[Any]):
    """Until the next place is there the handler has not ended, and the mailbox, with its bound and
    its overflow, is the queue."""

    def __init__(self, to: ActorRef[Any], rate: Rate) -> None:
        self._to = to
        self._bucket = TokenBucket(rate)

    def pre_start(self, ctx: Context) -> None:
        ctx.watch(self._to)

    async def receive(self, msg: Any, ctx: Context) -> None:
        if isinstance(msg, Terminated) and msg.ref == self._to:
            ctx.stop()
            return
        now = _clock.now()
        self._bucket.try_take(now)
        ctx.forward(self._to)
        rest = self._bucket.wait_for(now)
        if rest > 0:
            await _clock.sleep(rest)


def spawn_throttler(
    where: ActorSystem | Context,
    to: ActorRef[Any],
    elements: int = 1,
    per: float = 1.0,
    burst: int = 1,
    *,
    capacity: int = 1000,
    overflow: str = "fail",
    name: str | None = None,
) -> ActorRef[Any]:
    """An actor that passes messages on to `to`, in order, with their senders and asks, no faster
    than told; it ends with `to`. At most `capacity` messages wait; what comes to a full queue is
    treated as in any bounded mailbox (`overflow`)."""
    return where.spawn(
        _Throttler,
        to,
        Rate(elements, per, burst),
        name=name,
        mailbox=Mailbox.bounded(capacity, overflow),
    )


# -- after a pause ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BackoffSettings:
    """Durations in seconds.

    `min`, `max`    the first pause; pauses double up to `max`
    `jitter`        each is spread by ± this part, 0 to 1
    `reset_after`   a child that lived so long starts the pauses and the count anew; 0: never
    `max_restarts`  in a row; then it gives up
    `on_failure`    start it anew after a failure; the decider of its own supervision is asked first
    `on_stop`       start it anew after it has stopped, or was killed
    `meanwhile`     of messages while there is no child: "keep" – they wait, in order; after a
    failure
                    what waited at the child is kept as well – or "reject": dead letters, and asks
                    fail with `ActorStopped` at once
    `capacity`      messages that are kept
    `child`         further spawn options of the child: mailbox, dispatcher, tags, supervision
    """

    min: float = 0.2
    max: float = 30.0
    jitter: float = 0.2
    reset_after: float = 60.0
    max_restarts: int = sys.maxsize
    on_failure: bool = True
    on_stop: bool = False
    meanwhile: str = "keep"
    capacity: int = 10_000
    child: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        Schedule.exponential(self.min, self.max, self.jitter)
        if self.meanwhile not in ("keep", "reject"):
            raise InvalidArgument(
                f"messages are kept or rejected meanwhile, not '{self.meanwhile}'"
            )
        if self.capacity < 1:
            raise InvalidArgument("at least one message is kept: capacity")

    def options_of_child(self) -> dict[str, Any]:
        """Its spawn options, with the supervision that answers its failures."""
        if not self.on_failure:
            return self.child
        own = self.child.get("supervision") or Supervision()
        rules = own.decider.items() if hasattr(own.decider, "items") else own.decider
        if self.meanwhile == "keep":
            made = Supervision(
                tuple(rules),
                Directive.RESTART,
                own.scope,
                min(self.max_restarts, 0xFFFF_FFFF),
                self.reset_after,
                Backoff(self.min, self.max, 2.0, self.jitter),
            )
        else:  # the front actor must know of the pause: so the child ends
            stop = Directive.STOP
            made = Supervision(
                tuple((k, stop if Directive(d) is Directive.RESTART else d) for k, d in rules),
                stop,
                own.scope,
            )
        return {**self.child, "supervision": made}


@dataclass(frozen=True, slots=True)
class BackoffPaused:
    """Published before each pause; `restart` counts from 1."""

    supervisor: ActorRef[Any]
    path: str
    pause: float
    restart: int
    why: str


@dataclass(frozen=True, slots=True)
class _Due:
    """Its timer's message; only the newest counts."""

    n: int


@dataclass(frozen=True, slots=True)
class _Quiet:
    n: int


class _Gone(Actor[Any]):
    """One that has ended, to refuse messages in place of a child that there never was."""

    def receive(self, msg: Any) -> None:
        return None


class _BackoffFront(Actor[Any]):
    def __init__(self, settings: BackoffSettings, what: Any) -> None:
        self._settings = settings
        self._what = what
        self._pauses = Schedule.exponential(settings.min, settings.max, settings.jitter)
        self._chance = random.Random()
        self._child: Any = None
        self._waiting = False
        self._in_a_row = 0
        self._pause = 0

    def pre_start(self, ctx: Context) -> None:
        self._begin(ctx)

    def receive(self, msg: Any, ctx: Context) -> Any:
        if isinstance(msg, Terminated) and msg.ref == self._child:
            self._waiting = True
            self._ended(ctx, msg.kind == "failed", f"{msg.kind}: {msg.reason}")
        elif isinstance(msg, _Due):
            if self._waiting and msg.n == self._pause:
                self._begin(ctx)
        elif isinstance(msg, _Quiet):
            if msg.n == self._pause:
                self._in_a_row = 0
        elif (
            self._waiting
            and self._settings.meanwhile == "keep"
            and ctx.stash_size < self._settings.capacity
        ):
            ctx.stash()
        else:
            ctx.forward(self._child)  # to one that has ended: refused with a reason

    def _begin(self, ctx: Context) -> None:
        try:
            self._child = ctx.spawn(self._what, **self._settings.options_of_child())
        except SpawnFailed as e:
            self._waiting = True
            if self._child is None:
                self._child = ctx.spawn(_Gone)
                ctx.stop(self._child)
            self._ended(ctx, True, f"failed: {e}", at_start=True)
            return
        self._waiting = False
        ctx.watch(self._child)
        if self._in_a_row and self._settings.reset_after > 0:
            ctx.send_after(self._settings.reset_after, _Quiet(self._pause))
        ctx.unstash_all()

    def _ended(self, ctx: Context, failed: bool, why: str, at_start: bool = False) -> None:
        """Arms the pause, or ends the front actor."""
        s = self._settings
        # Kept messages mean that the child's own supervision has done its restarts.
        again = s.on_failure and (at_start or s.meanwhile == "reject") if failed else s.on_stop
        if not again:
            if not failed:
                ctx.stop()
                return
            raise ActorStopped(f"its child ended for good: {why}")
        if self._in_a_row >= s.max_restarts:
            raise ActorStopped(
                f"its child was started anew {self._in_a_row} times in a row, and "
                f"ended again ({why})"
            )
        self._in_a_row += 1
        self._pause += 1
        pause = self._pauses.delay_for(self._in_a_row, self._chance)
        publish(ctx.system, BackoffPaused(ctx.self, ctx.path, pause, self._in_a_row, why))
        ctx.send_after(pause, _Due(self._pause))


def spawn_backoff(
    where: ActorSystem | Context,
    what: Any,
    *args: Any,
    settings: BackoffSettings = BackoffSettings(),
    name: str | None = None,
    **kwargs: Any,
) -> ActorRef[Any]:
    """Spawns an actor under another one in front of it, which starts it anew after a pause. The
    reference given is the front actor's: what it is sent goes to the child, with its sender and its
    ask. When the child has ended for good – with `max_restarts` used up, or by an end that is not
    to be answered by a start – the front actor ends too, so that its watchers know; after a failure
    it says so. A constructor that raises is a failure of the child.
    """
    child = Props(what, *args, **kwargs) if isinstance(what, type) else what
    return where.spawn(
        _BackoffFront,
        settings,
        child,
        name=name,
        stash_capacity=settings.capacity,
        supervision=Supervision(otherwise=Directive.STOP),
    )


# -- many messages ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Aggregated(Generic[T]):
    """`messages` in the order they came; not `complete`: the time was over, or the aggregator was
    stopped."""

    messages: tuple[T, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class _Collected:
    pass


@dataclass(frozen=True, slots=True)
class _Over:
    pass


class _Aggregator(Actor[Any]):
    def __init__(
        self, expected: int, within: float, enough: Callable[[list[Any]], bool] | None
    ) -> None:
        self._expected = expected
        self._within = within
        self._enough = enough
        self._got: list[Any] = []
        self._to: ReplyTo | None = None

    def pre_start(self, ctx: Context) -> None:
        if self._within > 0:
            ctx.send_after(self._within, _Over())

    def receive(self, msg: Any, ctx: Context) -> None:
        if isinstance(msg, _Collected):  # the first one, from `spawn_aggregator`
            self._to = ctx.reply_to()
        elif isinstance(msg, _Over):
            self._end(False)
            ctx.stop()
        else:
            self._got.append(msg)
            if len(self._got) >= self._expected or (self._enough and self._enough(self._got)):
                self._end(True)
                ctx.stop()

    def post_stop(self, ctx: Context) -> None:
        self._end(False)

    def _end(self, complete: bool) -> None:
        to, self._to = self._to, None
        if to is not None:
            to(Aggregated(tuple(self._got), complete))


class Aggregator(Generic[T]):
    """An aggregator's two ends: `ref`, for the senders, and the result, which is awaited:
    `all = await aggregator`."""

    def __init__(self, ref: ActorRef[Any], result: Ask[Aggregated[T]]) -> None:
        self.ref = ref
        self._result = result

    def __await__(self) -> Generator[Any, None, Aggregated[T]]:
        return self._result.__await__()

    def wait(self) -> Aggregated[T]:
        """The result, for programs without a loop: blocks."""
        return self._result.wait()


def spawn_aggregator(
    where: ActorSystem | Context,
    expected: int,
    within: float = 5.0,
    *,
    enough: Callable[[list[Any]], bool] | None = None,
    name: str | None = None,
) -> Aggregator[Any]:
    """An actor that keeps the messages it is sent until there are `expected`, or `enough(messages)`
    says so, or `within` seconds (0: no limit) are over; then it gives them to its result and stops:
    later ones are dead letters. `InvalidArgument` for none expected. When `enough` raises, the
    result is what there is."""
    if expected < 1:
        raise InvalidArgument("an aggregator expects at least one message")
    ref = where.spawn(
        _Aggregator,
        expected,
        within,
        enough,
        name=name,
        supervision=Supervision(otherwise=Directive.STOP),
    )
    return Aggregator(ref, ref.ask(_Collected(), timeout=None))
