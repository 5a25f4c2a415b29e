"""The controllers of reliable delivery. See `odeon.patterns.delivery`.

The producer's. Numbers: confirmed ≤ sent ≤ accepted, and sent ≤ asked for. What lies behind
`confirmed` is kept. A demand moves `confirmed` and `asked` up; one that says `resend` moves `sent`
back. Each step then sends what lies between `sent` and the smaller of `accepted` and `asked`. To a
consumer's controller that it does not know, or that does not know this session, it sends one
message alone, from which that one learns session and count.

The consumer's. It takes messages in the order of their numbers only: an older one is a double and
is dropped, one that comes too early is dropped as well, and what is missing is asked for, once
until it comes or the time of `ask_after` is over. What it has taken waits here, at most `window`;
the front one is with the consumer.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from odeon.actor import Actor
from odeon.messages import Terminated
from odeon.patterns import _clock
from odeon.patterns._events import log
from odeon.patterns.circuit_breaker import text_of
from odeon.patterns.delivery import (
    Confirmed,
    ConsumerOptions,
    ConsumerStatus,
    Deliver,
    Delivery,
    Demand,
    DurableQueue,
    GetConsumerStatus,
    GetProducerStatus,
    ProducerOptions,
    ProducerStatus,
    Ready,
    Send,
    Sequenced,
    Start,
    Tick,
    at_capacity,
    check_loaded,
    next_session,
)

if TYPE_CHECKING:
    from odeon._native import ActorRef, Context, ReplyTo


class ProducerController(Actor[Any]):
    """Numbers messages, keeps them, and sends them again. Takes `Send`, `Deliver`, `Ready`,
    `GetProducerStatus`, and `Demand` of a consumer's controller."""

    def __init__(
        self, options: ProducerOptions = ProducerOptions(), queue: DurableQueue | None = None
    ) -> None:
        self._options = options
        self._queue = queue
        self._session = 0
        self._accepted = self._sent = self._confirmed = self._asked = 0
        self._kept: deque[tuple[int, Any]] = deque()
        self._confirmations: dict[int, ReplyTo] = {}  # ascending; at most `capacity`
        self._waiting: deque[ReplyTo] = deque()  # at most `capacity`
        self._to: ActorRef[Any] | None = None
        self._consumer = 0
        self._transmissions = 0
        self._heard = False

    async def pre_start(self, ctx: Context) -> None:
        self._session = next_session()
        if self._queue is not None:
            loaded = await self._queue.load()
            check_loaded(self._options.producer, loaded)
            self._accepted = loaded.last
            self._confirmed = self._sent = self._asked = loaded.confirmed
            self._kept = deque(loaded.unconfirmed)
        ctx.send_with_delay(self._options.resend_after, self._options.resend_after, Tick())

    def receive(self, msg: Any, ctx: Context) -> Any:
        match msg:
            case Send(message):
                return self._send(message, ctx.reply_to())
            case Deliver(message):
                return self._deliver(message, ctx.reply_to())
            case Ready():
                to = ctx.reply_to()
                if self._room() > 0:
                    to(self._room())
                elif len(self._waiting) < self._options.capacity:
                    self._waiting.append(to)
                else:
                    to.fail(at_capacity(self._options))
            case Demand():
                return self._demanded(msg)
            case Tick():
                # Silence: the oldest one goes again, alone. The answer tells what else was lost.
                if not self._heard and self._sent > self._confirmed and self._to is not None:
                    self._transmit_one(self._confirmed + 1)
                self._heard = False
            case GetProducerStatus():
                return ProducerStatus(
                    self._accepted, self._confirmed, len(self._kept), self._transmissions
                )
            case _:
                return NotImplemented
        return None

    async def _send(self, message: Any, to: ReplyTo) -> None:
        number = await self._accept(message, to)
        if number is not None:
            to(number)

    async def _deliver(self, message: Any, to: ReplyTo) -> None:
        number = await self._accept(message, to)
        if number is not None and number <= self._confirmed:
            to(number)
        elif number is not None:
            self._confirmations[number] = to

    async def _accept(self, message: Any, to: ReplyTo) -> int | None:
        if len(self._kept) >= self._options.capacity:
            to.fail(at_capacity(self._options))
            return None
        number = self._accepted + 1
        if self._queue is not None:
            try:
                await self._queue.append(number, message)
            except Exception as e:
                to.fail(e)
                return None
        self._accepted = number
        self._kept.append((number, message))
        self._transmit()
        return number

    async def _demanded(self, d: Demand) -> None:
        self._heard = True
        if d.consumer != self._consumer:
            self._consumer = d.consumer
            self._sent = self._confirmed
        self._to = d.to
        if d.session != self._session:
            self._asked = self._confirmed + 1
            self._sent = self._confirmed
        else:
            up_to = min(d.confirmed, self._accepted)
            news = up_to > self._confirmed
            if news:
                self._confirm(up_to)
            self._asked = max(self._asked, d.up_to)
            if d.resend:
                self._sent = max(self._confirmed, min(d.received, self._sent))
            self._transmit()
            if news and self._queue is not None:
                try:
                    await self._queue.confirm(up_to)
                except Exception as e:
                    log.warning(
                        "%s: a confirmation was not kept: %s", self._options.producer, text_of(e)
                    )
        self._transmit()
        while self._waiting and self._room() > 0:
            self._waiting.popleft()(self._room())

    def _confirm(self, up_to: int) -> None:
        self._confirmed = up_to
        self._sent = max(self._sent, up_to)
        while self._kept and self._kept[0][0] <= up_to:
            self._kept.popleft()
        while self._confirmations:
            number = next(iter(self._confirmations))
            if number > up_to:
                break
            self._confirmations.pop(number)(number)

    def _transmit(self) -> None:
        while self._to is not None and self._sent < min(self._accepted, self._asked):
            self._sent += 1
            self._transmit_one(self._sent)

    def _transmit_one(self, number: int) -> None:
        assert self._to is not None
        # Kept without gaps, from the first that is not confirmed.
        message = self._kept[number - self._kept[0][0]][1]
        self._transmissions += 1
        self._to.tell(
            Sequenced(
                self._options.producer,
                self._session,
                self._consumer,
                number,
                self._confirmed + 1,
                self._queue is not None,
                message,
            )
        )

    def _room(self) -> int:
        if self._asked <= self._accepted:
            return 0
        return min(self._asked - self._accepted, self._options.capacity - len(self._kept))


@dataclass(slots=True)
class _Entry:
    token: int
    session: int
    number: int
    message: Any


class ConsumerController(Actor[Any]):
    """Asks for what it has room for, drops doubles, and hands one message after the other to its
    consumer. Takes `Start`, `Confirmed`, `GetConsumerStatus`, and `Sequenced` of the producer's
    controller, which is `source`."""

    def __init__(self, options: ConsumerOptions, source: ActorRef[Any]) -> None:
        self._options = options
        self._source = source
        self._consumer: ActorRef[Any] | None = None
        self._id = 0
        self._session = 0
        self._producer = ""
        self._received = self._confirmed = self._up_to = 0
        self._waiting: deque[_Entry] = deque()
        self._with_consumer = False
        self._missing_asked = False
        self._heard = False
        self._handed = 0.0
        self._tokens = self._doubles = self._gaps = 0

    def pre_start(self, ctx: Context) -> None:
        self._id = next_session()
        ctx.send_with_delay(self._options.ask_after, self._options.ask_after, Tick())
        self._ask(ctx, False)

    def post_stop(self, ctx: Context) -> None:
        """The last word: what is confirmed."""
        self._ask(ctx, False)

    def pre_restart(self, exc: BaseException, msg: Any, ctx: Context) -> None:
        """The next instance knows its consumer: the mailbox outlives this one."""
        self._ask(ctx, False)
        if self._consumer is not None:
            ctx.self.tell(Start(self._consumer))

    def receive(self, msg: Any, ctx: Context) -> Any:
        match msg:
            case Sequenced():
                self._came(msg, ctx)
            case Confirmed():
                self._is_confirmed(msg, ctx)
            case Start(consumer):
                if self._consumer is not None:
                    ctx.unwatch(self._consumer)
                self._consumer = consumer
                ctx.watch(consumer)
                self._with_consumer = False
                self._hand_over(ctx)
            case Terminated():
                if msg.ref == self._consumer:
                    self._consumer = None
                    self._with_consumer = False
            case Tick():
                self._look(ctx)
            case GetConsumerStatus():
                return ConsumerStatus(
                    self._received, self._confirmed, len(self._waiting), self._doubles, self._gaps
                )
            case _:
                return NotImplemented
        return None

    def _came(self, s: Sequenced, ctx: Context) -> None:
        if s.consumer != self._id or s.session < self._session:
            return  # of another life
        if s.session > self._session:
            self._begin(s)
        self._heard = True
        if s.first > self._received + 1:  # those were dealt with
            self._received = self._confirmed = s.first - 1
        if s.number <= self._received:
            self._doubles += 1
            self._ask(ctx, False)  # what was said of it was lost
        elif s.number > self._received + 1:
            self._gaps += 1
            if not self._missing_asked:
                self._missing_asked = True
                self._ask(ctx, True)
        elif len(self._waiting) < self._options.window:
            self._received = s.number
            self._missing_asked = False
            self._tokens += 1
            self._waiting.append(_Entry(self._tokens, s.session, s.number, s.message))
            self._hand_over(ctx)
            if self._received >= self._up_to:
                self._ask(ctx, False)

    def _is_confirmed(self, c: Confirmed, ctx: Context) -> None:
        if not self._with_consumer or c.consumer != self._id or c.token != self._waiting[0].token:
            return  # said before
        self._with_consumer = False
        front = self._waiting.popleft()
        if front.session == self._session:
            self._confirmed = front.number
        # Room for half a window more, or nothing left to do: tell.
        if not self._waiting or self._limit() - self._up_to >= max(self._options.window // 2, 1):
            self._ask(ctx, False)
        self._hand_over(ctx)

    def _look(self, ctx: Context) -> None:
        again = self._options.deliver_after
        if self._with_consumer and 0 < again <= _clock.now() - self._handed:
            self._with_consumer = False
            self._hand_over(ctx)
        heard, self._heard = self._heard, False
        if not heard:
            self._missing_asked = False
            self._ask(ctx, True)

    def _begin(self, s: Sequenced) -> None:
        """The producer's controller begins, for this one or altogether."""
        goes_on = self._session != 0 and s.durable and s.producer == self._producer
        if not goes_on:
            self._received = self._confirmed = s.first - 1
        else:  # what waits here of a durable count keeps its place in it
            for e in self._waiting:
                if e.session == self._session:
                    e.session = s.session
        self._session = s.session
        self._producer = s.producer
        self._missing_asked = False
        self._up_to = 0

    def _limit(self) -> int:
        return self._received + self._options.window - len(self._waiting)

    def _ask(self, ctx: Context, resend: bool) -> None:
        self._up_to = self._limit()
        self._source.tell(
            Demand(
                self._id,
                self._session,
                self._confirmed,
                self._received,
                self._up_to,
                self._options.window,
                resend,
                ctx.self,
            )
        )

    def _hand_over(self, ctx: Context) -> None:
        if self._with_consumer or not self._waiting or self._consumer is None:
            return
        self._with_consumer = True
        self._handed = _clock.now()
        front = self._waiting[0]
        self._consumer.tell(
            Delivery(
                self._producer,
                front.number,
                front.message,
                Confirmed(self._id, front.token),
                ctx.self,
            )
        )
