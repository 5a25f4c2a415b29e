"""Reliable delivery between two actors over a way that may lose, repeat and reorder: each message
reaches the consumer, in order, and is confirmed by it.

    out = system.spawn(ProducerController, ProducerOptions("shop-1"), queue)
    n = await out.ask(Send(order))                  # kept: n-th
    await out.ask(Deliver(order))                   # confirmed, too

    into = system.spawn(ConsumerController, ConsumerOptions(), out)
    into.tell(Start(ctx.self))                      # by the consumer, in its pre_start
    def on_delivery(self, d: Delivery): book(d.message); d.confirm()

What is promised, as long as both controllers live or are restarted, and messages get through at
times: every accepted message is delivered, in the order accepted, one at a time, and what was
confirmed is not delivered again. A consumer that is restarted before it confirmed gets the message
again: at least once. A consumer's controller says what is confirmed each half window, when nothing
waits any more, and at its end; one that is killed, or whose last word is lost, takes what was
confirmed since then with it, and its successor delivers that again. The producer's controller may
be restarted when it has a `DurableQueue`; without one it forgets what was not confirmed, and the
consumer's controller begins a new count.

Flow control. Nothing is sent that the consumer's side did not ask for: at most `window` messages
are on their way or wait there. The producer's side keeps at most `capacity`.

Messages between the controllers are ordinary messages, so that either may live elsewhere.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from odeon.errors import CorruptRecord, InvalidArgument, MailboxFull

if TYPE_CHECKING:
    from odeon._native import ActorRef

# -- options ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ProducerOptions:
    """`producer`: its name for the consumer's side, stable over restarts; `capacity`: messages kept
    until they are confirmed; `resend_after`: seconds without a word until the oldest one goes
    again."""

    producer: str = "producer"
    capacity: int = 1000
    resend_after: float = 1.0

    def __post_init__(self) -> None:
        if self.capacity < 1 or not self.resend_after > 0:
            raise InvalidArgument(
                "a producer's controller has a capacity of at least one message "
                "and a resend_after above zero"
            )


@dataclass(frozen=True, slots=True)
class ConsumerOptions:
    """`window`: messages on their way and waiting; `ask_after`: asks again when nothing came for so
    many seconds; `deliver_after`: seconds after which an unconfirmed message is delivered again, 0:
    when the consumer says `Start` again."""

    window: int = 50
    ask_after: float = 1.0
    deliver_after: float = 0.0

    def __post_init__(self) -> None:
        if self.window < 1 or not self.ask_after > 0:
            raise InvalidArgument(
                "a consumer's controller has a window of at least one message and "
                "an ask_after above zero"
            )


# -- to the producer's controller ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Send:
    """Takes a message over; the reply, its number from 1 on, says that it is kept (in the durable
    queue, where there is one). Refused with `MailboxFull` at the capacity, and with the queue's own
    error."""

    message: Any


@dataclass(frozen=True, slots=True)
class Deliver:
    """The same, answered when the consumer has confirmed. When the ask times out, or the controller
    is restarted, the message is still kept and delivered."""

    message: Any


@dataclass(frozen=True, slots=True)
class Ready:
    """Answered when the consumer's side waits for more: with how many may be sent."""


@dataclass(frozen=True, slots=True)
class GetProducerStatus:
    """The reply is a `ProducerStatus`."""


@dataclass(frozen=True, slots=True)
class ProducerStatus:
    """`accepted`: the last number given; all up to `confirmed` are; `kept`: not confirmed; `sent`:
    messages sent, again or for the first time."""

    accepted: int
    confirmed: int
    kept: int
    sent: int


# -- to the consumer's controller ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """From the consumer, whenever it begins (in `pre_start`, so after each restart): what is not
    confirmed comes again. The last one counts."""

    consumer: ActorRef[Any]


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A delivery was dealt with. Sent by `Delivery.confirm`. `consumer`: which life of the
    consumer's controller; `token`: which delivery."""

    consumer: int
    token: int


@dataclass(frozen=True, slots=True)
class GetConsumerStatus:
    """The reply is a `ConsumerStatus`."""


@dataclass(frozen=True, slots=True)
class ConsumerStatus:
    """All up to `received` have come, all up to `confirmed` are dealt with; `waiting`: came, and
    are not confirmed; `doubles` were dropped, having come before, `gaps`, having come too early."""

    received: int
    confirmed: int
    waiting: int
    doubles: int
    gaps: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message for the consumer. The next one comes after `confirm`."""

    producer: str
    number: int
    message: Any
    token: Confirmed
    controller: ActorRef[Any]

    def confirm(self) -> None:
        """It is dealt with, and will not come again. More than once is once."""
        self.controller.tell(self.token)


# -- between the controllers -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Demand:
    """What the consumer's side has, and asks for. Numbers are of the session it has seen (0: none);
    all up to `up_to` may be sent; `resend`: what comes after `received` was lost, or may have been.
    `consumer`: which life of the consumer's controller."""

    consumer: int
    session: int
    confirmed: int
    received: int
    up_to: int
    window: int
    resend: bool
    to: ActorRef[Any]


@dataclass(frozen=True, slots=True)
class Sequenced:
    """One message on its way. Later lives of the producer's controller have higher sessions;
    `consumer`: whom it is for; all before `first` are confirmed; `durable`: numbers go on after a
    restart of the controller."""

    producer: str
    session: int
    consumer: int
    number: int
    first: int
    durable: bool
    message: Any


# -- the queue -------------------------------------------------------------------------------------


@dataclass(slots=True)
class QueueState:
    """`last`: the highest number ever appended; all up to `confirmed` were; `unconfirmed`: (number,
    message), ascending."""

    last: int = 0
    confirmed: int = 0
    unconfirmed: list[tuple[int, Any]] = field(default_factory=list)


class DurableQueue(Protocol):
    """Where a producer's controller keeps what was not confirmed, so that it may be restarted: one
    queue for one producer's name, called by one controller, one call at a time. An exception of
    `append` refuses the message; one of `confirm` is logged, and means that the message may be sent
    again after a restart, where the consumer's side drops it."""

    async def load(self) -> QueueState:
        """Everything, at the start of a controller. An exception is a failure of the controller."""

    async def append(self, number: int, message: Any) -> None:
        """Done: it will be in the next `load`. Numbers come without gaps."""

    async def confirm(self, number: int) -> None:
        """All up to `number` need not be kept."""


class MemoryQueue:
    """In memory: survives its controllers, not the process."""

    def __init__(self) -> None:
        self._last = 0
        self._confirmed = 0
        self._unconfirmed: deque[tuple[int, Any]] = deque()

    async def load(self) -> QueueState:
        return QueueState(self._last, self._confirmed, list(self._unconfirmed))

    async def append(self, number: int, message: Any) -> None:
        self._unconfirmed.append((number, message))
        self._last = number

    async def confirm(self, number: int) -> None:
        self._confirmed = max(self._confirmed, number)
        while self._unconfirmed and self._unconfirmed[0][0] <= number:
            self._unconfirmed.popleft()


def check_loaded(producer: str, state: QueueState) -> None:
    """`CorruptRecord` when a queue's numbers do not fit together."""
    count = len(state.unconfirmed)
    numbers = [number for number, _ in state.unconfirmed]
    if state.last - state.confirmed == count and numbers == list(
        range(state.confirmed + 1, state.last + 1)
    ):
        return
    raise CorruptRecord(
        f"the queue of producer '{producer}' does not fit together: {count} messages "
        f"from number {numbers[0] if numbers else 0}, confirmed up to "
        f"{state.confirmed}, appended up to {state.last}"
    )


def at_capacity(options: ProducerOptions) -> MailboxFull:
    return MailboxFull(
        f"the producer '{options.producer}' keeps {options.capacity} messages that "
        "are not confirmed, its capacity"
    )


_lives = itertools.count(time.time_ns())


def next_session() -> int:
    """Higher with each call in this process, and with the wall clock from process to process."""
    return max(next(_lives), 1)


# The controllers' own timer.
@dataclass(frozen=True, slots=True)
class Tick:
    pass
